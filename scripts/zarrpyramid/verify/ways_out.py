"""The command that leads out: levels are made, listed again, or put in the place of others'.

A command that builds has the settings that documents tell. Without them it would make other levels
than those that stand, and remove what it does not plan.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import check_config, image_config, short_name
from zarrpyramid.errors import ConfigError, PyramidError
from zarrpyramid.plan import Level, check_axes, open_image

from .findings import build_command
from .votes import Votes

if TYPE_CHECKING:
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image

    from .pyramid import Pyramid

    Settings = dict[str, Any]

_MAKE = (
    *("scale_factors", "method", "nodata_share", "nodata", "rounding", "weights", "labels"),
    *("axes", "dtype", "chunks", "shards", "compressor", "checksum", "write_empty_chunks"),
)
"""The settings that make levels what they are, beside their number."""


def making(pyramid: Pyramid) -> str:
    """Return how levels are made that are not there yet.

    What documents tell of is mended by `relisting` and `Pyramid.repair`.
    """
    if pyramid.store.is_read_only:
        return "build it where it can be written"
    if pyramid.store.folder("") is None and not pyramid.store.is_remote:  # no run reaches memory
        return "build it with build_pyramid, with the settings that it is to have"
    if refused := _why_refused(pyramid):
        return f"no run takes it as it is: {refused}"
    build = _build(pyramid, *_told_words(pyramid))
    return f"build it, with the settings that it is to have: {build}"


def relisting(pyramid: Pyramid) -> str:
    """Return how the levels are listed again, or those of another program are replaced."""
    is_ours = pyramid.ours or pyramid.unrecorded
    if is_ours and not pyramid.foreign:  # a repair never removes what others made
        return pyramid.repair()
    return replacing(pyramid)


def replacing(pyramid: Pyramid) -> str:
    """Return how the levels of another program are replaced."""
    if pyramid.is_further:
        return "by the program that wrote them"
    return _build(pyramid, "overwrite=true", *_told_words(pyramid))


def _build(pyramid: Pyramid, *settings: str) -> str:
    more = ("follow_links=true",) if pyramid.follow_links else ()
    return build_command(pyramid.where, pyramid.store.options, *settings, *more)


def _told_words(pyramid: Pyramid) -> list[str]:
    """Return the settings that records and list tell, without those that a run would find itself.

    The number of levels is told by the list. Where that is lost, there are at least as many as
    stand.
    """
    try:
        found = Votes(pyramid, as_stated=True)
        method, no_data = found.reductions[0]
        told = found.settings(method, no_data)
        steps = told["scale_factors"]
        if all(step == steps[0] for step in steps):
            told["scale_factors"] = steps[0]
        kept = {key: told[key] for key in ("levels", *_MAKE) if key in told}
        wanted = _forms(pyramid, kept)
        may_go = _MAKE if pyramid.provenance is not None else (*_MAKE, "levels")
        for key in may_go:
            fewer = {name: value for name, value in kept.items() if name != key}
            if key in kept and _makes(pyramid, fewer, wanted):
                kept = fewer
    except PyramidError:  # nothing tells
        return []
    kept |= {"zarr_conventions": True} if "zarr_conventions" in told else {}
    kept |= {} if told["edit_base"] else {"edit_base": False}
    return [f"{key}={_spelled(value)}" for key, value in kept.items()]


def _why_refused(pyramid: Pyramid) -> str:
    """Return why no run takes the image as it stands, and the way out; "" where one takes it."""
    try:
        check_axes(_image(pyramid, {}).plan)
    except ConfigError as error:
        return str(error)
    except PyramidError:  # told where its documents are looked at
        pass
    return ""


def _makes(pyramid: Pyramid, settings: Settings, wanted: list[Record]) -> bool:
    """Tell whether settings make these levels, and perhaps more."""
    try:
        return _forms(pyramid, settings)[: len(wanted)] == wanted
    except PyramidError:
        return False


def _forms(pyramid: Pyramid, settings: Settings) -> list[Record]:
    """Return the forms of the levels that settings make."""
    image = _image(pyramid, settings)
    return [Level(image, plan.level).form for plan in image.plan.levels[1:]]


def _image(pyramid: Pyramid, settings: Settings) -> Image:
    given = {"store": pyramid.store.name, "field": pyramid.path, "parts": 1, **settings}
    config = image_config(short_name(pyramid.where, ""), check_config(given), is_read=True)
    return open_image(config, pyramid.store, pyramid.path)


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
