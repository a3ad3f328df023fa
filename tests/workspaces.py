"""A working directory in which tests run the real `snakemake`, and what came of a run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numcodecs
import numpy as np
import zarr

import forked_snakemake

REPOSITORY = Path(__file__).parents[1]
_CODE = ("Snakefile", "config.yaml", "environment.yml", "profiles", "scripts", "workflow")
# Messages of the rules, as short names in the order of a run.
_JOBS = {
    "Making the test image": "make",
    "Taking level 0": "take",
    "Sealing level 0": "0",
    "Opening level ": "open ",
    "Building part ": "part ",
    "Building level ": "",
    "Listing the levels": "list",
    "Building images": "batch",
    "Summing up all": "summary of all",
    "Summing up": "summary",
    "Counting the labels": "labels",
    "Verifying all": "verify all",
    "Verifying": "verify",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run of snakemake printed, its exit code, and its jobs as short names."""

    code: int
    text: str
    jobs: list[str]

    @property
    def lines(self):
        return self.text.splitlines()


class Workspace:
    """A working directory, and the checkout whose Snakefile runs in it."""

    def __init__(self, folder, checkout=REPOSITORY):
        self.folder, self.checkout = Path(folder), checkout

    def __truediv__(self, path):
        return self.folder / path

    def run(self, *arguments, cores=2, code=0, prefix=(), **config):
        """Run snakemake; `config` goes on the command line as a user would write it."""
        begun = time.time()
        words = self.command(*arguments, cores=cores, **config)
        if prefix:
            done = subprocess.run(
                [*prefix, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self.environment,
                check=False,
                timeout=300,
            )
            found, text = done.returncode, done.stdout
        else:
            found, text = forked_snakemake.run(words[3:], self.environment, seconds=300)
        assert found == code, text
        # A dry run shows its jobs; of a run, Snakemake's own log does, which is of this second.
        logs = sorted((self / ".snakemake/log").glob("*.log"), key=lambda log: log.stat().st_mtime)
        is_new = logs and logs[-1].stat().st_mtime >= begun
        told = logs[-1].read_text(encoding="utf-8") if is_new else text
        return Outcome(code=found, text=text, jobs=_jobs(told))

    def start(self, *arguments, output=subprocess.PIPE, **config):
        """Start snakemake in a session of its own, as a terminal's, which can be killed whole."""
        return subprocess.Popen(
            self.command(*arguments, **config),
            env=self.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def command(self, *arguments, cores=2, **config):
        given = ["--config", *(f"{key}={value}" for key, value in config.items())]
        return [
            *(sys.executable, "-m", "snakemake"),
            *("--snakefile", str(self.checkout / "Snakefile"), "--directory", str(self.folder)),
            *("--cores", str(cores), *arguments, *(given if config else ())),
        ]

    @property
    def environment(self):
        # Jobs run plain `python`, which must be this one.
        own = {key: value for key, value in os.environ.items() if key != "SNAKEMAKE_PROFILE"}
        return {**own, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def copy_code(self, name="code"):
        """Copy the checkout as a fresh clone has it, and use the copy from now on."""
        copy = self.folder.with_name(f"{self.folder.name}-{name}")
        for part in _CODE:
            source, target = REPOSITORY / part, copy / part
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(
                    source,
                    target,
                    ignore=shutil.ignore_patterns("__pycache__"),
                    copy_function=shutil.copyfile,  # new times, as git gives them
                )
            else:
                shutil.copyfile(source, target)
        self.checkout = copy
        return copy

    def write(self, path, text):
        (self / path).write_text(text, encoding="utf-8")
        return self / path

    def make(self, path="image.zarr/raw", shape=(21, 18, 13), *, chunks=None, **settings):
        """Write random voxels as the array `0` of a group, with all groups above; return them."""
        settings = {"zarr_format": 3, "dtype": "uint16", "attributes": {}, **settings}
        zarr_format, dtype = settings.pop("zarr_format"), np.dtype(settings.pop("dtype"))
        attributes = settings.pop("attributes")
        random = np.random.default_rng(7)
        bytes_of = random.integers(0, 256, (*shape, dtype.itemsize), np.uint8)
        voxels = bytes_of.view(dtype)[..., 0] if dtype.kind in "iu" else random.random(shape)
        voxels = (voxels > 0.5) if dtype == np.bool_ else voxels.astype(dtype)
        root, _, inside = path.partition("/")
        group = zarr.open_group(self / root, mode="a", zarr_format=zarr_format)
        if inside:
            group = group.create_group(inside)
        group.attrs.update(attributes)
        chunks = chunks or (8,) * len(shape)
        group.create_array("0", data=voxels, chunks=chunks, **settings)
        return voxels

    def make_slow(self, path="image.zarr/raw", edge=64):
        """Write a v2 image whose codec keeps its first level under way for seconds."""
        root, _, inside = path.partition("/")
        group = zarr.open_group(self / root, mode="w", zarr_format=2)
        if inside:
            group = group.create_group(inside)
        slow, shape = numcodecs.LZMA(preset=6), (edge,) * 3
        array = group.create_array("0", shape=shape, chunks=(8,) * 3, dtype="u2", compressors=slow)
        array[...] = np.random.default_rng(0).integers(0, 99, shape, "u2")

    def array(self, path):
        return zarr.open_array(self / path, mode="r")

    def voxels(self, path):
        return self.array(path)[...]

    def document(self, path):
        return json.loads((self / path).read_bytes())

    def sentinels(self, name="image-raw"):
        """Return the bytes of all sentinels of levels, by level."""
        paths = sorted((self / f"results/{name}/levels").glob("*.json"))
        return {path.stem: path.read_bytes() for path in paths}

    def files(self, path):
        """Return every file below a path with its times and inode: equal ones were not written."""
        found = sorted(item for item in (self / path).rglob("*") if item.is_file())
        return {
            str(item.relative_to(self / path)): (item.stat().st_mtime_ns, item.stat().st_ino)
            for item in found
        }

    def tree(self, path):
        """Return a digest of every file below a path: equal ones hold the same bytes."""
        place = self / path
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        return {
            str(item.relative_to(self.folder)): hashlib.sha256(item.read_bytes()).hexdigest()
            if item.is_file()
            else "folder"
            for item in found
            if item.exists()
        }


def _jobs(text):
    jobs = []
    for message in re.findall(r"^Job \d+: (.+)$", text, re.MULTILINE):
        start = next(start for start in _JOBS if message.startswith(start))
        name, number = _JOBS[start], message.removeprefix(start).split()[0]
        jobs.append(f"{name}{number}" if name in ("", "open ", "part ") else name)
    return jobs
