"""Build one pyramid with ours and with its peers, and print what each took, as Markdown.

    uv run python tests/benchmarks/compare_peers.py --size 512 --codec zstd --dtype uint16

Each peer gets a virtual environment of its own, made by uv and kept for the next run; nothing else
is kept. The image is made anew, every contender works on a copy of its own with level 0 in the page
cache, levels are removed before each run, and rounds are interleaved: A B C A B C. A first round is
not timed. Levels are checked after the first round and after the last.

Contenders: ours-engine (`build_pyramid`, timed inside its process after a warm-up), ours-process
(the same without one, timed from outside), ours-snakemake (the whole workflow), empty-workflow (as
many script jobs that do nothing: Snakemake's own share), and the peers.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from contenders import (
    EMPTY,
    ENGINE,
    IMAGES,
    NAMES,
    PEERS,
    PROCESS,
    SNAKEMAKE,
    Contender,
    Setting,
    stamp,
)
from environments import InstallError, default_folder, environment
from machine import listed, machine, megabytes, table
from measure import HERE, PYTHON, ChildError, Run, interleave, median, ratio, run, say, spread

Runs = dict[str, list[Run]]


def main() -> None:
    """Run the comparison that the command line asks for."""
    given = _arguments()
    home = Path(tempfile.mkdtemp(prefix="zarrpyramid-", dir=given.keep)).resolve()
    try:
        _compare(given, home)
    finally:
        if given.keep is None:
            shutil.rmtree(home, ignore_errors=True)
        else:
            say(f"kept {home}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=512, help="voxels along each axis")
    parser.add_argument("--codec", choices=("zstd", "blosc-lz4", "raw"), default="zstd")
    parser.add_argument(
        "--dtype", choices=("uint8", "uint16", "float32", "float64"), default="uint16"
    )
    parser.add_argument("--shards", action="store_true", help="shards of 256^3 around the chunks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--levels", type=int, help="default: until one chunk is left")
    parser.add_argument("--threads", type=int, default=2, help="threads, and cores to pin to")
    parser.add_argument("--only", help=f"names with commas between them, of {', '.join(NAMES)}")
    parser.add_argument("--venvs", type=Path, default=default_folder(), help="default: %(default)s")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the stores here, and stay")
    given = parser.parse_args()
    given.names = given.only.split(",") if given.only else list(NAMES)
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"unknown contenders {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    if given.shards and given.size % 256:
        parser.error("--shards needs a size that 256 divides")
    if given.levels is None:
        given.levels = max(1, (given.size // 64).bit_length() - 1)
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    return given


def _compare(given: argparse.Namespace, home: Path) -> None:
    setting = Setting(folder=home, levels=given.levels, threads=given.threads, dtype=given.dtype)
    contenders, absent = _contenders(given, setting)
    size = _make_images(given, home)
    untouched = stamp(setting)
    notes: dict[str, list[str]] = {}
    for name, contender in list(contenders.items()):
        say(f"first round, not timed: {name}")
        try:
            contender()
            notes[name] = contender.check()
        except ChildError as error:
            if name not in PEERS:
                raise
            absent[name] = f"does not work here: {error}"
            del contenders[name]
    runs = interleave(contenders, given.rounds)
    for contender in contenders.values():
        contender.check()
    if stamp(setting) != untouched:
        raise SystemExit("a contender has changed level 0, which all share: nothing here counts")
    print(_report(given, size, contenders, runs, notes, absent))


def _contenders(
    given: argparse.Namespace, setting: Setting
) -> tuple[dict[str, Contender], dict[str, str]]:
    """Return the contenders by name, and why others are not among them."""
    ready, absent = {}, {}
    for name in given.names:
        if name not in PEERS:
            ready[name] = Contender(name=name, setting=setting)
            continue
        peer = PEERS[name]
        try:
            found = environment(given.venvs.resolve(), name, peer.requirements, peer.shown)
        except InstallError as error:
            absent[name] = f"cannot be installed: {error}"
            continue
        ready[name] = Contender(
            name=name, setting=setting, python=found.python, versions=found.versions
        )
    return ready, absent


def _make_images(given: argparse.Namespace, home: Path) -> dict[str, int]:
    """Make level 0 and the images to warm up with, leave all in the page cache."""
    made = {}
    for name, extents in IMAGES.items():
        say(f"making {name}")
        size, chunk = extents or (given.size, 64)
        options = [f"--size={size}", f"--chunk={chunk}", f"--dtype={given.dtype}"]
        options += [f"--codec={given.codec}", f"--threads={given.threads}"]
        options += ["--shard=256"] if given.shards and extents is None else []
        made[name] = run([PYTHON, HERE / "make_image.py", home / "base" / name, *options]).report
    for path in (home / "base").rglob("*"):
        if path.is_file():
            path.read_bytes()
    return made["image.zarr"]


def _report(
    given: argparse.Namespace,
    size: dict[str, int],
    contenders: dict[str, Contender],
    runs: Runs,
    notes: dict[str, list[str]],
    absent: dict[str, str],
) -> str:
    ratios = _ratios(runs)
    shards = ", shards 256^3" if given.shards else ""
    lines = [
        f"## {given.size}^3 {given.dtype}, {given.codec}, chunks 64^3{shards}, "
        f"{given.levels} levels, zarr v3",
        "",
        *_slower(ratios, absent),
        "",
        f"Level 0 holds {size['raw'] / 1e6:.0f} MB in {size['stored'] / 1e6:.0f}, "
        f"{size['raw'] / size['stored']:.2f}x. Median of {given.rounds} interleaved rounds with "
        f"least and largest, page cache warm, {given.threads} threads on as many cores. Engine: "
        "from call to return inside the process, imports done and kernels loaded; process: from "
        "start to end, with all children. RSS is that of the largest single process.",
        "",
        table(
            ["", "engine, wall s", "engine, CPU s", "process, wall s", "process, CPU s", "RSS, MB"],
            [_row(name, found) for name, found in runs.items()],
        ),
        "",
        "Ours over theirs, medians of each round's ratio; below 1 ours is faster or smaller:",
        "",
        table(
            ["", *_COMPARED],
            [
                [name, *(f"{row[key]:.2f}" if key in row else "" for key in _COMPARED)]
                for name, row in ratios.items()
            ],
        ),
        "",
        *(f"- {name}: {note}" for name, found in notes.items() for note in found),
        *(
            f"- {name}: {listed(contender.versions)}"
            for name, contender in contenders.items()
            if contender.versions
        ),
        *machine(),
    ]
    return "\n".join(lines)


def _row(name: str, runs: list[Run]) -> list[str]:
    engine = [[run.report[key] for run in runs if key in run.report] for key in ("wall", "cpu")]
    process = [[run.wall for run in runs], [run.cpu for run in runs]]
    # A warm-up adds to the process, and without one the engine's figures hold its imports.
    figures = {ENGINE: [*engine, [], []], PROCESS: [[], [], *process]}.get(name, engine + process)
    return [
        name,
        *(spread(values) if values else "" for values in figures),
        megabytes(median([run.peak for run in runs])),
    ]


_COMPARED = (
    "engine, wall",
    "engine, CPU",
    "process, wall",
    "process, CPU",
    "process, RSS",
    "snakemake / process, wall",
    "snakemake less empty / process, wall",
)


def _ratios(runs: Runs) -> dict[str, dict[str, float]]:
    """Return every ratio of ours to each peer that both were run for."""
    walls = {name: [run.wall for run in found] for name, found in runs.items()}
    ratios: dict[str, dict[str, float]] = {}
    for name in (peer for peer in runs if peer in PEERS):
        row = ratios[name] = {}
        if ENGINE in runs:
            for key in ("wall", "cpu"):
                ours, theirs = ([run.report[key] for run in runs[n]] for n in (ENGINE, name))
                row[_COMPARED[0 if key == "wall" else 1]] = ratio(ours, theirs)
        if PROCESS in runs:
            row[_COMPARED[2]] = ratio(walls[PROCESS], walls[name])
            for place, what in ((3, "cpu"), (4, "peak")):
                ours, theirs = ([getattr(run, what) for run in runs[n]] for n in (PROCESS, name))
                row[_COMPARED[place]] = ratio(ours, theirs)
        if SNAKEMAKE in runs:
            row[_COMPARED[5]] = ratio(walls[SNAKEMAKE], walls[name])
        if SNAKEMAKE in runs and EMPTY in runs:
            own = [a - b for a, b in zip(walls[SNAKEMAKE], walls[EMPTY], strict=True)]
            row[_COMPARED[6]] = ratio(own, walls[name])
    return ratios


def _slower(ratios: dict[str, dict[str, float]], absent: dict[str, str]) -> list[str]:
    """Say where ours is behind a peer, and who is missing, before anything else is said."""
    missing = [f"- {name} {' / '.join(reason.split(chr(10)))}" for name, reason in absent.items()]
    missing = ["Not measured:", "", *missing, ""] if absent else []
    behind = [
        f"- {name}: {key} {row[key]:.2f} times theirs"
        for name, row in ratios.items()
        for key in _COMPARED
        if row.get(key, 0) > 1
    ]
    if not behind:
        return [*missing, f"Ours is behind none of {len(ratios)} peers in anything measured here."]
    return [*missing, "Where ours is behind a peer:", "", *behind]


if __name__ == "__main__":
    main()
