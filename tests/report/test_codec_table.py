"""`plan --codecs`: what codecs make of an image's own averaged voxels, and the line to paste."""

from __future__ import annotations

import numcodecs
import numpy as np
import pytest
import yaml
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.__main__ import main
from zarrpyramid.config import check_config, image_config
from zarrpyramid.downsample import open_path, try_codecs
from zarrpyramid.plan import open_image
from zarrpyramid.report.codec_table import codec_name, read_readers

RANDOM = np.random.default_rng(0)
VOXELS = (np.indices((70, 66, 60)).sum(0) * 50 + RANDOM.integers(0, 99, (70, 66, 60))).astype("u2")


def make(path, voxels=VOXELS, **keys):
    options = {"chunks": (16, 16, 16), **keys}
    group = zarr.create_group(path, zarr_format=options.pop("zarr_format", 3))
    group.create_array("0", data=voxels, **options)
    return str(path)


def tried(path):
    return {trial.compressor: trial for trial in try_codecs(open_path(path))}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("method", ["mean", "stride"])
def test_bytes_are_those_of_a_build(tmp_path, zarr_format, method):
    """An image of up to 16 chunks in level 1 is tried as a whole."""
    path = make(tmp_path / "a.zarr", VOXELS[:32, :30], zarr_format=zarr_format)
    build_pyramid(path, levels=1, compressor="blosc-zstd:1", method=method)
    level = tmp_path / "a.zarr/1"
    stored = sum(
        file.stat().st_size
        for file in level.rglob("*")
        if file.is_file() and file.name not in ("zarr.json", ".zarray", ".zattrs")
    )
    settings = {"store": path, "levels": 1, "method": method}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(settings))
    trials = try_codecs(open_image(image_config("a", check_config(settings))))
    (found,) = [trial for trial in trials if trial.compressor == "blosc-zstd:1"]
    assert found.stored_bytes == stored
    assert found.raw_bytes == 2 * 16**3 * 2
    assert min(found.encode_seconds, found.decode_seconds) > 0


def test_codecs_are_named_once_and_level_0s_first(tmp_path):
    found = tried(make(tmp_path / "a", VOXELS.astype("uint8"), compressors=None))
    assert next(iter(found)) == "same"
    assert found["same"].others == ["none"]
    assert found["blosc-lz4"].others == ["blosc-lz4:5:bitshuffle"]
    assert found["same"].raw_bytes == found["same"].stored_bytes == 16 * 16**3
    assert {trial.stored_bytes for trial in tried(str(tmp_path / "a")).values()} == {
        trial.stored_bytes for trial in found.values()
    }


def test_the_line_can_be_pasted(tmp_path, capsys):
    path = make(tmp_path / "a.zarr")
    assert main(["plan", path, "--codecs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("compressor: ")
    (recommended,) = [line for line in lines if line.endswith("recommended")]
    pasted = yaml.safe_load(lines[-1])
    assert recommended.split()[0] == pasted["compressor"]
    (automatic,) = [line for line in lines if "auto" in line.split()[-2:] or "auto," in line]
    assert automatic.startswith("blosc-zstd:1 ")
    before = sorted((tmp_path / "a.zarr").rglob("*"))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"store": path, **pasted}))
    assert main(["plan", "--configfile", str(tmp_path / "c.yaml"), "--codecs"]) == 0
    assert sorted((tmp_path / "a.zarr").rglob("*")) == before


def test_sources_are_tried_before_level_0_is_made(tmp_path, capsys):
    np.save(tmp_path / "a.npy", VOXELS)
    source = make(tmp_path / "source.zarr", compressors=numcodecs.Zlib(1), zarr_format=2)
    for given in (str(tmp_path / "a.npy"), source):
        settings = {"store": str(tmp_path / "new.zarr"), "source": given, "axes": [*"zyx"]}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(settings))
        assert main(["plan", "--configfile", str(tmp_path / "c.yaml"), "--codecs"]) == 0
        assert capsys.readouterr().out.splitlines()[-1].startswith("compressor: ")
        assert not (tmp_path / "new.zarr").exists()


def test_a_level_0_still_to_be_made_and_its_way_out(tmp_path, capsys):
    made = {"shape": [40, 40, 40], "chunks": [16, 16, 16], "dtype": "uint16"}
    settings = {"store": str(tmp_path / "a.zarr"), "base": made, "levels": 1}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(settings))
    asked = ["plan", "--configfile", str(tmp_path / "c.yaml"), "--codecs"]
    assert main(asked) == 2
    message = capsys.readouterr().err
    assert "a.zarr/0 is not there yet, and codecs are tried on its voxels; give --codecs after" in (
        message
    )
    assert message.count("\n") == 1
    zarr.create_group(tmp_path / "a.zarr").create_array(
        "0", data=VOXELS[:40, :40, :40], chunks=(16, 16, 16)
    )
    assert main(asked) == 0


def test_no_level_and_its_way_out(tmp_path, capsys):
    path = make(tmp_path / "a.zarr", VOXELS[:8, :8, :8])
    assert main(["plan", path, "--codecs"]) == 2
    assert "no level beyond level 0; give levels: 1 to try codecs" in capsys.readouterr().err
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"store": path, "levels": 1}))
    assert main(["plan", "--configfile", str(tmp_path / "c.yaml"), "--codecs"]) == 0


def test_filters_hide_all_codecs(tmp_path, capsys):
    filters = [numcodecs.Delta("<u2")]
    path = make(tmp_path / "a.zarr", zarr_format=2, filters=filters)
    assert main(["plan", path, "--codecs"]) == 2
    assert "level 0's codecs ['delta', " in capsys.readouterr().err
    assert main(["plan", path]) == 0


def test_a_checksum_in_v2_leaves_zstd(tmp_path, capsys):
    path = make(tmp_path / "a.zarr", zarr_format=2, compressors=numcodecs.Zstd(3))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"store": path, "checksum": True}))
    assert main(["plan", "--configfile", str(tmp_path / "c.yaml"), "--codecs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith(("same", "zstd"))]
    assert [row.split()[0] for row in rows] == ["same", "zstd:1", "zstd"]
    assert all("all but jzarr, tensorstore" in row for row in rows)


def test_readers_name_codecs_that_are_tried(tmp_path):
    for zarr_format, version in ((2, "v2"), (3, "v3")):
        path = make(tmp_path / version, zarr_format=zarr_format)
        names = {codec_name(trial.metadata) for trial in tried(path).values()}
        assert names == {"none", "zstd", "gzip", "blosc"}
        for reader in read_readers():
            assert reader["seen"].startswith(("https://", "tests/"))
            assert not reader[version] or names & {*reader[version]}
