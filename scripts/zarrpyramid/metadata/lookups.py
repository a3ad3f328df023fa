"""What stands below a path: as a store lists it or, where a server lists nothing, asked for.

There one request finds one object, so that only those are asked for that may be there. What a key
means beyond that, and what is wrong with it, is for others.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.stores import ObjectStore

from .nodes import read_array, read_node
from .paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.stores import Store

    from .paths import LevelPaths

_AT_ONCE = 4
"""Requests in flight. Of 8, Python's http.server dropped some, which cost a second each."""


def object_stats(store: Store, path: str) -> Iterator[tuple[str, int, int]]:
    """Yield (relative key, bytes, version) of what stands below an array's path.

    Where nothing is listed, of the objects alone that the array's metadata has room for.
    """
    if store.lists:
        yield from store.stats(path)
        return
    assert isinstance(store, ObjectStore)
    metadata = read_array(store, path)
    if metadata is None:
        return
    grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for batch in geometry.batches(geometry.iterate_units(grid), 64 * _AT_ONCE):
            keys = [metadata.object_key(index) for index in batch]
            found = pool.map(store.version, [join(path, key) for key in keys])
            for key, stat in zip(keys, found, strict=True):
                if stat is not None:
                    yield key, *stat


def levels_there(store: Store, path: str, paths: LevelPaths) -> list[int]:
    """Return the numbers of the levels beside level 0 in whose places something stands, in order.

    Where nothing is listed, of those up to the first that is absent.

    Parameters
    ----------
    path
        Of the image's group.
    """
    if store.lists:
        return paths.levels(store.children(join(path, paths.folder)))
    found: list[int] = []
    for level in count(1):
        if read_node(store, join(path, paths.path(level))) is None:
            break
        found.append(level)
    return found
