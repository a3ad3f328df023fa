"""Make level 0, and a pyramid, of a folder of TIFF slices: ours and its peers, as Markdown.

    uv run --group test python tests/benchmarks/compare_inputs.py --slices 500

The slices are uint16, uncompressed, in the page cache. Rounds are interleaved. `floor` reads all
slices with tifffile and encodes the chunks of level 0, in one process, and writes nothing.
Both peers write all levels. Level 0 of each is compared with the slices, voxel by voxel, after
each round.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from environments import default_folder, environment
from machine import listed, machine, megabytes, table
from measure import HERE, PYTHON, REPOSITORY, Run, interleave, median, ratio, run, say, spread

PEERS = {
    "ngff-zarr": (["ngff-zarr[cli,dask-image,itk,tifffile]==0.50.0"], "ngff-zarr", PYTHON),
    "zarrify": (["zarrify==0.1.3", "bokeh<3.8"], "zarrify", "3.12"),
}
OURS = ("ours-level-0", "ours-slices", "ours-process", "ours-snakemake")

_MAKE = """
import sys, numpy as np, tifffile
folder, n, edge = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random = np.random.default_rng(0)
y, x = np.mgrid[:edge, :edge]
light = 1500 * np.exp(-((y - edge / 2) ** 2 + (x - edge / 2) ** 2) / 2 / (edge / 5) ** 2)
noise = [random.poisson(60, (edge, edge)).astype("uint16") for _ in range(16)]
for z in range(n):
    slice_ = (light * (0.5 + 0.5 * np.sin(z / 50))).astype("uint16") + noise[z % 16]
    tifffile.imwrite(f"{folder}/z{z:04d}.tif", slice_)
"""
_FLOOR = """
import json, sys, time, glob, numpy as np, tifffile
from zarrpyramid.arrays import open_chunks
from zarrpyramid.config import image_config
from zarrpyramid.plan import open_image
image = open_image(image_config("a", {"store": sys.argv[2], "source": sys.argv[1]}))
base = image.input.base
chunks, (depth, height, width) = open_chunks(image.store, "0", base), base.chunks
paths = sorted(glob.glob(f"{sys.argv[1]}/*.tif"))
read = encode = 0.0
for z in range(0, len(paths), depth):
    start = time.process_time()
    slab = np.stack([tifffile.imread(path) for path in paths[z : z + depth]])
    read += time.process_time() - start
    start = time.process_time()
    for y in range(0, base.shape[1], height):
        for x in range(0, base.shape[2], width):
            block = np.ascontiguousarray(slab[:, y : y + height, x : x + width])
            chunks.encode((z // depth, y // height, x // width), block)
    encode += time.process_time() - start
print(json.dumps({"read": read, "encode": encode}))
"""
_LEVEL_0 = """
import json, sys
from zarrpyramid.config import image_config
from zarrpyramid.downsample import copy_base
from zarrpyramid.plan import open_image
keys = {"store": sys.argv[2], "source": sys.argv[1], **json.loads(sys.argv[4])}
copy_base(open_image(image_config("a", keys)), n_workers=int(sys.argv[3]))
"""
_PROCESS = """
import sys
from zarrpyramid import build_pyramid
build_pyramid(sys.argv[2], source=sys.argv[1], n_workers=int(sys.argv[3]), progress=False)
"""
_CHECK = """
import sys, glob, numpy as np, tifffile, zarr
found = zarr.open_array(sys.argv[2], mode="r")
for z, path in enumerate(sorted(glob.glob(sys.argv[1] + "/*.tif"))):
    assert (found[z] == tifffile.imread(path)).all(), path
"""


def main() -> None:
    """Run the comparison that the command line asks for."""
    given = _arguments()
    home = Path(tempfile.mkdtemp(prefix="zarrpyramid-", dir=given.folder)).resolve()
    try:
        _compare(given, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    names = ["floor", *OURS, *PEERS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--size", type=int, default=1024, help="height and width of a slice")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="threads, and cores to pin to")
    parser.add_argument("--only", help=f"names with commas between them, of {', '.join(names)}")
    parser.add_argument("--folder", type=Path, help="where slices and stores are made")
    given = parser.parse_args()
    given.names = given.only.split(",") if given.only else names
    return given


def _compare(given: argparse.Namespace, home: Path) -> None:
    slices, store, threads = home / "slices", home / "new.zarr", str(given.threads)
    slices.mkdir()
    say(f"making {given.slices} slices")
    run([PYTHON, "-c", _MAKE, slices, str(given.slices), str(given.size)])
    commands, versions = {}, {}
    for name in given.names:
        if name in PEERS:
            requirements, shown, python = PEERS[name]
            folder = default_folder().resolve()
            found = environment(folder, name, requirements, [shown], python)
            versions |= found.versions
            paths = sorted(slices.iterdir())
            commands[name] = {
                "ngff-zarr": [
                    # Its default backend converts the first slice alone, and says nothing of it.
                    *(found.python.with_name("ngff-zarr"), "-q", "--input-backend", "itk"),
                    *("-m", "itkwasm_bin_shrink", "-o", store, "-c", "64", "-i", *paths),
                ],
                "zarrify": [
                    *(found.python, HERE / "peers/zarrify_slices.py", slices, store, threads),
                ],
            }[name]
            continue
        code = {
            "floor": [_FLOOR, slices, store],
            "ours-level-0": [_LEVEL_0, slices, store, threads, "{}"],
            "ours-slices": [
                *(_LEVEL_0, slices, store, threads),
                json.dumps({"chunks": [1, given.size, given.size]}),
            ],
            "ours-process": [_PROCESS, slices, store, threads],
            "ours-snakemake": None,
        }[name]
        commands[name] = [PYTHON, "-c", *(code or [])]
        if code is None:
            commands[name] = [
                *(PYTHON, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--quiet"),
                *("--cores", threads, "--config", f"source={slices}", f"store={store}"),
            ]

    def contender(name: str) -> Run:
        for path in (store, home / "results", home / "logs", home / ".snakemake"):
            shutil.rmtree(path, ignore_errors=True)
        # Modules of ours stand in `scripts`, and jobs run plain `python`.
        own = {
            "PYTHONPATH": str(REPOSITORY / "scripts"),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        }
        environment_of = own if name not in PEERS else {}
        done = run(commands[name], cwd=home, environment=environment_of, cores=given.threads)
        array = "0" if name in OURS else {"ngff-zarr": "scale0/image", "zarrify": "s0"}.get(name)
        if array is not None:
            run([PYTHON, "-c", _CHECK, slices, f"{store}/{array}"])
        return done

    runs = interleave({name: lambda name=name: contender(name) for name in commands}, given.rounds)
    ours = runs.get("ours-process") or next(iter(runs.values()))
    rows = [
        [
            name,
            spread([one.wall for one in found]),
            spread([one.cpu for one in found]),
            megabytes(median([one.peak for one in found])),
            f"{ratio([one.wall for one in ours], [one.wall for one in found]):.2f}",
        ]
        for name, found in runs.items()
    ]
    floor = [one.report for one in runs.get("floor", ())]
    print(f"## {given.slices} TIFF slices of {given.size}^2 uint16, chunks 64^3\n")
    print(table(["", "wall s", "CPU s", "RSS, MB", "ours-process over it, wall"], rows))
    print(
        f"\nMedian of {given.rounds} interleaved rounds with least and largest, page cache warm, "
        f"{given.threads} threads on as many cores. RSS is that of the largest single process."
    )
    if floor:
        read, encode = (median([one[key] for one in floor]) for key in ("read", "encode"))
        print(f"\n- floor: {read:.2f} s of CPU read, {encode:.2f} s encode")
    print("\n".join([f"- {listed(versions)}", *machine()]))


if __name__ == "__main__":
    main()
