"""A pyramid that stands in a store, for people and for other libraries."""

from __future__ import annotations

import random
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import NoLevelError, PyramidError

from .arguments import page_path, whole_number
from .level import Level

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    import zarr
    from xarray import DataArray, DataTree

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image
    from zarrpyramid.stores import Store
    from zarrpyramid.verify import Pyramid as FoundPyramid
    from zarrpyramid.verify import Report


class Levels(tuple[Level, ...]):
    """The levels of a pyramid, the finest first."""

    __slots__ = ()

    def __getitem__(self, number: Any) -> Any:
        """Return a level by its number, -1 for the coarsest, or some by a slice."""
        try:
            return super().__getitem__(number)
        except (IndexError, TypeError):
            where = super().__getitem__(0)._pyramid.where
            raise NoLevelError(
                f"{where} has no level {number!r}; give one of 0 to {len(self) - 1}"
            ) from None


class Pyramid(list[dict[str, Any]]):
    """A pyramid in a store, as `build_pyramid` and `open_pyramid` return it.

    It shows itself: as a table of its levels in a terminal, with a picture in a notebook. Nothing
    is read before it is asked for.

    It is also a list of the levels' records: ``pyramid[1]["digest"]``. A level that zarrpyramid did
    not make has an entry with its ``shape``, ``chunks``, ``shards`` and ``dtype``.

    Examples
    --------
    >>> import numpy, zarr, zarrpyramid
    >>> group = zarr.create_group({})
    >>> voxels = numpy.ones((40, 60), "uint8")
    >>> _ = group.create_array("0", data=voxels, chunks=(16, 16), dimension_names=("y", "x"))
    >>> pyramid = zarrpyramid.build_pyramid(
    ...     group, levels=1, voxel_size=[0.5, 0.5], unit="micrometer"
    ... )
    >>> pyramid  # doctest: +ELLIPSIS
    Pyramid memory://...
      2 levels, uint8, axes y x, OME-NGFF 0.5, zarr v3, mean by zarrpyramid
      level  shape    voxel size    chunks   size
      0      40 x 60  0.5 x 0.5 µm  16 x 16  2.4 kB
      1      20 x 30  1 x 1 µm      16 x 16  600 B
    """

    def __init__(
        self,
        records: Sequence[Record],
        store: Store,
        path: str,
        *,
        image: Image | None = None,
        found: FoundPyramid | None = None,
    ) -> None:
        super().__init__(records)
        self._store, self._path, self._image = store, path, image
        if found is not None:
            self._found = found

    @cached_property
    def _found(self) -> FoundPyramid:
        """The documents in the store, read once."""
        from zarrpyramid.verify import pyramid_at

        return pyramid_at(self._store, self._path)

    def __repr__(self) -> str:
        from zarrpyramid.report import pyramid_text

        try:
            return pyramid_text(self._found)
        except PyramidError as error:
            return f"Pyramid {self.path}: {error}"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; None has it show the text."""
        from zarrpyramid.report import pyramid_card

        try:
            return pyramid_card(self._found)
        except PyramidError:
            return None

    @property
    def path(self) -> str:
        """Path or URL of the pyramid's group."""
        return f"{self._store.name}/{self._path}".rstrip("/")

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, in the order of the arrays."""
        return tuple(axis.name for axis in self._found.known_axes)

    @property
    def units(self) -> tuple[str | None, ...]:
        """Unit of each axis; None where the group tells none."""
        return tuple(axis.unit for axis in self._found.known_axes)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels, the finest first."""
        return Levels(Level(self._found, level) for level in self._found.levels)

    @property
    def group(self) -> zarr.Group:
        """The pyramid's group as zarr-python opens it, read-only."""
        from zarrpyramid.stores import open_read_only  # it imports zarr

        group: zarr.Group = open_read_only(self._store, self._path)
        return group

    def dask(self, level: int = 0, *, chunks: Sequence[int] | str | None = None) -> Any:
        """Return a level as an array of dask, which reads what is computed.

        Parameters
        ----------
        level
            Its number; -1 is the coarsest.
        chunks
            Blocks of dask; those of the level unless given. ``"auto"`` takes larger ones.

        Raises
        ------
        PyramidError
            If the level is not there.

        Examples
        --------
        >>> import numpy, zarr, zarrpyramid
        >>> group = zarr.create_group({})
        >>> _ = group.create_array("0", data=numpy.full((8, 8), 7, "uint8"), chunks=(4, 4))
        >>> pyramid = zarrpyramid.build_pyramid(group, levels=1)
        >>> pyramid.dask(1).mean().compute()
        np.float64(7.0)
        """
        return self.levels[level].dask(chunks)

    def xarray(self, level: int = 0, *, chunks: Sequence[int] | str | None = None) -> DataArray:
        """Return a level as a DataArray of xarray, with coordinates at the voxels' centres.

        A coordinate is the level's translation plus index times scale, as OME-NGFF has it, with the
        axis's unit as its attribute ``units``. Channels are named as the group names them. Where
        the group does not tell where voxels are there is no coordinate. The voxels are an array of
        dask.

        Parameters
        ----------
        level, chunks
            As for `dask`.

        Raises
        ------
        PyramidError
            If the level is not there, or xarray is not installed.

        Examples
        --------
        >>> import numpy, zarr, zarrpyramid
        >>> group = zarr.create_group({})
        >>> _ = group.create_array("0", data=numpy.ones((4, 8), "uint8"), chunks=(4, 4))
        >>> pyramid = zarrpyramid.build_pyramid(group, levels=1, voxel_size={"y": 0.5, "x": 0.5})
        >>> pyramid.xarray(1).x.values
        array([0.25, 1.25, 2.25, 3.25])
        """
        return self.levels[level].xarray(chunks)

    def datatree(self, *, chunks: Sequence[int] | str | None = None) -> DataTree:
        """Return all levels as a DataTree of xarray: nodes ``scale0``, ``scale1`` and so on.

        Each has a variable ``image``, as multiscale-spatial-image and spatialdata have it.

        Parameters
        ----------
        chunks
            As for `dask`.

        Raises
        ------
        PyramidError
            If a level is not there, or xarray is not installed.

        Examples
        --------
        >>> import numpy, zarr, zarrpyramid
        >>> group = zarr.create_group({})
        >>> _ = group.create_array("0", data=numpy.ones((4, 8), "uint8"), chunks=(4, 4))
        >>> tree = zarrpyramid.build_pyramid(group, levels=1).datatree()
        >>> tree["scale1/image"].shape
        (2, 4)
        """
        from .labelled import data_tree

        return data_tree({f"scale{level.number}": level.xarray(chunks) for level in self.levels})

    def verify(
        self, *, sample: int | None = None, full: bool = False, seed: int | None = None
    ) -> Report:
        """Hold the pyramid against its records, its documents and the rules of OME-NGFF.

        As ``zarrpyramid verify``, whoever made it. The result shows what was looked at and what was
        found, and has ``is_sound``, ``is_proven``, ``verdict``, ``checks`` and ``findings``.

        Parameters
        ----------
        sample
            Random blocks of each level that are made again, beside corners and edges; 20 unless
            given.
        full
            Whether to make all blocks again.
        seed
            Seed of the random choice; drawn and shown unless given.

        Examples
        --------
        >>> import numpy, zarr, zarrpyramid
        >>> group = zarr.create_group({})
        >>> _ = group.create_array("0", data=numpy.ones((8, 8), "uint8"), chunks=(4, 4))
        >>> zarrpyramid.build_pyramid(group, levels=1).verify(full=True).is_sound
        True
        """
        from zarrpyramid.downsample import n_cores
        from zarrpyramid.verify import SAMPLE, Report, Scope, verify_group

        n_blocks, drawn = SAMPLE, random.randrange(1 << 32)
        if sample is not None:
            n_blocks = whole_number("sample", sample, least=0, example=SAMPLE)
        if seed is not None:
            drawn = whole_number("seed", seed, least=0, example=0)
        scope = Scope(sample=n_blocks, full=full, seed=drawn, n_workers=n_cores())
        report = Report(path=self.path)
        follow_links = self._found.follow_links
        report.gather(verify_group(self._store, self._path, scope, follow_links=follow_links))
        return report

    def report(self, path: str | os.PathLike[str] = "report.html") -> Path:
        """Write the report of a pyramid that zarrpyramid made, one HTML page, and return its path.

        It replaces a report that is there. Of a damaged pyramid it says what is wrong.

        Raises
        ------
        PyramidError
            If no level of it was made by zarrpyramid, or the folder of the path is not there.

        Examples
        --------
        >>> import numpy, tempfile, zarr, zarrpyramid
        >>> group = zarr.create_group({})
        >>> _ = group.create_array("0", data=numpy.ones((8, 8), "uint8"), chunks=(4, 4))
        >>> folder = tempfile.TemporaryDirectory()
        >>> pyramid = zarrpyramid.build_pyramid(group, levels=1)
        >>> pyramid.report(f"{folder.name}/report.html").name
        'report.html'
        >>> folder.cleanup()
        """
        from zarrpyramid.report import level_facts, report_broken, report_pyramid
        from zarrpyramid.stores import check_folder, write_aside

        check_folder(target := page_path(path))
        try:
            image = self._planned
        except PyramidError as error:
            if not (self._found.ours or self._found.provenance):
                raise
            page = report_broken(self._found, error)
        else:
            records = self[: len(image.plan.levels)]  # those at the end may be lost
            page = report_pyramid(image, records, level_facts(image, records))
        write_aside(target, page.encode())
        return target

    def thumbnail(self, side: int = 256) -> bytes | None:
        """Return the middle plane of the image as PNG; None where it has fewer than two space axes.

        Parameters
        ----------
        side
            Pixels along the longer edge.

        Examples
        --------
        >>> import numpy, zarr, zarrpyramid
        >>> group = zarr.create_group({})
        >>> _ = group.create_array("0", data=numpy.ones((8, 8), "uint8"), chunks=(4, 4))
        >>> zarrpyramid.build_pyramid(group, levels=1).thumbnail(64)[1:4]
        b'PNG'
        """
        from zarrpyramid.report import draw_thumbnail

        return draw_thumbnail(self._found, whole_number("side", side, least=1, example=256))

    @property
    def _planned(self) -> Image:
        """The image as it was built, or as it would be built again."""
        if self._image is not None:
            return self._image
        from zarrpyramid.config import check_config, image_config, short_name
        from zarrpyramid.plan import open_image
        from zarrpyramid.verify import reproduced_settings

        settings = check_config(reproduced_settings(self._found))
        config = image_config(short_name(self._store.name, self._path), settings, is_read=True)
        return open_image(config, self._store, self._path)
