"""Pages in Markdown: their blocks, what runs them, and the images that they speak of.

A block that is not run has a comment above it that says why. A page with a comment `slow` is run by
.ci/run alone. A block of Python or YAML whose first line is the name of a file, as a comment, is
saved under it; other Python is run, other YAML is read as a configuration.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel
import numpy as np
import tifffile
import yaml
import zarr

from imaris_files import write_imaris
from plates import make_image, make_plate
from processes import finish
from zarrpyramid.config import container_config, image_configs

ROOT = Path(__file__).parents[1]
RUN = ("bash", "python", "yaml")
FENCE = re.compile(r"^(?:<!-- not run: (.+) -->\n)?```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
# All that are for users; a new one is found by itself.
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "config").glob("*.md"), *(ROOT / "docs").rglob("*.md")]
)
# What stands for the UV that a user types, with the environment that runs the test as it is.
UV = os.environ.get("UV", "uv")
ENVIRONMENT = {"UV_NO_SYNC": "1", "UV_PROJECT_ENVIRONMENT": sys.prefix}


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: why it is not run (or nothing), its language and its lines."""

    reason: str
    language: str
    body: str

    @property
    def is_run(self):
        return self.language in RUN and not self.reason

    @property
    def file(self):
        found = re.match(r"# (\S+\.(?:py|yaml))\n", self.body)
        return found[1] if found else ""


def blocks(page):
    """Return all blocks of a page."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(reason=reason, language=language, body=body) for reason, language, body in found]


def is_slow(page):
    return "\n<!-- slow: " in page.read_text(encoding="utf-8")


def checkout(folder):
    """Copy what git tracks, so that runs leave nothing in the repository."""
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True, text=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def make_images(data):
    """Make small images where the pages and examples have large ones: below `data`, for /data."""

    def make(path, shape, dtype, chunks, **keys):
        store, _, field = path.partition("/")
        group = zarr.open_group(data / store, mode="a")
        values = np.arange(int(np.prod(shape))).reshape(shape) % 251
        name = f"{field}/0" if field else "0"
        group.create_array(name, data=values.astype(dtype), chunks=chunks, **keys)

    make("brain.zarr/raw", (80, 72, 64), "u1", (16, 16, 16))
    make("embryo.zarr", (40, 100, 80), "u2", (16, 16, 16))
    make("labels.zarr/cells", (40, 100, 80), "u4", (16, 16, 16))
    make("em.zarr/raw", (20, 128, 128), "u1", (16, 16, 16))
    make("movie.zarr/raw", (2, 3, 20, 128, 128), "u2", (1, 1, 16, 32, 32))
    make_tiffs(data)
    make_other_formats(data)
    make_plate(data / "plate.zarr", "AB", ("02", "03"), n_fields=2, shape=(2, 96, 80))
    make_image(data / "cells.zarr", (2, 12, 96, 80))
    make("cells.zarr/labels/nuclei", (12, 96, 80), "u4", (6, 24, 20))


def make_tiffs(data):
    """Write slices, an OME-TIFF, and one of two series."""
    voxels = (np.arange(40 * 96 * 80).reshape(40, 96, 80) % 4001).astype("u2")
    (data / "slices").mkdir()
    dots = {"resolution": (1e4 / 0.5, 1e4 / 0.5), "resolutionunit": "CENTIMETER"}
    for z, plane in enumerate(voxels):
        tifffile.imwrite(data / f"slices/z{z}.tif", plane, **dots)
    (data / "slices" / "thumbs.db").write_bytes(b"nothing")
    sizes = {"PhysicalSizeZ": 2, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    named = {"axes": "CZYX", "Channel": {"Name": ["DAPI", "GFP"]}, **sizes}
    form = {"photometric": "minisblack", "tile": (32, 32), "compression": "zlib"}
    tifffile.imwrite(
        data / "embryo.ome.tif", voxels.reshape(2, 20, 96, 80), ome=True, metadata=named, **form
    )
    with tifffile.TiffWriter(data / "two.ome.tif", ome=True) as file:
        for name, series in (("overview", voxels[:, ::4, ::4]), ("detail", voxels)):
            file.write(series, metadata={"axes": "ZYX", "Name": name}, **form)


def make_other_formats(data):
    """Write HDF5, Imaris and NIfTI."""
    voxels = (np.arange(40 * 96 * 80).reshape(40, 96, 80) % 4001).astype("u2")
    with h5py.File(data / "scan.h5", "w") as file:
        file.create_dataset("entry/data", data=voxels, chunks=(5, 40, 33), compression="gzip")
        file["entry/darks"] = voxels[:2]
    write_imaris(data / "cells.ims", voxels.reshape(1, 2, 20, 96, 80))
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), data / "head.nii.gz")


def run(command, folder, **environment):
    """Run a block as bash does, and return all that it printed."""
    return finish(["bash", "-euc", command], folder, {**os.environ, **environment})


def run_page(page, folder, data):
    """Run a page's blocks in their order, in a checkout; the images are in `data`."""
    used = ""
    for block in reversed(blocks(page)):
        # What is saved is for a command that comes later.
        assert not block.is_run or not block.file or block.file in used, block.file
        used += block.body if block.language == "bash" else ""
    for block in blocks(page):
        body = block.body.replace("/data/", f"{data}/")
        if not block.is_run or "pip install" in body:
            continue
        if block.language == "yaml":
            given = yaml.safe_load(body)
            assert container_config(given) or image_configs(given)
        if block.file:
            (folder / block.file).write_text(body, encoding="utf-8")
        elif block.language == "python":
            run_python(body, folder)
        elif block.language == "bash":
            run(body.replace("uv run", f"{UV} run"), folder, **ENVIRONMENT)


def run_python(program, folder):
    """Run a program in a process of its own; a warning ends it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{program}\n{done.stderr}"
