"""The stored objects of level 0, looked at without reading them.

Their keys, sizes and times of change tell whether a voxel may have changed since the last run,
which of them are missing, and how well they compress. Imports no array library.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.metadata import join

from .source import Source
from .stored import Level

if TYPE_CHECKING:
    from zarrpyramid.metadata import Record
    from zarrpyramid.stores import Store

    from .image import Image
    from .input_source import InputSource

MOST_COUNTED = 1 << 17
"""Most objects of an array that are looked at whenever jobs are planned.

A stat, a sort and a hash cost 5.5 us an object, 0.7 s in all.
"""

MOST_ASKED = 1 << 10
"""The same where a server lists no keys and every object costs a request."""

_SAMPLE = 64
"""Objects whose sizes stand for those of all."""

_REMOTE_SAMPLE = 8
"""The same where each costs a request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLayout:
    """What level 0's objects look like, as far as `base_watch` looks at them.

    Attributes
    ----------
    fingerprint
        Digest of the form that the metadata gives the objects, and of their keys and sizes if they
        are watched; equal for a copy of the store.
    watch
        The same with their versions (times of change): another value means that a voxel may have
        changed.
    stored_bytes
        Bytes of all objects; None where they are not watched.
    n_objects
        How many there are; None likewise.
    """

    fingerprint: str
    watch: str
    stored_bytes: int | None
    n_objects: int | None = None


def watched_by(image: Image, source: Source | InputSource | None = None) -> str:
    """Return what shows a change of level 0: "objects", "metadata" or "none".

    Parameters
    ----------
    source
        What is looked at, if it is not the image's own level 0. Files of other formats are few, and
        are all looked at.
    """
    asked = image.plan.image.base_watch
    if asked != "auto":
        return asked
    if source is not None and not isinstance(source, Source):
        return "objects"
    store = image.store if source is None else source.store
    most = MOST_COUNTED if store.lists else MOST_ASKED
    return "objects" if image.plan.levels[0].n_objects <= most else "metadata"


def base_layout(image: Image) -> BaseLayout:
    """Look at level 0's objects, and at what its metadata makes of their bytes."""
    return _layout(image, None)


def source_layout(image: Image) -> BaseLayout:
    """Look at the objects that level 0 is taken from; at level 0's own where it has no source."""
    return _layout(image, image.source)


def _layout(image: Image, source: Source | InputSource | None) -> BaseLayout:
    watched = watched_by(image, source)
    if watched == "none":
        return BaseLayout(fingerprint="", watch=watched, stored_bytes=None)
    form = json.dumps(image.plan.base.form, sort_keys=True)
    if source is not None and not isinstance(source, Source):
        form += json.dumps(source.taken)
    if watched == "metadata":
        return BaseLayout(fingerprint=_hash(form), watch=_hash(form), stored_bytes=None)
    objects = Level(image, 0).objects() if source is None else source.objects()
    return BaseLayout(
        fingerprint=_hash("\n".join([form, *(f"{key} {size}" for key, size, _ in objects)])),
        watch=_hash("\n".join([form, *map(str, objects)])),
        stored_bytes=sum(size for _, size, _ in objects),
        n_objects=len(objects),
    )


def base_record(image: Image, layout: BaseLayout) -> Record:
    """Return what the sentinel of level 0 holds."""
    return {
        **base_form(image),
        "fingerprint": layout.fingerprint,
        "stored_bytes": layout.stored_bytes,
    }


def base_form(image: Image) -> Record:
    """Return what a record says of level 0 beside its bytes."""
    expected = image.plan.levels[0].expected
    return {key: expected[key] for key in ("level", "shape", "chunks", "shards", "dtype")}


def missing_objects(image: Image) -> list[str]:
    """Return the keys of level 0 that are not there; none where its objects are not watched."""
    if watched_by(image) != "objects":
        return []
    base = image.plan.base
    there = {key for key, _, _ in Level(image, 0).objects()}
    grid = geometry.grid_shape(base.shape, base.write_shape)
    keys = map(base.object_key, geometry.iterate_units(grid))
    return [key for key in keys if key not in there]


def sampled_bytes(image: Image) -> int:
    """Return about how many bytes the objects of level 0 have, by a few of them."""
    sizes = _sample_sizes(image)
    return sum(sizes) * image.plan.levels[0].n_objects // len(sizes)


def stored_share(image: Image) -> float:
    """Return about how many stored bytes a byte of voxels takes, by a few objects of level 0.

    A remote store is not asked, which every plan and every job would do: none take more than 1.
    """
    source = image.source
    if (source is None or isinstance(source, Source)) and (source or image).store.is_remote:
        return 1.0
    sizes = [size for size in _sample_sizes(image) if size]
    if not sizes or image.plan.image.compressor != "same":
        return 1.0
    raw = geometry.count(image.plan.base.write_shape) * image.plan.base.item_size
    return min(1.0, sum(sizes) / (raw * len(sizes)))


def _sample_sizes(image: Image) -> list[int]:
    """Return the bytes of a few objects of level 0; of one that is made of files, as if raw."""
    source, base = image.source, image.plan.base
    if source is not None and not isinstance(source, Source):
        return [geometry.count(base.write_shape) * base.item_size]
    store = image.store if source is None else source.store
    path = image.level_path(0) if source is None else source.path
    grid = geometry.grid_shape(base.shape, base.write_shape)
    n_objects = geometry.count(grid)
    n_looked_at = _SAMPLE if store.at_once == 1 else _REMOTE_SAMPLE
    numbers = range(0, n_objects, -(-n_objects // n_looked_at))
    keys = [base.object_key(index) for index in geometry.iterate_units(grid, numbers)]
    return _sizes(store, tuple(join(path, key) for key in keys))


@lru_cache(maxsize=8)
def _sizes(store: Store, keys: tuple[str, ...]) -> list[int]:
    """Return the bytes of objects; asked once, since every level is planned with them."""
    return [store.size(key) or 0 for key in keys]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
