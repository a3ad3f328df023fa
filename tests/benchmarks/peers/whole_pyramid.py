"""A small pyramid as a peer writes it from end to end: level 0, levels, and its own metadata.

Called with a peer, a method and the folder of the store; runs in the environment of that peer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SHAPE, CHUNK = (13, 22, 17), 8
SCALE = {"z": 2.0, "y": 0.5, "x": 0.5}


def voxels(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return noise over a bright slope, in which no two roundings agree."""
    noise = np.random.default_rng(7).integers(0, 900, shape)
    return (noise + 40 * np.indices(shape).sum(0)).astype(np.uint16)


def ome_zarr(method: str, store: Path) -> None:
    """Write by ome-zarr; shapes are rounded down."""
    from ome_zarr.scale import Methods
    from ome_zarr.writer import write_image

    write_image(
        voxels(),
        str(store),
        scale_factors=[dict.fromkeys("zyx", 2), dict.fromkeys("zyx", 4)],
        method=Methods(method),
        axes=list("zyx"),
        scale=SCALE,
        storage_options={"chunks": (CHUNK,) * 3},
    )


def ngff_zarr(method: str, store: Path) -> None:
    """Write by ngff-zarr."""
    import ngff_zarr as nz

    image = nz.to_ngff_image(voxels(), dims=list("zyx"), scale=SCALE)
    pyramid = nz.to_multiscales(
        image, scale_factors=[2, 4], method=nz.Methods(method), chunks=CHUNK, cache=False
    )
    nz.to_ome_zarr(str(store), pyramid, version="0.5")


def pyramid_sampler(method: str, store: Path) -> None:
    """Write by pyramid-sampler, which takes cubes that divide; it writes no multiscales."""
    import zarr
    from pyramid_sampler import Downsampler

    data = voxels((16, 16, 16))
    group = zarr.open_group(store, mode="w")
    group.create_group("field").create_array("0", data=data, chunks=(CHUNK,) * 3)
    Downsampler(str(store), (2, 2, 2), data.shape, chunks=(CHUNK,) * 3).downsample(2, "field")


def tensorstore(method: str, store: Path) -> None:
    """Write by tensorstore's downsample driver; it writes no multiscales."""
    import tensorstore as ts

    def array(level: int) -> dict[str, object]:
        kvstore = {"driver": "file", "path": f"{store}/{level}/"}
        return {"driver": "zarr3", "kvstore": kvstore}

    store.mkdir(parents=True)
    (store / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    source = ts.array(voxels())
    for level in range(3):
        if level:
            source = ts.downsample(ts.open(array(level - 1), read=True).result(), [2] * 3, method)
        grid = {"name": "regular", "configuration": {"chunk_shape": [CHUNK] * 3}}
        codecs = [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 5}},
        ]
        metadata = {
            "chunk_grid": grid, "codecs": codecs, "data_type": "uint16",
            "shape": list(source.shape),
        }  # fmt: skip
        target = ts.open({**array(level), "metadata": metadata}, create=True).result()
        target.write(source).result()


if __name__ == "__main__":
    peer, method, folder = sys.argv[1:]
    globals()[peer.replace("-", "_")](method, Path(folder))
