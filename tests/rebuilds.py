"""Images that are built, changed and built again as the workflow does, in one process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import zarr

import zarrpyramid
from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.parts import build_part, gather_level, open_level
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.plan.image import open_image

SHAPE, CHUNKS = (40, 36, 33), (8, 8, 8)


def make(store, dtype="uint16", shape=SHAPE, chunks=CHUNKS, zarr_format=3, **settings):
    draw = np.random.default_rng(3)
    voxels = (draw.random(shape) * 200).astype(dtype)
    if np.dtype(dtype).kind in "fc":
        voxels[..., :2] = np.nan
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format).create_group("raw")
    group.create_array("0", data=voxels, chunks=chunks, **settings)
    return store


def image_of(store, **keys):
    return open_image(image_config("brain", {"store": str(store), "field": "raw", **keys}))


def build(store, results, n_parts=1, **keys):
    """Build all levels as the workflow does, and return their records."""
    results = Path(results)
    results.mkdir(exist_ok=True)
    image = image_of(store, **keys)
    records = [seal_base(image)]
    for level in range(1, len(image.plan.levels)):
        cut = image.plan.cut(level)
        if cut.n_parts == 1:
            made = build_level(image, level, records[-1], n_workers=1, results=results)
        else:
            opening = open_level(image, level, records[-1], results=results)
            parts = [
                build_part(image, level, n + 1, records[-1], opening, n_workers=1, results=results)
                for n in range(cut.n_parts)
            ]
            made = gather_level(image, level, records[-1], parts, results=results)
        records.append(made)
    write_multiscales(image)
    return records


def objects(store, level):
    """Return the objects of a level, each with what tells whether it was written again."""
    folder = Path(store) / f"raw/{level}"
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_ctime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "zarr.json" and not path.name.startswith(".z")
    }


def bytes_of(store):
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in Path(store).rglob("*")
        if path.is_file()
    }


def change(store, *places):
    base = zarr.open_array(Path(store) / "raw/0")
    for place in places:
        value = base[place]
        base[place] = ~value if base.dtype.kind in "uib" else value + 1


def check_as_anew(store, records, tmp_path, **keys):
    """Hold a pyramid against one that is built in a copy of level 0, to the byte."""
    copy = tmp_path / f"anew-{time.monotonic_ns()}" / Path(store).name
    shutil.copytree(store, copy)
    for level in range(1, len(records)):
        shutil.rmtree(copy / f"raw/{level}")
    shutil.rmtree(copy / "raw/max", ignore_errors=True)  # a companion
    assert build_pyramid(copy, "raw", progress=False, **keys)[1:] == records[1:]
    mine, anew = bytes_of(store), bytes_of(copy)
    assert mine == anew


JOB = """
import os, sys
from pathlib import Path
from zarrpyramid.downsample import resume as resumption
from zarrpyramid.downsample.log import job_log
sys.path.insert(0, sys.argv[1])
from rebuilds import build
resumption.PAUSE = float(sys.argv[5])
if len(sys.argv) > 6:  # the job ends itself by this signal, once some objects are made
    note, calls = resumption.Resume.note, []
    def note_and_end(self, made):
        note(self, made)
        calls.append(made)
        if len(calls) == 5:
            os.kill(os.getpid(), int(sys.argv[6]))
    resumption.Resume.note = note_and_end
with job_log(sys.argv[3] + ".log", sys.argv[3] + ".json"):
    build(Path(sys.argv[2]), Path(sys.argv[3]), **eval(sys.argv[4]))
"""


def start_job(store, results, keys, pause=0, *more):
    """Start a job of its own that builds all levels, and notes what it made at every pause."""
    folder = str(Path(__file__).parent)
    library = str(Path(zarrpyramid.__file__).parents[1])
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            JOB,
            folder,
            str(store),
            str(results),
            repr(keys),
            f"{pause}",
            *more,
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([library, folder])},
        stderr=subprocess.PIPE,
        text=True,
    )
