"""Runs of weighted means: what waits for what, and what a change of the weights makes again."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from oracles import weighed_by_hand

CONFIG = """
images:
  heat: {store: sim.zarr, field: heat, weights: mass%s}
  mass: {store: sim.zarr, field: mass, method: sum, dtype: uint32}
levels: 2
"""


@pytest.mark.slow
@pytest.mark.parametrize("more", ["", ", parts: 2"])
def test_a_run_of_weighted_means(workspace, more):
    workspace.make("sim.zarr/heat", (21, 18, 13), dtype="float32")
    workspace.make("sim.zarr/mass", (21, 18, 13), dtype="uint8")
    arguments = ("--configfile", str(workspace.write("weighed.yaml", CONFIG % more)))
    jobs = workspace.run(*arguments).jobs
    assert jobs.count("0") == jobs.count("list") == 2
    for level in (0, 1):
        finer, weights = (workspace.voxels(f"sim.zarr/{name}/{level}") for name in ("heat", "mass"))
        expected = weighed_by_hand(finer, weights, (2, 2, 2))
        made = workspace.voxels(f"sim.zarr/heat/{level + 1}")
        np.testing.assert_array_equal(made, expected, strict=True)
    assert workspace.run(*arguments).jobs == []
    array = zarr.open_array(workspace / "sim.zarr/mass/0")
    array[0, 0, 0] = array[0, 0, 0] ^ 255
    before = workspace.tree("sim.zarr")
    workspace.run(*arguments)
    after = workspace.tree("sim.zarr").items()
    changed = {key.removeprefix("sim.zarr/") for key, item in after if before.get(key) != item}
    assert {"heat/1/c/0/0/0", "heat/2/c/0/0/0", "mass/1/c/0/0/0"} <= changed
    assert "heat/1/c/1/0/0" not in changed
    workspace.run("verify", *arguments)
    with zarr.config.set({"array.write_empty_chunks": True}):  # none is left out, as if it was lost
        zarr.open_array(workspace / "sim.zarr/mass/0")[...] = 0
    failed = workspace.run(*arguments, code=1)
    assert "mass/0 holds no weight but 0" in failed.text
