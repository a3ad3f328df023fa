"""Compiled kernels, loaded by a thread of their own while numpy's forms do the work."""

from __future__ import annotations

import fcntl
import gc
import hashlib
import os
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .moments import count_values, describe
from .windows import reduce_and_describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    Kernel = tuple[str, np.dtype[Any]]

ONCE = "once"
"""Stands for the method mean where it is rounded once, which has kernels of its own."""

_loading: dict[Kernel, threading.Thread] = {}
_loading_lock = threading.Lock()


def load_compiled(method: str, dtype: np.dtype[Any]) -> threading.Thread:
    """Return the thread that loads a method's compiled form, begun by the first call.

    That takes 0.4 CPU s, as long as numpy takes for the means of 4000 chunks of 64^3. Until it is
    done `compiled_is_ready` is False, and callers go on with the numpy form. `dtype` is that of
    what is read; `ONCE` stands for the mean that is rounded once.
    """
    kernel = _kernel(method, dtype)
    with _loading_lock:
        if kernel not in _loading:
            _loading[kernel] = threading.Thread(target=_load, args=kernel, daemon=True)
            _loading[kernel].start()
        return _loading[kernel]


def compiled_is_ready(method: str, dtype: np.dtype[Any]) -> bool:
    """Tell whether a method's compiled form is loaded in this process."""
    kernel = _kernel(method, dtype)
    return kernel in _loading and not _loading[kernel].is_alive()


def _kernel(method: str, dtype: np.dtype[Any]) -> Kernel:
    """Return the method and the dtype that are computed with."""
    if dtype.kind == "c":
        dtype = np.dtype(f"f{dtype.itemsize // 2}")
    if method == "nanmean" and dtype.kind != "f":
        method = "mean"
    return method, dtype


def _load(method: str, dtype: np.dtype[Any]) -> None:
    """Call every kernel once, which loads it or, where no process has done it before, compiles it.

    One process at a time: the others wait and load what the first one has compiled. Where the
    cache's folder cannot be written numba takes the user's, and where there is none each process
    compiles for itself.
    """
    # Looking for garbage while numba is imported takes a third as long again, and finds none.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with _alone():
            if method == ONCE:
                from .numba_once import load

                method = "mean"
                load(np.dtype(np.uint8) if dtype == np.bool_ else dtype)
            for window in ((1, 2, 2), (2, 2, 2)):
                # Into a part of a block, as a chunk is: numba has a form for each layout.
                source = np.zeros(tuple(2 * extent for extent in window), dtype)
                out = np.zeros((3, 3, 3), dtype)[:2, :2, :2]
                reduce_and_describe(method, source, window, out, compiled=True)
            describe(np.zeros(1 << 10, dtype), compiled=True)
            keys = np.zeros((4, 4, 4), f"u{min(dtype.itemsize, 2)}")
            for found in (keys, keys[::2, ::2, ::2]):
                count_values(found, np.zeros(1, np.int64), compiled=True)
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _alone() -> Iterator[None]:
    """Hold off every other process of this user that compiles kernels."""
    name = f"zarrpyramid-{os.getuid()}-{hashlib.sha256(__file__.encode()).hexdigest()[:16]}.lock"
    with (Path(tempfile.gettempdir()) / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
