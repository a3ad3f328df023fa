"""Make a benchmark's level 0: a smooth field with noise on it, which zstd makes 1.5 to 3x smaller.

Run by the benchmarks as a process of its own. Written object by object, so that memory stays flat;
equal arguments give equal voxels.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

CODECS = ("zstd", "blosc-lz4", "raw")
DTYPES = ("uint8", "uint16", "float32", "float64")

# Amplitude of the field, deviation of the noise, and the step that values are multiples of.
_LIGHT = {
    "uint8": (100.0, 1.0, 1.0),
    "uint16": (2000.0, 1.0, 1.0),
    "float32": (2000.0, 8.0, 2.0**-3),
    "float64": (2000.0, 8.0, 2.0**-12),
}
# Of voxels, not of the image: every size compresses as well as any other.
_FREQUENCIES = (0.010, 0.014, 0.018)
_EDGE = 64
_N_NOISES = 16


def compressor(codec: str, item_size: int) -> Any:
    """Return zarr's codec of a name, None for raw."""
    if codec == "raw":
        return None
    if codec == "zstd":
        return ZstdCodec(level=3)
    shuffle: Any = "shuffle" if item_size > 1 else "bitshuffle"
    return BloscCodec(cname="lz4", clevel=5, shuffle=shuffle, typesize=item_size)


def make_image(
    store: Path, size: int, *, dtype: str, codec: str, chunk: int, shard: int | None, threads: int
) -> None:
    """Write the array `field/0` of a new zarr v3 store."""
    zarr.open_group(store, mode="w").create_group("field")
    array = zarr.create_array(
        store,
        name="field/0",
        shape=(size,) * 3,
        chunks=(chunk,) * 3,
        shards=None if shard is None else (shard,) * 3,
        dtype=dtype,
        compressors=compressor(codec, np.dtype(dtype).itemsize),
        dimension_names=("z", "y", "x"),
        fill_value=0,
    )
    random = np.random.default_rng(7)
    noises = [random.standard_normal((_EDGE,) * 3, dtype=np.float32) for _ in range(_N_NOISES)]
    unit = shard or chunk

    def write(corner: tuple[int, ...]) -> None:
        region = tuple(slice(start, min(start + unit, size)) for start in corner)
        array[region] = _voxels(region, dtype, noises)

    corners = itertools.product(range(0, size, unit), repeat=3)
    with ThreadPoolExecutor(threads) as pool:
        # In batches: a submitted task holds its arguments until it is done.
        while batch := list(itertools.islice(corners, 256)):
            list(pool.map(write, batch))


def _voxels(region: tuple[slice, ...], dtype: str, noises: list[Any]) -> Any:
    out = np.empty([axis.stop - axis.start for axis in region], dtype)
    starts = [range(axis.start, axis.stop, _EDGE) for axis in region]
    for corner in itertools.product(*starts):
        here = tuple(
            slice(start, min(start + _EDGE, axis.stop))
            for start, axis in zip(corner, region, strict=True)
        )
        inside = tuple(
            slice(a.start - b.start, a.stop - b.start) for a, b in zip(here, region, strict=True)
        )
        out[inside] = _tile(here, dtype, noises)
    return out


def _tile(region: tuple[slice, ...], dtype: str, noises: list[Any]) -> Any:
    amplitude, deviation, step = _LIGHT[dtype]
    waves = [
        np.sin(0.7 + frequency * np.arange(axis.start, axis.stop))
        for axis, frequency in zip(region, _FREQUENCIES, strict=True)
    ]
    light = np.multiply.outer(np.multiply.outer(waves[0], waves[1]), waves[2]) + 1.0
    light *= amplitude
    weights = (7, 5, 3)
    corner = [axis.start // _EDGE for axis in region]
    noise = noises[sum(w * c for w, c in zip(weights, corner, strict=True)) % _N_NOISES]
    light += deviation * noise[tuple(slice(0, extent) for extent in light.shape)]
    light = np.rint(light / step) * step
    if np.dtype(dtype).kind == "u":
        light = np.clip(light, 0, np.iinfo(dtype).max)
    return light.astype(dtype)


def main() -> None:
    """Make an image and report its size on disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--dtype", choices=DTYPES, default="uint16")
    parser.add_argument("--codec", choices=CODECS, default="zstd")
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--shard", type=int)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    make_image(
        given.store,
        given.size,
        dtype=given.dtype,
        codec=given.codec,
        chunk=given.chunk,
        shard=given.shard,
        threads=given.threads,
    )
    stored = sum(
        (Path(folder) / name).stat().st_size
        for folder, _, names in os.walk(given.store)
        for name in names
    )
    raw = given.size**3 * np.dtype(given.dtype).itemsize
    print(json.dumps({"raw": raw, "stored": stored}))


if __name__ == "__main__":
    main()
