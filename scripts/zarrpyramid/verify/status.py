"""What stands in a store of each level of a pyramid; no voxel is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.metadata import ABOVE, read_axes
from zarrpyramid.plan import (
    expected_objects,
    is_beyond,
    missing_line,
    record_of,
    stored_objects,
    way_back,
    why_incomplete,
    why_lost,
)

from .absent import stands_alone
from .consolidation import check_consolidated
from .documents import NO_VOXELS, check_documents
from .findings import DEFECT, WARNING, Finding
from .objects import check_codecs, check_remains
from .origins import copied_record, recipe_of
from .pyramid import find_pyramid
from .ways_out import making

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import Document, Record

    from .pyramid import Pyramid


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelStatus:
    """What is known of one level without reading a voxel; see `FoundLevel` for more.

    Attributes
    ----------
    level
        Number of the level, by its path.
    record
        What the level says of itself; None for levels of other programs, and for a level 0 that
        was not made of files.
    n_objects, expected_objects
        Stored objects found, and those that it has when none is lost: None where nobody knows, as
        an older release left empty chunks out.
    fault
        What is wrong with the objects, or "".
    factors, voxel_size
        Factors by which the level is coarser than the one before, as recorded, and extents of a
        voxel in the units of the axes; None where they are not known.
    """

    level: int
    path: str
    shape: Shape
    chunks: Shape
    dtype: str
    record: Record | None
    listed: bool
    n_objects: int
    expected_objects: int | None
    stored_bytes: int
    fault: str
    factors: Shape | None
    voxel_size: tuple[float, ...] | None

    @property
    def is_beside(self) -> bool:
        """Whether it is the level 0 of a companion, which stands beside the group."""
        return self.path.startswith(ABOVE)

    @property
    def complete(self) -> bool:
        """Whether every stored object is there, or its absence stands for fill value by recipe."""
        return not self.fault

    @property
    def document(self) -> Document:
        """The level as a mapping for JSON."""
        return {
            "level": self.level,
            "path": self.path,
            "listed": self.listed,
            "complete": self.complete,
            "shape": self.shape,
            "factors": self.factors,
            "voxel_size": self.voxel_size,
            "chunks": self.chunks,
            "dtype": self.dtype,
            "objects": self.n_objects,
            "objects_expected": self.expected_objects,
            "bytes": self.stored_bytes,
            "record": self.record,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """The levels of a pyramid, level 0 first, what is wrong, and what misleads some readers.

    Notes are of objects that level 0 does not have, which may stand for fill value.
    """

    levels: list[LevelStatus]
    faults: list[str]
    warnings: list[str]
    notes: list[str]


def pyramid_status(path: str, *, storage_options: Mapping[str, Any] | None = None) -> Status:
    """Tell what is known of the levels of the pyramid whose group is at a path or URL.

    Raises
    ------
    PyramidError
        If there is no pyramid at the path.
    """
    return status_of(find_pyramid(path, storage_options=storage_options))


def status_of(pyramid: Pyramid) -> Status:
    """Tell what is known of the levels of a pyramid, whose store lists its objects."""
    levels = list(_level_statuses(pyramid))
    faults = [
        f"level {level.path} {level.fault}; {pyramid.repair()}"
        for level in levels
        if level.level and level.fault
    ]
    base, notes = pyramid.levels[0], list[str]()
    for level in levels[:1] if base.metadata is not None else ():
        if level.fault and level.level == 0:
            faults.insert(0, f"level {level.path} {level.fault}; {way_back(base.array)}")
        elif level.level == 0:
            notes = list(filter(None, [missing_line(level.n_objects, base.array.n_objects)]))
    wrong, warnings = document_faults(pyramid)
    return Status(levels=levels, faults=faults + wrong, warnings=warnings, notes=notes)


def _level_statuses(pyramid: Pyramid) -> Iterator[LevelStatus]:
    """Yield the status of each array that stands where a level of the image stands."""
    every = {pyramid.paths.level(each.path): each for each in (*pyramid.levels, *pyramid.others)}
    sizes: tuple[float, ...] = ()
    downsampling: Shape | None = None
    for number in sorted(number for number in every if number is not None):
        level = every[number]
        if level.metadata is None:
            continue
        metadata, recipe = level.array, recipe_of(level)
        factors = None if recipe is None else recipe[1]
        if number == 0:
            axes = read_axes(pyramid.attributes, len(metadata.shape))
            sizes = tuple(axis.size for axis in axes) if axes else (1.0,) * len(metadata.shape)
            downsampling = (1,) * len(sizes)
        elif downsampling is not None:
            is_known = factors is not None and len(factors) == len(sizes)
            downsampling = geometry.multiply(downsampling, factors or ()) if is_known else None
        there = stored_objects(pyramid.store, level.at)
        objects = [each for each in there if not is_beyond(metadata, each[0])]
        record = record_of(metadata) if number else copied_record(level)
        # Other programs leave out what holds fill value alone, and so may who wrote level 0.
        fault = ""
        if number == 0:
            fault = why_lost(metadata, there, (each.record or {} for each in pyramid.levels[1:]))
        elif record is not None:
            fault = why_incomplete(metadata, objects)
            if not fault and len(objects) < len(there):
                n_beyond = len(there) - len(objects)
                beyond = f"{n_beyond} object{'s' * (n_beyond != 1)} beyond its extents"
                fault = f"has {beyond}: a growth was killed, or undone"
        yield LevelStatus(
            level=number,
            path=level.path,
            shape=metadata.shape,
            chunks=metadata.chunks,
            dtype=metadata.dtype,
            record=record,
            listed=level.listed and not level.path.startswith(ABOVE),
            n_objects=sum(size > 0 for _, size, _ in objects),
            expected_objects=expected_objects(metadata),
            stored_bytes=sum(size for _, size, _ in objects),
            fault=fault,
            factors=factors,
            voxel_size=downsampling
            and tuple(size * n for size, n in zip(sizes, downsampling, strict=True)),
        )


def document_faults(pyramid: Pyramid) -> tuple[list[str], list[str]]:
    """Return what is wrong with the levels as they are described, and what misleads some readers.

    Each with its way out. Objects are listed only where a level has no document.
    """
    told = [found for found in check_documents(pyramid) if isinstance(found, Finding)]
    told += check_codecs(pyramid)
    told += [found for found in check_consolidated(pyramid) if isinstance(found, Finding)]
    warnings = [_line(found) for found in told if found.grade == WARNING]
    wrong = [found for found in told if found.grade == DEFECT]
    if pyramid.levels[0].metadata is None:  # all that is said of others follows from it
        wrong = [found for found in wrong if found.level == 0]
    keys = {found.key for found in wrong}
    remains = [found for found in check_remains(pyramid) if found.key not in keys]
    faults = [_line(found) for found in (*wrong, *remains)]
    has_voxels = not any(found.what == NO_VOXELS for found in wrong)
    if has_voxels and not remains and stands_alone(pyramid):
        faults.append(f"no level stands beside level 0; {making(pyramid)}")
    return faults, warnings


def _line(found: Finding) -> str:
    """Return a finding without its grade."""
    return found.line.partition(" ")[2]
