"""What a user may mean that is in another folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from zarrpyramid.plan.astray import doubts


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"source": "slices", "store": "out.zarr"}, ["source slices means HERE/slices"]),
        ({"images": {"a": {"store": "old.zarr"}}}, ["store old.zarr means HERE/old.zarr"]),
        ({"source": "only"}, ["source only means HERE/only"]),
        ({"source": "absent", "store": "s3://slices", "samples": ""}, []),
        ({"images": {str(n): {"source": "slices"} for n in range(9)}}, ["source slices "] * 3),
    ],
)
def test_paths_that_lead_elsewhere_from_their_file(tmp_path, monkeypatch, config, said):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here / "slices", *(there / name for name in ("slices", "old.zarr", "only"))):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    lines = [*doubts(config, [there / "config.yaml"], "")]
    assert len(lines) == len(said)
    for line, start in zip(lines, said, strict=True):
        assert line.startswith(start.replace("HERE", str(here)))
        # The way out: the path that the line names.
        path = line.partition("if you mean ")[2].partition(",")[0]
        assert Path(path).is_dir()
        assert [*doubts({"source": path}, [there / "config.yaml"], "")] == []
    assert [*doubts(config, [here / "config.yaml"], "")] == []


def test_settings_of_the_working_directory_that_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "clone").mkdir()
    theirs, own = tmp_path / "clone/config.yaml", tmp_path / "config.yaml"
    theirs.touch()
    monkeypatch.chdir(tmp_path)
    assert [*doubts({}, [], str(theirs))] == []
    own.touch()
    (line,) = doubts({}, [], str(theirs))
    assert line == (
        f"{own} is not read, the settings are those of {theirs}; to use it give --configfile "
        "config.yaml"
    )
    assert [*doubts({}, [own], str(theirs))] == []
    assert [*doubts({}, [], str(own))] == []
