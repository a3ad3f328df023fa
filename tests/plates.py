"""Plates and images with labels, small, as their documents say them."""

from __future__ import annotations

import json

import numpy as np
import zarr


def write_group(path, ome=None, *, zarr_format=3):
    """Write a group with what OME-NGFF says of it: 0.5 in v3, 0.4 in v2."""
    group = zarr.open_group(path, mode="a", zarr_format=zarr_format)
    if ome is not None:
        group.attrs.update({"ome": {"version": "0.5", **ome}} if zarr_format == 3 else ome)
    return group


def make_image(path, shape=(2, 24, 20), *, seed=0, zarr_format=3, listed=True, dtype="uint16"):
    """Write an image of random voxels with axes c, z, y, x as far as it has them."""
    names = "czyx"[-len(shape) :] if len(shape) != 3 else "cyx"
    axes = [{"name": name, "type": "channel" if name == "c" else "space"} for name in names]
    scale = [1.0 if name == "c" else 0.5 for name in names]
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    version = {} if zarr_format == 3 else {"version": "0.4"}
    listing = {"multiscales": [{**version, "axes": axes, "datasets": [dataset]}]}
    group = write_group(path, listing if listed else None, zarr_format=zarr_format)
    top = 9 if dtype == "uint32" else 9000
    voxels = np.random.default_rng(seed).integers(0, top, shape).astype(dtype)
    group.create_array("0", data=voxels, chunks=(1, 6, 12, 10)[-len(shape) :])
    return voxels


def make_plate(path, rows="AB", columns=("01", "02"), n_fields=2, **keys):
    """Write a plate; return the voxels of its images by their paths."""
    wells = [
        {"path": f"{row}/{column}", "rowIndex": y, "columnIndex": x}
        for y, row in enumerate(rows)
        for x, column in enumerate(columns)
    ]
    names = {"rows": [{"name": row} for row in rows],
             "columns": [{"name": column} for column in columns]}  # fmt: skip
    zarr_format = keys.get("zarr_format", 3)
    write_group(path, {"plate": {**names, "wells": wells}}, zarr_format=zarr_format)
    found = {}
    for well in wells:
        images = [{"path": str(field)} for field in range(n_fields)]
        at = path / well["path"]
        write_group(at.parent, zarr_format=zarr_format)
        write_group(at, {"well": {"images": images}}, zarr_format=zarr_format)
        for field in range(n_fields):
            name = f"{well['path']}/{field}"
            found[name] = make_image(path / name, seed=len(found), **keys)
    return found


def change_document(path, change):
    """Rewrite a JSON document by a function of what it holds."""
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
