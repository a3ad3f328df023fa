"""Blocks of voxels that hypothesis draws: dtypes, extreme values, and strides of many kinds."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

DTYPES = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
INTEGERS = DTYPES
DTYPES += ("float16", "float32", "float64")


@st.composite
def blocks(draw, shapes=None, dtypes=DTYPES):
    """Draw a block of a few distinct, often extreme values, with strides of many kinds."""
    if shapes is None:
        shapes = hnp.array_shapes(min_dims=1, max_dims=5, max_side=7)
    shape, dtype = draw(shapes), np.dtype(draw(st.sampled_from(dtypes)))
    values = draw(st.lists(hnp.from_dtype(dtype), min_size=1, max_size=6))
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values += draw(st.sampled_from([[], [limits.max], [limits.min, limits.max], [0, 1]]))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    voxels = random.choice(np.array(values, dtype), shape)
    return laid_out(voxels, draw(st.sampled_from(LAYOUTS)))


LAYOUTS = ("C", "F", "view", "sparse", "reversed", "unaligned", "read-only")


def laid_out(voxels, layout):
    """Return equal voxels in other memory: what a caller may cut, transpose or decode."""
    if layout == "unaligned":
        memory = np.empty(voxels.nbytes + 1, np.uint8)[1:].view(voxels.dtype)
        block = memory.reshape(voxels.shape)
    elif layout == "view":
        block = np.zeros([extent + 3 for extent in voxels.shape], voxels.dtype)
        block = block[tuple(slice(1, 1 + extent) for extent in voxels.shape)]
    elif layout == "sparse":
        block = np.zeros([2 * extent for extent in voxels.shape], voxels.dtype)
        block = block[(slice(None, None, 2),) * voxels.ndim]
    elif layout == "reversed":
        block = np.empty_like(voxels)[(slice(None, None, -1),) * voxels.ndim]
    else:
        block = np.empty(voxels.shape, voxels.dtype, order="F" if layout == "F" else "C")
    block[...] = voxels
    if layout == "read-only":
        block.flags.writeable = False
    return block


@st.composite
def ladders(draw):
    """Draw a level 0, the factors of some levels, and chunks in which to read level 0."""
    n_axes = draw(st.integers(1, 3))
    extents = st.tuples(*[st.integers(1, 13)] * n_axes)
    dtype = np.dtype(draw(st.sampled_from(INTEGERS)))
    shape = draw(extents)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if dtype == np.bool_:
        base = rng.random(shape) < draw(st.floats(0, 1))
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        low, high = draw(st.sampled_from([(low, high), (0, 3), (high - 2, high), (low, low + 1)]))
        base = rng.integers(low, high, shape, dtype, endpoint=True)
    steps = draw(st.lists(st.tuples(*[st.integers(1, 4)] * n_axes), min_size=1, max_size=4))
    return base, steps, draw(extents)
