"""A pyramid as it stands in a store, whoever made it: its group and its levels, found by documents.

Plans nothing and reads no voxel; what is right or wrong is for others to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError, StoreError
from zarrpyramid.metadata import (
    LevelPaths,
    base_path,
    is_inside,
    join,
    levels_there,
    listed_paths,
    locate,
    open_group,
    parse_array,
    read_multiscales,
    read_node,
)
from zarrpyramid.plan import record_of, trust_linked_base

from .findings import repair_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarrpyramid.metadata import ArrayMetadata, Node, Record
    from zarrpyramid.stores import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLevel:
    """One level.

    Attributes
    ----------
    number
        Its place in the pyramid; 0 is the finest.
    path
        Of its array in the group.
    metadata
        None where there is no array that can be read.
    fault
        Why there is none.
    listed
        Whether the group's multiscales lists it.
    """

    number: int
    path: str
    metadata: ArrayMetadata | None
    fault: str
    listed: bool

    @property
    def record(self) -> Record | None:
        """What the level says of itself, if we made it."""
        return record_of(self.metadata) if self.number else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """A pyramid's group and its levels, the finest first.

    Attributes
    ----------
    path
        Of the group in the files.
    """

    store: Store
    path: str
    group: Node
    levels: tuple[FoundLevel, ...]

    @property
    def where(self) -> str:
        """Path of the group."""
        return f"{self.store.name}/{self.path}".rstrip("/")

    @property
    def multiscales(self) -> dict[str, Any] | None:
        """What the group lists, or None."""
        return read_multiscales(self.group.attributes)

    def repair(self, options: str = "") -> str:
        """Return what mends the pyramid, a command; `options` as for `repair_command`."""
        if not self.store.lists:
            return "mend it where it can be written: there, zarrpyramid verify STORE/FIELD --repair"
        return repair_command(self.where, options, self.store.options)

    @property
    def is_ours(self) -> bool:
        """Whether any level carries our record."""
        return any(level.record is not None for level in self.levels)

    @property
    def paths(self) -> LevelPaths:
        """Where our levels stand, by the path of level 0."""
        return LevelPaths(base=self.levels[0].path)

    def array_path(self, level: FoundLevel) -> str:
        """Return the path of a level's array in the files."""
        return join(self.path, level.path)

    def name(self, level: FoundLevel, key: str = "") -> str:
        """Return the full path of a level's array, or of an object in it."""
        return join(self.where, level.path, key)


def survey_pyramid(
    path: str, *, follow_links: bool = False, storage_options: Mapping[str, Any] | None = None
) -> Survey:
    """Find the pyramid whose group is at a path.

    Levels are what the group lists first of its multiscales, in that order, and arrays with our
    record that it does not list; where it lists nothing, the arrays at `0`, `1` and so on.

    Raises
    ------
    PyramidError
        If there is no group, or no level in it.
    """
    store, inside = locate(path, "", follow_links=follow_links, options=storage_options)
    group = open_group(store, inside)
    listed = listed_paths(group.attributes)
    base = base_path(group.attributes) or "0"
    if is_inside(base):
        trust_linked_base(store, group, join(inside, base))
    paths = LevelPaths(base=base)
    found = {name: _look(store, join(inside, name), name) for name in listed}
    beside = [base, *map(paths.path, levels_there(store, inside, paths))]
    for name in dict.fromkeys(beside):
        metadata, fault = _look(store, join(inside, name), name)
        if name not in found and metadata and (not listed or record_of(metadata)):
            found[name] = metadata, fault
    # Ours may be listed before a thumbnail of others that is smaller.
    levels = tuple(
        FoundLevel(number=n, path=name, metadata=metadata, fault=fault, listed=name in listed)
        for n, (name, (metadata, fault)) in enumerate(found.items())
    )
    if not levels:
        fault = _look(store, join(inside, base), base)[1]
        if fault.startswith("cannot"):
            raise StoreError(f"{store.name}/{join(inside, base)} {fault}")
        raise StoreError(
            f"{store.name}/{inside}".rstrip("/")
            + " lists no levels and has no array 0; give the path of an image's group"
        )
    return Survey(store=store, path=inside, group=group, levels=levels)


def _look(store: Store, path: str, name: str) -> tuple[ArrayMetadata | None, str]:
    """Return the metadata of an array, or why there is none."""
    if not is_inside(name):
        return None, "is no path inside the group"
    try:
        node = read_node(store, path)
        if node is None:
            return None, "is listed, and there is no array"
        if node.kind == "group":
            return None, "is listed, and a group, not an array"
        return parse_array(node.documents, path), ""
    except (MetadataError, StoreError) as error:
        return None, f"cannot be read: {error}"
