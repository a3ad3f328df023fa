"""How a peer's script is asked: `python PEER.py write KIND PATH` or `read KIND PATH FIELD`.

Runs in the environment of each peer, with numpy alone. The last line of what it prints is JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np

SHAPE = (20, 48, 64)
SCALE = (2.0, 0.5, 0.5)


def voxels(dtype="uint16"):
    """Return an image of z, y and x: smooth, with some noise."""
    places = np.indices(SHAPE).astype("float64")
    smooth = 4000 + 1500 * np.sin(places[0] / 5) + 20 * places[1] - 15 * places[2]
    return (smooth + np.random.default_rng(0).normal(0, 20, SHAPE)).astype(dtype)


def ids():
    """Return labels of z, y and x, in blocks of 8."""
    z, y, x = np.indices(SHAPE) // 8
    return (1 + z * 100 + y * 10 + x).astype("uint32")


def described(array):
    """Return shape and hash of a level, whatever axes of extent 1 stand before its own."""
    plain = np.ascontiguousarray(array).squeeze()
    little = plain.astype(plain.dtype.newbyteorder("<"))
    return {"shape": list(plain.shape), "sha256": hashlib.sha256(little.tobytes()).hexdigest()}


def answer(write, read):
    """Call what was asked for, and print what it returns.

    Parameters
    ----------
    write
        By kind: a function of a path that writes a store there.
    read
        By kind: a function of a path and a field that reads the whole store, and returns the
        levels of the image in the field.
    """
    what, kind, *rest = sys.argv[1:]
    if what == "write":
        write[kind](*rest)
        print(json.dumps(None))
    else:
        print(json.dumps([described(level) for level in read[kind](*rest)]))
