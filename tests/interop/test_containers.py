"""Plates, series and labels that other programs wrote, built as containers and read by them again.

Each program is in an environment of its own.
"""

from __future__ import annotations

import pytest

from interop.peers.asking import described
from interop.programs import PROGRAMS
from interop.trials import ask, environment
from zarrpyramid.plan import Run
from zarrpyramid.verify import assure_images

CASES = [
    *(("ngff-zarr", f"plate {version}", ["A/1/0", "A/2/0"]) for version in ("0.4", "0.5")),
    *(("ome-zarr", f"plate {version}", ["A/1/0", "A/2/0"]) for version in ("0.4", "0.5")),
    *(("iohub", f"plate {version}", ["A/1/0", "A/2/0"]) for version in ("0.4", "0.5")),
    ("ngio", "plate 0.5", None),
    *(("ome-zarr", f"labels {version}", ["", "labels/cells"]) for version in ("0.4", "0.5")),
    ("bioformats2raw (by hand)", "bioformats2raw", ["0", "1"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind", "fields"), CASES)
def test_a_container_of_another_program(workspace, name, kind, fields):
    program = PROGRAMS[name]
    python = environment(program)
    ask(program, python, "write", kind, workspace / "store.zarr")
    config = {"container": str(workspace / "store.zarr"), "levels": 2, "overwrite": True}
    outcome = workspace.run(**config)
    assert outcome.jobs == ["batch", "summary of all"]
    folders = {"folder": workspace / "results", "logs": workspace / "logs"}
    run = Run(config, results="results", **folders)
    configs = [image.config for image in run.images.values()]
    if fields is not None:
        assert [config.field for config in configs] == fields
    assert assure_images(configs)
    for image in run.images.values():
        field = image.config.field
        paths = [image.image.level_path(level) for level in range(3)]
        levels = [workspace.voxels(f"store.zarr/{path}") for path in paths]
        if name != "bioformats2raw (by hand)":  # which nobody reads here
            read = ask(program, python, "read", kind, workspace / "store.zarr", field)
            assert read == [described(level) for level in levels]
    labels = [image.image for image in run.images.values() if image.image.plan.image.labels]
    assert [image.plan.image.method for image in labels] == ["mode"] * len(labels)
    assert len(labels) == (kind.startswith("labels"))
