"""Save napari.png: a window of napari with the pyramid at a path, read by napari-ome-zarr."""

from __future__ import annotations

import sys
from pathlib import Path

import napari


def main(path: str) -> None:
    """Open the pyramid, and save the window."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.open(path, plugin="napari-ome-zarr")
    viewer.reset_view()
    viewer.screenshot(Path(__file__).with_name("napari.png"), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    main(sys.argv[1])
