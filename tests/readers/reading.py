"""What each reader says of a level; numpy alone, for the environments of all of them."""

import hashlib

import numpy as np


def described(voxels, scale=None, translation=None):
    """Return shape, dtype and hash of a level, and its transformations as they are given."""
    plain = np.ascontiguousarray(voxels)
    return {
        "shape": list(plain.shape),
        "dtype": plain.dtype.newbyteorder("=").name,
        "sha256": hashlib.sha256(plain.astype(plain.dtype.newbyteorder("<")).tobytes()).hexdigest(),
        "scale": scale and {axis: float(size) for axis, size in scale.items()},
        "translation": translation and {axis: float(at) for axis, at in translation.items()},
    }
