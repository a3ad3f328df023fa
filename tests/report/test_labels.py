"""Ids of every level against numpy's unique of whole arrays; image-label groups stay valid."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numcodecs
import numpy as np
import ome_zarr_models
import pytest
import yaozarrs
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.plan.image import open_image
from zarrpyramid.report import counts
from zarrpyramid.report.labels import LARGEST, label_table, report_labels

TYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def prepare(folder, voxels, *, levels=2, **settings):
    """Write an image and build its levels; return the image and its records."""
    group = zarr.create_group(folder, zarr_format=settings.pop("zarr_format", 3))
    settings = {"chunks": (8,) * voxels.ndim, **settings}
    group.create_array("0", data=voxels, **settings)
    records = build_pyramid(folder, levels=levels)
    keys = {"store": str(folder), "levels": levels, "label_report": True}
    return open_image(image_config("cells", keys)), records


def report(tmp_path, image, records, **options):
    """Return the report and the rows of the table of vanished ids."""
    table = tmp_path / "vanished.tsv"
    found = report_labels(image, records, table, **{"n_workers": 2, **options})
    json.dumps(found, allow_nan=False)
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    assert head == "level\tid\tvoxels"
    return found["levels"], [tuple(map(int, row.split("\t"))) for row in rows]


def ids_of(voxels):
    ids, counts = np.unique(voxels, return_counts=True)
    return {int(name): int(n) for name, n in zip(ids, counts, strict=True)}


def check(levels, rows, store):
    """Hold a report against the arrays in a store."""
    found = [ids_of(zarr.open_array(f"{store}/{level}", mode="r")[...]) for level in range(3)]
    lost = []
    for level, (counted, ids) in enumerate(zip(levels, found, strict=True)):
        assert counted["level"] == level
        assert counted["background"] == ids.pop(0, 0)
        assert counted["n_ids"] == len(ids)
        if level == 0:
            assert set(counted) == {"level", "proof", "n_ids", "background"}
            continue
        finer = found[level - 1]
        vanished = {name: n for name, n in finer.items() if name not in ids}
        lost += [(level, name, n) for name, n in sorted(vanished.items())]
        assert counted["n_vanished"] == len(vanished)
        assert counted["n_appeared"] == len(set(ids) - set(finer))
        largest = sorted(vanished.items(), key=lambda item: (-item[1], item[0]))[:LARGEST]
        assert [(int(name), n) for name, n in counted["largest"]] == largest
        assert all(
            isinstance(name, str) == (abs(int(name)) > 2**53) for name, _ in counted["largest"]
        )
        groups = {(group["from"], group["to"]): group["n_ids"] for group in counted["by_size"]}
        for (least, most), n_ids in groups.items():
            assert n_ids == sum(least <= n <= most for n in vanished.values()) > 0
        assert sum(groups.values()) == len(vanished)
    assert rows == lost


@pytest.mark.sampled(5)
@pytest.mark.parametrize("dtype", TYPES)
def test_counts_and_what_vanished(tmp_path, dtype, monkeypatch):
    monkeypatch.setattr(counts, "_PENDING", 200)  # tables are merged all the time
    random = np.random.default_rng(5)
    kind = np.dtype(dtype)
    if dtype == "bool":
        voxels = random.random((21, 18, 13)) > 0.9
    else:
        low, high = np.iinfo(kind).min // 1000, np.iinfo(kind).max // 2
        names = random.integers(low, high, 400).astype(kind)
        voxels = names[random.integers(0, 400, (21, 18, 13))]
        voxels[:9] = 0
    image, records = prepare(tmp_path / "s.zarr", voxels)
    check(*report(tmp_path, image, records), tmp_path / "s.zarr")


STORES = {
    "v2 in Fortran's order": {"zarr_format": 2, "order": "F"},
    "shards": {"chunks": (4, 4, 4), "shards": (8, 8, 8)},
    "missing chunks, which hold a label": {"fill_value": 7},
    "through zarr-python": {"zarr_format": 2, "filters": [numcodecs.Delta("uint16")]},
}


@pytest.mark.parametrize("store", STORES)
def test_stores_of_every_kind(tmp_path, store):
    voxels = np.random.default_rng(5).integers(0, 90, (21, 18, 13), "uint16")
    voxels[8:16] = STORES[store].get("fill_value", 0)
    image, records = prepare(tmp_path / "s.zarr", voxels, **STORES[store])
    check(*report(tmp_path, image, records), tmp_path / "s.zarr")


def test_more_vanish_than_are_named(tmp_path):
    voxels = np.arange(1, 24 * 24 * 24 + 1, dtype="uint32").reshape(24, 24, 24)
    image, records = prepare(tmp_path / "s.zarr", voxels)
    levels, rows = report(tmp_path, image, records)
    check(levels, rows, tmp_path / "s.zarr")
    assert len(levels[1]["largest"]) == LARGEST < levels[1]["n_vanished"]


def test_the_table_for_people(tmp_path):
    voxels = np.zeros((16, 16), "uint8")
    voxels[0, 0], voxels[4:6, 4:6] = 1, 8  # a quarter rounds to background
    image, records = prepare(tmp_path / "s.zarr", voxels, levels=1)
    levels, _ = report(tmp_path, image, records)
    lines = label_table(image, {"levels": levels}).splitlines()
    assert "| 0 | 16 x 16 | 2 | - | - | 251 voxels, 98 % |" in lines
    assert "| 1 | 8 x 8 | 1 | 1 | 0 | 63 voxels, 98.4 % |" in lines
    assert lines[lines.index("## Vanished at level 1") :][2:5] == [
        "| voxels at level 0 | ids |",
        "| --- | --- |",
        "| 1 | 1 |",
    ]
    assert "The largest, with their voxels: 1 (1)." in lines[-1]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_only_integers_have_ids(tmp_path, dtype):
    group = zarr.create_group(tmp_path)
    group.create_array("0", data=np.ones((8, 8), dtype), chunks=(4, 4))
    expected = f"image x: label_report counts ids, which are integers, level 0 is of {dtype}; set"
    with pytest.raises(ConfigError, match=expected):
        open_image(image_config("x", {"store": str(tmp_path), "label_report": True}))


def test_a_level_that_is_another_than_recorded(tmp_path):
    image, records = prepare(tmp_path / "s.zarr", np.ones((20, 20), "uint8"))
    stranger = {**records[1], "digest": "of other voxels"}
    with pytest.raises(StoreError, match="is not the level that its sentinel records"):
        report(tmp_path, image, [records[0], stranger, records[2]])


def test_too_many_ids_are_one_line(tmp_path):
    voxels = np.arange(20 * 20, dtype="uint16").reshape(20, 20)
    image, records = prepare(tmp_path / "s.zarr", voxels)
    report(tmp_path, image, records, most=399)
    expected = "s.zarr/0 has more than 398 different ids.* set label_report: false for this image"
    with pytest.raises(StoreError, match=expected):
        report(tmp_path, image, records, most=398)


def test_no_room_is_one_line(tmp_path):
    image, records = prepare(tmp_path / "s.zarr", np.ones((20, 20), "uint8"))
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*file/v.tsv: Not a directory"):
        report_labels(image, records, tmp_path / "file" / "v.tsv", n_workers=1)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells a process's peak")
def test_peak_memory_with_five_million_ids(tmp_path):
    """The whole process stays below what is planned for it."""
    voxels = np.random.default_rng(1).permutation(np.arange(1, 172**3 + 1, dtype="uint64") * 7919)
    prepare(tmp_path / "s.zarr", voxels.reshape(172, 172, 172), chunks=(64, 64, 64), levels=1)
    code = f"""
import json, re
from pathlib import Path
from zarrpyramid.config import image_config
from zarrpyramid.plan import Level, open_image, record_of
from zarrpyramid.plan.needs import labels_need
from zarrpyramid.report.labels import report_labels
folder = Path({str(tmp_path)!r})
keys = {{"store": str(folder / "s.zarr"), "levels": 1, "label_report": True}}
image = open_image(image_config("x", keys))
records = [{{"level": 0}}, record_of(Level(image, 1).metadata)]
found = report_labels(image, records, folder / "v.tsv", n_workers=2)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)
planned = labels_need(image, 2, 1e8).memory
print(json.dumps([found["levels"][0]["n_ids"], int(peak) * 1024, planned]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    n_ids, peak, planned = json.loads(done.stdout)
    assert n_ids == 172**3
    assert peak < planned < 2 * peak


DESCRIBED = {
    "colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}],
    "properties": [{"label-value": 1, "class": "cell"}],
    "source": {"image": "../../"},
}
VERSIONS = {2: "0.4", 3: "0.5"}


@pytest.mark.sampled(2)
@pytest.mark.filterwarnings(
    # The models leave a file open; yaozarrs warns of SHOULD sentences (such as a missing unit).
    "ignore::ResourceWarning",
)
@pytest.mark.parametrize("stated", [True, False], ids=["version given", "no version"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_image_label_groups_stay_valid(tmp_path, zarr_format, stated):
    """Under `labels` of its image; all that the group and its parent say is kept.

    0.4: the image-label SHOULD contain its version. 0.5 has the version in `ome`.
    """
    version = VERSIONS[zarr_format]
    voxels = np.ones((20, 18), "uint16")
    root = zarr.create_group(tmp_path / "s.zarr", zarr_format=zarr_format)
    listed = root.create_group("labels")
    cells = listed.create_group("cells")
    for group in (root, cells):
        names = {} if zarr_format == 2 else {"dimension_names": ("y", "x")}
        group.create_array("0", data=voxels, chunks=(8, 8), **names)
    described = {**DESCRIBED, "version": version} if stated else DESCRIBED
    if zarr_format == 2:
        listed.attrs["labels"] = ["cells"]
        cells.attrs["image-label"] = described
    else:
        listed.attrs["ome"] = {"version": version, "labels": ["cells"]}
        cells.attrs["ome"] = {"version": version, "image-label": described}
    before = dict(listed.attrs)
    for field in ("", "labels/cells"):
        build_pyramid(tmp_path / "s.zarr", field, levels=1)

    yaozarrs.validate_zarr_store(str(tmp_path / "s.zarr"))
    yaozarrs.validate_zarr_store(str(tmp_path / "s.zarr/labels/cells"))
    root = zarr.open_group(tmp_path / "s.zarr", mode="r")
    assert dict(root["labels"].attrs) == before
    attributes = dict(root["labels/cells"].attrs)
    own = attributes["ome"] if zarr_format == 3 else attributes
    assert own["image-label"] == (
        {**described, "version": "0.4"} if zarr_format == 2 else described
    )
    assert [dataset["path"] for dataset in own["multiscales"][0]["datasets"]] == ["0", "1"]
    model = ome_zarr_models.open_ome_zarr(root["labels/cells"])
    assert type(model).__name__ == "ImageLabel"
    assert type(ome_zarr_models.open_ome_zarr(root)).__name__ == "Image"


def test_an_image_label_moves_with_the_list(tmp_path):
    """0.4 in a v3 group, whose multiscales is of 0.5 from now on: no reader would find it there."""
    group = zarr.create_group(tmp_path)
    group.create_array("0", data=np.ones((20, 18), "uint16"), chunks=(8, 8))
    group.attrs["image-label"] = {**DESCRIBED, "version": "0.4"}
    build_pyramid(tmp_path, levels=1)
    attributes = dict(zarr.open_group(tmp_path, mode="r").attrs)
    assert attributes["ome"]["image-label"] == {**DESCRIBED, "version": "0.5"}
    assert attributes["ome"]["version"] == "0.5"
    assert "image-label" not in attributes
