"""The configuration of a run: its keys, checked, and the images that it names."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.stores import is_url

from .bases import TestImage
from .declare import Setting, Settings, settings_of
from .extent import check_extent
from .forms import AutoOr, ListOf, MappingOf, Place, Text
from .image import image_config
from .names import checked_name, group_path, short_name
from .samples import read_samples
from .settings import IMAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import ImageConfig

_OPTIONAL_STORE = dataclasses.replace(IMAGE["store"], default=None)
_AUTO = "auto"

RUN = {
    "images": Setting(
        AutoOr(MappingOf(Settings(IMAGE, expected="a mapping of settings, with at least store"))),
        "The images to make pyramids of. Each has a name, and under it `store`, `field` and every "
        "other setting that applies only to this image. `auto` finds the images of a `container`.",
        expected="auto, or a mapping of image names to their settings",
        default={},
    ),
    "container": Setting(
        Place(),
        "Path or URL of a store, a group in it, or a folder. All images in it are built: fields of "
        "the wells of plates, series of bioformats2raw, and every other group with a level 0. The "
        "`labels` of each image are built too, with the image's factors and number of levels. A "
        "setting at the top applies to all images. An image is named after its path: `B.03.0` is "
        "`B/03/0`.",
        expected="a path or a URL",
        default="",
    ),
    "select": Setting(
        ListOf(Text(least=1)) | Text(least=1),
        "Which images of the `container` are built: those whose paths match, or that lie in a "
        "group whose path matches. `*` and `?` stand for any characters except `/`, and `**` for "
        "any number of groups.",
        expected="a pattern such as B/03/*, or a list of them",
        default="**",
    ),
    "samples": Setting(
        Place(),
        "A table of images with a header and one image per row: tab-separated, or comma-separated "
        "if its name ends with .csv. The column `sample` names the image; every other column is a "
        "setting of an image, such as `store`. An empty cell keeps the setting that applies to all "
        "images.",
        expected="the path of a table, such as samples.tsv",
        default="",
    ),
    **{key: known for key, known in IMAGE.items() if known.for_all},
    "store": _OPTIONAL_STORE,
    "demo": Setting(
        Settings({"store": _OPTIONAL_STORE, "field": IMAGE["field"], **settings_of(TestImage)}),
        "The image that is made, and whose pyramid is built, if the configuration names no other "
        "in `images` or `store`.",
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """The container of a run.

    Attributes
    ----------
    name
        Names the folder of its summary.
    template
        The settings of all its images; its `store` is the container.
    select
        Patterns of the paths of images.
    """

    name: str
    template: ImageConfig
    select: tuple[str, ...]


def container_config(config: Mapping[str, Any]) -> Container | None:
    """Return the container whose images a configuration asks for, if it does.

    Raises
    ------
    ConfigError
        If a setting does not fit.
    """
    checked = check_config(config)
    if not checked.get("container"):
        return None
    for key in ("images", "samples", "store", "field", "source", "link_base", "base", "base_ready"):
        if checked.get(key) and checked[key] != _AUTO:
            raise ConfigError(
                f"container and {key} do not go together: the images of a container are those that "
                f"are found in it; leave {key} out"
            )
    if checked.get("weights"):
        raise ConfigError(
            "container takes no weights; name images and their weights in images, or leave "
            "weights out"
        )
    own = {key: value for key, value in checked.items() if key in IMAGE}
    template = image_config("container", {**own, "store": checked["container"]})
    select = checked.get("select", RUN["select"].default)
    return Container(
        name=short_name(template.store, ""),
        template=template,
        select=(select,) if isinstance(select, str) else tuple(select),
    )


def image_configs(config: Mapping[str, Any], results: Path | None = None) -> list[ImageConfig]:
    """Return the images that a configuration names, in its order.

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
    for key, is_given in (("images: auto", given == _AUTO), ("select", "select" in checked)):
        if is_given:
            msg = f"{key} is about the images of a container; give container: PATH beside it"
            raise ConfigError(msg)
    images, store, field = (checked.pop(key, None) for key in ("images", "store", "field"))
    demo = checked.pop("demo", {})
    if samples := checked.pop("samples", ""):
        if images or store is not None:
            other = "images" if images else "store"
            raise ConfigError(f"samples and {other} both name images; keep one of them")
        images = read_samples(Path(samples), IMAGE)
    shared = {key: value for key, value in checked.items() if key in IMAGE}
    for key, value in (("source", shared.get("source") or None), ("field", field)):
        if value is not None and store is None and not images:
            raise ConfigError(f"{key} {value!r} is given without a store; add --config store=PATH")
    if store is not None:
        own = {**shared, "store": store, "field": field or ""}
        image = image_config(short_name(store, field or ""), own)
        configs = [dataclasses.replace(image, name=short_name(image.store, image.field, results))]
    elif images:
        shared = shared if field is None else {"field": field, **shared}
        configs = [
            image_config(checked_name(name), {**shared, **own}) for name, own in images.items()
        ]
    elif demo:
        made = {key: demo.pop(key) for key in ("store", "field") if key in demo}
        if "store" not in made:
            raise ConfigError("demo: store is missing; add the path where the demo is to be made")
        configs = [image_config("demo", {**shared, **made, "test_image": demo})]
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
    named = checked.get("images", {})
    for own in named.values() if named != _AUTO else ():
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
