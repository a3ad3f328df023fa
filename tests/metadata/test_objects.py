"""Which objects a sparse level has: proved by its record, whatever is lost or added."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.metadata.record import tally_keys
from zarrpyramid.verify.status import pyramid_status


@given(st.lists(st.text(), unique=True), st.randoms(), st.integers(0, 9))
def test_a_tally_knows_nothing_of_order_and_parts(keys, random, cut):
    whole = tally_keys(keys).record
    shuffled = random.sample(keys, len(keys))
    left, right = tally_keys(shuffled[:cut]), tally_keys(shuffled[cut:])
    left.merge(right)
    assert left.record == whole
    assert whole["n"] == len(keys)
    if keys:
        assert tally_keys([*keys[1:], keys[0] + "0"]).record != whole


STORES = {
    "v3": (3, {}),
    "v2": (2, {}),
    "shards": (3, {"shards": (8, 8)}),
    "fill 5": (3, {"fill_value": 5}),
    "fill NaN": (3, {"fill_value": math.nan, "dtype": "float32"}),
    "fill null": (2, {"fill_value": None}),
    "through zarr-python": (3, {"filters": [{"name": "numcodecs.delta", "configuration": {}}]}),
}


def sparse(path, name="v3"):
    """Build a level of 8 x 8 chunks of which four are not empty; return level 1."""
    zarr_format, options = STORES[name]
    options = {"dtype": "uint16", **options}
    if "filters" in options:
        options["filters"] = [{"name": "numcodecs.delta", "configuration": {"dtype": "uint16"}}]
    fill = options.get("fill_value", 0) or 0
    voxels = np.full((64, 64), fill, options["dtype"])
    voxels[:2, :2], voxels[20:24, 50:60], voxels[62:, 62:] = 99, 77, 55
    group = zarr.create_group(path, zarr_format=zarr_format)
    group.create_array("0", shape=voxels.shape, chunks=(4, 4), **options)[...] = voxels
    build_pyramid(path, levels=1, write_empty_chunks=False)
    return path / "1"


def objects(level):
    names = ("zarr.json", ".zarray", ".zattrs")
    return sorted(path for path in level.rglob("*") if path.is_file() and path.name not in names)


pytestmark = pytest.mark.filterwarnings(
    "ignore:Numcodecs codecs are not in the Zarr version 3:UserWarning"
)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", STORES)
def test_a_record_counts_what_was_written(tmp_path, name):
    level = sparse(tmp_path, name)
    before, there = zarr.open_array(level)[...], objects(level)
    record = dict(zarr.open_array(level).attrs)["zarrpyramid"]
    keys = [path.relative_to(level).as_posix() for path in there]
    assert record["objects"] == tally_keys(keys).record
    # v2's null says nothing of a missing chunk, so that none is left out.
    assert len(there) == (64 if name == "fill null" else 3 if name == "shards" else 4)
    assert build_pyramid(tmp_path, levels=1, write_empty_chunks=False)[1] == record
    assert objects(level) == there

    there[0].unlink()
    assert (
        pyramid_status(str(tmp_path)).levels[1].fault
        == "lacks 1 stored object, which reads as fill value"
    )
    assert build_pyramid(tmp_path, levels=1, write_empty_chunks=False)[1] == record
    assert objects(level) == there
    np.testing.assert_array_equal(zarr.open_array(level)[...], before)


def test_objects_that_came_and_went(tmp_path, capsys):
    level = sparse(tmp_path)
    there = objects(level)
    moved = level / "c/5/0"
    moved.parent.mkdir()
    there[-1].rename(moved)
    found = pyramid_status(str(tmp_path)).levels[1]
    assert (found.fault, found.complete) == ("has other stored objects than were written", False)
    assert main(["status", str(tmp_path)]) == 1
    assert "level 1 has other stored objects than were written" in capsys.readouterr().err
    build_pyramid(tmp_path, levels=1, write_empty_chunks=False)
    assert objects(level) == there


def test_a_record_of_an_older_release_stays_valid(tmp_path):
    level = sparse(tmp_path)
    document = json.loads((level / "zarr.json").read_text())
    del document["attributes"]["zarrpyramid"]["objects"]
    (level / "zarr.json").write_text(json.dumps(document))
    times = [path.stat().st_mtime_ns for path in objects(level)]
    assert pyramid_status(str(tmp_path)).levels[1].complete
    assert "objects" not in build_pyramid(tmp_path, levels=1, write_empty_chunks=False)[1]
    assert [path.stat().st_mtime_ns for path in objects(level)] == times


def test_levels_with_all_their_chunks_have_no_such_entry(tmp_path):
    zarr.create_group(tmp_path).create_array("0", data=np.ones((8, 8)), chunks=(4, 4))
    assert "objects" not in build_pyramid(tmp_path, levels=1)[1]
