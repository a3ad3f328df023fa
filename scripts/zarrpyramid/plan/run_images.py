"""The images of a run by name: those that a configuration names, or those of its container."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.config import image_configs
from zarrpyramid.errors import ConfigError, nearest
from zarrpyramid.metadata import join
from zarrpyramid.stores import is_url

from .conflicts import why_nested
from .members import chosen, container_members, member_names
from .run_image import RunImage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from zarrpyramid.config import Container

    _Answer = TypeVar("_Answer")


def run_images(
    config: Mapping[str, Any], container: Container | None, results: Path, logs: Path
) -> dict[str, RunImage]:
    """Return the images of a run by name, none of which has been opened.

    Parameters
    ----------
    config
        As Snakemake merged it from files and command line.
    container
        The container that it names.
    results, logs
        Folders of all images.

    Raises
    ------
    PyramidError
        If a setting does not fit, the container cannot be read, or no image is in it or selected.
    """
    if container is None:
        images = {image.name: RunImage(image, logs) for image in image_configs(config, results)}
    else:
        images = _members(container, results, logs)
    images = _with_companions(images)
    around = _Around(images)
    groups_read: set[str] = set()
    for image in images.values():
        image.why_nested, image.groups_read = around.why_nested, groups_read
        if place := image.weights_where:
            if weights := around.at(place):
                image.weights, weights.weighs = weights, True
            else:
                image.near_weights = around.near_weights(image)
    return images


def _with_companions(images: Mapping[str, RunImage]) -> dict[str, RunImage]:
    """Return images by name, each with its companions after it."""
    every: dict[str, RunImage] = {}
    places = {image.where: name for name, image in images.items()}
    for name, image in images.items():
        every[name] = image
        for each in image.companions():
            if each.name in images or each.where in places:
                other = each.name if each.name in images else places[each.where]
                raise ConfigError(
                    f"image {name}: also {each.config.companion} makes the image {each.name} in "
                    f"{each.where}, which is that of images.{other}; rename one of them, or leave "
                    f"{each.config.companion} out of also"
                )
            every[each.name] = each
    return every


def _members(container: Container, results: Path, logs: Path) -> dict[str, RunImage]:
    """Return the images of a container that are selected."""
    store, inside, members = container_members(container)
    names = member_names(list(members), container, results)
    made: dict[str, RunImage] = {}
    for path, member in members.items():  # labels come after the image that they label
        config = replace(container.template, name=names[path], field=path)
        labelled = None if member.image is None else made[member.image]
        fault = member.fault and f"image {names[path]}: {member.fault}"
        made[path] = RunImage(
            config, logs, store=store, path=join(inside, path), labelled=labelled, fault=fault
        )
    paths = chosen(list(made), container.select, container.template.store)
    return {names[path]: made[path] for path in paths}


def ask_all(images: Sequence[RunImage], ask: Callable[[RunImage], _Answer]) -> list[_Answer]:
    """Return the answers of images, which are asked side by side where requests are slow."""
    first = next((image.found for image in images if image.found is not None), None)
    if first is None or first.store.at_once == 1:
        return [ask(image) for image in images]
    with ThreadPoolExecutor(first.store.at_once) as pool:
        return list(pool.map(ask, images))


class _Around:
    """The images of a run by the real paths of their groups, resolved at the first question."""

    def __init__(self, images: dict[str, RunImage]) -> None:
        self.images = images
        self._known: dict[str, str] = {}

    @cached_property
    def _by_place(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, image in self.images.items():
            found.setdefault(self._real(image.where), []).append(name)
        return found

    def _real(self, place: str) -> str:
        """Return a path without links, each looked up once."""
        if place not in self._known:
            above, _, name = place.rpartition("/")
            if is_url(place) or not name or name in (".", ".."):
                self._known[place] = place if is_url(place) else os.path.realpath(place)
            elif not above or os.path.islink(place):  # noqa: PTH114
                self._known[place] = os.path.realpath(place)
            else:
                self._known[place] = f"{self._real(above).rstrip('/')}/{name}"
        return self._known[place]

    def at(self, place: str) -> RunImage | None:
        """Return the image whose group is at a path, None where there is none."""
        names = self._by_place.get(self._real(place), ())
        return next((self.images[name] for name in names), None)

    def near_weights(self, image: RunImage) -> str:
        """Return which other image of its store may be meant by an image's weights."""
        others = [other.config for other in self.images.values() if other is not image]
        fields = [other.field for other in others if other.store == image.config.store]
        return nearest(image.config.weights or "", fields)

    def why_nested(self, image: RunImage) -> str:
        """Return why an image cannot be where it is, or ""; opens those in whose groups it lies."""
        above = Path(self._real(image.where)).parents
        names = [name for place in above for name in self._by_place.get(str(place), ())]
        others = {name: self.images[name].found for name in names}
        there = {name: other for name, other in others.items() if other is not None}
        return why_nested(image.image, there) if there else ""
