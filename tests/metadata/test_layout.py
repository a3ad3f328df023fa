"""The zarr convention `multiscales` beside OME-NGFF, judged by zarr-cm."""

import json

import numpy as np
import pytest
import zarr
import zarr_cm.multiscales as judge
from ome_zarr_models import open_ome_zarr

from zarrpyramid import build_pyramid, open_pyramid
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata.multiscales import ome_attributes
from zarrpyramid.verify import reproduce

GEOZARR = {"layout": [{"asset": "r10m"}]}
KEYS = {"scale_factors": [2, 4], "voxel_size": {"y": 0.1, "x": 0.3}, "progress": False}


def stored(path, zarr_format=3, **attributes):
    group = zarr.create_group(path, zarr_format=zarr_format, attributes=attributes)
    group.create_array("0", data=np.arange(40 * 96).reshape(40, 96), chunks=(8, 8))
    return path


def attributes_of(path):
    return json.loads((path / "zarr.json").read_bytes())["attributes"]


def test_zarr_cm_reads_the_levels(tmp_path):
    other = {"uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f", "name": "proj"}
    path = stored(tmp_path / "a.zarr", zarr_conventions=[other])
    build_pyramid(path, levels=2, zarr_conventions=True, **KEYS)
    judge.validate_group_metadata(json.loads((path / "zarr.json").read_bytes()))
    rest, found = judge.extract(attributes_of(path))
    assert rest["zarr_conventions"] == [other]
    assert [level["asset"] for level in found["layout"]] == ["0", "1", "2"]
    for before, level in zip("01", found["layout"][1:], strict=True):
        assert level["derived_from"] == before
        assert level["transform"] == {"scale": [2.0, 4.0], "translation": [0.5, 1.5]}
    assert found["resampling_method"] == "average"
    open_ome_zarr(zarr.open_group(path, mode="r"))
    assert open_pyramid(path).verify(full=True).is_sound
    assert "zarr_conventions: true" in reproduce(str(path))


def test_it_follows_the_list(tmp_path):
    path = stored(tmp_path / "a.zarr")
    build_pyramid(path, levels=2, zarr_conventions=True, **KEYS)
    build_pyramid(path, levels=1, zarr_conventions=True, **KEYS)
    assert [level["asset"] for level in attributes_of(path)["multiscales"]["layout"]] == ["0", "1"]
    build_pyramid(path, levels=1, **KEYS)
    assert "multiscales" not in attributes_of(path)
    assert "zarr_conventions" not in attributes_of(path)
    build_pyramid(path, levels=1, zarr_conventions=True, **KEYS)
    document = json.loads((path / "zarr.json").read_bytes())
    document["attributes"]["multiscales"]["layout"].pop()
    (path / "zarr.json").write_text(json.dumps(document))
    assert "multiscales/layout" in repr(open_pyramid(path).verify())
    clean(str(path))
    assert not {"multiscales", "zarr_conventions"} & set(attributes_of(path))


@pytest.mark.parametrize("asked", [True, False])
def test_a_layout_of_others_stays(tmp_path, asked):
    path = stored(tmp_path / "a.zarr", multiscales=GEOZARR)
    pyramid = build_pyramid(path, levels=1, zarr_conventions=asked, **KEYS)
    assert attributes_of(path)["multiscales"] == GEOZARR
    assert attributes_of(path)["ome"]["multiscales"][0]["datasets"][1]["path"] == "1"
    assert pyramid.verify().is_sound
    clean(str(path))
    assert attributes_of(path)["multiscales"] == GEOZARR


def test_zarr_v2_has_no_room(tmp_path):
    path = stored(tmp_path / "a.zarr", zarr_format=2)
    with pytest.raises(ConfigError, match="leave zarr_conventions out") as told:
        build_pyramid(path, levels=1, zarr_conventions=True, **KEYS)
    assert "\n" not in str(told.value)
    assert sorted(item.name for item in path.iterdir()) == [".zattrs", ".zgroup", "0"]
    assert len(build_pyramid(path, levels=1, **KEYS)) == 2


def test_omero_of_v2_is_a_mapping_and_no_convention():
    attributes = {"omero": {"channels": []}, "plate": {"rows": []}, "multiscales": GEOZARR}
    assert ome_attributes(attributes, "omero") is attributes
    assert ome_attributes(attributes, "plate") is attributes
    assert ome_attributes(attributes) == {}
