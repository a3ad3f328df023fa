"""Layouts whose programs cannot be had here: bioformats2raw (Java) and COSEM, written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import zarr
from asking import SCALE, answer, voxels


def bioformats2raw(path):
    """Layout 3: a root with two series, each an image of NGFF 0.4, and metadata of the file."""
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for series in ("0", "1"):
        group = root.create_group(series)
        for level in range(3):
            step = 2**level
            array = voxels()[np.newaxis, np.newaxis, :, ::step, ::step]
            group.create_array(str(level), data=array, chunks=(1, 1, 1, 32, 32),
                               chunk_key_encoding={"name": "v2", "separator": "/"})  # fmt: skip
        group.attrs["multiscales"] = [
            {
                "version": "0.4",
                "metadata": {"method": "loci.common.image.SimpleImageScaler"},
                "axes": [
                    {"name": "t", "type": "time"},
                    {"name": "c", "type": "channel"},
                    *({"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"),
                ],
                "datasets": [
                    {
                        "path": str(level),
                        "coordinateTransformations": [
                            {
                                "type": "scale",
                                "scale": [1.0, 1.0, SCALE[0], *(s * 2**level for s in SCALE[1:])],
                            }
                        ],
                    }
                    for level in range(3)
                ],
            }
        ]
    root.create_group("OME").attrs["series"] = ["0", "1"]
    (Path(path) / "OME" / "METADATA.ome.xml").write_text("<OME/>")


def cosem(path):
    """A group of s0, s1, ... whose datasets have a transform beside NGFF's."""
    group = zarr.open_group(path, mode="w", zarr_format=2).create_group("em")
    datasets = []
    for level in range(3):
        step = 2**level
        array = group.create_array(f"s{level}", data=voxels()[::step, ::step, ::step],
                                   chunks=(16, 16, 16))  # fmt: skip
        shift = [size * (step - 1) / 2 for size in SCALE]
        transform = {
            "axes": ["z", "y", "x"],
            "units": ["nm"] * 3,
            "scale": [size * step for size in SCALE],
            "translate": shift,
        }
        array.attrs["transform"] = transform
        datasets.append({"path": f"s{level}", "transform": transform})
    group.attrs["multiscales"] = [{"name": "em", "datasets": datasets}]


def read(path, field):
    """No program of theirs is at hand: zarr-python reads what is listed."""
    root = json.loads((Path(path) / ".zattrs").read_text()) if not field.startswith("em") else {}
    if "bioformats2raw.layout" in root:
        assert zarr.open_group(path, mode="r")["OME"].attrs["series"] == ["0", "1"]
        assert (Path(path) / "OME" / "METADATA.ome.xml").exists()
    group = zarr.open_group(path, path=field, mode="r")
    return [group[item["path"]][...] for item in group.attrs["multiscales"][0]["datasets"]]


if __name__ == "__main__":
    answer(
        {"bioformats2raw": bioformats2raw, "cosem": cosem},
        dict.fromkeys(("bioformats2raw", "cosem"), read),
    )
