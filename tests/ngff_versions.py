"""Groups of every version of OME-NGFF with one array, and where their readers place its voxels."""

from __future__ import annotations

import numpy as np
import zarr

AXES = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
SCALE = {"type": "scale", "scale": [2.0, 0.5]}
MOVE = {"type": "translation", "translation": [100.0, 7.0]}
WORLD = {"name": "world", "axes": [{**axis, "unit": "meter"} for axis in AXES]}


def plain(*steps, **keys):
    """Return a multiscales of 0.4 or 0.5."""
    datasets = [{"path": "s0", "coordinateTransformations": list(steps)}]
    return {"axes": AXES, "datasets": datasets, **keys}


def systems(step, *outer, named="intrinsic", draft=False, axes=AXES):
    """Return a multiscales of 0.6; drafts have names in the place of mappings."""
    ends = {"input": {"path": "s0"}, "output": {"name": named}}
    if draft:
        ends = {"input": "s0", "output": named}
    listed = {"coordinateTransformations": list(outer)} if outer else {}
    return {
        "coordinateSystems": [WORLD, {"name": named, "axes": axes}],
        "datasets": [{"path": "s0", "coordinateTransformations": [{**step, **ends}]}],
        **listed,
    }


def sequence(*steps):
    return {"type": "sequence", "transformations": list(steps)}


def make(path, listed, version=None, zarr_format=3, **more):
    """Write a group with an array s0 that it lists, and return its attributes."""
    group = zarr.create_group(path, zarr_format=zarr_format)
    keys = {"dimension_names": ["y", "x"]} if zarr_format == 3 else {}
    voxels = np.arange(16 * 12, dtype="uint16").reshape(16, 12)
    group.create_array("s0", data=voxels, chunks=(8, 8), **keys)
    if zarr_format == 3:
        stated = {} if version is None else {"version": version}
        group.attrs.update({"ome": {**stated, "multiscales": [listed], **more}})
    else:
        stated = {} if version is None else {"version": version}
        group.attrs.update({"multiscales": [{**listed, **stated}], **more})
    return dict(group.attrs)


def read(path):
    attributes = dict(zarr.open_group(path, mode="r").attrs)
    holder = attributes.get("ome", attributes)
    first = holder["multiscales"][0]
    return first, holder.get("version", first.get("version"))


def matrix(steps):
    """Return transformations as a matrix of homogeneous coordinates, by the text of RFC-5."""
    whole = np.eye(3)
    for step in steps:
        one = np.eye(3)
        if step["type"] == "sequence":
            one = matrix(step["transformations"])
        elif step["type"] == "scale":
            one[[0, 1], [0, 1]] = step["scale"]
        elif step["type"] == "translation":
            one[:2, 2] = step["translation"]
        else:
            assert step["type"] == "identity"
        whole = one @ whole
    return whole


def place(multiscales, number, voxel):
    """Return where the group says that a voxel of a level stands, for a reader of its version."""
    steps = list(multiscales["datasets"][number]["coordinateTransformations"])
    outer = multiscales.get("coordinateTransformations", [])
    steps += [step for step in outer if "output" not in step]
    return (matrix(steps) @ [*voxel, 1])[:2].tolist()


COSEM = {"axes": ["y", "x"], "units": ["um", "um"], "scale": [2, 0.5], "translate": [100, 7]}
VERSIONS = {
    "0.4": (2, "0.4", plain(SCALE, MOVE)),
    "0.4 of spatialdata": (2, "0.4-dev-spatialdata", plain(SCALE, MOVE)),
    "0.4, whole": (
        2, "0.4",
        plain({"type": "scale", "scale": [1, 0.25]},
              {"type": "translation", "translation": [25, 2]},
              coordinateTransformations=[{"type": "scale", "scale": [2, 2]},
                                         {"type": "translation", "translation": [50, 3]}]),
    ),
    "0.5": (3, "0.5", plain(SCALE, MOVE)),
    "0.5 of spatialdata": (
        3, "0.5-dev-spatialdata",
        plain(SCALE, MOVE, coordinateTransformations=[
            {"type": "affine", "affine": [[0, 1, 0], [1, 0, 0]],
             "input": {"name": "yx", "axes": AXES}, "output": {"name": "global", "axes": AXES}}]),
    ),
    "0.5, whole": (
        3, "0.5", plain(MOVE, coordinateTransformations=[SCALE])
    ),
    "0.6": (3, "0.6", systems(sequence(SCALE, MOVE))),
    "0.6, its only system": (
        3, "0.6", {**systems(sequence(SCALE, MOVE)), "coordinateSystems": [
            {"name": "intrinsic", "axes": AXES}]},
    ),
    "0.6.dev4": (3, "0.6.dev4", systems(sequence(SCALE, MOVE))),
    "0.6.dev2": (3, "0.6.dev2", systems(sequence(SCALE, MOVE), draft=True)),
    "0.6, rotated elsewhere": (
        3, "0.6",
        systems(sequence(SCALE, MOVE), {"type": "rotation", "rotation": [[0, 1], [1, 0]],
                "input": {"name": "intrinsic"}, "output": {"name": "world"}}),
    ),
    "COSEM": (2, None, {"datasets": [{"path": "s0", "transform": COSEM}]}),
}  # fmt: skip
