"""Pyramids of others: which method explains them, what is wrong with them, and no false alarm."""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from zarrpyramid.verify.findings import DEFECT, NOTE, WARNING, Report
from zarrpyramid.verify.origins import factors_between
from zarrpyramid.verify.verify import verify_pyramid

REPOSITORY = Path(__file__).parents[2]
PEERS = REPOSITORY / "tests/data/peers"
EXPLAINED = {
    "ome-zarr-local_mean": "explained by mean, truncated",
    "ome-zarr-nearest": "explained by none",
    "ome-zarr-resize": "explained by none",
    "ngff-zarr-dask_bin_shrink": "explained by mean, half up",
    "ngff-zarr-itkwasm_bin_shrink": "explained by mean, half up",
    "ngff-zarr-itkwasm_gaussian": "explained by none",
    "pyramid-sampler-mean": "explained by mean, truncated",
    "tensorstore-mean": "explained by mean, half to even",
    "tensorstore-stride": "explained by stride",
    "tensorstore-median": "explained by median",
    "tensorstore-mode": "explained by mode or mode_nonzero",
    "tensorstore-max": "explained by max",
}


def verified(path, **settings):
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path), **settings))
    return report


def voxel_lines(report):
    return [check.figure for check in report.checks if check.name == "voxels"]


def assert_explained(path, expected):
    for full in (False, True):
        report = verified(path, full=full)
        told = [found.line for found in report.findings if found.grade in (DEFECT, WARNING)]
        assert told == []
        lines = voxel_lines(report)
        assert lines
        for line in lines:
            assert re.search(rf"{expected}(;| )", line), line


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", EXPLAINED)
def test_what_peers_made_is_explained_and_sound(tmp_path, name):
    with zipfile.ZipFile(PEERS / f"{name}.zip") as archive:
        archive.extractall(tmp_path)
    path = tmp_path / "field" if (tmp_path / "field").exists() else tmp_path
    assert_explained(path, EXPLAINED[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPLAINED)
def test_what_peers_make_today_is_what_they_made(tmp_path, name, monkeypatch):
    """By their newest releases, in environments of their own."""
    monkeypatch.syspath_prepend(REPOSITORY / "tests/benchmarks")
    import make_peers

    peer, method = next(pair for pair in make_peers.PYRAMIDS if "-".join(pair) == name)
    make_peers.make(peer, method, tmp_path / "image.zarr")
    path = tmp_path / "image.zarr" / ("field" if peer == "pyramid-sampler" else "")
    assert_explained(path, EXPLAINED[name])
    for module in ("make_peers", "contenders", "environments", "measure"):
        sys.modules.pop(module, None)


def means(finer, factor=2, crop=True):
    """Return means of windows rounded half up, the voxels at an odd edge dropped."""
    shape = [n // factor if crop else -(-n // factor) for n in finer.shape]
    out = np.empty(shape, finer.dtype)
    for index in np.ndindex(*shape):
        window = tuple(slice(i * factor, (i + 1) * factor) for i in index)
        out[index] = np.floor(finer[window].astype(float).mean() + 0.5)
    return out


def foreign(path, levels, *, scales=None, shift=True, listed=True, zarr_format=3, **settings):
    """Write levels as another program would, with zarr-python's defaults."""
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    datasets = []
    names = {"dimension_names": ["y", "x"]} if zarr_format == 3 else {}
    for number, voxels in enumerate(levels):
        own = {"chunks": (8, 8), **names, **settings.get(f"level_{number}", {})}
        array = group.create_array(str(number), shape=voxels.shape, dtype=voxels.dtype, **own)
        array[...] = voxels
        scale = [0.5 * s for s in (scales[number] if scales else [2.0**number] * 2)]
        steps = [{"type": "scale", "scale": scale}]
        if number and shift:
            steps.append({"type": "translation", "translation": [(s - 0.5) / 2 for s in scale]})
        datasets.append({"path": str(number), "coordinateTransformations": steps})
    axes = [{"name": name, "type": "space"} for name in "yx"]
    described = {"name": "n", "axes": axes, "datasets": datasets, "type": "t", "metadata": {}}
    if listed and zarr_format == 3:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [described]}
    elif listed:
        group.attrs["multiscales"] = [{**described, "version": "0.4"}]
    return path


RANDOM = np.random.default_rng(5)
BASE = (RANDOM.integers(0, 900, (61, 46)) + 100).astype("uint16")
SOUND = [BASE, means(BASE), means(means(BASE))]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("crop", [False, True])
def test_a_sound_pyramid_of_others_raises_no_alarm(tmp_path, zarr_format, crop):
    levels = [BASE, means(BASE, crop=crop), means(means(BASE, crop=crop), crop=crop)]
    path = foreign(tmp_path / "a.zarr", levels, zarr_format=zarr_format)
    report = verified(path)
    assert report.findings == []
    assert all("explained by mean, half up;" in line for line in voxel_lines(report))


def test_levels_that_are_all_made_from_level_0(tmp_path):
    path = foreign(tmp_path / "a.zarr", [BASE, means(BASE), means(BASE, 4)])
    lines = voxel_lines(verified(path))
    assert "held against 1: explained" not in lines[1]
    assert "held against 0: explained by mean, half up" in lines[1]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint64", "float32", "float64", "bool"])
def test_every_dtype_is_explained(tmp_path, dtype):
    base = RANDOM.integers(-99, 99, (40, 40)).astype(dtype)
    if dtype == "float32":
        base = base / np.float32(7)
        half = base.reshape(20, 2, 20, 2).mean((1, 3), dtype="float32")  # in its own precision
    else:
        half = base[::2, ::2]
    expected = "mean" if dtype == "float32" else "stride"
    path = foreign(tmp_path / "a.zarr", [base, half], shift=dtype == "float32")
    assert_explained(path, f"explained by .*{expected}")


def test_constant_voxels_are_explained_by_many(tmp_path):
    levels = [np.full((n, n), 7, "uint8") for n in (32, 16, 8)]
    for shift in (False, True):
        report = verified(foreign(tmp_path / "a.zarr", levels, shift=shift))
        assert report.findings == []
        assert "mean, half up or mean, truncated or min or max" in voxel_lines(report)[0]


def test_zero_levels_of_a_zero_image_are_no_harm(tmp_path):
    """zarr-python writes no object for them."""
    levels = [np.zeros((n, n), "uint8") for n in (32, 16)]
    report = verified(foreign(tmp_path / "a.zarr", levels))
    assert {found.grade for found in report.findings} == {NOTE}
    assert "all of its objects are not stored" in report.findings[-1].line


@pytest.mark.slow
def test_a_few_voxels_in_an_empty_image_show_that_a_level_is_empty(tmp_path):
    """They are found, since blocks of stored objects are looked at first."""
    base = np.zeros((800, 800), "uint8")
    base[400:403, 304:307] = 200
    path = foreign(tmp_path / "a.zarr", [base, np.zeros((400, 400), "uint8")])
    (found,) = [f for f in verified(path, sample=4).findings if f.grade == DEFECT]
    assert "has no stored objects, only its document" in found.line


def damaged_block(levels):
    broken = levels[1].copy()
    broken[8:16, 8:16] = RANDOM.integers(0, 900, (8, 8))
    return [levels[0], broken, means(broken)]


BROKEN = {
    "absent level": (
        {},
        lambda p: shutil.rmtree(p / "2"),
        (DEFECT, 2, "is listed, but there is no array"),
    ),
    "header alone": (
        {},
        lambda p: shutil.rmtree(p / "1/c"),
        (DEFECT, 1, "has no stored objects, only its document"),
    ),
    "empty level": (
        {"levels": [SOUND[0], SOUND[1] * 0, SOUND[2] * 0], "config": {"write_empty_chunks": True}},
        None,
        (DEFECT, 1, "nothing but fill value"),
    ),
    "scale against shape": (
        {"scales": [[1, 1], [4, 2], [8, 4]]},
        None,
        (DEFECT, 1, "scale contradicts shape"),
    ),
    "no half window": ({"shift": False}, None, (WARNING, 1, "no translation by half a window")),
    "another codec": (
        {"level_2": {"compressors": zarr.codecs.GzipCodec()}},
        None,
        (WARNING, 2, "codecs differs from level 0's"),
    ),
    "another dtype": (
        {"levels": [SOUND[0], SOUND[1], SOUND[2].astype("float32")]},
        None,
        (WARNING, 2, "dtype differs from level 0's"),
    ),
    "another fill value": (
        {"level_1": {"fill_value": 3}},
        None,
        (WARNING, 1, "fill value differs from level 0's"),
    ),
    "darker": (
        {"levels": [SOUND[0], (SOUND[1] * 0.6).astype("uint16"), SOUND[2]]},
        None,
        (WARNING, 1, "is of another brightness"),
    ),
    "one block": (
        {"levels": damaged_block(SOUND)},
        None,
        (DEFECT, 1, r"6\d of 690 voxels are not what mean, half up makes of 0, as .* at \[8, 8\]"),
    ),
    "damaged chunk": (
        {},
        lambda p: (p / "1/c/1/1").write_bytes(b"no zstd"),
        (DEFECT, 1, "1/c/1/1 is damaged"),
    ),
    "order": ({"levels": SOUND[::-1]}, None, (DEFECT, 1, "MUST be ordered from largest")),
    "level twice": (
        {"levels": [SOUND[0], SOUND[0]], "scales": [[1, 1], [1, 1]]},
        None,
        (WARNING, 1, "is as large as 0"),
    ),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("made", "harm", "expected"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_told(tmp_path, made, harm, expected):
    made = dict(made)
    config = made.pop("config", None)
    levels = made.pop("levels", SOUND)
    if config:
        made |= {f"level_{n}": {"config": config} for n in range(len(levels))}
    path = foreign(tmp_path / "a.zarr", levels, **made)
    if harm is not None:
        harm(path)
    grade, level, message = expected
    report = verified(path)
    told = [found.line for found in report.findings if (found.grade, found.level) == (grade, level)]
    assert any(re.search(message, line) for line in told), [f.line for f in report.findings]
    assert report.is_sound == (grade != DEFECT)


def test_without_a_list_the_levels_are_found_by_their_names(tmp_path):
    path = foreign(tmp_path / "a.zarr", SOUND, listed=False)
    report = verified(path)
    assert [found.what for found in report.findings] == [
        "the group lists no levels, so that no OME-Zarr viewer finds them"
    ]
    assert len(voxel_lines(report)) == 2


def test_paths_out_of_the_group_are_not_read(tmp_path):
    path = foreign(tmp_path / "a.zarr", SOUND)
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0]["datasets"][1]["path"] = "../b.zarr/1"
    (path / "zarr.json").write_text(json.dumps(document))
    (found, *_) = [f for f in verified(path).findings if f.grade == DEFECT]
    assert "is no path inside the group" in found.line


@pytest.mark.parametrize(
    ("finer", "coarser", "ratio", "factors"),
    [
        ((8, 9), (4, 5), None, (2, 2)),
        ((8, 9), (4, 4), None, (2, 2)),  # cropped
        ((1, 9), (1, 3), None, (1, 3)),
        ((1, 9), (1, 3), (2.0, 3.0), (2, 3)),  # an extent of 1 has any factor
        ((10,), (7,), None, None),
        ((5,), (3,), (5 / 3,), (2,)),
        ((4,), (8,), None, None),
    ],
)
def test_factors_follow_from_shapes(finer, coarser, ratio, factors):
    assert factors_between(finer, coarser, ratio) == factors
