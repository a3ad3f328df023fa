"""One trial: a program writes a store, which is built on and then read again, all of it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import zarr

from interop.neighbours import contents, harmed
from interop.peers.asking import described
from interop.programs import PROGRAMS, Layout, Program
from zarrpyramid import build_pyramid
from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import listed_paths
from zarrpyramid.verify import Report, verify_pyramid

HERE = Path(__file__).parent
PYTHON = ">=3.12,<3.14"  # which some of them need, and for which all have wheels


@dataclass(slots=True)
class Outcome:
    """What came of a layout.

    Attributes
    ----------
    verified
        What `verify --full` says of what the program has written.
    faults
        What went wrong after that, by step; none where all is well.
    readers
        Who opened the store afterwards.
    """

    layout: Layout
    version: str
    verified: str = ""
    faults: list[str] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)


def environment(program: Program, *, newest: bool = False) -> Path:
    """Return the Python of a program's environment, made where it is not there yet."""
    wanted = [item.partition("==")[0] if newest else item for item in program.requirements]
    day = date.today().isoformat() if newest else ""
    key = hashlib.sha256(json.dumps([PYTHON, day, *wanted]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "zarrpyramid-interop" / f"{program.package}-{key}"
    place.parent.mkdir(parents=True, exist_ok=True)
    python, complete = place / "bin" / "python", place / "complete"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests want it at once
        if not complete.exists():
            shutil.rmtree(place, ignore_errors=True)
            for words in (
                ("venv", "--quiet", "--python", PYTHON, place),
                ("pip", "install", "--quiet", "--python", python, *wanted),
            ):
                subprocess.run(["uv", *map(str, words)], check=True)
            complete.touch()
    return python


def version_of(program: Program, python: Path) -> str:
    """Return the version of a program in its environment."""
    code = f"from importlib.metadata import version; print(version({program.package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def ask(program: Program, python: Path, *words: object) -> list[dict]:
    """Return what a program's script answers.

    Raises
    ------
    RuntimeError
        If it fails; the message is its last line.
    """
    script = HERE / "peers" / f"{program.script}.py"
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [python, script, *map(str, words)], capture_output=True, text=True, check=False, env=own
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1][:300])
    return json.loads(done.stdout.splitlines()[-1])


def attempt(layout: Layout, folder: Path, *, newest: bool = False) -> Outcome:
    """Try a layout in a folder, and return what came of it."""
    program = PROGRAMS[layout.program]
    python = environment(program, newest=newest)
    outcome = Outcome(layout=layout, version=version_of(program, python))
    store = folder / "store.zarr"
    ask(program, python, "write", layout.kind, store)
    found = {name: verdict(store / name) for name in layout.fields}
    outcome.verified = "; ".join(dict.fromkeys(found.values()))
    for name in layout.fields:
        if built := build(layout, store, name, found[name], outcome.faults):
            _read(layout, outcome, built, name, newest=newest)
    return outcome


def verdict(path: Path) -> str:
    """Return what `verify --full` says of a pyramid: a word, and the first defect."""
    report = Report(path=str(path))
    try:
        report.gather(verify_pyramid(str(path), full=True))
    except PyramidError as error:
        return f"no answer: {str(error).replace(str(path), path.name)}"
    if report.code == 0:
        return "sound"
    if report.code == 2:
        return "level 0 alone"
    first = next(found for found in report.findings if found.grade == "defect")
    return f"not sound: {first.what}"


def build(
    layout: Layout, store: Path, name: str, found: str, faults: list[str]
) -> tuple[Path, str] | None:
    """Build a pyramid of a group as the layout says; return its store and field.

    `found` is what `verify` said of the group before.
    """
    before = contents(store)
    try:
        if layout.route == "source":
            own = store.with_name("own.zarr")
            build_pyramid(own, source=str(store / name), levels=2, progress=False)
            built, touched = (own, ""), contents(store)
            changed = sorted(key for key in before if touched.get(key) != before[key])
        else:
            build_pyramid(store, name, levels=2, overwrite=True, progress=False)
            built, changed = (store, name), harmed(store, name, before)
    except PyramidError as error:
        faults.append(f"build: {str(error).replace(str(store), store.name)}")
        return None
    faults += [f"changed beside the pyramid: {key}" for key in changed]
    said = verdict(built[0] / built[1])
    if said not in ("sound", found):  # what is not ours stays as it is
        faults.append(f"verify of ours: {said}")
    return built


def _read(
    layout: Layout, outcome: Outcome, built: tuple[Path, str], name: str, *, newest: bool
) -> None:
    """Have the program read the whole store, and others the image, and compare the levels."""
    store, inside = built
    group = zarr.open_group(store, path=inside, mode="r")
    paths = listed_paths(dict(group.attrs))
    wanted = [described(group[path][...]) for path in paths]
    own = layout.route == "beside"
    asked = [(layout.program, layout.kind)] if own else []
    if name == layout.fields[0]:
        asked += [(reader, "image") for reader in layout.readers]
    for reader, kind in asked:
        program = PROGRAMS[reader]
        try:
            levels = ask(program, environment(program, newest=newest), "read", kind, store, inside)
        except RuntimeError as error:
            outcome.faults.append(f"read by {reader}: {error}")
            continue
        if levels != wanted:
            shapes = [[level["shape"] for level in each] for each in (levels, wanted)]
            outcome.faults.append(f"read by {reader}: other levels, {shapes[0]} for {shapes[1]}")
        elif reader not in outcome.readers:
            outcome.readers.append(reader)
