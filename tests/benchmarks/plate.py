"""Print what a plate costs the workflow, beside a bare loop of `build_pyramid`, as Markdown.

    uv run python tests/benchmarks/plate.py

384 wells of 9 fields of 2 x 512 x 512 voxels of uint16, with two levels each: planned, built, and
looked at again when there is nothing to do. The loop builds a copy of that plate in one process.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from machine import machine, megabytes, table
from measure import HERE, PYTHON, REPOSITORY, Run, run, say

LOOP = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from zarrpyramid import build_pyramid
for document in sorted(Path(sys.argv[1]).glob("*/*/*/0")):
    build_pyramid(document.parent, levels=2, n_workers=1, progress=False)
"""


def main() -> None:
    """Make the plate, run both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--columns", type=int, default=24)
    parser.add_argument("--fields", type=int, default=9)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", help="where the plate is made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        say("making the plate")
        extents = [f"--{key}={getattr(given, key)}" for key in ("rows", "columns", "fields")]
        run([PYTHON, HERE / "make_plate.py", folder / "plate.zarr", *extents])
        shutil.copytree(folder / "plate.zarr", folder / "other.zarr")
        runs = _measured(folder, given.cores)
        n_images = given.rows * given.columns * given.fields
        rows = [
            (what, f"{found.wall:.1f}", f"{found.cpu:.1f}", megabytes(found.peak))
            for what, found in runs.items()
        ]
        share = runs["built"].cpu / runs["a bare loop of build_pyramid"].cpu
        print(f"{n_images} images of 2 x 512 x 512 uint16, two levels each, {given.cores} cores\n")
        print(table(("", "wall s", "CPU s", "MB of the largest process"), rows))
        print(f"\nCPU of the build over that of the loop: {share:.2f}\n")
        print("\n".join(machine()))
        say("removing the plates")


def _measured(folder: Path, cores: int) -> dict[str, Run]:
    config = ("--config", "container=plate.zarr", "levels=2")
    command = (
        *(PYTHON, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"),
        *("--cores", str(cores), "--quiet", "all"),
    )
    found = {}
    for what, more in {
        "planned (snakemake -n)": ("-n",),
        "built": (),
        "planned again, nothing to do": ("-n",),
        "run again, nothing to do": (),
    }.items():
        say(what)
        found[what] = run([*command, *more, *config], cwd=folder, cores=cores)
    say("a bare loop")
    loop = [PYTHON, "-c", LOOP, folder / "other.zarr", REPOSITORY / "scripts"]
    found["a bare loop of build_pyramid"] = run(loop, cwd=folder, cores=cores)
    return found


if __name__ == "__main__":
    main()
