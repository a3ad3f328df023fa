"""Keywords of `build_pyramid` for type checkers, made by docs/reference/generate.py."""

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict


class Keywords(TypedDict, total=False):
    """Settings that a call may give; `settings.KEYWORDS` says what they mean."""

    base_path: str
    source: str | os.PathLike[str]
    series: str | int
    channel: str | int | Sequence[int | str]
    crop: Mapping[str, Sequence[int]]
    transpose: str | Sequence[int | str]
    link_base: bool
    overwrite: bool
    levels: str | int
    axes: str | Sequence[str]
    scale_factors: str | int | Mapping[str, int] | Sequence[int | Sequence[int] | Mapping[str, int]]
    method: str
    also: str | Sequence[str]
    rounding: str
    weights: str
    nodata: str | str | int | float | Sequence[str | int | float | None]
    nodata_share: float
    labels: str | bool
    omero: bool
    ngff_version: str
    zarr_conventions: bool
    dtype: str
    chunks: str | Sequence[int]
    shards: str | Sequence[int]
    compressor: str
    checksum: bool
    write_empty_chunks: bool
    voxel_size: Mapping[str, float] | Sequence[float]
    unit: Mapping[str, str] | str
    edit_base: bool
    durability: str
    dask_scheduler: str
    base_watch: str
    force_space: bool
    missing_chunks: str
    follow_links: bool
    storage_options: Mapping[str, bool | int | float | str]
    source_options: Mapping[str, bool | int | float | str]
