"""A dask cluster of processes that work in another folder, perhaps with another library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import zarrpyramid

LIBRARY = Path(zarrpyramid.__file__).parents[1]
CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


class Elsewhere:
    """A cluster of processes that work in another folder, perhaps with another library."""

    def __init__(self, folder, library=LIBRARY, prefix=()):
        folder.mkdir()
        script = folder / "cluster.py"
        script.write_text(CLUSTER, encoding="utf-8")
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(script)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(library)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("tcp://")

    def __enter__(self):
        return self.address

    def __exit__(self, *exception):
        self.process.communicate(timeout=30)  # its input ends, and with it the cluster
