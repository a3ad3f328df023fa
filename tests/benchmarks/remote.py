"""Print how long pyramids in an object store take, ours and tensorstore's, as Markdown.

    uv run python tests/benchmarks/remote.py --size 1024 --delay 0.03

Each run has a server of its own (`object_server.py`), which holds the image in memory and waits
before each answer. Both are timed inside their process, from call to return, imports done and our
kernels loaded. The server shares the machine with who asks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from contenders import PEERS
from environments import default_folder, environment
from machine import machine, table
from measure import HERE, PYTHON, Run, interleave, ratio, run, say, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--shard", type=int, help="extent of shards; none without")
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--delay", type=float, nargs="+", default=[0.0, 0.03])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    peer = PEERS["tensorstore"]
    found = environment(default_folder(), "tensorstore", peer.requirements, peer.shown)
    home = Path(tempfile.mkdtemp(prefix="zarrpyramid-"))
    try:
        say("making the image")
        options = [f"--size={given.size}", *([f"--shard={given.shard}"] if given.shard else [])]
        run([PYTHON, HERE / "make_image.py", home / "image.zarr", *options])
        rows = []
        for delay in given.delay:
            contenders = {
                "ours": partial(_contend, PYTHON, "ours", home, delay, given),
                "tensorstore": partial(_contend, found.python, "tensorstore", home, delay, given),
            }
            runs = interleave(contenders, given.rounds)
            cells = [f"{1000 * delay:.0f} ms"]
            for clock in ("wall", "cpu"):
                ours, theirs = (
                    [each.report[clock] for each in runs[name]] for name in ("ours", "tensorstore")
                )
                cells += [spread(ours), spread(theirs), f"{ratio(ours, theirs):.2f}"]
            rows.append(cells)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    of = f" in shards of {given.shard}^3" if given.shard else ""
    print(f"{given.size}^3 uint16, zstd, chunks of 64^3{of}, {given.levels} levels", end="\n\n")
    header = [
        "delay",
        "ours, s",
        "tensorstore, s",
        "wall",
        "ours, CPU s",
        "tensorstore, CPU s",
        "CPU",
    ]
    print(table(header, rows))
    print("", *machine(), f"- tensorstore {found.versions['tensorstore']}", sep="\n")


def _contend(
    python: Path | str, name: str, home: Path, delay: float, given: argparse.Namespace
) -> Run:
    with _server(home, delay) as port:
        return run(
            [
                python,
                HERE / "peers" / f"remote_{name}.py",
                str(port),
                f"--levels={given.levels}",
                f"--threads={given.threads}",
            ],
            environment=ENVIRONMENT,
        )


@contextlib.contextmanager
def _server(folder: Path, delay: float) -> Iterator[int]:
    command = [PYTHON, str(HERE / "object_server.py"), str(folder), f"--delay={delay}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


if __name__ == "__main__":
    main()
