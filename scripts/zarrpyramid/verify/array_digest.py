"""The digest of the voxels of any zarr array, and where two arrays differ.

A digest depends on the chunks that it is taken in (docs/design/0003). Those are the array's own, as
in records, or others that are asked for. Two arrays are read in the same chunks, however they are
stored, so that equal voxels have one digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import open_chunks, read_region
from zarrpyramid.downsample import count_chunk
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import Tally, find_arrays, locate, parse_array, read_node
from zarrpyramid.reduce import with_one_nan
from zarrpyramid.stores import why_no_store

from .comparison import differs, on_places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.arrays import Chunks
    from zarrpyramid.geometry import Index, Shape
    from zarrpyramid.metadata import ArrayMetadata, Record


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayDigests:
    """The digests of one or two arrays, and what differs.

    Attributes
    ----------
    proofs
        What was read of each array: path, dtype, shape, the chunks that the digest is taken in,
        digest and statistics. Of arrays that differ in dtype or shape nothing is read.
    n_different
        Voxels that differ.
    difference
        What differs; "" if nothing does.
    """

    proofs: Sequence[Record]
    n_different: int | None
    difference: str


def array_digests(
    paths: Sequence[str],
    *,
    chunks: Shape | None = None,
    n_workers: int = 1,
    storage_options: Mapping[str, Any] | None = None,
) -> ArrayDigests:
    """Read one array, or two and compare them, and return their digests.

    Parameters
    ----------
    paths
        Paths or URLs of one or two zarr arrays.
    chunks
        Extents of the chunks that digests are taken in; those of the first array if absent.

    Raises
    ------
    PyramidError
        If there is no array, it cannot be read, or `chunks` do not fit it.
    """
    found = [_find(path, storage_options) for path in paths]
    metadata = found[0].metadata
    unit = metadata.chunks if chunks is None else chunks
    if len(unit) != len(metadata.shape) or 0 in unit:
        raise ConfigError(
            f"the chunks of a digest are {_times(unit)}, but {paths[0]} is "
            f"{_times(metadata.shape)}; give 1 or more for each of its {len(metadata.shape)} axes"
        )
    forms = [f"{each.metadata.dtype} of {_times(each.metadata.shape)}" for each in found]
    if len(set(forms)) > 1:
        pairs = zip(paths, forms, strict=True)
        difference = ", ".join(f"{path} is {form}" for path, form in pairs)
        return ArrayDigests(proofs=[], n_different=None, difference=difference)
    task = _ReadTask([each.metadata for each in found], [each.chunks for each in found], unit)
    seen = _Seen([Tally() for _ in found])
    for part in on_places(task, geometry.iterate_units(task.grid), n_workers):
        seen.merge(part)
    header = {"dtype": metadata.dtype, "shape": list(metadata.shape), "chunks": list(unit)}
    proofs = [
        {
            "path": path,
            **header,
            "digest": tally.digest(header),
            **tally.statistics(dtype=metadata.dtype),
        }
        for path, tally in zip(paths, seen.tallies, strict=True)
    ]
    difference = ""
    if seen.first is not None:
        place, values = seen.first
        told = ", ".join(f"{value} in {path}" for value, path in zip(values, paths, strict=True))
        difference = (
            f"{seen.n_different} of {geometry.count(metadata.shape)} voxels differ, the first at "
            f"{list(place)}: {told}"
        )
    n_different = seen.n_different if len(paths) > 1 else None
    return ArrayDigests(proofs=proofs, n_different=n_different, difference=difference)


@dataclass(frozen=True, slots=True)
class _Found:
    metadata: ArrayMetadata
    chunks: Chunks


def _find(path: str, options: Mapping[str, Any] | None) -> _Found:
    """Return the array at a path or URL."""
    store, inside = locate(path, "", options=options)
    node = read_node(store, inside)
    if node is None:
        raise StoreError(
            why_no_store(path)
            or store.why_absent(inside)
            or f"there is no zarr array {path}; give the folder that holds its zarr.json or .zarray"
        )
    if node.kind == "group":
        arrays = list(find_arrays(store, inside))
        known = f"one of its arrays: {', '.join(arrays)}" if arrays else "the path of an array"
        raise StoreError(f"{path} is a group, expected an array; give {known}")
    metadata = parse_array(node.documents, path)
    return _Found(metadata, open_chunks(store, inside, metadata))


@dataclass(slots=True)
class _Seen:
    """What was read: a tally of each array, how many voxels differ, and the first of them."""

    tallies: list[Tally]
    n_different: int = 0
    first: tuple[Index, list[Any]] | None = field(default=None)

    def merge(self, later: _Seen) -> None:
        """Take in what was read after this."""
        for tally, other in zip(self.tallies, later.tallies, strict=True):
            tally.merge(other)
        self.n_different += later.n_different
        self.first = self.first or later.first


@dataclass(frozen=True)
class _ReadTask:
    """Reads a part of the arrays: whole chunks of the digest, and about a chunk of each array."""

    arrays: list[ArrayMetadata]
    chunks: list[Chunks]
    unit: Shape

    @cached_property
    def step(self) -> Shape:
        """Extents of a part: so large that most chunks of the arrays are decoded once or twice."""
        largest = map(max, *(array.chunks for array in self.arrays), self.unit)
        return tuple(-(-most // edge) * edge for most, edge in zip(largest, self.unit, strict=True))

    @property
    def grid(self) -> Shape:
        """Parts along each axis."""
        return geometry.grid_shape(self.arrays[0].shape, self.step)

    def __call__(self, place: Index) -> _Seen:
        """Read the part at a place."""
        shape = self.arrays[0].shape
        region = geometry.unit_region(tuple(place), self.step, shape)
        blocks = [read_region(chunks, region) for chunks in self.chunks]
        seen = _Seen([Tally() for _ in blocks])
        for index in geometry.covering_units(region, self.unit):
            whole = geometry.unit_region(index, self.unit, shape)
            here = geometry.relative_region(whole, region)
            for tally, block in zip(seen.tallies, blocks, strict=True):
                count_chunk(index, block[here], tally)
        if len(blocks) > 1:
            wrong = differs(*map(with_one_nan, blocks))
            if wrong.any():
                first = np.unravel_index(int(wrong.argmax()), wrong.shape)
                at = tuple(int(i) + axis.start for i, axis in zip(first, region, strict=True))
                seen.n_different = int(wrong.sum())
                seen.first = at, [block[first] for block in blocks]
        return seen


def _times(extents: Shape) -> str:
    return "x".join(map(str, extents))
