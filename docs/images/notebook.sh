#!/usr/bin/env bash
# Makes notebook.png: a notebook that is run by nbconvert, in Debian's chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/make.py" <<'PYTHON'
import json

CELLS = [
    """\
import zarrpyramid

pyramid = zarrpyramid.build_pyramid(
    "embryo.zarr",
    "raw",
    voxel_size={"z": 1.0, "y": 0.25, "x": 0.25},
    unit=dict.fromkeys("zyx", "micrometer"),
    progress=False,
)
pyramid""",
    """\
pyramid.xarray(2).sel(c="nuclei", x=slice(40, 60)).coords""",
    """\
pyramid.verify()""",
]
cells = [
    {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text}
    for text in CELLS
]
kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
with open("shown.ipynb", "w") as file:
    json.dump({"nbformat": 4, "nbformat_minor": 4, "metadata": kernel, "cells": cells}, file)
PYTHON
cat > "$work/image.py" <<'PYTHON'
"""Two channels of cells, as a light microscope sees them."""

import numpy as np
import zarr

rng = np.random.default_rng(3)
z, y, x = np.mgrid[:32, :512, :640].astype("float32")
cells, walls = np.zeros(z.shape, "float32"), np.zeros(z.shape, "float32")
for _ in range(70):
    at = rng.uniform((6, 30, 30), (26, 482, 610))
    size = rng.uniform(16, 40)
    near = np.sqrt((4 * (z - at[0])) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2) / size
    cells += rng.uniform(0.4, 1) * np.exp(-(near**4) * 6)
    walls += np.exp(-(((near - 1) * 9) ** 2))
voxels = np.stack([cells * 2600, walls * 1700]) + 90
group = zarr.create_group("embryo.zarr")
image = group.create_array(
    "raw/0", data=rng.poisson(voxels).astype("uint16"), chunks=(1, 16, 128, 128),
    dimension_names=["c", "z", "y", "x"],
)  # fmt: skip
group["raw"].attrs["ome"] = {
    "version": "0.5",
    "multiscales": [{
        "axes": [{"name": "c", "type": "channel"}, *({"name": n, "type": "space"} for n in "zyx")],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1, 1, 1]}]}],
    }],
    "omero": {"channels": [
        {"label": "nuclei", "color": "00A0FF", "active": True, "window": {"min": 0, "max": 65535, "start": 60, "end": 2600}},
        {"label": "membranes", "color": "FF8A2B", "active": True, "window": {"min": 0, "max": 65535, "start": 60, "end": 2400}},
    ]},
}  # fmt: skip
PYTHON
project=$PWD
(
    cd "$work"
    uv run --project "$OLDPWD" --group test --with nbconvert --with ipykernel bash -ec '
        python image.py
        python make.py
        jupyter nbconvert --to html --execute shown.ipynb'
)
sed -i "s|$work/||g" "$work/shown.html"  # nobody's folders in the picture
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$work/profile" \
    --window-size=1000,770 --screenshot="$PWD/docs/images/notebook.png" "file://$work/shown.html"
