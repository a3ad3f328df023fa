"""What viewers show first: napari's layers and viv's windows have our contrast, and our labels."""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr

from readers.test_readers import REQUIREMENTS
from zarrpyramid import build_pyramid

HERE = Path(__file__).parent
IDS = [0, 7, 30, 90]


def make(path, zarr_format):
    """Make an image with labels, and return the window that it must be shown with."""
    voxels = np.random.default_rng(3).gamma(2.0, 300.0, (32, 40, 48)).astype("uint16")
    group = zarr.create_group(path, zarr_format=zarr_format)
    group.create_array("0", data=voxels, chunks=(16, 16, 16))
    labels = np.zeros(voxels.shape, "uint16")
    for place, name in enumerate(IDS):
        labels[:, 10 * place : 10 * place + 10] = name
    cells = group.create_group("labels").create_group("cells")
    cells.create_array("0", data=labels, chunks=(16, 16, 16))
    for field in ("", "labels/cells"):
        build_pyramid(path, field, levels=2, scale_factors=2)
    sample = voxels[::2, ::2, ::2]
    return np.quantile(sample, [0.001, 0.999], method="inverted_cdf").tolist()


@pytest.mark.system
def test_napari_shows_our_contrast_and_labels(tmp_path):
    python = tmp_path / "napari/bin/python"
    subprocess.run(["uv", "venv", "--quiet", tmp_path / "napari"], check=True)
    needed = [each.partition(">=0.11")[0] for each in REQUIREMENTS["napari_ome_zarr"]]
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *needed], check=True)
    window = make(tmp_path / "a.zarr", 3)
    done = subprocess.run(
        [python, HERE / "read_napari_layers.py", tmp_path / "a.zarr"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        {"kind": "image", "limits": window, "ids": None},
        {"kind": "labels", "limits": None, "ids": IDS},
    ]


@pytest.fixture(scope="module")
def viv(tmp_path_factory):
    """Install the loader of vizarr and Avivator; return a script that takes it."""
    folder = tmp_path_factory.mktemp("viv")
    done = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "@vivjs/loaders"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return shutil.copy(HERE / "load_viv.mjs", folder)


@pytest.mark.system
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_viv_loads_our_windows(tmp_path, viv, zarr_format):
    """Without a browser."""
    start, end = make(tmp_path / "a.zarr", zarr_format)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            done = subprocess.run(
                ["node", viv, f"http://127.0.0.1:{server.server_port}/a.zarr"],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            server.shutdown()
            thread.join()
    assert done.returncode == 0, done.stderr
    windows = json.loads(done.stdout.splitlines()[-1])
    assert windows == [{"min": 0, "max": 65535, "start": start, "end": end}]
