"""Writes level 0 of new images box by box: chunks first, the document that makes it exist last."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, open_chunks
from zarrpyramid.config import check_config, image_config
from zarrpyramid.downsample import plain
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import (
    absent_groups,
    change_group_attributes,
    join,
    locate,
    make_groups,
    new_array,
    read_node,
    write_array,
)
from zarrpyramid.reduce import ITEM_SIZES
from zarrpyramid.stores import as_path, from_zarr, held, path_inside

from .frame import YT_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zarrpyramid.arrays import Block, Chunks
    from zarrpyramid.geometry import Region, Shape
    from zarrpyramid.metadata import Document
    from zarrpyramid.stores import Store

_MARK = "yt-field.zarrpyramid-partial"
"""Marks a level 0 that is being written: what a killed call leaves is then not taken for data."""

_BOX_VOXELS = 1 << 21
"""Most voxels of a box, unless a chunk has more: 16 MB in float64, of which yt has a few copies."""


@dataclass(frozen=True, kw_only=True)
class NewImage:
    """A place for an image: its group in a store, and what level 0 is like.

    Attributes
    ----------
    said
        What the group says to yt.
    """

    store: Store
    path: str
    shape: Shape
    chunks: Shape
    dtype: str
    axes: tuple[str, ...]
    said: Document

    @property
    def name(self) -> str:
        """Full path of level 0."""
        return join(self.store.name, self.base)

    @property
    def base(self) -> str:
        """Path of level 0 in the store."""
        return join(self.path, "0")

    def check(self) -> None:
        """Refuse a place that is taken.

        Raises
        ------
        StoreError
            If an array, or files that no call of these has left, are there.
        """
        absent_groups(self.store, self.path, 3)
        is_ours = self.store.get(f"{self.base}/{_MARK}") is not None
        if read_node(self.store, self.base) is not None or (
            not is_ours and any(self.store.keys(self.base))
        ):
            raise StoreError(
                f"{self.name} is there already; choose another store, or remove it yourself"
            )

    def open(self) -> Chunks:
        """Make the group, and return the chunks to be written."""
        self.store.delete_tree(self.base)
        make_groups(self.store, self.path, 3)
        self.store.put(f"{self.base}/{_MARK}", b"a field is being written here")
        return open_chunks(self.store, self.base, self._document())

    def close(self) -> None:
        """Let level 0 exist, and have the group say to yt what it is."""
        self.store.sync()
        write_array(self.store, self.base, self._document())
        self.store.delete(f"{self.base}/{_MARK}")
        change_group_attributes(self.store, self.path, lambda kept: {**kept, YT_KEY: self.said})

    def _document(self) -> Any:
        return new_array(
            shape=self.shape,
            chunks=self.chunks,
            shards=None,
            dtype=self.dtype,
            names=self.axes,
        )


def new_image(
    store: object,
    field: str,
    *,
    shape: Shape,
    chunks: int | Sequence[int],
    dtype: str,
    axes: Sequence[str],
    said: Document,
    storage_options: Mapping[str, Any] | None,
) -> NewImage:
    """Return the place of a new image, whose chunks end at its shape.

    Raises
    ------
    ConfigError
        If the chunks or the data type cannot be used.
    """
    edges = [chunks] * len(shape) if isinstance(chunks, int) else [int(edge) for edge in chunks]
    if len(edges) != len(shape) or min(edges) < 1:
        raise ConfigError(f"chunks={chunks}: expected one length for each of {list(axes)}")
    name = str(np.dtype(dtype))
    if name not in ITEM_SIZES:
        known = ", ".join(sorted(ITEM_SIZES))
        raise ConfigError(f"dtype={dtype!r}: expected one of {known}")
    place = as_path(store)
    inside = join(path_inside(store), field)
    if place is not None:
        opened, inside = locate(place, inside, options=storage_options)
    else:
        opened = from_zarr(store)
    return NewImage(
        store=opened,
        path=inside,
        shape=shape,
        chunks=tuple(map(min, edges, shape)),
        dtype=name,
        axes=tuple(axes),
        said=said,
    )


def check_settings(field: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings of a build before anything is written; level 0 may refuse others.

    Raises
    ------
    ConfigError
        If a setting is unknown, or its value is none that it can have.
    """
    given = plain({**settings, "store": "store", "field": field, "storage_options": None})
    image_config(field, check_config(given))


@contextlib.contextmanager
def writing(images: Sequence[NewImage]) -> Iterator[list[Chunks]]:
    """Hold images, and give their chunks to a block; once it is done, each level 0 exists."""
    for image in images:
        image.check()
    with contextlib.ExitStack() as stack:
        for image in images:
            stack.enter_context(held(image.store, image.path, makes_group=True))
        yield [image.open() for image in images]
        for image in images:
            image.close()


def boxes(image: NewImage) -> Iterator[Region]:
    """Yield boxes of whole chunks that cover an image, in C order."""
    grid = geometry.grid_shape(image.shape, image.chunks)
    most = max(1, _BOX_VOXELS // geometry.count(image.chunks))
    unit = geometry.multiply(geometry.halved(grid, most), image.chunks)
    for index in geometry.iterate_units(geometry.grid_shape(image.shape, unit)):
        yield geometry.unit_region(index, unit, image.shape)


def put_box(chunks: Chunks, region: Region, block: Block) -> None:
    """Write the voxels of a box of whole chunks."""
    metadata = chunks.metadata
    for index in geometry.covering_units(region, metadata.chunks):
        part = geometry.relative_region(chunk_region(metadata, index), region)
        voxels = np.ascontiguousarray(block[part], metadata.dtype)
        chunks.put(index, [chunks.encode(index, voxels)])
