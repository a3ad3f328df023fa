"""Pyramids of ours are sound as they are built, and every harm that is done to one is told."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import pytest
import zarr
from numcodecs import Delta, FixedScaleOffset

from harms import HARMS, SHAPE, findings, make, record, swap, verified
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.errors import StoreError
from zarrpyramid.verify.findings import Check, Finding, Report
from zarrpyramid.verify.verify import LEVEL_PARTS, assure_pyramid, verify_pyramid


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    store = make(tmp_path_factory.mktemp("verify") / "brain.zarr")
    build_pyramid(store, "raw", progress=False, levels=3)
    return store


@pytest.fixture
def store(template, tmp_path):
    return shutil.copytree(template, tmp_path / "brain.zarr")


ODD = {
    "v2": ({"zarr_format": 2}, {}),
    "v2 links by slash": (
        {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
        {},
    ),
    "v2 with a filter": ({"zarr_format": 2, "filters": [Delta(dtype="u2")]}, {}),
    "v2 with a filter that rounds": (
        {"zarr_format": 2, "filters": [FixedScaleOffset(0, 0.5, "u2", "u1")]},
        {},
    ),
    "shards": ({"shards": (16, 16, 16)}, {}),
    "other shards": ({}, {"chunks": [4, 4, 4], "shards": [8, 16, 8]}),
    "no shards, chunks across": ({"shards": (16, 16, 16)}, {"shards": "none", "chunks": [5, 6, 7]}),
    "checksums": ({}, {"compressor": "zstd:3", "checksum": True}),
    "blosc": ({}, {"compressor": "blosc-lz4", "checksum": True}),
    "big endian": ({"dtype": "float32", "serializer": zarr.codecs.BytesCodec(endian="big")}, {}),
    "sparse": ({"dtype": "bool"}, {"write_empty_chunks": False, "method": "mode"}),
    "floats": ({"dtype": "float16"}, {"method": "nanmean"}),
    "complex": ({"dtype": "complex64"}, {}),
    "factors a level": ({}, {"scale_factors": [[1, 2, 3], [4, 1, 2]], "levels": 2}),
    "sums": ({"dtype": "uint8"}, {"method": "sum", "dtype": "uint32"}),
    "places": ({}, {"voxel_size": {"z": 0.1, "x": 3.3}, "unit": {"x": "micrometer"}}),
    "one axis": ({"shape": (50,), "chunks": (8,)}, {}),
    "time and channels": ({"shape": (2, 3, 20, 21), "chunks": (1, 1, 8, 8)}, {"axes": "tcyx"}),
    **{
        method: ({"dtype": "int16"}, {"method": method})
        for method in ("min", "max", "median", "mode_nonzero", "stride")
    },
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("made", "settings"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("full", [False, True], ids=["sample", "full"])
def test_what_we_build_is_sound(tmp_path, made, settings, full):
    store = make(tmp_path / "image.zarr", **made)
    settings = {**settings, "axes": list(settings.get("axes", [])) or "auto"}
    build_pyramid(store, "raw", progress=False, **{"levels": 3, **settings})
    report = verified(store / "raw", full=full, sample=3)
    assert [found.line for found in report.findings if len(made.get("shape", SHAPE)) > 1] == []
    assert report.is_sound
    n_levels = len(list((store / "raw").glob("[1-9]")))
    assert n_levels
    assert [check.level for check in report.checks if check.name == "voxels"] == list(
        range(1, n_levels + 1)
    )


def test_without_the_store_there_is_no_verdict(tmp_path, template, capsys):
    with pytest.raises(StoreError, match="there is no store"):
        verified(tmp_path / "absent.zarr")
    assert main(["verify", str(tmp_path / "absent.zarr")]) == 2
    assert main(["verify", str(template / "raw"), "--seed", "5"]) == 0
    told = capsys.readouterr()
    assert "there is no store" in told.err
    assert "seed 5" in told.out
    assert told.out.splitlines()[-1] == f"{template / 'raw'}: sound"


@pytest.mark.slow
def test_all_blocks_of_a_few_are_looked_at_and_of_many_the_edges(tmp_path):
    store = make(tmp_path / "image.zarr", dtype="uint8", shape=(64, 64, 64), chunks=(4, 4, 4))
    build_pyramid(store, "raw", levels=1, progress=False)
    (check,) = [c for c in verified(store / "raw", sample=5).checks if c.name == "voxels"]
    # 512 blocks: 8 corners; at the high edges 3 * 64 - 3 * 8 + 1.
    assert "of 512 blocks: 5 random, 8 corners, 64 of 169 at high edges" in check.figure


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("harm", "level", "message"), HARMS.values(), ids=HARMS)
def test_every_harm_is_told(store, harm, level, message, capsys):
    harm(store)
    told = findings(store / "raw")
    hits = [found for found in told if found.level == level and re.search(message, found.line)]
    assert hits, [found.line for found in told]
    assert all("\n" not in found.line for found in told)
    assert main(["verify", str(store / "raw"), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["sound"] is False
    assert {"grade", "level", "key", "what", "expected", "found", "way_out", "rule"} == set(
        document["findings"][0]
    )


def test_a_defect_names_key_values_and_the_command_that_mends_it(store, tmp_path):
    swap(store)
    size, found = (found for found in findings(store / "raw") if found.level == 1)
    assert size.what == "has objects of other sizes than were written"
    assert found.key == str(store / "raw/1/c/0/0/0")
    level = zarr.open_array(store / "raw/1", mode="r")
    before = zarr.open_array(store / "raw/0", mode="r")[:2, :2, :2]
    assert found.expected == str(round(before.astype(float).mean()))
    assert found.found == str(level[0, 0, 0])
    assert found.way_out.startswith(f"uv run zarrpyramid verify {store}/raw --repair --sample 20 ")


WRONG_RECORDS = {
    **{
        key: (lambda r, key=key: r.update({key: 7.5}), f"{key} is not that of 1's record")
        for key in ("min", "max", "mean")
    },
    "digest": (lambda r: r.update(digest="0" * 32), "digest is not that of 1's record"),
    **{
        f"{key} of the source": (
            lambda r, key=key: r["source"].update({key: 7.5}),
            f"{key} is not that of 1's record",
        )
        for key in ("min", "max", "mean")
    },
    "digest of the source": (
        lambda r: r["source"].update(digest="0" * 32),
        "digest of the voxels that it was made from is not that of 1's record",
    ),
}


@pytest.mark.sampled(8)
@pytest.mark.parametrize("look", [{}, {"sample": 1000}, {"full": True}], ids=str)
@pytest.mark.parametrize(("change", "message"), WRONG_RECORDS.values(), ids=WRONG_RECORDS)
def test_a_wrong_record_is_told_where_all_blocks_are_made_again(store, change, message, look):
    record(change)(store)
    told = [found for found in findings(store / "raw", **look) if found.level in (0, 1)]
    assert message in told[0].line
    assert len(told) == 1


@pytest.mark.sampled(4)
@pytest.mark.parametrize("change", [row[0] for row in WRONG_RECORDS.values()], ids=WRONG_RECORDS)
def test_the_way_out_of_a_wrong_record_leads_out(store, change, capsys):
    before = (store / "raw/1/zarr.json").read_bytes()
    record(change)(store)
    (found, *_) = findings(store / "raw", seed=3)
    words = shlex.split(found.way_out)
    assert main(words[words.index("zarrpyramid") + 1 :]) == 0
    assert capsys.readouterr().err == ""
    assert (store / "raw/1/zarr.json").read_bytes() == before
    assert verified(store / "raw", full=True).is_sound


def test_a_record_is_not_held_against_a_part_of_its_level(store):
    record(lambda r: r.update(max=7))(store)
    (check,) = [
        c for c in verified(store / "raw", sample=0).checks if (c.name, c.level) == ("voxels", 1)
    ]
    assert check.figure.startswith("11 of 12 blocks")
    assert findings(store / "raw", sample=0) == []


@pytest.mark.slow
def test_a_full_look_finds_one_voxel_among_all(tmp_path):
    store = make(tmp_path / "image.zarr", shape=(64, 64, 64), chunks=(4, 4, 4), compressors=None)
    build_pyramid(store, "raw", levels=1, progress=False)
    path = store / "raw/1/c/3/4/5"
    data = bytearray(path.read_bytes())
    data[17] ^= 1
    path.write_bytes(data)
    (found,) = findings(store / "raw", full=True, n_workers=2)
    assert found.key == str(path)
    assert found.what.startswith("1 of 64 voxels of chunk [3, 4, 5] ")
    assert found.what.endswith("the first at [12, 18, 20]")


def test_lines_and_verdict():
    report = Report(path="a.zarr")
    lines = []
    report.gather(
        [Check(name="objects", level=1, figure="8 of 8"), Finding(what="is lost", level=2)],
        lines.append,
    )
    assert lines == ["objects    level 1   8 of 8", "DEFECT level 2: is lost"]
    assert report.verdict == "a.zarr: NOT SOUND, 1 defect"


def test_progress_is_told_by_blocks_and_each_level_counts_once(store):
    told = []
    assure_pyramid(f"{store}/raw", on_part=told.append)
    assert sum(told) == 3 * LEVEL_PARTS  # of level 0 no more than level 1 takes is read
    assert len(told) > 6
    assert max(told) <= LEVEL_PARTS


@pytest.mark.parametrize("made_by", ["us", "others"])
def test_progress_is_told_while_blocks_are_looked_at(store, made_by):
    if made_by == "others":
        for number in (1, 2, 3):
            zarr.open_array(store / f"raw/{number}").attrs.clear()
    told = []
    for event in verify_pyramid(f"{store}/raw", full=True, n_workers=2, on_part=told.append):
        if isinstance(event, Check) and event.name == "voxels" and event.level == 1:
            break
    assert sum(told) == LEVEL_PARTS
    assert len(told) == 12  # blocks of level 1


@pytest.mark.parametrize("more", [(), ("--full",), ("--json",), ("-q",)])
def test_a_bar_is_shown_where_somebody_watches(store, monkeypatch, capsys, more):
    words = ["verify", f"{store}/raw", "--seed", "0", *more]
    assert main(words) == 0
    plain = capsys.readouterr()
    assert not plain.err
    monkeypatch.setattr("zarrpyramid.downsample.progress.is_watched", lambda: True)
    assert main(words) == 0
    watched = capsys.readouterr()
    assert watched.out == plain.out
    assert bool(re.search(r"level: +\d+%\|", watched.err)) == (more in [(), ("--full",)])
