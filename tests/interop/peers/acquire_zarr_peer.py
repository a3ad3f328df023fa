"""acquire-zarr: a stream of planes with levels."""

import acquire_zarr as aqz
import numpy as np
import zarr
from asking import SCALE, SHAPE, answer, voxels

KINDS = {"stream": None}


def write(path):
    names = zip("zyx", SHAPE, SCALE, strict=True)
    dimensions = [
        aqz.Dimension(name=name, kind=aqz.DimensionType.SPACE, array_size_px=size,
                      chunk_size_px=16, shard_size_chunks=1, unit="micrometer", scale=scale)
        for name, size, scale in names
    ]  # fmt: skip
    array = aqz.ArraySettings(
        output_key="raw", data_type=aqz.DataType.UINT16, dimensions=dimensions,
        downsampling_method=aqz.DownsamplingMethod.MEAN,
    )  # fmt: skip
    settings = aqz.StreamSettings(store_path=path, overwrite=True, arrays=[array])
    stream = aqz.ZarrStream(settings)
    for plane in voxels():
        stream.append(np.ascontiguousarray(plane), key="raw")
    stream.close()


def read(path, field):
    """It only writes; zarr-python of its environment reads."""
    group = zarr.open_group(path, path=field, mode="r")
    listed = group.attrs["ome"]["multiscales"][0]["datasets"]
    return [group[dataset["path"]][...] for dataset in listed]


if __name__ == "__main__":
    answer({"stream": write}, {"stream": read})
