"""A part of a zarr source, or another order of its axes: level 0 is what numpy makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from servers import web_server
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config
from zarrpyramid.errors import ConfigError
from zarrpyramid.plan import zarr_input
from zarrpyramid.plan.image import open_image

VOXELS = np.random.default_rng(2).integers(0, 999, (3, 20, 18, 13)).astype("uint16")
CHANNELS = {"axes": ["c", "z", "y", "x"], "progress": False, "levels": 1, "scale_factors": 2}
PARTS = [
    ({"crop": {"z": [3, 17], "x": [0, 12]}}, VOXELS[:, 3:17, :, :12], "czyx"),
    ({"channel": 1}, VOXELS[1], "zyx"),
    ({"channel": [2, 0]}, VOXELS[[2, 0]], "czyx"),
    ({"transpose": ["c", "x", "y", "z"]}, VOXELS.transpose(0, 3, 2, 1), "cxyz"),
    ({"axes": ["y", "x", "z", "c"]}, VOXELS.transpose(3, 2, 0, 1), "czyx"),
]
FORMS = [{}, {"shards": (2, 16, 16, 16)}, {"zarr_format": 2}]


def make(path, zarr_format=3, **options):
    group = zarr.create_group(path, zarr_format=zarr_format)
    group.create_array("0", data=VOXELS, chunks=(1, 8, 8, 8), **options)
    return path


@pytest.mark.sampled(5)
@pytest.mark.parametrize("form", FORMS, ids=["v3", "shards", "v2"])
@pytest.mark.parametrize(("keys", "expected", "axes"), PARTS)
def test_a_part(tmp_path, keys, expected, axes, form):
    source, store = make(tmp_path / "theirs.zarr", **form), tmp_path / "own.zarr"
    build_pyramid(store, "raw", source=source, **{**CHANNELS, **keys})
    group = zarr.open_group(store / "raw", mode="r")
    np.testing.assert_array_equal(group["0"], expected)
    listed = group.attrs["ome"]["multiscales"][0]["axes"]
    assert [axis["name"] for axis in listed] == [*axes]
    assert main(["verify", "--full", str(store / "raw")]) == 0


def test_sizes_and_units_come_along(tmp_path):
    source = make(tmp_path / "theirs.zarr")
    group = zarr.open_group(source)
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [
                    {"name": "c", "type": "channel"},
                    *({"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"),
                ],
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 0.5, 0.4]}],
                    }
                ],
            }
        ],
    }
    build_pyramid(tmp_path / "own.zarr", source=source, channel=0, progress=False, levels=1)
    (own,) = zarr.open_group(tmp_path / "own.zarr", mode="r").attrs["ome"]["multiscales"]
    assert own["datasets"][0]["coordinateTransformations"][0]["scale"] == [2, 0.5, 0.4]
    assert [axis["unit"] for axis in own["axes"]] == ["micrometer"] * 3


def test_a_missing_chunk_is_fill_value(tmp_path):
    source = make(tmp_path / "theirs.zarr", fill_value=7)
    (source / "0/c/0/0/0/0").unlink()
    build_pyramid(tmp_path / "own.zarr", source=source, channel=0, progress=False, levels=1)
    found = zarr.open_array(tmp_path / "own.zarr/0", mode="r")[...]
    assert (found[:8, :8, :8] == 7).all()
    np.testing.assert_array_equal(found[8:], VOXELS[0, 8:])


@pytest.mark.parametrize("form", FORMS, ids=["v3", "shards", "v2"])
def test_files_of_a_region_are_found_by_name_or_in_the_list_of_all(tmp_path, monkeypatch, form):
    source, long = make(tmp_path / "theirs.zarr", **form), 16 if "shards" in form else 8
    (source / "0/c/0/0/0/0" if "zarr_format" not in form else source / "0/0.0.0.0").unlink()
    keys = {"store": str(tmp_path / "own.zarr"), "source": str(source), "axes": [*"czyx"]}
    for crop in ({"z": [8, 20]}, {"c": [2, 3], "x": [9, 13]}, {"y": [0, 18]}):
        source_input = open_image(image_config("own", {**keys, "crop": crop})).input.image
        found = [[*source_input.files()]]
        monkeypatch.setattr(zarr_input, "_FEW", 0)
        found.append([*source_input.files()])
        monkeypatch.undo()
        assert found[0] == found[1]
        whole = dict(zip("czyx", VOXELS.shape, strict=True))
        edges = {"c": 2 if "shards" in form else 1, "z": long, "y": long, "x": long}
        spans = {axis: crop.get(axis, (0, stop)) for axis, stop in whole.items()}
        n_objects = [
            -(-stop // edges[axis]) - start // edges[axis] for axis, (start, stop) in spans.items()
        ]
        is_lost = all(start < edges[axis] for axis, (start, _) in spans.items())
        assert len(found[0]) == np.prod(n_objects) - is_lost


def test_what_is_refused(tmp_path):
    source = make(tmp_path / "theirs.zarr")
    with pytest.raises(ConfigError, match="series chooses an image in a source file"):
        build_pyramid(tmp_path / "own.zarr", source=source, series=1)
    message = r"channel asks for a part .* copy it into a folder"
    with web_server(tmp_path) as url, pytest.raises(ConfigError, match=message):
        build_pyramid(tmp_path / "own.zarr", source=f"{url}/theirs.zarr", channel=1, **CHANNELS)
    assert not (tmp_path / "own.zarr").exists()


def test_what_a_group_says_holds_for_a_part_of_it(tmp_path):
    """Ids are not averaged, and the part stays where it was in space."""
    source = make(tmp_path / "theirs.zarr", attributes={"_FillValue": 3, "scale_factor": 0.5})
    group, steps = zarr.open_group(source), [{"type": "scale", "scale": [1, 2, 0.5, 0.4]}]
    steps.append({"type": "translation", "translation": [0, 10, 0, 0]})
    group.attrs["ome"] = {
        "version": "0.5",
        "image-label": {"version": "0.5"},
        "omero": {"channels": [{"label": name} for name in ("dapi", "gfp", "rfp")]},
        "multiscales": [
            {
                "axes": [{"name": "c", "type": "channel"}]
                + [{"name": name, "type": "space"} for name in "zyx"],
                "datasets": [{"path": "0", "coordinateTransformations": steps}],
            }
        ],
    }
    keys = {"source": source, "progress": False, "levels": 1, "scale_factors": 2}
    build_pyramid(tmp_path / "own.zarr", channel="rfp", crop={"z": [3, 17]}, **keys)
    own = zarr.open_group(tmp_path / "own.zarr", mode="r")
    np.testing.assert_array_equal(own["0"], VOXELS[2, 3:17])
    assert own["0"].attrs["scale_factor"] == own["1"].attrs["scale_factor"] == 0.5
    (listed,) = own.attrs["ome"]["multiscales"]
    assert listed["type"] == "mode"
    _, placed = listed["datasets"][0]["coordinateTransformations"]
    assert placed["translation"] == [10 + 3 * 2, 0, 0]


def test_channels_that_are_chosen_anew_are_read_anew_and_named(tmp_path):
    """Also where their first, their last and their number are as before."""
    source = tmp_path / "theirs.zarr"
    voxels, names = np.concatenate([VOXELS, VOXELS + 1]), [*"abcdef"]
    group = zarr.create_group(source)
    group.create_array("0", data=voxels, chunks=(1, 8, 8, 8))
    group.attrs["ome"] = {"omero": {"channels": [{"label": name} for name in names]}}
    for picked in ([0, 1, 3], [0, 2, 3], [3, 5]):
        build_pyramid(tmp_path / "own.zarr", source=source, channel=picked, **CHANNELS)
        own = zarr.open_group(tmp_path / "own.zarr", mode="r")
        np.testing.assert_array_equal(own["0"], voxels[picked])
        shown = own.attrs["ome"]["omero"]["channels"]
        assert [channel["label"] for channel in shown] == [names[place] for place in picked]
