"""Documents are read as zarr-python reads them: what it refuses is not sound."""

from __future__ import annotations

import json
import shutil

import pytest
import zarr

from harms import verified
from ngff_stores import make
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.errors import PyramidError
from zarrpyramid.verify.documents import NO_VOXELS
from zarrpyramid.verify.findings import DEFECT

GONE = object()
EDITS = {
    "0.4": {
        ".zgroup": [("zarr_format", value) for value in (None, 1, "2", True, 1.5, [], 7)],
        "0/.zarray": [
            *(("zarr_format", value) for value in (GONE, 4)),
            *(("fill_value", value) for value in (GONE, 1.5, -1, 256, "x", [0])),
            *(("filters", value) for value in (0, "delta", [None])),
            *(("compressor", value) for value in ("zstd", 3)),
            ("dimension_separator", "x"),
            ("order", "A"),
            ("chunks", [2, 8]),
        ],
        "1/.zarray": [("fill_value", GONE), ("filters", 0), ("shape", [2, 4])],
    },
    "0.5": {
        "zarr.json": [
            *(("extra", value) for value in (1, {}, {"must_understand": True})),
            *(("attributes", value) for value in ([], 3)),
            ("zarr_format", 2),
            ("node_type", "tree"),
        ],
        "0/zarr.json": [
            *(("extra", value) for value in (1, {}, {"must_understand": True}, None)),
            *(("fill_value", value) for value in (GONE, None, 1.5, "x")),
            ("storage_transformers", 0),
            ("chunk_key_encoding", {"name": "default", "configuration": {"a": 1}}),
            ("dimension_names", ["c", "y"]),
            ("zarr_format", 2),
        ],
        "1/zarr.json": [("extra", 1), ("fill_value", None), ("dimension_names", 3)],
    },
}
ROWS = [
    pytest.param(version, name, key, value, id=f"{name} {key} {'gone' if value is GONE else value}")
    for version, documents in EDITS.items()
    for name, edits in documents.items()
    for key, value in edits
]


def edit(path, key, value):
    document = json.loads(path.read_text())
    document[key] = value
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not GONE}))


def refused_by_zarr_python(group):
    """Whether zarr-python cannot read a level that it is asked for."""
    try:
        opened = zarr.open_group(group, mode="r")
        for level in ("0", "1"):
            opened[level][...]
    except Exception:  # whatever it raises
        return True
    return False


@pytest.mark.sampled(16)
@pytest.mark.parametrize(("version", "name", "key", "value"), ROWS)
def test_what_zarr_python_refuses_is_not_sound(tmp_path, version, name, key, value, capsys):
    group = make(tmp_path / "a.zarr", "image", version)
    assert not refused_by_zarr_python(group)
    edit(group / name, key, value)
    assert refused_by_zarr_python(group)
    assert main(["verify", str(group)]) in (1, 2)
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert str(group) in told.out + told.err


@pytest.mark.parametrize(("version", "other"), [("0.4", "0.5"), ("0.5", "0.4")])
def test_a_level_of_the_other_format_is_not_there(tmp_path, version, other):
    group = make(tmp_path / "a.zarr", "image", version)
    shutil.rmtree(group / "1")
    shutil.copytree(make(tmp_path / "b.zarr", "image", other) / "1", group / "1")
    with pytest.raises(KeyError):
        zarr.open_group(group, mode="r")["1"]
    (found,) = [each for each in verified(group).findings if each.grade == DEFECT]
    assert found.level == 1
    assert "find no array there" in found.line


def test_of_both_documents_that_of_the_group_s_format_counts(tmp_path):
    group = make(tmp_path / "a.zarr", "image", "0.4")
    theirs = make(tmp_path / "b.zarr", "image", "0.5")
    shutil.copy(theirs / "0/zarr.json", group / "1/zarr.json")
    assert zarr.open_group(group, mode="r")["1"].shape == (2, 4, 4)
    assert verified(group).code == 0


def test_keys_that_need_not_be_understood_are_allowed(tmp_path):
    group = make(tmp_path / "a.zarr", "image", "0.5")
    # zarr-python 3.1 refuses a group with such a key, later releases and the specification do not.
    for name in ("zarr.json", "0/zarr.json"):
        edit(group / name, "extra", {"must_understand": False})
    assert verified(group).code == 0


def test_a_group_that_is_refused_names_the_way_out(tmp_path):
    group = make(tmp_path / "a.zarr", "image", "0.4")
    edit(group / ".zgroup", "zarr_format", 7)
    with pytest.raises(PyramidError, match=r"\.zgroup: expected zarr_format 2, found 7; correct"):
        verified(group)
    edit(group / ".zgroup", "zarr_format", 2)
    assert verified(group).code == 0


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("level", ["0", "1"])
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_level_without_voxels_ends_in_no_traceback(tmp_path, version, level, is_ours):
    group = make(tmp_path / "a.zarr", "image", version)
    if is_ours:
        build_pyramid(group, levels=1, overwrite=True, progress=False)
    path = group / level / (".zarray" if version == "0.4" else "zarr.json")
    edit(path, "shape", [2, 0, 4])
    assert verified(group, full=True).code == 1
    told = [found for found in verified(group).findings if found.what == NO_VOXELS]
    assert len(told) == 1
