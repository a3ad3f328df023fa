#!/usr/bin/env bash
# Makes neuroglancer.png and napari.png of the demo; needs Debian's chromium, xvfb and libgl1.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv run snakemake --cores all --directory "$work" --quiet all
uv run --group browser --extra view python docs/images/neuroglancer_page.py "$work/demo/demo.zarr/blobs"
xvfb-run -s "-screen 0 1400x900x24" uv run --no-project --python 3.13 --with napari-ome-zarr \
    --with napari --with pyqt6 python docs/images/napari_window.py "$work/demo/demo.zarr/blobs"
