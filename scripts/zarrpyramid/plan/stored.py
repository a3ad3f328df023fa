"""A level as it stands in its store: its metadata document, its record and its stored objects.

A `Level` reads its document at the first look and keeps it, so that a job that holds one `Level`
reads the document once. Imports no array library.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import MetadataError, StoreError
from zarrpyramid.metadata import (
    RECORD_KEY,
    levels_there,
    listed_paths,
    object_stats,
    our_metadata,
    packing,
    parse_array,
    read_node,
    well_formed,
)
from zarrpyramid.reduce import METHODS
from zarrpyramid.stores import TEMPORARY_SUFFIX

if TYPE_CHECKING:
    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import ArrayMetadata, Node, Record
    from zarrpyramid.stores import Store

    from .image import Image
    from .levels import LevelPlan

OBJECT_KEY = re.compile(r"(c[./])?\d+([./]\d+)*")
"""Key of a stored object, of either format and separator."""

LITTER_KEY = re.compile(rf".*{re.escape(TEMPORARY_SUFFIX)}|.*[./][0-9a-f]{{32}}\.partial")
"""Key of a temporary file that a killed writer left, ours or zarr-python."""


@dataclass(frozen=True, eq=False)
class Level:
    """One level of an image, opened once: what stood there at the first look stays in this object.

    Whoever needs what stands there now makes a new `Level`.

    Attributes
    ----------
    number
        0 is the base. It may be beyond the plan where another program or an earlier run made more.
    """

    image: Image
    number: int

    @property
    def store(self) -> Store:
        """The store of the image."""
        return self.image.store

    @property
    def path(self) -> str:
        """Path of the level's array in the store."""
        return self.image.level_path(self.number)

    @property
    def name(self) -> str:
        """What messages call the level."""
        return self.image.name(self.number)

    @property
    def plan(self) -> LevelPlan:
        """What is planned of the level."""
        return self.image.plan.levels[self.number]

    @property
    def node(self) -> Node | None:
        """The group or array at the level's path, None where there is no metadata document.

        One that is damaged counts as none where it is of a level that we made: a build makes it.

        Raises
        ------
        MetadataError
            If a document of anything else is damaged.
        """
        return self._found[0]

    @property
    def is_damaged(self) -> bool:
        """Whether a level that we made has a document that nobody can read."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[Node | None, bool]:
        try:
            node = read_node(self.store, self.path)
        except MetadataError:
            if not self.is_promised:
                raise
            return None, True
        try:
            if self.number and node is not None and node.kind == "array" and record_of(node):
                parse_array(node.documents, self.name)
        except MetadataError:
            if self.is_promised:
                return None, True
        return node, False

    @cached_property
    def is_promised(self) -> bool:
        """Whether a list that we wrote names this level as one that was made."""
        group = read_node(self.store, self.image.path) if self.number else None
        attributes = {} if group is None else group.attributes
        listed = listed_paths(attributes) if our_metadata(attributes) else []
        return self.image.paths.path(self.number) in listed

    @cached_property
    def metadata(self) -> ArrayMetadata:
        """The metadata of the level's array.

        Raises
        ------
        StoreError
            If no array is there.
        MetadataError
            If its documents are damaged or describe what this package does not serve.
        """
        if self.node is None:
            raise StoreError(
                f"there is no array {self.name}; expected level {self.number} of an image"
            )
        if self.node.kind == "group":
            raise StoreError(f"{self.name} is a group, expected an array; move it away")
        return parse_array(self.node.documents, self.name)

    @cached_property
    def record(self) -> Record | None:
        """The record that the level carries of itself, None where it is not one of ours."""
        return record_of(self.node)

    @cached_property
    def planned(self) -> ArrayMetadata:
        """The metadata that the plan gives the level: level 0's, with its own extents and codecs.

        Of attributes it has xarray's names and what CF says of level 0's numbers; the record is
        added when the level is published.
        """
        plan = self.image.plan
        is_packed = METHODS[self.plan.method].keeps_dtype  # sums of packed numbers unpack otherwise
        target = plan.pattern.derive(
            shape=self.plan.shape,
            chunks=self.plan.chunks,
            shards=self.plan.shards,
            attributes=packing(plan.base.attributes) if is_packed else {},
            dtype=self.plan.dtype,
        )
        # Where no list can name the axes, nothing else says what they are.
        return target.named([axis.dimension for axis in plan.axes], anyway=not plan.lists_levels)

    def published(self, record: Record) -> ArrayMetadata:
        """Return the planned metadata with the level's record, as it stands once all is written."""
        attributes = {**self.planned.attributes, RECORD_KEY: record}
        return replace(self.planned, attributes=attributes)

    @property
    def form(self) -> Record:
        """What the plan makes of the level, as JSON holds it: recipe and metadata, no source."""
        document = json.loads(json.dumps(self.planned.document))
        return {**self.plan.expected, "document": document}

    @property
    def may_be_replaced(self) -> bool:
        """Whether the configuration gives up what others made in the level's place."""
        return self.image.plan.image.overwrite and 0 < self.number < len(self.image.plan.levels)

    @property
    def is_foreign(self) -> bool:
        """Whether something stands there that is not ours and is to stay."""
        is_ours = self.number == 0 or self.node is None or self.record is not None
        return not is_ours and not self.may_be_replaced

    def objects(self) -> list[tuple[str, int, int]]:
        """Return key, bytes and version of the stored objects that are there now, sorted by key.

        Documents and temporary files do not count.
        """
        return stored_objects(self.store, self.path)


def record_of(node: ArrayMetadata | Node | None) -> Record | None:
    """Return the record that an array carries of itself, or None where it is none of our levels.

    Entries whose form no record of ours has are left out.
    """
    record = None if node is None else node.attributes.get(RECORD_KEY)
    return well_formed(record) if isinstance(record, dict) else None


def stored_objects(store: Store, path: str) -> list[tuple[str, int, int]]:
    """Return key, bytes and version of the objects of an array at any path, sorted by key."""
    return sorted(found for found in object_stats(store, path) if OBJECT_KEY.fullmatch(found[0]))


def object_place(array: ArrayMetadata, key: str) -> Index | None:
    """Return the place that an object's key tells, also beyond the grid; None for other keys."""
    if not OBJECT_KEY.fullmatch(key):
        return None
    index = tuple(map(int, re.findall(r"\d+", key)))
    is_of = len(index) == len(array.shape) and array.object_key(index) == key
    return index if is_of else None


def is_beyond(array: ArrayMetadata, key: str) -> bool:
    """Tell whether a key is of an object beyond the array's extents, as a killed growth leaves."""
    grid = geometry.grid_shape(array.shape, array.write_shape)
    place = object_place(array, key)
    return place is not None and any(i >= n for i, n in zip(place, grid, strict=True))


def levels_beside(image: Image, first: int = 1) -> list[Level]:
    """Return the levels from `first` on at whose paths something stands, whoever made it."""
    numbers = levels_there(image.store, image.path, image.paths)
    levels = (Level(image, number) for number in numbers if number >= first)
    return [level for level in levels if level.node]


def our_levels(image: Image, first: int = 1) -> list[Level]:
    """Return the levels from `first` on that carry our record.

    Groups, links and arrays that this package does not serve may stand beside them.
    """
    return [
        level
        for level in levels_beside(image, first)
        if level.record and not level.store.is_link(level.path)
    ]


def unplanned_levels(image: Image) -> list[Level]:
    """Return the levels of ours beyond the last one of the plan, which a build removes."""
    return our_levels(image, len(image.plan.levels))
