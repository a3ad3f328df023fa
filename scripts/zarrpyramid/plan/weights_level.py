"""The level of another image by which means are weighed, as it stands in the store.

Voxels of level n are weighed by those of level n - 1 of the image of weights, which are as many as
those of level n - 1 of the image itself. Imports no array library.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import (
    LevelPaths,
    base_path,
    is_inside,
    join,
    parse_array,
    reach,
    read_node,
    way_to_image,
)
from zarrpyramid.reduce import kind_of

from .base_objects import watched_by
from .source import trust_linked_base
from .stored import Level, record_of, stored_objects
from .weights import WEIGHT_KINDS

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Node, Record
    from zarrpyramid.stores import Store

    from .image import Image


@dataclass(frozen=True, eq=False)
class WeightsLevel:
    """A level of an image of weights, opened once as `stored.Level`.

    Attributes
    ----------
    path
        Path of its array in the store.
    """

    store: Store
    path: str
    number: int

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.store.name}/{self.path}"

    @cached_property
    def node(self) -> Node | None:
        """The node at its path, None where there is none."""
        return read_node(self.store, self.path)

    @cached_property
    def metadata(self) -> ArrayMetadata:
        """The metadata of its array.

        Raises
        ------
        PyramidError
            If no array is there, or its documents are damaged.
        """
        if self.node is None or self.node.kind == "group":
            more = "; build the levels of the weights first, as many and by the same factors"
            if self.number == 0:
                more = way_to_image(self.store, self.path.rpartition("/")[0])
            raise StoreError(f"there is no array {self.name} to weigh voxels by{more}")
        return parse_array(self.node.documents, self.name)

    @property
    def record(self) -> Record:
        """The record that it carries of itself; {} at level 0, and where it is not ours."""
        return (record_of(self.node) or {}) if self.number else {}

    @property
    def proof(self) -> Record:
        """What the record of a level that is made with it says of it; {} of a level 0."""
        return {"weights": self.record.get("digest")} if self.number else {}

    def check(self, shape: Shape, factors: Shape) -> None:
        """See that it has weights for all voxels of a level.

        Parameters
        ----------
        shape, factors
            Of the level whose voxels it weighs.

        Raises
        ------
        StoreError
            If it has not.
        """
        found = self.metadata
        if found.shape != shape:
            raise StoreError(
                f"{self.name} has shape {list(found.shape)}, the voxels that it is to weigh have "
                f"{list(shape)}; give weights of the same shape and scale_factors"
            )
        if kind_of(found.dtype) not in WEIGHT_KINDS:
            raise StoreError(
                f"{self.name} is of {found.dtype}, expected weights of real numbers; give others"
            )
        recipe = self.record.get("recipe", {})
        if self.number and (recipe.get("factors") != [*factors] or "digest" not in self.record):
            raise StoreError(
                f"{self.name} was not made here by factors {list(factors)}; give weights whose "
                "levels have the same scale_factors, and build them first"
            )

    def objects(self) -> list[tuple[str, int, int]]:
        """Return key, bytes and version of the stored objects that are there now."""
        return stored_objects(self.store, self.path)


def find_weights(store: Store, group: str, path: str, number: int) -> WeightsLevel:
    """Return a level of the weights of an image, which need not be there.

    Parameters
    ----------
    store, group
        Of the image whose means are weighed.
    path
        Path of the weights' group from that group.

    Raises
    ------
    StoreError
        If the path leads out of the store.
    """
    at = weights_group(store, group, path)
    node = read_node(store, at)
    base = (None if node is None else base_path(node.attributes)) or "0"
    trust_linked_base(store, node, reach(at, base))
    return WeightsLevel(store, reach(at, LevelPaths(base=base).path(number)), number)


def weights_group(store: Store, group: str, path: str) -> str:
    """Return where in a store the group of an image's weights is; arguments as `find_weights`.

    Raises
    ------
    StoreError
        If it is not in the store: a record that strangers wrote reads nothing around it.
    """
    at = posixpath.normpath(join(group, path))
    if at == ".":
        return ""
    if not is_inside(at):
        raise StoreError(
            f"weights {path!r} of {join(store.name, group)} lead out of {store.name}; make the "
            "folder that holds both a group: zarr.create_group(FOLDER)"
        )
    return at


def weights_of(level: Level) -> WeightsLevel | None:
    """Return what the voxels are weighed by that a level is made from; None where nothing is."""
    path = level.plan.weights
    if not path or level.number == 0:
        return None
    return find_weights(level.store, level.image.path, path, level.number - 1)


def weights_watch(level: Level) -> str | None:
    """Return what changes with the weights of a level, as far as that is seen without reading.

    Of weights that are levels that is their digest, of a level 0 its objects, where the image's
    `base_watch` looks at objects.
    """
    weights = weights_of(level)
    if weights is None:
        return None
    if weights.number:
        return str(weights.record.get("digest", ""))
    if watched_by(level.image) != "objects":
        return ""
    lines = map(str, weights.objects())
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def check_weights_there(image: Image) -> None:
    """See that all levels are there that weigh voxels of an image which is about to be built.

    Raises
    ------
    PyramidError
        If one is not, or does not fit.
    """
    for level in image.plan.levels[1:]:
        finer = image.plan.levels[level.level - 1]
        weights = weights_of(Level(image, level.level))
        if weights is not None:
            weights.check(finer.shape, finer.factors)
