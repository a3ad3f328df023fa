"""Digests of any arrays: equal to those of records, and different where one voxel is."""

import json

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli import main
from zarrpyramid.verify import array_digests

SHAPE = (33, 20, 17)
FORMS = (
    {"chunks": (16, 16, 16)},
    {"chunks": (5, 20, 8), "shards": (10, 20, 24), "compressors": None},
    {"chunks": (64, 7, 3), "zarr_format": 2},
    {
        "chunks": (33, 20, 1),
        "fill_value": 5,
        "filters": [zarr.codecs.TransposeCodec(order=(2, 0, 1))],
    },
)


def stored(path, voxels, **form):
    zarr.create_array(path, data=voxels, overwrite=True, **({"chunks": (16,) * 3} | form))
    return str(path)


def voxels_of(dtype):
    voxels = np.random.default_rng(0).integers(0, 9, SHAPE).astype(dtype)
    if voxels.dtype.kind in "fc":
        voxels[3, 4, 5] = np.nan
    return voxels


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", ["bool", "int16", ">u4", "float32", "complex64"])
def test_equal_voxels_have_one_digest_whatever_stores_them(tmp_path, dtype):
    voxels = voxels_of(dtype)
    forms = [form for form in FORMS if form.get("zarr_format") == 2 or voxels.dtype.isnative]
    paths = [stored(tmp_path / f"{n}.zarr", voxels, **form) for n, form in enumerate(forms)]
    for chunks in (None, (7, 20, 4)):
        found = [array_digests([paths[0], path], chunks=chunks, n_workers=2) for path in paths]
        assert {each.difference for each in found} == {""}
        assert len({proof["digest"] for each in found for proof in each.proofs}) == 1
    own = {array_digests([path]).proofs[0]["digest"] for path in paths}
    assert len(own) == len(paths)  # which depend on chunks


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "complex64"])
def test_one_voxel_that_differs_is_named(tmp_path, dtype):
    voxels = voxels_of(dtype)
    changed = voxels.copy()
    for place in ((32, 19, 16), (20, 3, 16)):
        changed[place] = not voxels[place]
    paths = [stored(tmp_path / "a.zarr", voxels), stored(tmp_path / "b.zarr", changed, **FORMS[1])]
    found = array_digests(paths)
    assert len({proof["digest"] for proof in found.proofs}) == 2
    assert found.n_different == 2
    assert found.difference.startswith(
        f"2 of {voxels.size} voxels differ, the first at [20, 3, 16]"
    )
    values = f"{voxels[20, 3, 16]} in {paths[0]}, {changed[20, 3, 16]} in {paths[1]}"
    assert found.difference.endswith(values)


def test_minus_zero_differs_and_payloads_of_nan_do_not(tmp_path):
    zeros = np.zeros((4, 4, 4), "float32")
    signed = zeros.copy()
    signed[1, 2, 3] = -0.0
    assert (
        "0.0 in"
        in array_digests(
            [stored(tmp_path / "a.zarr", zeros), stored(tmp_path / "b.zarr", signed)]
        ).difference
    )
    zeros[0, 0, 0], signed = np.nan, zeros
    signed.view("u4")[0, 0, 0] = 0x7FC00001
    zeros = np.where(np.isnan(signed), np.float32(np.nan), signed)
    paths = [stored(tmp_path / "c.zarr", zeros), stored(tmp_path / "d.zarr", signed)]
    assert array_digests(paths).difference == ""


def test_the_digest_of_a_level_is_that_of_its_record(tmp_path, capsys):
    store = tmp_path / "a.zarr"
    stored(store / "0", voxels_of("uint16"), chunks=(8, 64, 8))
    zarr.create_group(store)
    records = build_pyramid(store, levels=2, progress=False)
    for level, record in enumerate(records[1:], start=1):
        assert main(["digest", f"{store}/{level}"]) == 0
        assert capsys.readouterr().out == f"{record['digest']}  {store}/{level}\n"
        stored(tmp_path / "copy.zarr", zarr.open_array(f"{store}/{level}")[:], chunks=(9, 5, 2))
        chunks = ",".join(map(str, zarr.open_array(f"{store}/{level}").chunks))
        assert main(["digest", f"{tmp_path}/copy.zarr", "--chunks", chunks, "--json"]) == 0
        (proof,) = json.loads(capsys.readouterr().out)["arrays"]
        assert proof["digest"] == record["digest"]
        assert proof["mean"] == record["mean"]


def test_exit_codes(tmp_path, capsys):
    voxels = voxels_of("uint8")
    a, b = stored(tmp_path / "a.zarr", voxels), stored(tmp_path / "b.zarr", voxels, **FORMS[2])
    c, d = stored(tmp_path / "c.zarr", voxels + 1), stored(tmp_path / "d.zarr", voxels[1:])
    zarr.create_group(tmp_path / "group.zarr").create_array("s", data=voxels)
    lines = {
        (a, b): (0, "equal"),
        (a, c): (1, "different: 11220 of 11220 voxels differ, the first at [0, 0, 0]: "),
        (a, d): (1, f"different: {a} is uint8 of 33x20x17, {d} is uint8 of 32x20x17"),
        (a, f"{tmp_path}/absent.zarr"): (2, f"there is no store {tmp_path}/absent.zarr; check"),
        (f"{tmp_path}/group.zarr/t",): (2, "group.zarr/t; give the folder that holds its zarr"),
        (f"{tmp_path}/group.zarr",): (2, "expected an array; give one of its arrays: s"),
        (f"{tmp_path}/group.zarr/s",): (0, ""),  # the way out
        (a, "--chunks", "4,4"): (2, "the chunks of a digest are 4x4, but "),
        (a, "--chunks", "4,4,0"): (2, "give 1 or more for each of its 3 axes"),
        (a, "--chunks", "4,4,4"): (0, ""),
    }
    for words, (code, line) in lines.items():
        assert main(["digest", *words]) == code
        told = capsys.readouterr()
        assert line in (told.err if code == 2 else told.out)
        if code < 2:
            assert main(["digest", *words, "-q"]) == code
            assert capsys.readouterr().out == ""
