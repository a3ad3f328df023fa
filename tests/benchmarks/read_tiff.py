"""Print what it costs to read TIFF slices alone, beside tifffile, as Markdown.

    uv run --group test python tests/benchmarks/read_tiff.py

Slices of 1024 x 1024 uint16 are written, then read in slabs of 64 by processes of their own, the
files in the page cache: by our reader, by `tifffile.imread` of a list, and by `tifffile.imread` of
one file after the other into an array that is there. Compressed ones are fewer.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from machine import machine, megabytes, table
from measure import PYTHON, Run, interleave, median, run, say, spread

_EDGE, _SLAB = 1024, 64
_KINDS = {
    "as they are": {},
    "strips of 8 rows": {"rowsperstrip": 8},
    "LZW": {"compression": "lzw", "predictor": True, "rowsperstrip": 64},
    "zstd in tiles": {"compression": "zstd", "tile": (256, 256)},
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slices", type=int, default=2000, help="uncompressed ones (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--read", nargs=2, metavar=("HOW", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        print(json.dumps(_read(given.read[0], Path(given.read[1]))))
        return
    home = Path(tempfile.mkdtemp(prefix="zarrpyramid-")).resolve()
    try:
        _measure(given, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measure(given: argparse.Namespace, home: Path) -> None:
    rows = []
    for kind, keys in _KINDS.items():
        n_slices = given.slices // 8 if "compression" in keys else given.slices
        say(f"writing {n_slices} slices: {kind}")
        command = "import json, sys; sys.path.insert(0, sys.argv[1]); import read_tiff; "
        command += "read_tiff.write(sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))"
        here = str(Path(__file__).parent)
        run([PYTHON, "-c", command, here, str(home / kind), str(n_slices), json.dumps(keys)])
        contenders = {
            how: partial(run, [PYTHON, __file__, "--read", how, home / kind])
            for how in ("ours", "a list", "one by one")
        }
        interleave(contenders, 1)  # into the page cache
        runs = interleave(contenders, given.rounds)
        rows += [_row(f"{n_slices}, {kind}", how, runs) for how in contenders]
        shutil.rmtree(home / kind)
    header = ["slices", "reader", "CPU s", "wall s", "CPU, ours over it", "peak MB", "open ms"]
    print("\n".join(machine()), "", table(header, rows), sep="\n")


def _row(kind: str, how: str, runs: dict[str, list[Run]]) -> list[str]:
    pairs = zip(runs["ours"], runs[how], strict=True)
    ratio = median([ours.report["cpu"] / other.report["cpu"] for ours, other in pairs])
    done = runs[how]
    return [
        kind,
        "ours" if how == "ours" else f"tifffile, {how}",
        spread([one.report["cpu"] for one in done]),
        spread([one.report["wall"] for one in done]),
        f"{ratio:.2f}",
        megabytes(max(one.peak for one in done)),
        f"{1e3 * median([one.report['open'] for one in done]):.0f}" if how == "ours" else "-",
    ]


def write(folder: str, n_slices: int, keys: dict[str, object]) -> None:
    """Write slices whose voxels compress about as those of a microscope do."""
    import numpy as np
    import tifffile

    noise = np.random.default_rng(0).poisson(100, (_EDGE, _EDGE)).astype("uint16")
    Path(folder).mkdir()
    for n in range(n_slices):
        noise[0, 0] = n
        tifffile.imwrite(f"{folder}/z{n}.tif", noise, **keys)


def _read(how: str, folder: Path) -> dict[str, float]:
    """Read all slices, and return the seconds of reading, without imports."""
    import numpy as np
    import tifffile

    from zarrpyramid.inputs import open_input

    paths = sorted(folder.iterdir(), key=lambda path: int(path.stem[1:]))
    open_input(str(folder))  # imports
    start = time.perf_counter()
    image = open_input(str(folder))
    opened = time.perf_counter()
    cpu = time.process_time()
    for first in range(0, len(paths), _SLAB):
        last = min(first + _SLAB, len(paths))
        if how == "ours":
            slab = image.read((slice(first, last), slice(0, _EDGE), slice(0, _EDGE)))
        elif how == "a list":
            slab = tifffile.imread(paths[first:last])
        else:
            slab = np.empty((last - first, _EDGE, _EDGE), "uint16")
            for n, path in enumerate(paths[first:last]):
                slab[n] = tifffile.imread(path)
        assert slab[-1, 0, 0] == last - 1
        del slab  # before the next one, as a job does
    return {
        "wall": time.perf_counter() - opened,
        "cpu": time.process_time() - cpu,
        "open": opened - start,
    }


if __name__ == "__main__":
    sys.exit(main())
