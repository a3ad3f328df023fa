"""The configuration of a run: its keys, checked, and the images that it names."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.stores import is_url

from .bases import TestImage
from .declare import Setting, Settings, settings_of
from .extent import check_extent
from .forms import MappingOf, Text
from .image import image_config
from .names import checked_name, group_path, short_name
from .settings import IMAGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .settings import ImageConfig

_OPTIONAL_STORE = dataclasses.replace(IMAGE["store"], default=None)

RUN = {
    "images": Setting(
        MappingOf(Settings(IMAGE, expected="a mapping of settings, with at least store")),
        "The images to make pyramids of. Each has a name, and under it `store`, `field` and every "
        "other setting that this image needs for itself.",
        expected="a mapping of image names to their settings",
        default={},
    ),
    **{key: known for key, known in IMAGE.items() if known.for_all},
    "store": _OPTIONAL_STORE,
    "demo": Setting(
        Settings({"store": _OPTIONAL_STORE, "field": IMAGE["field"], **settings_of(TestImage)}),
        "The image that is made, and whose pyramid is built, while the configuration names no "
        "other in `images` or `store`.",
        expected="a mapping with store, field and the keys of a test image",
        default={},
    ),
    "pathvars": Setting(
        MappingOf(Text(least=1)),
        "Where Snakemake puts the folders `results` and `logs`. Relative paths start at the "
        "working directory.",
        expected="a mapping of results and logs to paths",
        default={},
    ),
}
"""The keys at the top of a configuration, by name."""


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration in the types of its settings, without defaults.

    Values that the command line turned into numbers become strings again where a string is meant,
    and texts such as ``[2,1]`` become the lists or numbers that they spell. A key without a value
    counts as not given.

    Raises
    ------
    ConfigError
        If a key is unknown (the nearest known one is named) or a value does not fit.
    """
    check_extent(config, "the configuration")
    checked: dict[str, Any] = Settings(RUN).fit(dict(config), "", "")
    return checked


def image_configs(config: Mapping[str, Any], results: Path | None = None) -> list[ImageConfig]:
    """Return the images of a run in the order of the configuration.

    Parameters
    ----------
    config
        As Snakemake merged it from files and command line.
    results
        Folder of results; where another image has taken the short form's name there, a few hex
        digits of the absolute path are added to it.

    Raises
    ------
    ConfigError
        If a setting does not fit, no image is named, or two images are the same group.
    """
    checked = check_config(config)
    given: Any = config.get("images")
    for name, own in given.items() if isinstance(given, dict) else ():
        if own is None:
            msg = f"images.{name} is empty; give it a store, such as {name}: {{store: PATH}}"
            raise ConfigError(msg)
    images, store, field = (checked.pop(key, None) for key in ("images", "store", "field"))
    demo = checked.pop("demo", {})
    checked.pop("pathvars", None)  # Snakemake's own
    for key, value in (("source", checked.get("source") or None), ("field", field)):
        if value is not None and store is None and not images:
            raise ConfigError(f"{key} {value!r} is given without a store; add --config store=PATH")
    if store is not None:
        own = {**checked, "store": store, "field": field or ""}
        image = image_config(short_name(store, field or ""), own)
        configs = [dataclasses.replace(image, name=short_name(image.store, image.field, results))]
    elif images:
        shared = checked if field is None else {"field": field, **checked}
        configs = [
            image_config(checked_name(name), {**shared, **own}) for name, own in images.items()
        ]
    elif demo:
        made = {key: demo.pop(key) for key in ("store", "field") if key in demo}
        if "store" not in made:
            raise ConfigError("demo: store is missing; add the path where the demo is to be made")
        configs = [image_config("demo", {**checked, **made, "test_image": demo})]
    else:
        msg = "no image is named; give --config store=PATH field=NAME, or images: in a config file"
        raise ConfigError(msg)
    _check_groups(configs)
    return configs


def options_for(path: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `storage_options` that a configuration has for the image at a path or URL.

    Those of the image that stands there, else those of all.

    Raises
    ------
    ConfigError
        If a setting does not fit.
    """
    checked = check_config(config)
    for own in checked.get("images", {}).values():
        field = own.get("field", checked.get("field", ""))
        if group_path(own["store"], field) == path.rstrip("/") and "storage_options" in own:
            return dict(own["storage_options"])
    return dict(checked.get("storage_options", {}))


def _check_groups(configs: list[ImageConfig]) -> None:
    """Refuse two images that are the same group."""
    names: dict[str, str] = {}
    for image in configs:
        path = group_path(image.store, image.field)
        other = names.setdefault(path if is_url(path) else os.path.realpath(path), image.name)
        if other != image.name:
            msg = f"images.{image.name} and images.{other} are the same group {path}; keep one"
            raise ConfigError(f"{msg} of them")
