"""The compiled kernels are made once, by whichever of many processes comes first."""

import os
import subprocess
import sys

import numpy as np
import pytest

from zarrpyramid.reduce.loading import compiled_is_ready, load_compiled

REPORT = """
import numpy as np
from zarrpyramid.reduce.loading import load_compiled

load_compiled("mean", np.dtype("uint16")).join()
from zarrpyramid.reduce import numba_mean as compiled
kernels = [compiled._BY_ROWS[True], compiled._BY_ROWS[False], compiled._summary]
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels))
print(sum(sum(kernel.stats.cache_hits.values()) for kernel in kernels))
"""


@pytest.mark.slow
def test_eight_processes_at_once_compile_once(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", REPORT],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, told
    misses, hits = np.array([output.split() for output, _ in told], int).T
    assert sorted(misses) == [0] * 7 + [3]  # one process compiled all, for 1x2x2 and for 2x2x2
    assert sorted(hits) == [0] + [3] * 7


def test_without_a_place_for_the_cache_kernels_still_work(tmp_path):
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(nowhere / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", REPORT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_loading_goes_on_aside(dtype):
    load_compiled("mean", np.dtype(dtype)).join(timeout=60)
    assert compiled_is_ready("mean", np.dtype(dtype))
    assert not compiled_is_ready("mean", np.dtype("float16"))


LOADED = """
import sys
import numpy as np, zarr
from zarrpyramid import build_pyramid
from zarrpyramid.reduce.loading import load_compiled

method, dtype, path = sys.argv[1:]
load_compiled(method, np.dtype(dtype)).join()
from zarrpyramid.reduce import numba_mean, numba_once, numba_windows

def loaded():
    found = {}
    for module in (numba_mean, numba_once, numba_windows):
        for name, value in vars(module).items():
            for key, kernel in (value if isinstance(value, dict) else {0: value}).items():
                if hasattr(kernel, "signatures"):
                    found[module.__name__, name, key] = len(kernel.signatures)
    return found

before = loaded()
voxels = np.arange(64**3).reshape(64, 64, 64).astype(dtype)
zarr.create_group(path).create_array("0", data=voxels, chunks=(16, 16, 16))
given = {"method": "mean", "rounding": "once"} if method == "once" else {"method": method}
build_pyramid(path, levels=2, n_workers=1, **given)
assert sum(before.values()) > 0
print({kernel: n for kernel, n in loaded().items() if n != before[kernel]})
"""


@pytest.mark.parametrize(
    ("method", "dtype"),
    [
        ("mean", "uint16"),
        pytest.param("mean", "uint8", marks=pytest.mark.slow),
        pytest.param("mean", "int32", marks=pytest.mark.slow),
        pytest.param("mean", "float32", marks=pytest.mark.slow),
        pytest.param("nanmean", "float64", marks=pytest.mark.slow),
        pytest.param("mode", "uint16", marks=pytest.mark.slow),
        pytest.param("mode_nonzero", "uint8", marks=pytest.mark.slow),
        pytest.param("once", "uint16", marks=pytest.mark.slow),
    ],
)
def test_blocks_find_every_kernel_loaded(tmp_path, method, dtype):
    """What is not, each worker process loads for itself, in 15 ms, or compiles, in 0.4 s."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, method, dtype, str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stdout + done.stderr
