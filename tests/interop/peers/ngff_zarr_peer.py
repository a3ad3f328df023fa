"""ngff-zarr: images of three versions of OME-NGFF, and plates."""

from functools import partial

import ngff_zarr
from asking import SCALE, answer, voxels
from ngff_zarr.hcs import HCSPlateWriter

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


def write_plate(path, version):
    plate = ngff_zarr.Plate(
        columns=[ngff_zarr.PlateColumn(name=name) for name in ("1", "2")],
        rows=[ngff_zarr.PlateRow(name="A")],
        wells=[ngff_zarr.PlateWell(path=f"A/{n + 1}", rowIndex=0, columnIndex=n) for n in (0, 1)],
        version=version,
    )
    image = ngff_zarr.to_ngff_image(voxels(), dims=list("zyx"))
    with HCSPlateWriter(path, plate, version=version) as writer:
        for column in ("1", "2"):
            levels = ngff_zarr.to_multiscales(image, scale_factors=[2], chunks=16)
            writer.write_well_image(levels, "A", column, field_index=0, acquisition_id=None)


def read_plate(path, field):
    """The whole plate is opened, and an image of it."""
    row, column, place = field.split("/")
    plate = ngff_zarr.from_hcs_zarr(path)
    image = plate.get_well(row, column).get_image(int(place))
    return [level.data.compute() for level in image.images]


def read(path, field):
    found = ngff_zarr.from_ngff_zarr(f"{path}/{field}".rstrip("/"))
    for image in found.images:
        assert image.axes_units == UNITS, image.axes_units
    return [image.data.compute() for image in found.images]


VERSIONS = ("0.4", "0.5", "0.6")

if __name__ == "__main__":
    plates = {f"plate {version}": partial(write_plate, version=version) for version in VERSIONS[:2]}
    answer(
        {version: partial(write, version=version) for version in VERSIONS} | plates,
        dict.fromkeys((*VERSIONS, "image"), read) | dict.fromkeys(plates, read_plate),
    )
