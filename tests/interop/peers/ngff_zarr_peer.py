"""ngff-zarr: images of three versions of OME-NGFF."""

from functools import partial

import ngff_zarr
from asking import SCALE, answer, voxels

UNITS = dict.fromkeys("zyx", "micrometer")


def write(path, version):
    image = ngff_zarr.to_ngff_image(
        voxels(),
        dims=list("zyx"),
        scale=dict(zip("zyx", SCALE, strict=True)),
        translation={"z": 0.0, "y": 10.0, "x": -3.0},
        axes_units=UNITS,
    )
    levels = ngff_zarr.to_multiscales(image, scale_factors=[2, 4], chunks=16)
    ngff_zarr.to_ngff_zarr(path, levels, version=version)


def read(path, field):
    found = ngff_zarr.from_ngff_zarr(f"{path}/{field}".rstrip("/"))
    for image in found.images:
        assert image.axes_units == UNITS, image.axes_units
    return [image.data.compute() for image in found.images]


VERSIONS = ("0.4", "0.5", "0.6")

if __name__ == "__main__":
    answer(
        {version: partial(write, version=version) for version in VERSIONS},
        dict.fromkeys((*VERSIONS, "image"), read),
    )
