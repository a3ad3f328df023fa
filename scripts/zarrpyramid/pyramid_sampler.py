"""The Python API of pyramid-sampler 0.1.0, over the recipes of this package.

Names, arguments and defaults are the same, so that changing one import is enough. The rest is what
this package promises everywhere: images have 1 to 5 axes and any shape, integers are rounded half
to even, levels exist only when they are complete, and viewers find them in a list.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .downsample import (
    build_level,
    find_image,
    n_cores,
    random_array,
    seal_base,
    store_array,
    write_multiscales,
)
from .errors import GeometryError, StoreError
from .metadata import delete_array, listed_paths, open_group, read_array
from .plan import Level, base_layout, check_base_kept, check_room, record_of
from .stores import from_zarr, open_root

if TYPE_CHECKING:
    import numpy.typing as npt

    from .plan import Image, LevelPlan

logger = logging.getLogger(__name__)


class Downsampler:
    """Makes the levels of one image after another in a zarr store.

    Parameters
    ----------
    zarr_store_path
        A path, a zarr store object, or a group opened from one.
    refine_factor
        How many voxels of the finer level make one voxel of the coarser level, along each axis,
        such as (2, 2, 2); or one number for all axes in space, the last three at most.
    level_0_res
        Shape of the base array; of one with one axis also a number.
    chunks
        Chunk shape of every level, or one length for all axes; 64 unless given. The base array may
        have other chunks.

    Raises
    ------
    AssertionError
        If `refine_factor` and `level_0_res` differ in length.
    GeometryError
        If `chunks` has another length, or a number is not whole or is less than 1; a ValueError.

    Examples
    --------
    >>> import zarr, zarrpyramid
    >>> group = zarr.create_group({})
    >>> zarrpyramid.initialize_test_image(group, "field", (32, 32, 32), chunks=8)
    >>> downsampler = zarrpyramid.Downsampler(group, 2, (32, 32, 32), chunks=8)
    >>> downsampler  # doctest: +ELLIPSIS
    Downsampler(<Group memory://...>, (2, 2, 2), (32, 32, 32), chunks=(8, 8, 8))
    >>> downsampler.downsample(3, "field")
    >>> group["field/2"].shape
    (8, 8, 8)
    """

    def __init__(
        self,
        zarr_store_path: Any,
        refine_factor: npt.ArrayLike,
        level_0_res: npt.ArrayLike,
        chunks: npt.ArrayLike | None = None,
    ) -> None:
        self.finest_resolution = np.atleast_1d(_whole_numbers("level_0_res", level_0_res))
        self.refine_factor = _whole_numbers("refine_factor", refine_factor)
        if not self.refine_factor.ndim:  # time and channels stand before the axes in space
            n_axes = len(self.finest_resolution)
            scaled = np.arange(n_axes) >= n_axes - 3
            self.refine_factor = np.where(scaled, self.refine_factor, 1)
        if len(self.refine_factor) != len(self.finest_resolution):
            raise AssertionError(
                f"expected one refine_factor per axis, found {self.refine_factor.tolist()} for a "
                f"level_0_res of {self.finest_resolution.tolist()}"
            )
        self.zarr_store_path = zarr_store_path
        self.ndim = len(self.refine_factor)
        self.chunks = _chunk_shape(chunks, self.ndim)

    def __repr__(self) -> str:
        extents = (self.refine_factor, self.finest_resolution, self.chunks)
        factors, shape, chunks = (tuple(each.tolist()) for each in extents)
        return f"Downsampler({self.zarr_store_path!r}, {factors}, {shape}, chunks={chunks})"

    def downsample(self, max_levels: int, zarr_field: str) -> None:
        """Make the levels 1, 2, ... of an image, each from the one before, and list them.

        It stops when there are `max_levels` levels, level 0 included, when the next level would be
        shorter than a chunk along an axis whose factor is above 1, or when nothing is left to
        scale. Extents are divided rounding up: 127 voxels and chunks of 64 give a level 1 of 64.

        A level that is there already

        1. is left as it is if this package made it by the same recipe from the same voxels, and
           made anew if the recipe or the voxels differ;
        2. is replaced if pyramid-sampler left it, complete or not: an array of the base's dtype and
           of the level's shape, rounded up or down, with no attributes, in no multiscales;
        3. is refused in all other cases, before anything is changed.

        Levels that this package made beyond the last one are removed.

        A dask client or scheduler that is set runs the blocks. Threads of this process run them for
        stores that its workers cannot reach (memory, a ZIP file, unknown kinds).

        Parameters
        ----------
        max_levels
            Most levels to have, level 0 included.
        zarr_field
            Path of the group that holds the base as the array ``0``.

        Raises
        ------
        ValueError
            If `max_levels` is not positive.
        PyramidError
            If the image is not there or not served, its base has another shape than `level_0_res`,
            or a level's place is taken.

        Examples
        --------
        >>> import zarr, zarrpyramid
        >>> group = zarr.create_group({})
        >>> zarrpyramid.initialize_test_image(group, "field", (20, 16), chunks=4)
        >>> zarrpyramid.Downsampler(group, (2, 1), (20, 16), chunks=4).downsample(9, "field")
        >>> sorted((name, array.shape) for name, array in group["field"].arrays())
        [('0', (20, 16)), ('1', (10, 16)), ('2', (5, 16))]
        """
        if not _is_count(max_levels):
            raise GeometryError(
                f"max_level must exceed 0, found {max_levels!r}; give a whole number"
            )
        n_coarser = self._n_coarser(int(max_levels))
        settings = {
            # 0 levels cannot be configured; `auto` plans the base as well, and comes to at least 0.
            "levels": n_coarser or "auto",
            "scale_factors": self.refine_factor if n_coarser else 2,
            "chunks": self.chunks,
            # As pyramid-sampler does: means of any numbers, and no word on how to show them.
            "method": "mean",
            "labels": False,
            "omero": False,
        }
        image = find_image(self.zarr_store_path, zarr_field, settings)
        if image.plan.base.shape != tuple(self.finest_resolution.tolist()):
            raise GeometryError(
                f"{image.name(0)} has shape {list(image.plan.base.shape)}, but level_0_res is "
                f"{self.finest_resolution.tolist()}; give the shape of the array"
            )
        levels = image.plan.levels[: n_coarser + 1]
        image = replace(image, plan=replace(image.plan, levels=levels))
        leftovers = [level for level in image.plan.levels[1:] if _is_leftover(image, level)]
        check_base_kept(image, [Level(image, level.level) for level in image.plan.levels[1:]])
        check_room(image, base_layout(image))
        record = seal_base(image)
        for level in range(1, n_coarser + 1):
            logger.info("downsampling to level %d.", level)
            if image.plan.levels[level] in leftovers:
                delete_array(image.store, image.level_path(level))
            record = build_level(image, level, record, n_workers=n_cores())
        if n_coarser + 1 < max_levels:
            logger.info("cannot subdivide further, stopping downsampling at level %d.", n_coarser)
        write_multiscales(image)

    def _n_coarser(self, max_levels: int) -> int:
        """Return how many levels to make beside level 0."""
        shape, scaled = self.finest_resolution, self.refine_factor > 1
        for level in range(1, max_levels):
            coarse = -(-shape // self.refine_factor)
            if (coarse < self.chunks)[scaled].any() or (coarse == shape).all():
                return level - 1
            shape = coarse
        return max_levels - 1


def initialize_test_image(
    zarr_store: Any,
    zarr_field: str,
    base_resolution: tuple[int, ...],
    chunks: int | tuple[int, ...] | None = None,
    overwrite_field: bool = True,
    dtype: npt.DTypeLike | None = None,
) -> None:
    """Make a group with a random base array ``0``.

    Voxels are uniform over [0, 1), or over 0 to 99 for integers, with half of that range (0.5 or
    50) added in the lower half along each axis, up to the largest value of the dtype.

    Parameters
    ----------
    zarr_store
        The group to make the field in; also a path or a zarr store object, for its root.
    zarr_field
        Name of the group to make.
    base_resolution
        Shape of the array.
    chunks
        Chunk shape, or one length for all axes; 64 along each axis unless given.
    overwrite_field
        Whether to remove a field of that name, with all that is in it. The default is True, as it
        was in pyramid-sampler.
    dtype
        float64 unless given.

    Raises
    ------
    RuntimeError
        If `dtype` is neither integer nor floating; nothing is removed or made then.
    zarr.errors.ContainsGroupError
        If the field is there and `overwrite_field` is False.

    Examples
    --------
    >>> import zarr, zarrpyramid
    >>> group = zarr.create_group({})
    >>> zarrpyramid.initialize_test_image(group, "field", (8, 8), chunks=4, dtype="uint8")
    >>> int(group["field/0"][...].max()) < 150
    True
    """
    kind = np.dtype(np.float64 if dtype is None else dtype)
    if kind.kind not in "iuf":
        raise RuntimeError(f"Unexpected dtype of {dtype}")
    shape = tuple(_whole_numbers("base_resolution", base_resolution).tolist())
    edges = tuple(_chunk_shape(chunks, len(shape)).tolist())
    top = 1.0 if kind.kind == "f" else 100.0
    voxels = top * random_array(shape, edges)
    corner = tuple(slice(0, extent // 2) for extent in shape)
    if 1 not in shape:  # else there is no lower half
        voxels[corner] = voxels[corner] + 0.5 * top
    if kind.kind != "f":
        voxels = voxels.clip(0, np.iinfo(kind).max)
    root = open_root(zarr_store)
    field = root.create_group(name=zarr_field, overwrite=overwrite_field)
    base = field.create_array(name="0", shape=shape, chunks=edges, dtype=kind)
    store_array(voxels.astype(kind), base, shared=from_zarr(root).shared)


def _whole_numbers(name: str, given: npt.ArrayLike) -> npt.NDArray[np.int64]:
    if not all(map(_is_count, np.asarray(given, object).ravel())):
        raise GeometryError(f"{name} must be whole numbers of at least 1, found {given!r}")
    return np.asarray(given).astype(np.int64)


def _is_count(number: Any) -> bool:
    """Tell whether something is a whole number of at least 1, and no bool."""
    is_number = isinstance(number, int | float | np.integer | np.floating)
    if not is_number or isinstance(number, bool):
        return False
    return bool(1 <= number < 2**63 and number % 1 == 0)


def _chunk_shape(chunks: npt.ArrayLike | None, n_axes: int) -> npt.NDArray[np.int64]:
    edges = _whole_numbers("chunks", 64 if chunks is None else chunks)
    if edges.shape not in ((), (n_axes,)):
        raise GeometryError(f"expected chunks for {n_axes} axes, found {edges.tolist()}")
    return np.broadcast_to(edges, n_axes).copy()


def _is_leftover(image: Image, level: LevelPlan) -> bool:
    """Tell whether pyramid-sampler may have left what stands in a level's place.

    Raises
    ------
    StoreError
        If something stands there that is neither that nor ours.
    """
    found = read_array(image.store, image.level_path(level.level))
    if found is None or record_of(found) is not None:
        return False
    base = image.plan.base
    shapes = (
        level.shape,
        tuple(n // f for n, f in zip(base.shape, level.downsampling, strict=True)),
    )
    listed = listed_paths(open_group(image.store, image.path).attributes)
    if (
        found.shape not in shapes
        or found.dtype != level.dtype
        or found.attributes
        or image.paths.path(level.level) in listed
    ):
        raise StoreError(
            f"{image.name(level.level)} is there already, and nothing that this call or "
            f"pyramid-sampler makes: expected {level.dtype} of shape {list(level.shape)}, without "
            f"attributes and in no multiscales; found {found.dtype} of shape {list(found.shape)}; "
            "move it away"
        )
    return True
