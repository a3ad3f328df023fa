"""Who competes: ours in its forms, the empty workflow, and the peers.

Each has a folder with a copy of the image of its own, made anew before every run.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from measure import HERE, PYTHON, REPOSITORY, ChildError, Run, run

if TYPE_CHECKING:
    from pathlib import Path

ENGINE, PROCESS = "ours-engine", "ours-process"
SNAKEMAKE, EMPTY = "ours-snakemake", "empty-workflow"

ZARR = "zarr>=3.1.6,<4"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Another tool.

    Attributes
    ----------
    requirements
        What its environment is made of.
    shown
        Packages whose versions are reported.
    exact
        Whether its integers must equal the mean rounded half to even; else one grey level is
        allowed, as for a mean that is cut off or rounded half up.
    compiles
        Whether it compiles a kernel at its first call, which is then made before the clock starts.
    """

    requirements: tuple[str, ...]
    shown: tuple[str, ...]
    exact: bool = False
    compiles: bool = False


PEERS = {
    "tensorstore": Peer(
        requirements=("tensorstore>=0.1.78", "numpy>=2.2"),
        shown=("tensorstore", "numpy"),
        exact=True,
    ),
    "pyramid-sampler": Peer(
        requirements=("pyramid-sampler==0.1.0", ZARR, "dask[array,distributed]>=2026.1"),
        shown=("pyramid-sampler", "zarr", "dask", "numba"),
        compiles=True,
    ),
    "ome-zarr": Peer(
        requirements=("ome-zarr>=0.12", ZARR), shown=("ome-zarr", "zarr", "dask", "scikit-image")
    ),
    "ngff-zarr": Peer(
        requirements=("ngff-zarr>=0.50", ZARR, "dask[array]>=2026.1"),
        shown=("ngff-zarr", "zarr", "zarrista", "dask"),
    ),
    "dask": Peer(
        requirements=("dask[array]>=2026.1", ZARR), shown=("dask", "zarr", "numpy"), exact=True
    ),
}

IMAGES = {"image.zarr": None, "tiny.zarr": (48, 8), "speck.zarr": (16, 8)}
"""Stores and, for those to warm up with, extent and chunks: 27 tasks of ours, which does not import
dask for a few, and a single task of others."""

NAMES = (ENGINE, PROCESS, SNAKEMAKE, EMPTY, *PEERS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What all of them are given.

    Attributes
    ----------
    folder
        Holds stores in `base`, of `IMAGES` each one, and a folder for each contender.
    levels, threads
        Levels to make, and threads to make them with; processes are pinned to as many cores.
    dtype
        Of the image.
    """

    folder: Path
    levels: int
    threads: int
    dtype: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One of them, ready to run.

    Attributes
    ----------
    python
        Of its environment.
    versions
        Of its packages.
    """

    name: str
    setting: Setting
    python: Path | str = PYTHON
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Its copy of the image and whatever it writes."""
        return self.setting.folder / self.name

    @property
    def levels(self) -> list[Path]:
        """Folders of the levels that it makes; none for the empty workflow."""
        numbers = range(1, self.setting.levels + 1)
        group = self.folder / "image.zarr" / "field"
        return [] if self.name == EMPTY else [group / str(number) for number in numbers]

    def __call__(self) -> Run:
        """Put aside what it made, run it, and return what that took."""
        # ext4 searches past each inode that was removed within minutes, for every file that is
        # made: that cost a quarter of a run. All is removed at the end.
        if self.folder.exists():
            aside = self.setting.folder / "aside"
            aside.mkdir(exist_ok=True)
            self.folder.rename(aside / f"{self.name}-{len(list(aside.iterdir()))}")
        for name in IMAGES:
            _copy(self.setting.folder / "base" / name, self.folder / name)
        # What others wrote must not be flushed in this one's time.
        os.sync()
        setting = self.setting
        if self.name in (SNAKEMAKE, EMPTY):
            return self._run_snakemake()
        script = "ours" if self.name in (ENGINE, PROCESS) else self.name.replace("-", "_")
        command: list[str | Path] = [
            self.python,
            HERE / "peers" / f"run_{script}.py",
            self.folder / "image.zarr" / "field",
            f"--levels={setting.levels}",
            f"--threads={setting.threads}",
        ]
        if self.name == ENGINE:
            command.append(f"--warm-up={self.folder / 'tiny.zarr' / 'field'}")
        elif self.name in PEERS and PEERS[self.name].compiles:
            command.append(f"--warm-up={self.folder / 'speck.zarr' / 'field'}")
        return run(command, cores=setting.threads)

    def _run_snakemake(self) -> Run:
        home = self.folder / "run"
        home.mkdir()
        ours = self.name == SNAKEMAKE
        workflow = REPOSITORY if ours else HERE / "empty"
        store = [f"store={self.folder / 'image.zarr'}", "field=field"] if ours else []
        command = [PYTHON, "-m", "snakemake", "--cores", str(self.setting.threads)]
        command += ["--snakefile", str(workflow / "Snakefile"), "--directory", str(home)]
        command += ["--workflow-profile", str(REPOSITORY / "profiles" / "default")]
        command += ["--config", *store, f"levels={self.setting.levels}"]
        return run(command, cwd=home, cores=self.setting.threads)

    def check(self) -> list[str]:
        """Hold the levels against what they claim to be; return what is to be noted of them.

        Raises
        ------
        ChildError
            If a level is not what it claims to be.
        """
        if not self.levels:
            return []
        peer = PEERS.get(self.name)
        if self.setting.dtype.startswith("float"):
            # Sums of eight in float32 lose three bits of 24.
            tolerance = 2e-6 if self.setting.dtype == "float32" else 1e-12
        else:
            tolerance = 0.0 if peer is None or peer.exact else 1.0
        base = self.setting.folder / "base" / "image.zarr" / "field" / "0"
        try:
            done = run(
                [PYTHON, HERE / "check_levels.py", base, *self.levels, f"--tolerance={tolerance}"]
            )
        except ChildError as error:
            raise ChildError(f"{self.name} is not what it claims to be: {error}") from error
        notes = list(done.report["notes"])
        if done.report["worst"] > 0 and not self.setting.dtype.startswith("float"):
            notes.append("voxels one grey level off the mean rounded half to even")
        return notes


def stamp(setting: Setting) -> str:
    """Return what changes with any file of level 0, which nobody may touch."""
    found = []
    for folder, _, names in os.walk(setting.folder / "base"):
        for name in names:
            about = os.stat(f"{folder}/{name}")  # noqa: PTH116
            found.append((folder, name, about.st_size, about.st_mtime_ns))
    return json.dumps(sorted(found))


def _copy(source: Path, target: Path) -> None:
    """Copy a store; the objects are links to the same files, the documents are files of its own."""

    def take(old: str, new: str) -> str:
        if old.endswith("zarr.json"):
            return str(shutil.copy2(old, new))
        os.link(old, new)
        return new

    shutil.copytree(source, target, copy_function=take)
