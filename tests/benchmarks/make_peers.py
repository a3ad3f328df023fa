"""Make the small pyramids of `tests/data/peers`, each by the program whose name it bears.

    uv run python tests/benchmarks/make_peers.py [--folder tests/data/peers]

Needs the network once, for the peers' environments.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import zipfile
from pathlib import Path

from contenders import PEERS
from environments import default_folder, environment
from measure import HERE, REPOSITORY

PYRAMIDS = (
    ("ome-zarr", "local_mean"),
    ("ome-zarr", "nearest"),
    ("ome-zarr", "resize"),
    ("ngff-zarr", "dask_bin_shrink"),
    ("ngff-zarr", "itkwasm_gaussian"),
    ("ngff-zarr", "itkwasm_bin_shrink"),
    ("pyramid-sampler", "mean"),
    ("tensorstore", "mean"),
    ("tensorstore", "stride"),
    ("tensorstore", "median"),
    ("tensorstore", "mode"),
    ("tensorstore", "max"),
)
"""Peers, and their names of the methods."""


def make(peer: str, method: str, store: Path) -> None:
    """Have a peer write a pyramid into a folder that is not there yet."""
    known = PEERS[peer]
    python = environment(default_folder(), peer, known.requirements, known.shown).python
    script = HERE / "peers" / "whole_pyramid.py"
    subprocess.run([python, script, peer, method, store], check=True)


def pack(store: Path, path: Path) -> None:
    """Write the files of a store into an archive that depends on their bytes alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(file for file in store.rglob("*") if file.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(store)))
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def main() -> None:
    """Make all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "tests" / "data" / "peers")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for peer, method in PYRAMIDS:
        with tempfile.TemporaryDirectory() as place:
            store = Path(place) / "image.zarr"
            make(peer, method, store)
            pack(store, folder / f"{peer}-{method}.zip")


if __name__ == "__main__":
    main()
