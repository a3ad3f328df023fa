"""ome-zarr: images with labels, plates, and 0.6 by its newer classes."""

from functools import partial

import numpy as np
import zarr
from asking import SCALE, answer, ids, voxels
from ome_zarr import OMEZarrImage, OMEZarrMultiscale
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr.writer import (
    write_image,
    write_labels,
    write_plate_metadata,
    write_well_metadata,
)

FORMATS = {"0.4": (FormatV04, 2), "0.5": (FormatV05, 3)}
PLACED = {
    "axes": "zyx",
    "scale": dict(zip("zyx", SCALE, strict=True)),
    "axes_units": dict.fromkeys("zyx", "micrometer"),
}


def write_labelled(path, version):
    form, zarr_format = FORMATS[version]
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    write_image(voxels(), group, scale_factors=[2, 4], fmt=form(), **PLACED)
    write_labels(ids(), group, name="cells", scale_factors=[2, 4], fmt=form(), **PLACED)


def write_plate(path, version):
    form, zarr_format = FORMATS[version]
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    write_plate_metadata(group, ["A"], ["1", "2"], ["A/1", "A/2"], fmt=form())
    for column in ("1", "2"):
        well = group.require_group("A").require_group(column)
        write_well_metadata(well, ["0"], fmt=form())
        image = well.require_group("0")
        write_image(voxels(), image, scale_factors=[2, 4], fmt=form(), **PLACED)


def write_newest(path):
    image = OMEZarrImage(data=voxels(), **PLACED)
    OMEZarrMultiscale(image, scale_factors=[2, 4]).to_ome_zarr(path, version="0.6")


def levels_of(path):
    node = next(iter(Reader(parse_url(path))()))
    return [np.asarray(level) for level in node.data]


def read_labelled(path, field):
    """The image and its labels are read, whichever of them is asked for."""
    nodes = list(Reader(parse_url(path))())
    assert len(levels_of(path)) > 1
    assert any("labels" in str(node.zarr) for node in nodes), nodes
    return levels_of(f"{path}/{field}".rstrip("/"))


def read_plate(path, field):
    plate = next(iter(Reader(parse_url(path))()))
    assert np.asarray(plate.data[0]).any()
    return levels_of(f"{path}/{field}")


def read_newest(path, field):
    found = OMEZarrMultiscale.from_ome_zarr(f"{path}/{field}".rstrip("/"))
    return [np.asarray(image.data) for image in found.images]


WRITE = {"0.6": write_newest}
READ = {"0.6": read_newest, "image": lambda path, field: levels_of(f"{path}/{field}".rstrip("/"))}
for name in FORMATS:
    WRITE[f"labels {name}"] = partial(write_labelled, version=name)
    WRITE[f"plate {name}"] = partial(write_plate, version=name)
    READ[f"labels {name}"], READ[f"plate {name}"] = read_labelled, read_plate

if __name__ == "__main__":
    answer(WRITE, READ)
