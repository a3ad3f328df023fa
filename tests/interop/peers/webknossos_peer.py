"""webknossos: a dataset with a colour layer and a segmentation, each padded to whole chunks."""

import numpy as np
from asking import answer, ids, voxels
from webknossos import Dataset, Mag

SHARDS = {"zarr": {"shard_shape": (16, 16, 16)}, "zarr3": {"shard_shape": (64, 64, 64)}}


def write(path, data_format):
    dataset = Dataset(path, voxel_size=(500, 500, 2000))
    for name, kind, array in (("raw", "color", voxels()), ("cells", "segmentation", ids())):
        cut = {"chunk_shape": (16, 16, 16), **SHARDS[data_format]}
        layer = dataset.write_layer(
            name, kind, np.transpose(array)[np.newaxis], data_format=data_format,
            downsample=False, **cut,
        )  # fmt: skip
        for mag in (Mag("2-2-1"), Mag("4-4-2")):  # by itself it takes shards of 4096
            layer.add_mag(mag, compress=True, **cut)
        layer.redownsample(compress=False)


def read(path, field):
    """The dataset opens with both layers; the levels are those of one of them, as z, y, x."""
    dataset = Dataset.open(path)
    assert set(dataset.layers) == {"raw", "cells"}
    layer = dataset.get_layer(field)
    return [np.transpose(layer.get_mag(mag).read()[0]) for mag in sorted(layer.mags)]


if __name__ == "__main__":
    answer({name: lambda path, name=name: write(path, name) for name in ("zarr", "zarr3")},
           dict.fromkeys(("zarr", "zarr3"), read))  # fmt: skip
