"""What a file does not say of its voxels: what level 0 lists all the same, and what people read."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from zarrpyramid import build_pyramid
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


def stored(path, names=None, listed=None, **form):
    axes = [{"name": name, "type": "space"} for name in listed or ()]
    steps = [{"type": "scale", "scale": [1.0] * len(axes)}]
    listing = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
    ome = {"version": "0.5", "multiscales": [listing]}
    group = zarr.create_group(path, attributes={"ome": ome} if listed else {})
    group.create_array(
        "0", shape=(30, 40, 50), chunks=(16, 16, 16), dtype="u1", dimension_names=names, **form
    )
    return path


WRITTEN = "the list that zarrpyramid wrote"
USUAL = "; the usual ones of 3 axes"
BLOCK = "each block [16, 16, 16] of the source is decoded once"
VIEWERS = "what viewers read in zarr v3"
REASONS = {
    # What the store says, what is given, and the value, "given" or why of what is decided.
    "nothing": ((), {}, "zyx", f"nothing names them{USUAL}", "those of level 0", VIEWERS),
    "names": (("ghi",), {}, "ghi", "level 0's dimension_names", "those of level 0", VIEWERS),
    "a list": (
        ("ghi", "ghi"),
        *({}, "ghi", "the multiscales of level 0's group names them"),
        *("those of level 0", "level 0's group has it"),
    ),
    "all given": (
        ("ghi", "ghi"),
        {"axes": ["d", "e", "f"], "chunks": [8, 8, 8], "ngff_version": "0.5"},
        *("def", "given", "given", "given"),
    ),
    "a source": (
        (),
        {"crop": {"x": [0, 32]}},
        *("zyx", "the source names none; the usual ones of so many"),
        *(f"near cubes; {BLOCK}", VIEWERS),
    ),
    "a source with names": (
        ("ghi",),
        {"crop": {"i": [0, 32]}},
        *("ghi", "its dimension_names", f"near cubes; {BLOCK}", VIEWERS),
    ),
    "a source with a list": (
        ("xyz", "xyz"),
        {"crop": {"x": [0, 30]}},
        *("zyx", "its group's multiscales", f"near cubes; {BLOCK}", VIEWERS),
    ),
    "a source transposed": (
        ("zyx",),
        {"transpose": ["x", "y", "z"]},
        *("xyz", "its dimension_names, in the order of transpose", f"near cubes; {BLOCK}", VIEWERS),
    ),
    "a source, all given": (
        ("pqr", "pqr"),
        {"axes": ["y", "x", "c"], "chunks": [1, 8, 8], "ngff_version": "0.5"},
        *("cyx", "given, in the order of OME-NGFF", f"given, {BLOCK}", "given"),
    ),
    "a source in its order": (
        ("pqr",),
        {"axes": ["c", "y", "x"], "crop": {"x": [0, 32]}, "chunks": [1, 8, 8]},
        *("cyx", "given", f"given, {BLOCK}", VIEWERS),
    ),
}


@pytest.mark.parametrize(
    ("said", "given", "axes", "named", "chunks", "version"), REASONS.values(), ids=REASONS
)
def test_what_was_given_is_not_called_found_nor_the_other_way(
    tmp_path, said, given, axes, named, chunks, version
):
    where = {"store": str(stored(tmp_path / "a.zarr", *said)), "levels": 1}
    if not named.startswith(("nothing", "level 0", "the mult")) and given.get("axes") != [*"def"]:
        where |= {"source": where["store"], "store": str(tmp_path / "new.zarr")}
    plan = open_image(image_config("a", {**where, **given})).plan
    decided = {decision.key: decision for decision in plan.decisions}
    assert "".join(decided["axes"].value) == axes
    for key, expected in (("axes", named), ("chunks", chunks), ("ngff_version", version)):
        found = decided[key]
        words = ["given"] * found.given + [found.why] * bool(found.why)
        assert ", ".join(words) == expected, key


@pytest.mark.parametrize(
    ("said", "why"),
    [((), f"{WRITTEN} names them{USUAL}"), (("tyx",), f"{WRITTEN} names them")],
)
def test_what_a_run_wrote_is_not_called_level_0_s(tmp_path, said, why):
    path = stored(tmp_path / "a.zarr", *said)
    build_pyramid(path, levels=1, progress=False)
    plan = open_image(image_config("a", {"store": str(path)})).plan
    reasons = {decision.key: decision.why for decision in plan.decisions}
    assert reasons["axes"] == why
    assert reasons["ngff_version"] == f"{WRITTEN} has it"
