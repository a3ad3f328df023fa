"""bioio-ome-zarr: images of t, c, z, y, x with levels of its own."""

from functools import partial

import numpy as np
from asking import SCALE, SHAPE, answer, voxels
from bioio_ome_zarr import Reader
from bioio_ome_zarr.writers import OMEZarrWriter

SIZES = [1.0, 1.0, *SCALE]
UNITS = ["second", None, *["micrometer"] * 3]


def write(path, zarr_format):
    full = voxels()[np.newaxis, np.newaxis]
    shapes = [(1, 1, *(extent // 2**level for extent in SHAPE)) for level in range(3)]
    writer = OMEZarrWriter(
        path,
        level_shapes=shapes,
        dtype="uint16",
        chunk_shape=(1, 1, 16, 16, 16),
        zarr_format=zarr_format,
        physical_pixel_size=SIZES,
        axes_units=UNITS,
    )
    writer.write_full_volume(full)


def read(path, field):
    reader = Reader(f"{path}/{field}".rstrip("/"))
    found = []
    for level in reader.resolution_levels:
        reader.set_resolution_level(level)
        found.append(reader.get_image_data("ZYX"))
    return found


if __name__ == "__main__":
    answer({"0.4": partial(write, zarr_format=2), "0.5": partial(write, zarr_format=3)},
           dict.fromkeys(("0.4", "0.5", "image"), read))  # fmt: skip
