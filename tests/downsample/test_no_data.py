"""Pyramids of arrays that declare no data and packing, as CF says: xarray, GDAL and others do."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest
import yaml
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.metadata.conventions import no_data_values
from zarrpyramid.verify.reproduction import reproduce

PACKED = {"scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768, "units": "K"}


def make(path, voxels, attributes, zarr_format=3, chunks=(8, 8), **how):
    group = zarr.create_group(path, zarr_format=zarr_format)
    if zarr_format == 3:
        how["dimension_names"] = ("y", "x")
    array = group.create_array("0", data=voxels, chunks=chunks, **how)
    array.attrs.update(attributes)
    return path


def border():
    voxels = np.full((61, 80), 27, "int16")
    voxels[:31, :41] = -32768
    return voxels


def level(path, number):
    return zarr.open_array(path / str(number), mode="r")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("chunks", [(8, 8), (7, 9)])  # whole windows in each chunk, and across
@pytest.mark.parametrize("method", ["nanmean", "min", "max"])
def test_no_data_is_not_mixed_with_data(tmp_path, method, chunks, zarr_format):
    path = make(tmp_path / "a.zarr", border(), PACKED, zarr_format, chunks)
    records = build_pyramid(path, method=method, levels=3, progress=False)
    for number in (1, 2, 3):
        found = level(path, number)
        assert set(np.unique(found[...])) == {27, -32768}
        kept = {key: found.attrs[key] for key in ("scale_factor", "add_offset", "_FillValue")}
        assert kept == {key: PACKED[key] for key in kept}
        assert records[number]["recipe"]["no_data"] == [-32768]
    assert main(["verify", str(path), "--full"]) == 0
    assert main(["status", str(path)]) == 0
    config = yaml.safe_load(reproduce(str(path)))
    del config["store"], config["field"]
    assert build_pyramid(path, progress=False, **config) == records


def test_a_missing_chunk_of_no_data_is_none(tmp_path):
    voxels = np.full((32, 32), -32768, "int16")
    voxels[:8, :8] = 5
    path = make(tmp_path / "a.zarr", voxels, PACKED, fill_value=-32768)
    assert len([item for item in (path / "0/c").rglob("*") if item.is_file()]) == 1
    build_pyramid(path, method="nanmean", levels=2, progress=False)
    assert (level(path, 1)[:4, :4] == 5).all()
    assert set(np.unique(level(path, 2)[...])) == {5, -32768}
    (path / "1/c/0/0").unlink()
    assert main(["verify", str(path), "--repair", "--full"]) == 0
    assert (level(path, 1)[:4, :4] == 5).all()


def test_the_mean_says_that_it_averages_no_data(tmp_path, capsys):
    with_it = make(tmp_path / "a.zarr", border(), PACKED)
    without = make(tmp_path / "b.zarr", border(), {})
    records = [build_pyramid(path, levels=1, progress=False)[1] for path in (with_it, without)]
    assert records[0]["digest"] == records[1]["digest"]  # as it ever was
    assert "no_data" not in records[0]["recipe"]
    assert level(with_it, 1).attrs["scale_factor"] == 0.01
    main(["plan", str(with_it)])
    told = capsys.readouterr().out
    assert "level 0 declares -32768 as no data, a number as others here: nanmean leaves it" in told
    (tmp_path / "c.yaml").write_text(f"{{store: {with_it}, method: nanmean}}")
    main(["plan", "--configfile", str(tmp_path / "c.yaml")])  # the way out
    assert "no data (-32768) is left out" in capsys.readouterr().out


def test_sums_unpack_otherwise(tmp_path):
    path = make(tmp_path / "a.zarr", border(), PACKED)
    build_pyramid(path, method="sum", dtype="int32", levels=1, progress=False)
    assert set(level(path, 1).attrs) == {"zarrpyramid"}


def test_contrast_leaves_no_data_out(tmp_path):
    voxels = border()
    voxels[40:] = np.arange(100, 180)
    for method in ("mean", "nanmean"):
        path = make(tmp_path / f"{method}.zarr", voxels, PACKED)
        records = build_pyramid(path, method=method, levels=1, progress=False)
        assert records[1]["source"]["windows"] == [[27, 178]]


def test_a_declaration_that_changes_makes_levels_anew(tmp_path):
    path = make(tmp_path / "a.zarr", border(), PACKED)
    build_pyramid(path, method="nanmean", levels=1, progress=False)
    document = json.loads((path / "0/zarr.json").read_text())
    document["attributes"]["missing_value"] = 27
    (path / "0/zarr.json").write_text(json.dumps(document))
    assert main(["verify", str(path)]) == 1  # and so does a run
    assert main(["status", str(path)]) == 1
    assert main(["verify", str(path), "--repair"]) == 0
    assert set(np.unique(level(path, 1)[...])) == {-32768, 27}  # no data both


DOUBLE = base64.b64encode(struct.pack("<d", -9999.0)).decode()


@pytest.mark.parametrize(
    ("attributes", "dtype", "expected"),
    [
        ({"_FillValue": -32768}, "int16", (-32768,)),
        ({"_FillValue": -1.0}, "int16", (-1,)),  # as JSON of a double
        ({"_FillValue": 0.5}, "int16", ()),
        ({"_FillValue": -1}, "uint16", ()),  # no voxel has it
        ({"_FillValue": -1, "_Unsigned": "true"}, "int8", (-1,)),
        ({"missing_value": [7, 8], "_FillValue": 8}, "uint8", (8, 7)),
        ({"_FillValue": DOUBLE}, "float32", (-9999.0,)),  # xarray in zarr v3
        ({"_FillValue": "AAAAAAAA+H8="}, "float32", ()),  # NaN in the same spelling
        ({"_FillValue": "NaN"}, "float32", ()),
        ({"_FillValue": DOUBLE}, "int16", ()),
        ({"_FillValue": True}, "int16", ()),
        ({"_FillValue": None, "missing_value": {}}, "int16", ()),
        ({"_FillValue": 1}, "bool", ()),
        ({"_FillValue": 1}, "complex64", ()),
        ({"_FillValue": 10**400}, "float64", ()),
        ({"_FillValue": float("nan")}, "int16", ()),
    ],
)
def test_what_is_declared(attributes, dtype, expected):
    found = no_data_values(attributes, dtype)
    assert found == expected
    assert [type(n) for n in found] == [type(n) for n in expected]


def test_floats_of_xarray_keep_their_fill_value(tmp_path):
    voxels = border().astype("float32")
    voxels[voxels < 0] = -9999
    voxels[50:52, 50:52] = np.nan
    path = make(tmp_path / "a.zarr", voxels, {"_FillValue": DOUBLE})
    build_pyramid(path, method="nanmean", levels=2, progress=False)
    found = level(path, 1)[...]
    assert set(np.unique(found[~np.isnan(found)])) == {27, -9999}
    assert np.isnan(found).sum() == 1
    assert level(path, 2).attrs["_FillValue"] == DOUBLE
    assert main(["verify", str(path), "--full"]) == 0
