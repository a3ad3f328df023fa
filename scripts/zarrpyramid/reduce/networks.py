"""Sorting networks: pairs of places to compare and exchange, the same for all values.

They sort whole planes of voxels place by place, without a branch: median and mode use them.
"""

from __future__ import annotations

import functools

LARGEST = 128
"""Places up to which a network is used. For 128 it has 1,471 pairs; a sort has fewer steps, which
branch, and takes one window at a time."""


@functools.cache
def sorting_network(size: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs that sort `size` values: the smaller of a pair goes to its first place.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M).

    >>> sorting_network(3)
    ((0, 2), (0, 1), (1, 2))
    """
    pairs = []
    top = 1 << max(0, (size - 1).bit_length() - 1)
    step = top
    while step:
        distance, shift, stride = step, 0, top
        while True:
            pairs += [(i, i + distance) for i in range(size - distance) if i & step == shift]
            if stride == step:
                break
            distance, shift, stride = stride - step, step, stride // 2
        step //= 2
    return tuple(pairs)


@functools.cache
def selecting_network(size: int, place: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of a sorting network on which the value at one place depends."""
    needed, pairs = {place}, []
    for first, second in reversed(sorting_network(size)):
        if needed & {first, second}:
            needed |= {first, second}
            pairs.append((first, second))
    return tuple(reversed(pairs))
