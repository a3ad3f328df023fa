"""The record of one image, made from its settings, which must not contradict each other."""

from __future__ import annotations

import copy
import os
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.programs import command
from zarrpyramid.stores import (
    check_options,
    check_url,
    is_url,
    split_archive,
    why_not_written,
)

from .bases import DeclaredBase, TestImage
from .declare import frozen, settings_of
from .names import checked_field
from .settings import IMAGE, ImageConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .declare import Setting


def image_config(name: str, given: Mapping[str, Any], *, is_read: bool = False) -> ImageConfig:
    """Return one image's record: checked settings, with the defaults of those that are absent.

    Parameters
    ----------
    given
        Settings that `check_config` has checked.
    is_read
        Whether the image's store is only looked at, and may be on a web server.

    Raises
    ------
    ConfigError
        If settings contradict each other.
    """
    values = _recorded(IMAGE, given)
    for key in ("store", "field", "base_path", "source", "weights"):
        if "\0" in (values[key] or ""):
            raise ConfigError(
                f"image {name}: {key} {values[key]!r} contains a NUL, which no path may"
            )
    values["field"] = checked_field(values["field"], name)
    values["base_path"] = checked_field(values["base_path"] or "", name, "base_path") or None
    values["weights"] = checked_field(values["weights"] or "", name, "weights") or None
    values["store"] = _place(name, "store", values, is_read=is_read)
    values["source"] = values["source"] and _place(name, "source", values, is_read=True)
    if values["test_image"] is not None:
        values["test_image"] = TestImage(**_recorded(settings_of(TestImage), given["test_image"]))
    if values["base"] is not None:
        values["base"] = DeclaredBase(**_recorded(settings_of(DeclaredBase), given["base"]))
    sizes = values["voxel_size"]
    is_named = isinstance(sizes, dict)
    values["voxel_size"] = (
        {axis: float(size) for axis, size in sizes.items()}
        if is_named
        else tuple(map(float, sizes))
    )
    # Through a link it would be the original that is edited.
    values["edit_base"] = values["edit_base"] and not values["link_base"]
    image = ImageConfig(name=name, **values)
    _check_extents(image)
    _check_origin(image)
    if image.also and len({*image.also}) < len(image.also):
        msg = f"also {list(image.also)} names a method twice; give each once"
        raise ConfigError(f"image {image.name}: {msg}")
    return image


def to_settings(image: ImageConfig) -> dict[str, Any]:
    """Return what `restore` makes an image of, as JSON can hold it; defaults are left out."""
    defaults = _defaults()
    values = {each.name: getattr(image, each.name) for each in fields(image)}
    given = {
        key: value for key, value in values.items() if key not in defaults or value != defaults[key]
    }
    forms = {key: asdict(form) for key in ("test_image", "base") if (form := given.get(key))}
    return {**copy.deepcopy(given), **forms}


@cache
def _defaults() -> dict[str, Any]:
    """Return the defaults of all settings; nobody changes them."""
    return _recorded(IMAGE, {})


def restore(settings: Mapping[str, Any]) -> ImageConfig:
    """Return the record of an image from what `to_settings` made of it."""
    values = {**_recorded(IMAGE, {}), **_frozen(settings)}
    if values["test_image"] is not None:
        values["test_image"] = TestImage(**_frozen(values["test_image"]))
    if values["base"] is not None:
        values["base"] = DeclaredBase(**_frozen(values["base"]))
    return ImageConfig(**values)


def _frozen(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: frozen(value) for key, value in values.items()}


def _recorded(settings: Mapping[str, Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: known.recorded(given.get(key, known.default)) for key, known in settings.items()}


def _place(name: str, key: str, values: Mapping[str, Any], *, is_read: bool) -> str:
    """Return a store or a source as it is kept: its absolute path, or its URL."""
    place = values[key]
    if not is_read:
        _check_folder(place, f"image {name}: {key}")
    options = "storage_options" if key == "store" else "source_options"
    where = f"image {name}: {options}"
    if not is_url(place):
        check_options(values[options], where)
        return os.path.abspath(Path(place).expanduser())  # noqa: PTH100 - resolves ..
    url = check_url(place, f"image {name}: {key}", is_read=is_read)
    check_options(values[options], where, url.partition("://")[0])
    return url


def _check_folder(place: str, where: str) -> None:
    """Refuse a store that is, or would be, a single file."""
    if found := split_archive(place):
        raise ConfigError(f"{where} {why_not_written(found[0])}")
    stem, ending = os.path.splitext(place)  # noqa: PTH122 - of a URL too
    if ending.lower() == ".ozx" and not Path(place).is_dir():
        raise ConfigError(
            f"{where} {place} would be a single file, which is made of a pyramid that is complete; "
            f"build {stem}.zarr, then: {command('zarrpyramid', 'pack', f'{stem}.zarr', place)}"
        )


def _check_extents(image: ImageConfig) -> None:
    """Refuse axes that are named twice, and extents that do not fit their shape."""
    if image.axes is not None and len(set(image.axes)) != len(image.axes):
        msg = f"axes {list(image.axes)} name an axis twice; give each its own name"
        raise ConfigError(f"image {image.name}: {msg}")
    for what, form in (("test image", image.test_image), ("base", image.base)):
        if form is None:
            continue
        shards = getattr(form, "shards", None)
        for key, extents in (("chunks", form.chunks), ("shards", shards)):
            if extents is not None and len(extents) != len(form.shape):
                raise ConfigError(
                    f"image {image.name}: {what} of shape {list(form.shape)} has {key} "
                    f"{list(extents)}; give one number for each axis to both"
                )
        if shards and any(outer % inner for outer, inner in zip(shards, form.chunks, strict=True)):
            raise ConfigError(
                f"image {image.name}: base has chunks {list(form.chunks)}, which do not divide its "
                f"shards {list(shards)}; give those of the array that will be there"
            )


def _check_origin(image: ImageConfig) -> None:
    """Refuse more than one origin of level 0, and a link that cannot be."""
    name, store, source = image.name, image.store, image.source
    is_folder = not (is_url(source or "") or split_archive(source or ""))
    if image.link_base and (is_url(store) or not is_folder):
        key, url = ("store", store) if is_url(store) else ("source", source)
        msg = f"link_base needs a local folder as {key}, {url} has no links; leave it out"
        raise ConfigError(f"image {name}: {msg}")
    if image.test_image is not None and source:
        msg = "source and test_image both say what level 0 is; keep one of them"
        raise ConfigError(f"image {name}: {msg}")
    if image.base_path and (image.test_image is not None or source):
        kind = "source" if source else "test_image"
        msg = (
            f"base_path says which array of the group is level 0, {kind} has level 0 made as the "
            "array 0; keep one of them"
        )
        raise ConfigError(f"image {name}: {msg}")
    if (image.base or image.base_ready) and (image.test_image is not None or source):
        kind = "source" if source else "test_image"
        msg = (
            f"{kind} says where level 0 comes from, base and base_ready that others make it; keep "
            "one of them"
        )
        raise ConfigError(f"image {name}: {msg}")
    taken = {key: getattr(image, key) for key in ("series", "channel", "crop", "transpose")}
    for key, value in taken.items():
        if value not in (None, {}) and not source:
            msg = f"{key} says what of a source file is taken; give source: FILE, or leave it out"
            raise ConfigError(f"image {name}: {msg}")
    for axis, ends in image.crop.items():
        if len(ends) != 2 or ends[0] >= ends[1]:
            raise ConfigError(
                f"image {name}: crop.{axis}: expected a start and a larger stop, found {list(ends)}"
            )
    if image.link_base and not source:
        msg = "link_base has nothing to link to; give source: PATH, or leave it out"
        raise ConfigError(f"image {name}: {msg}")
