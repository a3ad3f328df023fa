"""What neuroglancer is told of a pyramid."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import zarrpyramid
from zarrpyramid.cli.program import main
from zarrpyramid.metadata.group import locate
from zarrpyramid.programs import extra_command
from zarrpyramid.report.neuroglancer import viewer_state
from zarrpyramid.report.viewing import served_paths

URL = "http://here/"


def build(path, data, **settings):
    group = zarr.open_group(path, mode="w", zarr_format=3).create_group("raw")
    group.create_array("0", data=data, chunks=(8,) * data.ndim)
    zarrpyramid.build_pyramid(path, "raw", levels=1, **settings)
    return locate(str(path / "raw"), "")


def test_an_image_is_one_white_layer_between_its_extremes(tmp_path):
    data = np.full((16, 12, 20), 5, "uint16")
    data[:2, :2, :2] = 700
    sizes = {"z": 2.0, "y": 0.5, "x": 0.5}
    units = dict.fromkeys("zyx", "micrometer")
    state = viewer_state(*build(tmp_path / "a.zarr", data, voxel_size=sizes, unit=units), URL)
    (layer,) = state["layers"]
    assert (layer["type"], layer["name"]) == ("image", "raw")
    assert layer["source"] == "http://here/|zarr3:"
    assert layer["shaderControls"] == {"normalized": {"range": [5, 700]}}
    assert "#ffffff" in layer["shader"]
    assert state["displayDimensions"] == ["x", "y", "z"]
    assert state["dimensions"] == {
        "z": (2e-6, "m"),
        "y": (0.5e-6, "m"),
        "x": (0.5e-6, "m"),
    }
    # 16 voxels of 2 are 64 of the least size, the widest extent.
    assert state["crossSectionScale"] == pytest.approx(64 / 400)


@pytest.mark.parametrize(
    ("units", "relative"),
    [
        ({}, None),
        (dict.fromkeys("zyx", "micrometer"), None),
        # neuroglancer's meters would make it a million times as long as the others.
        ({"y": "micrometer", "x": "micrometer"}, {"z": 0.25e-6}),
        ({"x": "nanometer"}, {"z": 0.25e-9, "y": 1e-9}),
    ],
    ids=["none", "all", "not z", "x alone"],
)
def test_an_axis_without_a_unit_is_drawn_in_voxels_of_the_others(tmp_path, units, relative):
    data = np.full((16, 12, 20), 5, "uint16")
    sizes = {"z": 2.0, "y": 0.5, "x": 0.5}
    state = viewer_state(*build(tmp_path / "a.zarr", data, voxel_size=sizes, unit=units), URL)
    assert state.get("relativeDisplayScales") == (relative and pytest.approx(relative))
    # 20 voxels of the least size, or z's 16 voxels of four of it.
    widest = 64 if relative is None else 20
    assert state["crossSectionScale"] == pytest.approx(widest / 400)


@pytest.mark.parametrize(
    ("dtype", "least", "attributes", "expected"),
    [
        ("uint16", 100, {"zarrpyramid_channels": ["DAPI", "GFP"]}, (["DAPI", "GFP"], [100, 300])),
        ("float32", -2.5, {}, (["channel 0", "channel 1"], [-2.5, 197.5])),
        # A constant has a window that starts before it ends.
        ("uint8", 7, {}, (["channel 0", "channel 1"], [7, 8])),
    ],
    ids=["named", "floats", "a constant"],
)
def test_a_small_image_without_levels_is_not_black(tmp_path, dtype, least, attributes, expected):
    data = np.full((2, 8, 12), least, dtype)
    if dtype != "uint8":
        data[:, 4:] += 200
    group = zarr.create_group(tmp_path / "a.zarr", attributes=attributes)
    group.create_array("0", data=data, chunks=(1, 8, 8))
    zarrpyramid.build_pyramid(tmp_path / "a.zarr", axes=["c", "y", "x"], progress=False)
    layers = viewer_state(*locate(str(tmp_path / "a.zarr"), ""), URL)["layers"]
    names, window = expected
    assert [layer["name"] for layer in layers] == names
    shown = [layer["shaderControls"]["normalized"]["range"] for layer in layers]
    assert shown == [window, window]


def test_channels_and_time(tmp_path):
    data = np.zeros((2, 3, 16, 12), "uint8")
    place = build(tmp_path / "a.zarr", data, axes=["t", "c", "y", "x"])
    state = viewer_state(*place, URL)
    assert [layer["localPosition"] for layer in state["layers"]] == [[0], [1], [2]]
    assert all(layer["localDimensions"] == {"c'": [1, ""]} for layer in state["layers"])
    assert len({layer["shader"] for layer in state["layers"]}) == 3
    assert (list(state["dimensions"]), state["layout"]) == (["t", "y", "x"], "xy")
    assert state["displayDimensions"] == ["x", "y"]


@pytest.mark.parametrize(
    ("dtype", "method", "kind"),
    [("uint16", "mode", "segmentation"), ("uint16", "mean", "image"), ("bool", "mode", "image")],
)
def test_labels_are_known_by_their_method(tmp_path, dtype, method, kind):
    place = build(tmp_path / "a.zarr", np.zeros((16, 16), dtype), method=method)
    assert [layer["type"] for layer in viewer_state(*place, URL)["layers"]] == [kind]


def test_labels_of_an_image_are_shown_on_it(tmp_path):
    store, path = build(tmp_path / "a.zarr", np.zeros((16, 16), "uint8"))
    group = zarr.open_group(tmp_path / "a.zarr/raw/labels", mode="w", zarr_format=3)
    group.attrs["ome"] = {"version": "0.5", "labels": ["cells", "absent"]}
    cells = group.create_group("cells", attributes={"ome": {"image-label": {}}})
    cells.create_array("0", data=np.zeros((16, 16), "uint32"), chunks=(8, 8))
    zarrpyramid.build_pyramid(tmp_path / "a.zarr", "raw/labels/cells", levels=1)
    _, labels = viewer_state(store, path, URL)["layers"]
    assert (labels["type"], labels["name"]) == ("segmentation", "cells")
    assert labels["source"] == "http://here/labels/cells/|zarr3:"


def test_level_0_is_served_where_it_is_our_link(tmp_path):
    store, path = build(tmp_path / "a.zarr", np.zeros((16, 16), "uint8"))
    settings = {"source": tmp_path / "a.zarr/raw", "link_base": True, "levels": 1}
    zarrpyramid.build_pyramid(tmp_path / "own.zarr", "raw", **settings)
    assert served_paths(store, path) == (tmp_path / "a.zarr/raw",)
    own = tmp_path / "own.zarr/raw"
    (own / "stray").symlink_to(tmp_path / "a.zarr/raw/1")  # which nobody serves
    assert served_paths(*locate(str(own), "")) == (own, tmp_path / "a.zarr/raw/0")


@pytest.mark.parametrize("path", ["p.zarr", "p.zarr/", "p.zarr/A", "p.zarr/A/01"])
def test_a_plate_is_answered_with_an_image_of_it(tmp_path, monkeypatch, capsys, path):
    monkeypatch.setattr("zarrpyramid.report.viewing._client", lambda: tmp_path)
    zarr.create_group(tmp_path / "p.zarr").create_array("A/01/0/0", data=np.ones((4, 4), "uint8"))
    assert main(["view", f"{tmp_path}/{path}"]) == 2
    said = capsys.readouterr().err
    assert "holds images; give the path of one of them: " in said
    assert said.endswith(f"zarrpyramid view {tmp_path}/p.zarr/A/01/0\n")


def test_without_neuroglancer_one_line_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    build(tmp_path / "a.zarr", np.zeros((16, 16), "uint8"))
    monkeypatch.setattr("zarrpyramid.report.viewing.find_spec", lambda name: None)
    assert main(["view", str(tmp_path / "a.zarr/raw")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"which is not installed; install it: {extra_command('view')}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["statsu", "a"], "there is no command 'statsu'; did you mean 'status'?"),
        (["lint", "a", "--viewr=x"], "lint does not know '--viewr=x'; did you mean '--viewer'?"),
        (["verify", "--sed"], "verify does not know '--sed'; did you mean '--seed'?"),
        (["verify", "--sed=7"], "verify does not know '--sed=7'; did you mean '--seed'?"),
        (["plan", "-config", "store=a"], "does not know '-config'; did you mean '--config'?"),
        (["build", "my", "brain.zarr"], "does not know 'brain.zarr'; put what has spaces in quo"),
        (["verify", "a", "b"], "verify does not know 'b'"),
        (["view", "a", "--port", "-3"], "'-3' is not a number; give one of 0 or more"),
        (["status"], "STORE/FIELD"),
    ],
)
def test_a_mistyped_command_is_answered_in_one_line(capsys, words, said):
    with pytest.raises(SystemExit) as ended:
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert said in line
    assert line.endswith("--help")


@pytest.mark.parametrize("name", ["plan", "view", "status", "verify", "lint", "reproduce", "clean"])
def test_every_command_has_examples(capsys, name):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert len(examples) >= 2
    assert all(line.startswith(f"  zarrpyramid {name} ") for line in examples)


def test_napari_is_asked_for_where_it_is_not(tmp_path, capsys):
    build(tmp_path / "a.zarr", np.zeros((16, 16), "uint8"))
    assert main(["view", str(tmp_path / "a.zarr/raw"), "--viewer", "napari"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("or use --viewer neuroglancer")
