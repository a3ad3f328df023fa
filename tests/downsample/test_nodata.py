"""Pyramids of images with `nodata`: from the settings to levels, records and their proof."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from oracles import bits, mean_by_hand, of_data_by_hand
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config.image import image_config
from zarrpyramid.config.run import check_config
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.parts import build_part, gather_level, open_level
from zarrpyramid.errors import ConfigError
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.levels import VOXEL_REVISION
from zarrpyramid.verify.reproduction import reproduce


def padded(shape=(33, 47), dtype="uint16", fill=0, seed=0):
    """Return a stack with a slanted border of fill, and some of it within."""
    random = np.random.default_rng(seed)
    voxels = random.integers(1, 200, shape).astype(dtype)
    places = np.indices(shape)
    voxels[sum(places[-2:]) < sum(shape[-2:]) // 3] = fill
    voxels[random.random(shape) < 0.2] = fill
    return voxels


def make(path, voxels, chunks, names="tczyx", zarr_format=3, **how):
    group = zarr.create_group(path, zarr_format=zarr_format)
    if zarr_format == 3:
        how["dimension_names"] = names[-voxels.ndim :]
    group.create_array("0", data=voxels, chunks=chunks, **how)
    return path


def level(path, number):
    return zarr.open_array(path / str(number), mode="r")[...]


BUILT = [  # voxels, chunks, keys, zarr's format
    (padded(), (8, 8), {"nodata": 0}, 3),
    (padded(), (7, 9), {"nodata": 0, "nodata_share": 0.75}, 2),  # windows across chunks
    (padded((9, 20, 21), "float32", np.nan), (4, 4, 4), {"nodata": "nan"}, 3),
    (padded((9, 20, 21), "int8", -128), (9, 20, 21), {"nodata": -128, "method": "median"}, 3),
    (padded(fill=7), (8, 8), {"nodata": 7, "method": "min", "nodata_share": 1e-6}, 2),
    (padded(dtype="float64", fill=0), (8, 8), {"nodata": -0.0, "method": "max"}, 3),
    (padded(dtype="uint64", fill=2**64 - 1), (8, 8), {"nodata": 2**64 - 1}, 3),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("voxels", "chunks", "keys", "zarr_format"), BUILT)
def test_levels_are_of_data_alone_and_proved(tmp_path, voxels, chunks, keys, zarr_format):
    path = make(tmp_path / "a.zarr", voxels, chunks, zarr_format=zarr_format)
    records = build_pyramid(path, levels=3, progress=False, **keys)
    value = voxels.dtype.type(keys["nodata"]) + 0
    share, method = keys.get("nodata_share", 0.5), keys.get("method", "mean")
    for number in (1, 2, 3):
        factors = records[number]["recipe"]["factors"]
        voxels = of_data_by_hand(method, voxels, factors, value, share)
        assert bits(level(path, number)) == bits(voxels)
    assert main(["verify", str(path), "--full"]) == 0
    assert main(["status", str(path)]) == 0
    config = yaml.safe_load(reproduce(str(path)))
    del config["store"], config["field"]
    assert build_pyramid(path, progress=False, **config) == records


def test_each_channel_has_its_own(tmp_path):
    voxels = np.stack([padded(), padded(fill=9), padded()])
    path = make(tmp_path / "a.zarr", voxels, (2, 8, 8), names="cyx")
    keys = {"nodata": [0, 9, None], "levels": 2, "progress": False}
    records = build_pyramid(path, **keys)
    expected = {"values": [0, 9, None], "share": 0.5, "axis": 0}
    assert records[2]["recipe"]["nodata"] == expected
    coarse = level(path, 1)
    for channel, value in ((0, 0), (1, 9)):
        found = of_data_by_hand("mean", voxels[channel], (2, 2), value)
        assert (coarse[channel] == found).all()
    plain = make(tmp_path / "b.zarr", voxels[2], (8, 8))
    build_pyramid(plain, levels=1, progress=False)
    assert (coarse[2] == level(plain, 1)).all()
    (path / "1/c/1/0/0").unlink()
    shutil.rmtree(path / "2")
    assert main(["verify", str(path), "--repair", "--full"]) == 0
    assert (level(path, 1) == coarse).all()
    assert build_pyramid(path, **keys) == records
    windows = records[1]["source"]["windows"]
    assert [start > 0 for start, _ in windows] == [True, True, False]


@given(st.data())
@settings(max_examples=12)
def test_chunks_do_not_show(data):
    """Any chunks, factors and values of channels give the levels of numpy."""
    n_channels = data.draw(st.integers(1, 3))
    voxels = np.stack([padded((13, 17), "int16", seed=seed) for seed in range(n_channels)])
    nodata = [data.draw(st.sampled_from([0, None, 150])) for _ in range(n_channels)]
    factors = data.draw(st.sampled_from([(2, 2), (2, 3), (1, 4)]))
    share = data.draw(st.sampled_from([0.5, 1, 0.2])) if nodata != [None] * n_channels else 0.5
    has_time = data.draw(st.booleans())
    stored = np.stack([voxels, voxels]) if has_time else voxels
    chunks = [data.draw(st.integers(1, extent)) for extent in stored.shape]
    store = MemoryStore()
    zarr.create_group(store).create_array("0", data=stored, chunks=chunks)
    build_pyramid(
        store,
        axes=[*"tcyx"[-stored.ndim :]],
        nodata=nodata,
        nodata_share=share,
        scale_factors=[1] * (stored.ndim - 2) + [*factors],
        levels=1,
    )
    found = zarr.open_array(store, path="1", mode="r")[...]
    for channel, value in enumerate(nodata):
        if value is None:
            expected = mean_by_hand(voxels[channel], factors)
        else:
            expected = of_data_by_hand("mean", voxels[channel], factors, value, share)
        assert (found[..., channel, :, :] == expected).all()


def test_parts_make_the_record_of_one_job(tmp_path):
    voxels = np.stack([padded(), padded(fill=9), padded()])
    path = make(tmp_path / "a.zarr", voxels, (2, 8, 8), names="cyx")
    asked = {"store": str(path), "nodata": (0, 9, None), "levels": 1}
    sealed = seal_base(open_image(image_config("a", asked)))
    one = build_level(open_image(image_config("a", asked)), 1, sealed, n_workers=1)
    shutil.rmtree(path / "1")
    image = open_image(image_config("a", {**asked, "parts": 3}))
    base = seal_base(image)
    opening = open_level(image, 1, base)
    assert image.plan.cut(1).n_parts == 3
    parts = [build_part(image, 1, n, base, opening, n_workers=1) for n in (1, 2, 3)]
    assert gather_level(image, 1, base, parts) == one


def test_a_value_that_all_channels_share_is_one_value(tmp_path):
    records = []
    for name, nodata in (("a", 0), ("b", [0, 0])):
        voxels = np.stack([padded(), padded(seed=1)])
        path = make(tmp_path / name, voxels, (1, 8, 8), names="cyx")
        records.append(build_pyramid(path, levels=1, nodata=nodata, progress=False))
    assert records[0] == records[1]


def test_missing_chunks_are_of_fill_value(tmp_path):
    voxels = np.zeros((32, 32), "uint8")
    voxels[:7, :8] = 5
    path = make(tmp_path / "a.zarr", voxels, (8, 8))
    assert len([item for item in (path / "0/c").rglob("*") if item.is_file()]) == 1
    build_pyramid(path, nodata=0, levels=2, progress=False)
    for number in (1, 2):
        voxels = of_data_by_hand("mean", voxels, (2, 2), 0)
        assert (level(path, number) == voxels).all()


def test_an_image_about_its_nodata_does_not_fade_away(tmp_path):
    """Means of -1 and 1 are 1, since 0 would be no data to the next level."""
    voxels = np.random.default_rng(0).choice(np.array([-1, 1], "int8"), (64, 64))
    path = make(tmp_path / "a.zarr", voxels, (16, 16))
    build_pyramid(path, nodata=0, levels=4, progress=False)
    assert set(np.unique(level(path, 4)).tolist()) <= {-1, 1}


GOLDEN = {  # `PYTHONPATH=tests uv run python tests/downsample/test_nodata.py` prints them
    1: {
        "mean uint16": "0ef82ee5d49d855eb4dc641585a8d42e",
        "min uint16": "335799f91e32df804c22b89f2946be32",
        "max uint16": "e9fced753164f2bccb8944b05f3462c2",
        "median uint16": "53f9a467c484bec2c259b42f48f03564",
        "mean float32": "eed378fbefc1c91c92a43c610e0932aa",
        "min float32": "6c46b2cab749b404a846aea3210f86de",
        "max float32": "138b186ec660eb04e51277dc5adfac2b",
        "median float32": "66acd7a8120dd10bfe231670bfe38f38",
    },
}


def golden_digests(folder):
    """Return the digest of level 2 of every method and of two data types."""
    found = {}
    for dtype, fill in (("uint16", 0), ("float32", np.nan)):
        path = make(folder / f"{dtype}.zarr", padded(dtype=dtype, fill=fill), (8, 8))
        for method in ("mean", "min", "max", "median"):
            keys = {"method": method, "nodata": fill, "levels": 2, "progress": False}
            found[f"{method} {dtype}"] = build_pyramid(path, **keys)[2]["digest"]
    return found


def test_voxels_are_those_of_this_revision(tmp_path):
    assert golden_digests(tmp_path) == GOLDEN[VOXEL_REVISION]


def test_what_changes_makes_levels_anew(tmp_path):
    path = make(tmp_path / "a.zarr", padded(), (8, 8))
    digests = [
        build_pyramid(path, levels=1, progress=False, **keys)[1]["digest"]
        for keys in ({}, {"nodata": 0}, {"nodata": 0, "nodata_share": 0.9}, {"nodata": 3}, {})
    ]
    assert len({*digests}) == 4
    assert digests[0] == digests[-1]


def test_it_is_told_where_it_is_decided(tmp_path, capsys):
    path = make(tmp_path / "a.zarr", padded(dtype="int16"), (8, 8))
    attributes = zarr.open_array(path / "0").attrs
    attributes["missing_value"] = [-1, 0]
    (tmp_path / "c.yaml").write_text(f"{{store: {path}, nodata: 0, nodata_share: 0.25}}")
    main(["plan", "--configfile", str(tmp_path / "c.yaml")])
    rows = {tuple(line.split()[:3]): line for line in capsys.readouterr().out.splitlines()}
    row = rows["nodata", "0", "given"]
    assert row.endswith(
        "only the data in a window counts; level 0 declares -1 as no data, a number as others here"
    )
    assert ("nodata_share", "0.25", "given") in rows
    assert "nanmean" not in rows["method", "mean", "chosen"]


WHOLE = np.zeros((3, 4, 4), "uint16")
REFUSED = [
    (WHOLE, {"nodata": 0.5}, "nodata 0.5 is no number of level 0's dtype uint16, expected an int"),
    (WHOLE, {"nodata": -1}, "nodata -1 is no number of level 0's dtype uint16"),
    (WHOLE, {"nodata": "nan"}, "nodata nan is no number of level 0's dtype uint16"),
    (WHOLE.astype("f2"), {"nodata": 1e6}, "dtype float16, expected a finite number or nan"),
    (WHOLE.astype("f4"), {"nodata": float("inf")}, "nodata inf is no number of level 0's"),
    (WHOLE > 0, {"nodata": 0}, "nodata is for integers and floats, level 0 is of bool"),
    (WHOLE.astype("c8"), {"nodata": 0}, "nodata is for integers and floats, level 0 is of compl"),
    (WHOLE, {"nodata": [0, 0]}, "nodata has 2 entries, level 0 has 3 channels; give one for each"),
    (WHOLE[0], {"nodata": [0, 0]}, "nodata has 2 entries, level 0 has 1 channels"),
    (WHOLE, {"nodata": [0, 1, None], "scale_factors": [3, 2, 2]}, "scale_factors mix channels"),
    (WHOLE, {"nodata": 0, "labels": True}, "method mode takes no nodata, expected one of mean, "),
    (WHOLE, {"nodata": 0, "method": "nanmean"}, "choose mean, which leaves nodata out as nanmean"),
    (WHOLE, {"nodata": 0, "method": "sum", "dtype": "uint64"}, "give nodata: auto, or choose mean"),
    (WHOLE, {"nodata": 0, "method": "stride"}, "method stride takes no nodata"),
    (
        WHOLE,
        {"nodata": 0, "method": "mode_nonzero"},
        "give nodata: auto; mode_nonzero leaves out 0",
    ),
    (WHOLE, {"nodata_share": 0.7}, "nodata_share 0.7 is for nodata, which is auto; give nodata"),
    (WHOLE, {"nodata": 0, "nodata_share": 0}, "nodata_share: expected a number > 0 and <= 1, fo"),
    (WHOLE, {"nodata": 0, "nodata_share": 1.01}, "nodata_share: expected a number > 0 and <= 1"),
    (WHOLE, {"nodata": 0, "nodata_share": "nan"}, "nodata_share: expected a number > 0 and <= 1"),
    (WHOLE, {"nodata": "none"}, "nodata: expected auto, a number, nan, or a list"),
    (WHOLE, {"nodata": True}, "nodata: expected auto, a number, nan, or a list"),
    (WHOLE, {"nodata": []}, "nodata: expected auto, a number, nan, or a list"),
]


@pytest.mark.parametrize(("voxels", "keys", "message"), REFUSED)
def test_refused(tmp_path, voxels, keys, message):
    path = make(tmp_path / "a.zarr", voxels, voxels.shape, names="cyx")
    with pytest.raises(ConfigError) as caught:
        build_pyramid(path, levels=1, progress=False, **keys)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(item.name for item in path.iterdir()) == ["0", "zarr.json"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", None),
        (".nan", "nan"),
        ("nan", "nan"),
        ("[0, null]", (0, None)),
        ('"[0, null, NaN]"', (0, None, "nan")),  # as a command line has it
        ('"0"', 0),
        ("-32768", -32768),
        ("1e20", 1e20),
    ],
)
def test_forms(text, expected):
    config = yaml.safe_load(f"{{store: a, nodata: {text}}}")
    assert image_config("a", check_config(config)).nodata == expected


HARMS = [
    {"values": [0.5], "share": 0.5},
    {"values": [-1], "share": 0.5},
    {"values": ["NaN"], "share": 0.5},
    {"values": [], "share": 0.5},
    {"values": [0], "share": 0},
    {"values": [0], "share": 2},
    {"values": [0], "share": "NaN"},
    {"values": [0], "share": True},
    {"values": [0], "share": 0.5, "axis": 0},
    {"values": [0, 1], "share": 0.5, "axis": 7},
    {"values": [0, 1], "share": 0.5, "axis": -1},
    {"values": [0, 1], "share": 0.5, "axis": 0},
    {"values": [{}], "share": 0.5},
    {"values": ["9" * 400], "share": 0.5},
    {"values": [10**400], "share": 0.5},
    {"values": [None], "share": 0.5},
    {"share": 0.5},
    [],
    7,
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("harm", HARMS, ids=[str(n) for n in range(len(HARMS))])
def test_records_that_strangers_wrote(tmp_path, harm, capsys):
    path = make(tmp_path / "a.zarr", padded((8, 8)), (8, 8))
    build_pyramid(path, nodata=0, levels=1, progress=False)
    document = json.loads((path / "1/zarr.json").read_text())
    document["attributes"]["zarrpyramid"]["recipe"]["nodata"] = harm
    (path / "1/zarr.json").write_text(json.dumps(document))
    assert main(["verify", str(path), "--full"]) == 1
    assert main(["verify", str(path), "--repair", "--full"]) == 0
    assert main(["verify", str(path), "--full"]) == 0
    assert "Traceback" not in "".join(capsys.readouterr())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(golden_digests(Path(folder)), indent=1))
