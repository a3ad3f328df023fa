"""A pyramid found in a store, whoever made it: its group and its levels, read from their documents.

This is the one model that `verify`, `--repair`, `reproduce`, `status`, `lint`, `view` and the
report look at. It plans nothing, reads no voxel and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import AccessError, MetadataError, StoreError
from zarrpyramid.metadata import (
    DEFAULT_AXES,
    Axis,
    LevelPaths,
    all_multiscales,
    axis_type,
    base_path,
    dataset_path,
    datasets_of,
    first_dataset,
    is_label_image,
    is_reached,
    join,
    levels_there,
    listed_axes,
    listed_paths,
    locate,
    mappings,
    ome_attributes,
    open_group,
    our_metadata,
    parse_array,
    placed,
    reach,
    read_array,
    read_axes,
    read_datasets,
    read_multiscales,
    read_node,
    read_transformations,
    stated_version,
)
from zarrpyramid.plan import (
    COPY_KEY,
    READ_AGAIN,
    record_of,
    stored_objects,
    trust_linked_base,
    way_to_base,
    why_all_lost,
    why_lost,
)
from zarrpyramid.stores import as_path, path_inside

from .findings import Finding, repair_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.metadata import ArrayMetadata, Document, Node, Record
    from zarrpyramid.stores import Store

    _Read = tuple[ArrayMetadata | None, str]

ABSENT = "is listed, but there is no array"
"""The fault of a listed level at whose path nothing stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLevel:
    """One level of a pyramid.

    Attributes
    ----------
    number
        Its place in the pyramid; 0 is the finest.
    path, at, name
        Path of its array in the group, in the store, and as messages say it.
    metadata, fault
        None where no array can be read, and why.
    listed
        Whether the group's multiscales lists it.
    """

    number: int
    path: str
    metadata: ArrayMetadata | None
    at: str = ""
    name: str = ""
    fault: str = ""
    listed: bool = True

    @property
    def record(self) -> Record | None:
        """The record that the level carries, where zarrpyramid made it."""
        return record_of(self.metadata) if self.number else None

    @property
    def array(self) -> ArrayMetadata:
        """The metadata of a level that can be read."""
        assert self.metadata is not None, self.fault
        return self.metadata

    @property
    def form(self) -> Record:
        """What the level's document says of its form, in the words of a record."""
        array = self.array
        shards = None if array.shards is None else list(array.shards)
        extents = {"shape": list(array.shape), "chunks": list(array.chunks), "shards": shards}
        return {**extents, "dtype": array.dtype}

    def finding(
        self, what: str, *, key: str = "", expected: object = "", found: object = "", **more: Any
    ) -> Finding:
        """Return a finding of the level, or of the object of a key in it."""
        more |= {"key": join(self.name, key), "expected": str(expected), "found": str(found)}
        return Finding(what=what, level=self.number, **more)


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """A group at a path of a store, and the levels of its pyramid, the finest first.

    Attributes
    ----------
    levels
        The levels that the group lists, and those beside them that zarrpyramid made. Where the
        group lists none: the arrays at `0`, `1` and so on.
    others
        Arrays where levels of the pyramid would stand, neither listed nor made by zarrpyramid.
    follow_links
        Whether links that lead out of the store are followed.
    further
        What further multiscales of the group list, where the first does not list all of it.
    is_further
        Whether this is one of these, which no run changes.
    """

    store: Store
    path: str
    group: Node
    levels: tuple[FoundLevel, ...]
    others: tuple[FoundLevel, ...] = ()
    follow_links: bool = False
    further: tuple[Pyramid, ...] = ()
    is_further: bool = False

    @property
    def where(self) -> str:
        """Full path of the group."""
        return f"{self.store.name}/{self.path}".rstrip("/")

    @property
    def paths(self) -> LevelPaths:
        """Where the levels of zarrpyramid stand, by the path of level 0."""
        return LevelPaths(base=self.levels[0].path)

    @property
    def attributes(self) -> Document:
        """Attributes of the group."""
        return self.group.attributes

    @property
    def zarr_format(self) -> int:
        """2 or 3."""
        return self.group.zarr_format

    @property
    def multiscales(self) -> Document | None:
        """The first multiscales, which viewers show, or None."""
        return read_multiscales(self.attributes)

    @property
    def provenance(self) -> Document | None:
        """What the list says of how zarrpyramid made its levels, or None."""
        return our_metadata(self.attributes) or None

    @property
    def datasets(self) -> list[Document]:
        """What the multiscales says of each level."""
        return read_datasets(self.attributes)

    @property
    def axes(self) -> list[Document]:
        """The listed axes, each with a name."""
        return [{**axis, "name": str(axis.get("name"))} for axis in listed_axes(self.attributes)]

    @property
    def known_axes(self) -> tuple[Axis, ...]:
        """The axes of the levels: as listed, else as level 0 or its number of axes names them."""
        array = next((level.metadata for level in self.levels if level.metadata), None)
        if array is None:
            return ()
        n_axes = len(array.shape)
        found = read_axes(self.attributes, n_axes)
        if found is not None:
            return found
        names: Sequence[str | None] = array.dimension_names or ()
        if None in names or len(set(names)) < n_axes:
            names = DEFAULT_AXES[n_axes - 1] if n_axes else ()
        return tuple(Axis(name=str(name), type=axis_type(str(name))) for name in names)

    @property
    def types(self) -> list[str]:
        """Type of each axis; of one that states none, by its name."""
        return [str(axis.get("type") or axis_type(axis["name"])) for axis in self.axes]

    @property
    def voxel_sizes(self) -> list[float]:
        """Extents of a voxel of level 0 in the axes' units, 1 where none are stated."""
        listed, n_axes = self.multiscales or {}, len(self.axes)
        return placed(listed, first_dataset(listed), n_axes)[0] or [1.0] * n_axes

    @property
    def version(self) -> str | None:
        """Version of OME-NGFF, where the documents state one."""
        version = stated_version(self.attributes)
        return version if isinstance(version, str) else None

    @property
    def is_labels(self) -> bool:
        """Whether the group says that it holds labels."""
        return is_label_image(self.attributes)

    @property
    def channels(self) -> list[Document]:
        """What the group says of its channels for display."""
        omero = ome_attributes(self.attributes, "omero").get("omero")
        return mappings(omero.get("channels") if isinstance(omero, dict) else None)

    def transformations(
        self, level: FoundLevel
    ) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
        """Return a level's listed scale and translation, None for what places no voxel."""
        dataset = next((each for each in self.datasets if each.get("path") == level.path), {})
        scale, translation = read_transformations(dataset)
        placed = tuple(scale) if scale and min(scale) > 0 else None
        return placed, tuple(translation) if translation else None

    def placement(self, level: FoundLevel) -> tuple[list[float] | None, list[float] | None]:
        """Return scale and translation of a level, together with those of the whole multiscales."""
        dataset = next((each for each in self.datasets if each.get("path") == level.path), None)
        if dataset is None:
            return None, None
        return placed(self.multiscales or {}, dataset, len(self.axes))

    @property
    def every_level(self) -> list[FoundLevel]:
        """The levels, and those of further multiscales."""
        return [level for each in (self, *self.further) for level in each.levels]

    @property
    def listed(self) -> list[FoundLevel]:
        """The levels that the group lists."""
        return [level for level in self.levels if level.listed]

    @property
    def arrays(self) -> list[ArrayMetadata]:
        """Metadata of the listed levels that are there and have the listed axes."""
        found = [level.metadata for level in self.listed]
        return [array for array in found if array and len(array.shape) == len(self.axes)]

    @property
    def ours(self) -> list[FoundLevel]:
        """The levels that zarrpyramid made."""
        return [level for level in self.levels if level.record is not None]

    @property
    def foreign(self) -> list[FoundLevel]:
        """The listed levels beside level 0 that are there and were made by other programs."""
        lost = self.unrecorded
        return [level for level in self._without_record if level not in lost]

    @property
    def is_copied(self) -> bool:
        """Whether level 0, which is there, was taken from a source that a run reads again."""
        return bool(self.levels[0].array.attributes.get(COPY_KEY))

    @cached_property
    def lost(self) -> str:
        """Why level 0 is lost, or "": its levels may be all that is left of it.

        It has no object, or fewer than were written of its source.
        """
        base, levels = self.levels[0], self.levels[1:]
        is_damaged = self.provenance is not None and any(
            level.fault.startswith("cannot be read") for level in levels
        )
        if base.metadata is None or not (self.ours or is_damaged):
            return ""
        records = [level.record or {} for level in levels]
        if self.is_copied:
            return why_lost(base.array, stored_objects(self.store, base.at), records)
        return why_all_lost(self.store, base.at, base.array, records, is_damaged=is_damaged)

    @property
    def unrecorded(self) -> list[FoundLevel]:
        """The listed levels that are there, and whose records the list says are lost."""
        stated = range(1, len(self.stated_factors) + 1)
        is_whole = self.provenance is not None and not self.ours
        return [
            level
            for level in self._without_record
            if is_whole or self.paths.level(level.path) in stated
        ]

    @property
    def _without_record(self) -> list[FoundLevel]:
        beside = [level for level in self.listed if level.number and level.metadata]
        return [level for level in beside if level.record is None]

    @property
    def stated_factors(self) -> list[object]:
        """The factors of all levels that the list of zarrpyramid states."""
        factors = (self.provenance or {}).get("factors")
        return factors if isinstance(factors, list) else []

    def unchanged(self, level: FoundLevel) -> ArrayMetadata:
        """Return the metadata of a level whose document is still as it was found.

        Raises
        ------
        PyramidError
            If it is gone or another one, as after a build.
        """
        found = read_array(self.store, level.at)
        if found is None or _said(found) != _said(level.array):
            change = "is not there any more" if found is None else "was made again"
            raise StoreError(
                f"{level.name} {change} since the pyramid was opened; open the pyramid again"
            )
        return found

    def repair(self, options: str = "") -> str:
        """Return the command that mends the pyramid; `options` as for `repair_command`.

        There is none while level 0 is lost.
        """
        if self.store.is_read_only:
            return "fix it where it can be written: there, zarrpyramid verify STORE/FIELD --repair"
        if self.lost:
            if self.is_copied:
                return READ_AGAIN
            return "bring level 0 back: its levels may be all that is left of the image"
        how = {"follow_links": self.follow_links}
        return repair_command(self.where, options, self.store.options, **how)


def find_pyramid(
    store: object,
    field: str = "",
    *,
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Pyramid:
    """Find the pyramid whose group is at a path of a store of whatever form.

    Raises
    ------
    PyramidError
        If there is no group, or no level in it.
    """
    place = store if isinstance(store, str) else as_path(store, is_read=True)
    inside = join(path_inside(store), field)
    if place is None:
        from zarrpyramid.stores import from_zarr  # it imports zarr

        return pyramid_at(from_zarr(store, is_read=True), inside)
    found, inside = locate(place, inside, follow_links=follow_links, options=storage_options)
    return pyramid_at(found, inside, follow_links=follow_links)


def pyramid_at(store: Store, inside: str, *, follow_links: bool = False) -> Pyramid:
    """Find the pyramid whose group is at a path of a store, as `find_pyramid` does."""
    pyramid = replace(read_pyramid(store, inside), follow_links=follow_links)
    if pyramid.levels:
        return pyramid
    base = base_path(pyramid.attributes) or "0"
    _, fault = _look(store, inside, pyramid.group, base)
    if fault.startswith("cannot"):
        raise StoreError(f"{pyramid.where}/{base} {fault}")
    raise StoreError(
        f"{pyramid.where} lists no levels and has no array 0{way_to_base(store, inside)}"
    )


def read_pyramid(store: Store, path: str) -> Pyramid:
    """Read the pyramid whose group is at a path of a store; it may have no level.

    Raises
    ------
    PyramidError
        If no group is there, or its document is damaged.
    """
    group = open_group(store, path)
    base = base_path(group.attributes) or "0"
    if is_reached(group.attributes, base):
        trust_linked_base(store, group, reach(path, base))
    paths = LevelPaths(base=base)
    look = partial(_look, store, path, group)
    listed = dict.fromkeys(listed_paths(group.attributes))
    found = {name: look(name) for name in listed}
    others: dict[str, tuple[ArrayMetadata | None, str]] = {}
    for name in [base, *map(paths.path, levels_there(store, path, paths))]:
        if name not in found and (read := look(name))[0]:
            # Levels of zarrpyramid follow the listed ones, even a thumbnail that is smaller.
            (found if not listed or record_of(read[0]) else others)[name] = read

    def levels(names: Mapping[str, _Read]) -> list[FoundLevel]:
        return [
            FoundLevel(
                number=number,
                path=name,
                at=reach(path, name),
                name=join(store.name, reach(path, name)),
                metadata=metadata,
                fault=fault,
                listed=name not in others and (name in listed or name not in found),
            )
            for number, (name, (metadata, fault)) in enumerate(names.items())
        ]

    every = levels({**found, **others})
    ours, beside = tuple(every[: len(found)]), tuple(every[len(found) :])
    pyramid = Pyramid(store=store, path=path, group=group, levels=ours, others=beside)
    further = []
    for multiscales in all_multiscales(group.attributes)[1:]:
        names = dict.fromkeys(map(dataset_path, datasets_of(multiscales)))
        if not names.keys() <= found.keys():
            own = tuple(levels({name: found.get(name) or look(name) for name in names}))
            alone = _with_one(group, multiscales)
            further.append(replace(pyramid, group=alone, levels=own, others=(), is_further=True))
    return replace(pyramid, further=tuple(further))


def _said(array: ArrayMetadata) -> str:
    """Return what an array's documents say as text, in which NaN equals NaN."""
    return repr((array.document, array.attributes))


def _with_one(group: Node, multiscales: Document) -> Node:
    """Return a group with one of its multiscales alone."""
    attributes, name = group.attributes, group.format.attributes_document
    holder = ome_attributes(attributes)
    changed = {**holder, "multiscales": [multiscales]}
    kept = changed if holder is attributes else {**attributes, "ome": changed}
    document = group.format.with_attributes(group.documents.get(name, {}), kept)
    return replace(group, documents={**group.documents, name: document})


def _look(store: Store, path: str, group: Node, name: str) -> tuple[ArrayMetadata | None, str]:
    """Return the metadata of the array at a path of a group, or why readers find none."""
    if not is_reached(group.attributes, name):
        return None, "is no path inside the group"
    at, zarr_format = reach(path, name), group.zarr_format
    try:
        node = read_node(store, at, zarr_format)
        if node is None:
            other = 5 - zarr_format
            if read_node(store, at, other) is None:
                return None, ABSENT
            why = f"is of zarr v{other}: readers that come from a group of zarr v{zarr_format}"
            return None, f"{why} find no array there"
        if node.kind == "group":
            return None, "is listed, but is a group, not an array"
        return parse_array(node.documents, join(store.name, at)), ""
    except AccessError:  # it is there, and no fault of the pyramid
        raise
    except (MetadataError, StoreError) as error:
        return None, f"cannot be read: {error}"
