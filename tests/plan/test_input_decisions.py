"""What a file does not say of its voxels: what level 0 lists all the same, and what people read."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from zarrpyramid.config import image_config
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.levels import describe_level

PLAIN = {}
ACROSS = {"resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER"}
ALL = {
    "imagej": True,
    "resolution": (2, 2),
    "metadata": {"axes": "ZYX", "spacing": 1.5, "unit": "um"},
}
NO_SIZE = "nothing says how large voxels are along"
UM = "micrometer"
CASES = {
    "nothing": (PLAIN, {}, (1, 1, 1), (None,) * 3, f"{NO_SIZE} z, y, x; give voxel_size"),
    "all": (ALL, {}, (1.5, 0.5, 0.5), (UM,) * 3, "its ImageJ metadata"),
    # Slices do not say how far apart they are: of all pictures that of cubes is the least wrong.
    "not z": (ACROSS, {}, (0.5, 0.5, 0.5), (None, UM, UM), f"tags; {NO_SIZE} z; give voxel_size"),
    # Who gives one number means the unit that the file has for the others.
    "z given": (ACROSS, {"z": 2}, (2, 0.5, 0.5), (UM,) * 3, "its resolution tags; z as given"),
    "all given": (ACROSS, {"z": 2, "y": 3, "x": 4}, (2, 3, 4), (UM,) * 3, None),
    "z given alone": (PLAIN, {"z": 2}, (2, 1, 1), (None,) * 3, f"{NO_SIZE} y, x; give"),
}


@pytest.mark.parametrize("case", CASES)
def test_voxel_sizes_that_a_file_leaves_open(tmp_path, case):
    written, given, sizes, units, why = CASES[case]
    stack = np.arange(6 * 40 * 40, dtype="uint16").reshape(6, 40, 40)
    tifffile.imwrite(tmp_path / "a.tif", stack, **written)
    keys = {"store": str(tmp_path / "a.zarr"), "source": str(tmp_path / "a.tif"), "levels": 1}
    plan = open_image(image_config("a", {**keys, "voxel_size": given})).plan
    assert tuple(axis.size for axis in plan.axes) == pytest.approx(sizes)
    assert tuple(axis.unit for axis in plan.axes) == units
    decided = {decision.key: decision.why for decision in plan.decisions}
    assert (why or "") in decided.get("voxel_size", "")
    assert ("voxel_size" in decided) == (why is not None or bool(given))
    # No unit is said of a size that has none.
    unit = {(None,) * 3: "", (UM,) * 3: f" {UM}"}.get(units)
    shown = describe_level(plan, 0).partition("voxel size ")[2]
    if unit is None:
        assert shown == f"0.5 (no unit) x 0.5 {UM} x 0.5 {UM}"
        assert decided["scale_factors"].startswith("axis z has no unit")
    else:
        assert shown == " x ".join(f"{size:.10g}" for size in sizes) + unit
