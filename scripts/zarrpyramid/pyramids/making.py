"""How a `Pyramid` comes about: levels are built, or those that are there are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.config import takes_settings

from .arguments import group_field, whole_number
from .level import Level
from .pyramid import Pyramid

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Unpack

    from zarrpyramid.config import Keywords


@takes_settings
def build_pyramid(
    store: object,
    field: str = "",
    *,
    notes: str | os.PathLike[str] | None = None,
    n_workers: int | None = None,
    progress: bool | None = None,
    **settings: Unpack[Keywords],
) -> Pyramid:
    """Build the levels of an image beside its level 0, and list them.

    The result equals a run of the workflow with the same keys: the same voxels, metadata and
    records. Existing levels that were made with the same recipe from the same voxels are left as
    they are; one that has lost an object, or has one of another size than was written, is made
    again. Nobody reads their voxels: `verify_pyramid` does.

    Parameters
    ----------
    store
        A path, a URL (s3, gs, az), a zarr store object, or a group opened from one.
    field
        Path of the group in the store; "" is its root.
    **settings
        As in the configuration.
    notes
        A local folder for notes of what was made, in a subfolder with the image's name. With notes,
        a build that was killed continues where it was, and after a change or a growth of level 0
        only what depends on it is made. Without them, all of a level concerned is made again.
    n_workers
        Number of threads; None takes one per core. A dask client or scheduler that is set is used
        instead.
    progress
        Whether to show a bar; None shows one in a terminal or a notebook.

    Returns
    -------
    Pyramid
        It shows the levels and opens them, and is a list of their records, level 0 first. Records
        of companions are in their own levels.

    Raises
    ------
    PyramidError
        If the image is not there or not served, or the settings do not fit it.

    Examples
    --------
    >>> import numpy, zarr, zarrpyramid
    >>> group = zarr.create_group({})
    >>> _ = group.create_array("0", data=numpy.arange(48).reshape(6, 8), chunks=(4, 4))
    >>> pyramid = zarrpyramid.build_pyramid(group, scale_factors={"x": 4}, levels=1)
    >>> pyramid.levels[1].array.shape
    (6, 2)
    """
    from zarrpyramid.downsample import build_image  # 0.3 s, which opening does without

    field = group_field(field)
    if n_workers is not None:
        n_workers = whole_number("n_workers", n_workers, least=1, example=2)
    image, records = build_image(
        store, field, settings, notes=notes, n_workers=n_workers, progress=progress
    )
    return Pyramid(records, image.store, image.path, image=image)


def open_pyramid(
    store: object,
    field: str = "",
    *,
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Pyramid:
    """Open a pyramid that is there, whoever made it: OME-NGFF of any version, or plain levels.

    Only documents are read.

    Parameters
    ----------
    store
        A path, a URL (s3, gs, az, http, https), a zarr store object, or a group opened from one.
    field
        Path of the group in the store; "" is its root.
    follow_links
        Whether symbolic links that lead out of the store are followed.
    storage_options
        For a URL, as in the configuration.

    Raises
    ------
    PyramidError
        If there is no group, or no level in it.

    Examples
    --------
    >>> import numpy, zarr, zarrpyramid
    >>> group = zarr.create_group({})
    >>> _ = group.create_array("0", data=numpy.ones((6, 8)), chunks=(4, 4))
    >>> _ = zarrpyramid.build_pyramid(group, levels=1)
    >>> zarrpyramid.open_pyramid(group).levels
    (<Level 0: float64 6 x 8 in chunks of 4 x 4>, <Level 1: float64 3 x 4 in chunks of 4 x 4>)
    """
    from zarrpyramid.verify import find_pyramid

    field = group_field(field)
    found = find_pyramid(store, field, follow_links=follow_links, storage_options=storage_options)
    records = [Level(found, level).record for level in found.levels]
    return Pyramid(records, found.store, found.path, found=found)
