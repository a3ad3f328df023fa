"""Pyramids of every version of OME-NGFF: proved, told by `status`, reproduced and built again."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml
import zarr

from harms import verified
from ngff_versions import SCALE, VERSIONS, make, place, plain, read, sequence, systems
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.verify.findings import DEFECT
from zarrpyramid.verify.pyramid import find_pyramid
from zarrpyramid.verify.reproduction import reproduce
from zarrpyramid.verify.status import pyramid_status

# What a version is told to be: of drafts that it is one, which is no defect.
TOLD = {"0.4 of spatialdata", "0.5 of spatialdata", "0.6.dev4", "0.6.dev2"}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("case", VERSIONS)
def test_what_was_built_is_sound(tmp_path, case):
    zarr_format, version, listed = VERSIONS[case]
    make(tmp_path, listed, version, zarr_format)
    build_pyramid(tmp_path, levels=2, scale_factors=[2, 3])
    report = verified(tmp_path, full=True)
    expected = [f"version '{version}' is none that is released"] if case in TOLD else []
    assert len(report.findings) == len(expected), [found.line for found in report.findings]
    for found, text in zip(report.findings, expected, strict=True):
        assert text in found.what
    assert report.code == 0
    statuses = pyramid_status(str(tmp_path)).levels
    assert [status.voxel_size for status in statuses] == [(2, 0.5), (4, 1.5), (8, 4.5)]
    pyramid = find_pyramid(str(tmp_path))
    assert pyramid.voxel_sizes == [2, 0.5]
    assert pyramid.version == (version or "0.4")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("case", VERSIONS)
def test_a_level_at_another_place_is_a_defect(tmp_path, case):
    zarr_format, version, listed = VERSIONS[case]
    make(tmp_path, listed, version, zarr_format)
    build_pyramid(tmp_path, levels=1, scale_factors=2)
    group = zarr.open_group(tmp_path)
    changed = json.loads(json.dumps(dict(group.attrs)))
    holder = changed.get("ome", changed)
    (step, *rest) = holder["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    (step["transformations"][1] if "transformations" in step else rest[0])["translation"][0] += 1
    group.attrs.update(changed)
    (found,) = [found for found in verified(tmp_path).findings if found.grade == DEFECT]
    assert "translation is not that of its windows' centres" in found.what


@pytest.mark.sampled(3)
@pytest.mark.parametrize("harm", ["scale", "dataset"])
@pytest.mark.parametrize("case", VERSIONS)
def test_a_repair_lists_levels_in_the_version_that_they_had(tmp_path, case, harm):
    zarr_format, version, listed = VERSIONS[case]
    make(tmp_path, listed, version, zarr_format)
    build_pyramid(tmp_path, levels=2, scale_factors=2)
    before = read(tmp_path)
    group = zarr.open_group(tmp_path)
    changed = json.loads(json.dumps(dict(group.attrs)))
    datasets = changed.get("ome", changed)["multiscales"][0]["datasets"]
    if harm == "dataset":
        del datasets[2]
    else:
        (step, *_) = datasets[1]["coordinateTransformations"]
        step.get("transformations", [step])[0]["scale"][0] *= 3
    group.attrs.update(changed)
    assert main(["verify", str(tmp_path), "--repair"]) == 0
    assert read(tmp_path) == before


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", ["0.4", "0.5", "0.5, whole", "0.6", "0.6, its only system"])
def test_a_pyramid_is_made_again_by_its_configuration(tmp_path, case):
    zarr_format, version, listed = VERSIONS[case]
    make(tmp_path / "a.zarr", listed, version, zarr_format)
    build_pyramid(tmp_path / "a.zarr", levels=1)
    group = zarr.create_group(tmp_path / "b.zarr", zarr_format=zarr_format)
    shutil.copytree(tmp_path / "a.zarr/s0", tmp_path / "b.zarr/s0")
    config = yaml.safe_load(reproduce(str(tmp_path / "a.zarr")))
    assert config.get("ngff_version") == ("0.6" if version == "0.6" else None)
    del config["store"], config["field"]
    build_pyramid(tmp_path / "b.zarr", base_path="s0", **config)
    (own, stated), (found, again) = read(tmp_path / "a.zarr"), read(tmp_path / "b.zarr")
    assert stated == again
    for level in (0, 1):
        sizes = [
            np.subtract(place(each, level, (1, 1)), place(each, level, (0, 0)))
            for each in (own, found)
        ]
        assert sizes[0].tolist() == sizes[1].tolist()
    assert group.read_only is False


def test_plan_shows_the_version_and_why(tmp_path, capsys):
    make(tmp_path / "a.zarr", systems(sequence(SCALE)), "0.6.dev4")
    make(tmp_path / "b.zarr", plain(SCALE), "0.3", 2)
    for store, value, why in (
        ("a.zarr", "0.6.dev4", "level 0's group has it"),
        ("b.zarr", "0.4", "level 0's group has 0.3, what viewers read in zarr v2"),
    ):
        assert main(["plan", str(tmp_path / store)]) == 0
        (row,) = [
            line for line in capsys.readouterr().out.splitlines() if line.startswith("ngff_version")
        ]
        assert row.split() == ["ngff_version", value, "chosen", *why.split()]


def test_labels_of_a_version_are_listed_in_it(tmp_path):
    root = zarr.create_group(tmp_path)
    cells = root.create_group("labels").create_group("cells")
    cells.create_array("0", data=np.ones((16, 12), "uint8"), chunks=(8, 8))
    build_pyramid(tmp_path, "labels/cells", levels=1, ngff_version="0.6")
    assert zarr.open_group(tmp_path / "labels").attrs["ome"] == {
        "version": "0.6",
        "labels": ["cells"],
    }
    assert zarr.open_group(tmp_path / "labels/cells").attrs["ome"]["version"] == "0.6"
