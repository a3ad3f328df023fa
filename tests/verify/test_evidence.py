"""Levels that no method explains: a filter's are held, those of other places are defects.

Each level is spoilt in ways that were seen: another image, another channel, a place aside, a part
stretched over the whole, single voxels, invented ids, padding that holds something.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import zarr

from zarrpyramid.cli.program import main
from zarrpyramid.verify import boxes
from zarrpyramid.verify.findings import DEFECT, NOTE, WARNING, Report
from zarrpyramid.verify.origins import factors_between, is_padded
from zarrpyramid.verify.verify import verify_pyramid

RANDOM = np.random.default_rng(15)


def put(path, levels, *, factors=2, axes="zyx", chunks=16, scales=None, labels=False, **more):
    """Write levels as another program would, level after level by the same factors."""
    group = zarr.open_group(path, mode="w", zarr_format=more.pop("zarr_format", 3))
    n_axes = levels[0].ndim
    names = list(axes[-n_axes:])
    by = (factors,) * n_axes if isinstance(factors, int) else factors
    datasets = []
    for number, voxels in enumerate(levels):
        given = {"chunks": tuple(min(chunks, n) for n in voxels.shape), **more}
        if group.metadata.zarr_format == 3:
            given["dimension_names"] = names[-voxels.ndim :]
        array = group.create_array(str(number), shape=voxels.shape, dtype=voxels.dtype, **given)
        array[...] = voxels
        scale = scales[number] if scales else [float(f) ** number for f in by]
        steps = [{"type": "scale", "scale": list(scale)}]
        steps += [{"type": "translation", "translation": [(s - 1) / 2 for s in scale]}]
        datasets.append({"path": str(number), "coordinateTransformations": steps[: 1 + number]})
    kinds = {"c": {"type": "channel"}, "t": {"type": "time"}}
    listed = [{"name": name, **kinds.get(name, {"type": "space"})} for name in names]
    document = {"name": "n", "type": "t", "metadata": {}, "axes": listed, "datasets": datasets}
    if group.metadata.zarr_format == 3:
        note = {"image-label": {}} if labels else {}
        group.attrs["ome"] = {"version": "0.5", "multiscales": [document], **note}
    else:
        group.attrs.update(multiscales=[{**document, "version": "0.4"}])
        if labels:
            group.attrs["image-label"] = {"version": "0.4"}
    return path


def verified(path, **settings):
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path), **{"full": True, **settings}))
    return report


def told(report, grade=DEFECT):
    return [found.what for found in report.findings if found.grade == grade]


def windows(voxels, factor=2):
    """Return whole windows, a window's voxels along the odd axes."""
    shape = [n // factor for n in voxels.shape]
    cut = voxels[tuple(slice(n * factor) for n in shape)]
    return cut.reshape([n for extent in shape for n in (extent, factor)])


def mean(voxels, factor=2):
    """Return means rounded half to even, as one of the methods does."""
    odd = tuple(range(1, 2 * voxels.ndim, 2))
    return np.round(windows(voxels, factor).mean(odd)).astype(voxels.dtype)


def smoothed(voxels, factor=2):
    """Return means over windows of (1, 3, 3, 1) / 8 along each axis, as no method does."""
    found = voxels.astype(float)
    for axis in range(voxels.ndim):
        wide = np.pad(found, [(1, 1) if a == axis else (0, 0) for a in range(voxels.ndim)], "edge")
        n = found.shape[axis] // factor
        parts = [np.take(wide, np.arange(n) * factor + step, axis) for step in range(4)]
        found = (parts[0] + 3 * parts[1] + 3 * parts[2] + parts[3]) / 8
    return np.round(found).astype(voxels.dtype)


def picked(voxels, factor=2):
    """Return the last voxel of each window."""
    return voxels[tuple(slice(factor - 1, n // factor * factor, factor) for n in voxels.shape)]


def padded(voxels, factor=2):
    """Return means of windows that are filled up with 0 at the high edges."""
    return mean(np.pad(voxels, [(0, -n % factor) for n in voxels.shape]), factor)


Z, Y, X = np.indices((33, 36, 31))
HILLS = np.full(Z.shape, 500.0)
for z, y, x in RANDOM.integers(0, 33, (90, 3)):
    HILLS += 400 * np.exp(-((Z - z) ** 2 + (Y - y) ** 2 + (X - x) ** 2) / 40)
IMAGES = {
    "noise": RANDOM.integers(0, 60000, Z.shape).astype("uint16"),
    "hills": HILLS.astype("uint16"),
    "grains": RANDOM.poisson(HILLS / 50).astype("uint8"),
    "ball": (((Z - 15) ** 2 + (Y - 20) ** 2 + (X - 13) ** 2 < 90) * 200).astype("uint8"),
    "floats": (HILLS / 300 + RANDOM.normal(0, 0.2, Z.shape)).astype("float32"),
}
FILTERS = {"smoothed": smoothed, "picked": picked, "padded": padded}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("way", FILTERS)
def test_what_a_filter_makes_has_no_defect(tmp_path, image, way, full):
    base = IMAGES[image]
    if base.dtype.kind == "f" and way != "picked":
        base = (base * 1000).round()  # which these filters round
    levels = [base, FILTERS[way](base)]
    report = verified(put(tmp_path / "a.zarr", levels), full=full)
    assert told(report) == [], report.verdict
    assert told(report, WARNING) in ([], ["translation is not that of its windows' centres"])
    assert report.code == 0
    assert re.search(r": sound(, \d notes?)?(; level 1: [\d,]+ of [\d,]+ voxels)?", report.verdict)


def other(base):
    """Return an image of the same kind that shows something else."""
    return np.roll(base, [n // 2 for n in base.shape], range(base.ndim))


def stretched(level, axis):
    """Return the first half along an axis, stretched over all of it."""
    n = level.shape[axis]
    return np.take(np.repeat(level, 2, axis), range(n), axis)


SPOILT = {
    "another image": other,
    **{f"flipped along {axis}": lambda a, axis=axis: np.flip(a, axis) for axis in (1, 2)},
    **{f"rolled along {axis}": lambda a, axis=axis: np.roll(a, 1, axis) for axis in (0, 1, 2)},
    "rolled back": lambda a: np.roll(a, -1, 2),
    "rolled along two": lambda a: np.roll(a, (1, 1), (0, 2)),
    **{f"stretched along {axis}": lambda a, axis=axis: stretched(a, axis) for axis in (0, 2)},
    "shuffled": lambda a: np.random.default_rng(1).permutation(a.ravel()).reshape(a.shape),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("way", [mean, smoothed], ids=["mean", "smoothed"])
def test_a_level_of_another_place_is_a_defect(tmp_path, image, spoil, way):
    base = IMAGES[image]
    base = (base * 1000).round() if base.dtype.kind == "f" else base
    level = way(base)
    spoilt = SPOILT[spoil](level)
    report = verified(put(tmp_path / "a.zarr", [base, spoilt]))
    if image == "grains":  # of which few voxels differ by more than chance
        assert re.search(r": (NOT SOUND|not proven, \d warning)", report.verdict)
    else:
        assert report.code == 1, report.verdict
    assert re.search(
        r"level 1: [\d,]+ of 4,320 voxels unexplained, the first at \[", report.verdict
    )
    if spoil.startswith("rolled") and image == "hills":
        assert any("is displaced" in what for what in told(report))


@pytest.mark.parametrize("way", [mean, smoothed], ids=["mean", "smoothed"])
def test_swapped_channels_and_slices_of_other_times_are_defects(tmp_path, way):
    base = np.stack([IMAGES["grains"][0], IMAGES["grains"][7] + np.uint8(100)])
    level = np.stack([way(base[0]), way(base[1])])
    for axis in "ct":
        settings = {"axes": f"{axis}yx", "factors": (1, 2, 2)}
        sound = verified(put(tmp_path / "a.zarr", [base, level], **settings))
        assert sound.code == 0, sound.verdict
        swapped = verified(put(tmp_path / "a.zarr", [base, level[::-1].copy()], **settings))
        assert swapped.code == 1


def spoil_voxel(level, place, by=0x40):
    found = level.copy()
    found[place] ^= by
    return found


def ceiled(voxels):
    """Return means over the voxels that are there, also of windows cut short at high edges."""
    out = np.empty([-(-n // 2) for n in voxels.shape], voxels.dtype)
    for index in np.ndindex(*out.shape):
        out[index] = np.round(voxels[tuple(slice(2 * i, 2 * i + 2) for i in index)].mean())
    return out


NOISE = IMAGES["noise"][:, :25]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("place", [(0, 0, 0), (9, 5, 7), (15, 11, 14), (16, 3, 3), (2, 12, 15)])
@pytest.mark.parametrize("by", [1, 0x4000])
def test_one_wrong_voxel_among_explained_ones_is_located(tmp_path, place, by):
    level = spoil_voxel(ceiled(NOISE), place, by)
    report = verified(put(tmp_path / "a.zarr", [NOISE, level], chunks=8))
    (found,) = [found for found in report.findings if found.grade == DEFECT]
    is_cut = place[0] == 16 or place[1] == 12 or place[2] == 15
    assert found.what.startswith("1 of ")
    assert (" in windows that are cut short " in found.what) == is_cut
    assert found.what.endswith(f"; the first at {list(place)}")
    assert found.key.endswith("1/c/" + "/".join(str(i // 8) for i in place))
    n_voxels = f"{level.size:,}"
    assert report.verdict.endswith(
        f"; level 1: 1 of {n_voxels} voxels unexplained, the first at {list(place)}"
    )


def test_edges_are_told_apart_from_what_is_wrong_inside(tmp_path):
    """Means that are padded with 0 differ in all cut windows; a voxel inside is wrong."""
    level = padded(NOISE)
    report = verified(put(tmp_path / "a.zarr", [NOISE, level]))
    assert told(report) == []
    (note,) = told(report, NOTE)
    n_cut = level.size - mean(NOISE).size
    assert note == (
        f"equals mean, half to even of 0, except in {n_cut:,} of {n_cut:,} windows that are cut at "
        "the high edges"
    )
    assert ": sound, 1 note; level 1: " in report.verdict
    report = verified(put(tmp_path / "a.zarr", [NOISE, spoil_voxel(level, (9, 5, 7))]))
    assert [what.partition(" are")[0] for what in told(report)] == ["1 of 2,880 voxels"]


def test_bright_voxels_where_windows_are_cut_are_outside(tmp_path):
    base = IMAGES["hills"]
    level = padded(base)
    level[-1] = 60000
    report = verified(put(tmp_path / "a.zarr", [base, level]))
    assert [what.partition(" are ")[0] for what in told(report)] == [
        "288 of 816 voxels at the high edges"
    ]


def test_a_black_block_among_means_is_a_defect(tmp_path):
    level = ceiled(NOISE)
    level[:8, :8, :8] = 0
    report = verified(put(tmp_path / "a.zarr", [NOISE, level], chunks=32))
    assert "512 of " in told(report)[0]
    assert ": NOT SOUND, " in report.verdict


@pytest.mark.parametrize("is_bool", [True, False])
def test_the_middle_voxels_of_a_mask_are_no_median_with_wrong_ones(tmp_path, is_bool):
    """Nearly all of them are what most of their window are, in an image of two values."""
    mask = (Z - 16) ** 2 + (Y - 17) ** 2 + (X - 15) ** 2 < 200
    n_inside = windows(mask, 3).sum((1, 3, 5))
    mask[tuple(1 + 3 * np.argwhere(n_inside == 20)[0])] = False  # and most are inside
    mask = mask if is_bool else mask * np.uint8(200)
    level = mask[1::3, 1::3, 1::3]
    report = verified(put(tmp_path / "a.zarr", [mask, level], factors=3))
    assert told(report) == []
    assert "unexplained" in report.verdict


def test_means_that_are_nan_claim_no_other_voxel(tmp_path):
    floats = IMAGES["floats"].copy()
    floats[RANDOM.random(floats.shape) < 0.7] = np.nan
    level = mean(floats)
    level[~np.isnan(level)] += 0.01
    report = verified(put(tmp_path / "a.zarr", [floats, level]))
    assert [what for what in told(report) if "as the others are" in what] == []


def test_the_tails_of_a_wide_filter_in_what_is_black_are_no_defect(tmp_path):
    wide = np.zeros((36, 36, 36), "uint16")
    wide[6::12, 6::12, 6::12] = 4000
    found = wide.astype(float)
    for _ in range(5):
        for axis in range(3):
            pad = np.pad(found, [(1, 1) if a == axis else (0, 0) for a in range(3)], "edge")
            found = sum(np.take(pad, np.arange(36) + step, axis) for step in range(3)) / 3
    level = np.ceil(found[::2, ::2, ::2]).astype("uint16")
    report = verified(put(tmp_path / "a.zarr", [wide, level]))
    assert told(report) == []


def test_three_planes_do_not_tell_a_displacement(tmp_path):
    """Every fourth plane of means along the other axes."""
    hills = IMAGES["hills"][12:21, :32, :28]
    level = hills[::4].reshape(3, 8, 4, 7, 4).mean((2, 4)).round().astype("uint16")
    assert told(verified(put(tmp_path / "a.zarr", [hills, level], factors=4))) == []


def test_sums_of_floats_may_be_rounded(tmp_path):
    floats = RANDOM.random((32, 30, 28), np.float32) * 500
    level = windows(floats).sum((1, 3, 5), dtype=np.float32)
    report = verified(put(tmp_path / "a.zarr", [floats, level]))
    assert told(report) == []
    assert "unexplained" not in report.verdict


def test_one_voxel_far_from_its_neighbourhood_is_a_warning(tmp_path):
    base = IMAGES["hills"]
    level = smoothed(base)
    level[4, 5, 6] = 3000
    report = verified(put(tmp_path / "a.zarr", [base, level]))
    assert told(report, WARNING) == [
        "1 of 3,570 voxels are far outside of the extremes of 0 around them, the first at [4, 5, 6]"
    ]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int64", "uint64", "float16", "float32", "float64", "complex64"]
)
def test_levels_of_every_dtype_are_held(tmp_path, dtype):
    base = (HILLS / 40 - 12).clip(0 if dtype[0] in "ub" else None).astype(dtype)
    if dtype == "bool":
        base = HILLS > 900
    elif base.dtype.kind == "f":
        base[3:9, 4, 5:20], base[20, 20, 20] = np.nan, np.inf
    level = base[1::2, 1::2, 1::2]
    sound = verified(put(tmp_path / "a.zarr", [base, level]))
    spoilt = verified(put(tmp_path / "a.zarr", [base, level[:, ::-1]]))
    if dtype == "complex64":
        assert ": not proven" in sound.verdict
        assert ": not proven" in spoilt.verdict
    else:
        assert ": sound" in sound.verdict, sound.findings
        assert spoilt.code == 1


def test_nan_where_the_finer_level_has_none_is_outside(tmp_path):
    base = IMAGES["floats"]
    level = base[1::2, 1::2, 1::2].copy()
    level[:4] = np.nan
    report = verified(put(tmp_path / "a.zarr", [base, level]))
    assert any(re.match(r"952 of 3,570 voxels are outside", what) for what in told(report))


def test_a_few_voxels_prove_nothing(tmp_path):
    base = IMAGES["noise"][:4, :4, :4]
    level = smoothed(base)
    report = verified(put(tmp_path / "a.zarr", [base, level]))
    assert report.code == 0
    assert report.verdict.endswith(
        "a.zarr: not proven; level 1: 8 of 8 voxels unexplained, the first at [0, 0, 0]"
    )
    assert json.loads(report.json())["sound"] is None


def test_unexplained_levels_of_a_series_are_named_and_the_line_ends(tmp_path):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w")
    root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    base = IMAGES["noise"][:8, :8, :8]
    for image in range(12):
        put(tmp_path / f"a.zarr/{image}", [base, smoothed(base)])
    verdict = verified(tmp_path / "a.zarr").verdict
    assert f"; {tmp_path}/a.zarr/3, level 1: 64 of 64 voxels unexplained, the first at " in verdict
    assert verdict.count("voxels unexplained") == 10
    assert verdict.endswith("; 2 more levels with such voxels")


def test_a_level_made_of_level_0_is_held_against_that(tmp_path):
    base = IMAGES["grains"]
    report = verified(put(tmp_path / "a.zarr", [base, mean(base) // 3, smoothed(smoothed(base))]))
    assert [found.level for found in report.findings if found.grade == DEFECT] == [1]


def test_levels_by_broken_factors_are_held_by_their_neighbourhood(tmp_path):
    base = IMAGES["hills"]
    at = [np.minimum(np.arange(n) * 3 // 2, 3 * n // 2 - 1) for n in (22, 24, 20)]
    level = base[np.ix_(*at)]
    scales = [[1.0] * 3, [1.5] * 3]
    sound = verified(put(tmp_path / "a.zarr", [base, level], scales=scales))
    assert sound.code == 0
    assert ": sound; level 1: 10,560 of 10,560 voxels unexplained" in sound.verdict
    path = put(tmp_path / "a.zarr", [base, other(level)], scales=scales)
    assert verified(path).code == 1
    (path / "1/c/1/1/0").write_bytes(b"no zstd")
    assert any("1/c/1/1/0 is damaged" in what for what in told(verified(path)))


def test_a_level_of_other_axes_is_held_against_nothing(tmp_path):
    base = IMAGES["noise"]
    report = verified(put(tmp_path / "a.zarr", [base, base[0, ::2, ::2].copy()]))
    assert report.code == 1
    assert report.verdict.endswith(
        "level 1: 288 of 288 voxels held against nothing, the first at [0, 0]"
    )


def test_a_level_of_a_claimed_extent_is_held_against_what_memory_has_room_for(tmp_path):
    base, *levels = IMAGES["noise"][0], IMAGES["noise"][0, ::2, ::2], IMAGES["noise"][0, ::4, ::4]
    path = put(tmp_path / "a.zarr", [base, *levels])
    document = json.loads((path / "1/zarr.json").read_bytes())
    document["shape"][0] = 10**10
    (path / "1/zarr.json").write_text(json.dumps(document))
    report = verified(path, full=False)
    assert report.code == 1
    assert "level 1: " in report.verdict
    assert "voxels held against nothing" in report.verdict
    assert "level 2" not in report.verdict  # it is held against level 0


IDS = np.zeros((33, 36, 31), "uint16")
for number, centre in enumerate(RANDOM.integers(3, 30, (40, 3))):
    distance = sum((axis - at) ** 2 for axis, at in zip((Z, Y, X), centre, strict=True))
    IDS[distance < 16] = 100 * number + 7


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ids_stand_in_the_windows_of_the_level_before(tmp_path, zarr_format):
    def look(level, name="a.zarr", *, labels=True):
        settings = {"zarr_format": zarr_format, "labels": labels}
        return verified(put(tmp_path / name, [IDS, level], **settings))

    sound = look(picked(IDS))
    assert sound.code == 0, sound.verdict
    assert look(np.roll(picked(IDS), 1, 2)).code == 1
    assert look(picked(IDS)[::-1]).code == 1
    averaged = look(mean(IDS))
    (what, *_) = told(averaged)
    assert re.search(r"[\d,]+ of 4,320 voxels hold ids that stand nowhere near in 0", what)
    for folder in ("c.zarr", "c.zarr/labels"):
        zarr.open_group(tmp_path / folder, mode="w", zarr_format=zarr_format)
    assert what in told(look(mean(IDS), "c.zarr/labels/cells", labels=False))
    invented = picked(IDS).copy()
    invented[3, 4, 5] = 9999
    report = look(invented)
    (found,) = [found for found in report.findings if "nowhere near" in found.what]
    assert found.what.endswith("the first at [3, 4, 5]")
    assert found.found == "9999"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("inside", ["fill", "something"])
def test_padded_arrays_take_the_factors_that_they_state(tmp_path, shards, inside):
    """As webknossos writes them: each array is as large as its whole objects."""
    base = np.zeros((32, 32, 40), "uint8")
    base[:29, :30, :35] = RANDOM.integers(1, 255, (29, 30, 35))
    level = np.zeros((16, 16, 24), "uint8")
    level[:, :, :20] = mean(base)
    if inside == "something":
        level[3, 4, 22] = 9
    more = {"shards": (8, 8, 8)} if shards else {}
    path = put(tmp_path / "a.zarr", [base, level], chunks=8, **more)
    report = verified(path)
    assert told(report) == []
    if inside == "fill":
        assert told(report, WARNING) == []
        assert "explained by mean, half to even" in str(report.checks)
        assert "unexplained" not in report.verdict
    else:
        assert told(report, WARNING) == [
            "1 voxels beyond the end of 0 are not fill value, the first at [3, 4, 22]"
        ]
        assert report.verdict.endswith("1 of 6,144 voxels unexplained, the first at [3, 4, 22]")


@pytest.mark.parametrize(
    ("finer", "coarser", "ratio", "units", "factors"),
    [
        ((160,), (96,), (2.0,), ((32,), (32,)), (2,)),
        ((160,), (128,), (2.0,), ((32,), (32,)), None),
        ((64,), (64,), (2.0,), ((64,), (64,)), (2,)),
        ((61,), (32,), (2.0,), ((8,), (16,)), (2,)),
        ((61,), (30,), (4.0,), ((8,), (8,)), (2,)),  # neither is of whole objects
        ((160,), (96,), (1.7,), ((32,), (32,)), None),
    ],
)
def test_factors_of_padded_arrays(finer, coarser, ratio, units, factors):
    assert factors_between(finer, coarser, ratio, units) == factors


def test_a_box_of_whole_objects_is_no_excuse():
    assert not is_padded(64, 8, 2.0, (8, 8))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("n_levels", [1, 2])
@pytest.mark.parametrize("is_odd", [False, True])
def test_a_full_look_decodes_everything(tmp_path, n_levels, is_odd, capsys):
    """Level 0 alone, and what its levels do not cover: a shard fails its checksum."""
    base = IMAGES["noise"][:, :, : 31 if is_odd else 30]
    levels = [base, mean(base)][:n_levels]
    path = put(tmp_path / "a.zarr", levels, chunks=10, shards=(10, 10, 10))
    shard = path / "0/c/3/3" / ("3" if is_odd else "2")
    data = bytearray(shard.read_bytes())
    data[-2] ^= 0xFF
    shard.write_bytes(bytes(data))
    assert main(["verify", str(path), "--full"]) == 1
    out = capsys.readouterr().out
    assert re.search(rf"DEFECT level 0, .*{shard}.* is damaged", out)
    assert "NOT SOUND" in out


def test_a_lone_level_0_is_decoded_by_sample_too(tmp_path, capsys):
    path = put(tmp_path / "a.zarr", [IMAGES["noise"]])
    assert main(["verify", str(path)]) == 2
    assert re.search(
        r"decoded    level 0   all \d+ objects decoded, 0 dam", capsys.readouterr().out
    )


def test_all_boxes_of_a_block_are_looked_at(tmp_path, monkeypatch):
    """Where memory has no room for a whole block, a full look takes one box after another."""
    monkeypatch.setattr(boxes, "_BOX_BYTES", 1 << 12)
    level = spoil_voxel(mean(NOISE), (1, 1, 1))
    report = verified(put(tmp_path / "a.zarr", [NOISE, level], chunks=64))
    assert report.verdict.endswith("1 of 2,880 voxels unexplained, the first at [1, 1, 1]")
    assert report.code == 1
