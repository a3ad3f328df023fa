"""A source of level 0 in files of another format, and the level 0 that is made of it.

What the file says of axes, voxel sizes and units becomes a multiscales of level 0 alone, so that
all else is planned as for a zarr source.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.inputs import arrange, open_input
from zarrpyramid.metadata import (
    encoded_as,
    groups_above,
    read_node,
)
from zarrpyramid.reduce import ITEM_SIZES
from zarrpyramid.tables import as_bytes

from .axes import times
from .compressor import decide_compressor
from .input_base import input_attributes, input_axes, input_base
from .labels import decide_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Shape
    from zarrpyramid.inputs import Arranged, Input
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSource:
    """An image in files of another format, of which level 0 is made.

    Attributes
    ----------
    image
        What is read, with the axes of level 0 in their order.
    base
        The metadata of the level 0 that is written.
    attributes
        What the file says of axes, voxel sizes and channels, as a zarr group would say it.
    """

    image: Arranged
    base: ArrayMetadata
    attributes: dict[str, Any]

    @property
    def taken(self) -> list[Any]:
        """What of the file is taken, and how, as JSON holds it."""
        image = self.image
        places = [
            [taken.start, taken.stop] if isinstance(taken, range) else [[*taken]]
            for taken in image.taken
        ]
        return [os.path.basename(self.name), [*image.order], places]  # noqa: PTH119 - not a path

    @property
    def short_name(self) -> str:
        """The name without the folders above, which another host does not have."""
        return os.path.basename(self.name.partition("::")[0])  # noqa: PTH119

    @property
    def name(self) -> str:
        """The path of the file, and of the image inside it."""
        return self.image.name

    @property
    def figure(self) -> str:
        """What is read, for people: how much, and of how many files."""
        form, files = self.image.form, self.objects()
        n_bytes = sum(size for _, size, _ in files)
        return (
            f"read: {times(form.shape)} voxels of {form.dtype}, axes {', '.join(form.axes)}, from "
            f"{len(files):,} file{'s' * (len(files) > 1)}, {as_bytes(n_bytes)}"
        )

    @property
    def blocks(self) -> Shape:
        """Extents of what the file decodes at once."""
        return self.image.form.blocks

    @property
    def block_grid(self) -> tuple[Shape, Shape]:
        """Extents of whole blocks, and where in its first block level 0 begins."""
        image, blocks, starts = self.image, [], []
        for axis, clipped in zip(image.order, image.form.blocks, strict=True):
            taken, block = image.taken[axis], image.input.form.blocks[axis]
            is_run = isinstance(taken, range)
            blocks.append(block if is_run else clipped)
            starts.append(taken[0] % block if is_run else 0)
        return tuple(blocks), tuple(starts)

    @property
    def block_bytes(self) -> int:
        """Bytes of a block, which is decoded whole also where a part of it is read."""
        form = self.image.input.form
        return geometry.count(form.blocks) * ITEM_SIZES[form.dtype]

    def objects(self) -> list[tuple[str, int, int]]:
        """Return name, bytes and time of change of all files.

        A folder that is moved holds the same image: names are without the folders above.
        """
        return [
            (os.path.basename(path), *seen)  # noqa: PTH119 - of thousands of files
            for path, seen in self.versions().items()
        ]

    def versions(self) -> dict[str, tuple[int, int]]:
        """Return bytes and time of change of all files, by path.

        Raises
        ------
        StoreError
            If one is not there.
        """
        return {os.fspath(path): _version(path) for path in self.image.files()}


def _version(path: os.PathLike[str]) -> tuple[int, int]:
    try:
        seen = os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror}); restore the source, and run again"
        ) from None
    return seen.st_size, seen.st_mtime_ns


def find_input(config: ImageConfig, store: Store, path: str) -> InputSource | None:
    """Return the source of an image in files of another format; None where it is of no such format.

    Parameters
    ----------
    store, path
        Store and path of the image's group, whose zarr format level 0 gets.

    Raises
    ------
    PyramidError
        If the file cannot be read, or the settings do not fit it.
    """
    assert config.source is not None
    with _of_image(config):
        found = open_input(config.source, config.series)
    return None if found is None else input_source(config, found, store, path)


def input_source(
    config: ImageConfig,
    found: Input,
    store: Store,
    path: str,
    *,
    packed: Mapping[str, Any] = MappingProxyType({}),
    kept: Mapping[str, Any] = MappingProxyType({}),
) -> InputSource:
    """Return an input as the source of an image; the rest is as for `find_input`.

    Parameters
    ----------
    packed
        Attributes that level 0 gets.
    kept
        What OME-NGFF has the group say beside the list.
    """
    with _of_image(config):
        if config.link_base:
            raise ConfigError(
                f"level 0 cannot be a link to {found.name}, which is of no zarr format; leave "
                "link_base out"
            )
        image = arrange(
            found,
            axes=config.axes,
            transpose=config.transpose,
            crop=config.crop,
            channel=config.channel,
        )
        form = image.form
        _check_form(image)
    axes = input_axes(config, image)
    zarr_format = _zarr_format(config, store, path)
    base = replace(input_base(config, form, axes, zarr_format), attributes=dict(packed))
    attributes = input_attributes(form, axes, kept, zarr_format)
    labels = decide_labels(config, base, attributes, path).value
    compressor = decide_compressor(config, base.dtype, labels).value
    base = encoded_as(base, compressor, checksum=config.checksum, where=f"image {config.name}")
    return InputSource(image=image, base=base, attributes=attributes)


@contextlib.contextmanager
def _of_image(config: ImageConfig) -> Iterator[None]:
    """Name the image in errors of readers, which do not know it."""
    try:
        yield
    except (ConfigError, StoreError) as error:
        raise type(error)(f"image {config.name}: {error}") from None


def _check_form(image: Arranged) -> None:
    form = image.form
    if form.dtype not in ITEM_SIZES:
        raise StoreError(
            f"{image.name} is of data type {form.dtype}, expected one of {', '.join(ITEM_SIZES)}; "
            "convert it first"
        )
    if len(form.shape) > 5:
        raise StoreError(
            f"{image.name} has axes {list(form.axes)} of {list(form.shape)}, expected at most 5; "
            "take a part of it, such as one channel or series"
        )
    for name, size in form.voxel_size.items():
        if not 0 < size < float("inf"):
            raise StoreError(f"{image.name} gives axis {name} voxels of {size}, expected > 0")


def _zarr_format(config: ImageConfig, store: Store, path: str) -> int:
    """Return the format of the group that is there or is to hold the image."""
    for above in (path, *reversed([*groups_above(path)])):
        node = read_node(store, above)
        if node is not None:
            return node.zarr_format
    return 2 if config.ngff_version == "0.4" else 3
