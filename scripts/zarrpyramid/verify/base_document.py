"""The document of level 0, put right where its levels prove what it must say.

Level 0 is the user's, and so is its document. It is changed here alone where its levels contradict
it, and where another document has its objects say the very voxels of which level 1 was made.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.arrays import open_chunks
from zarrpyramid.downsample import BlockResult, digest_header
from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.metadata import (
    fits_no_data,
    groups_above,
    parse_array,
    read_consolidated,
    read_node,
    write_array,
)
from zarrpyramid.reduce import METHODS, kind_of

from .comparison import CompareTask, counted, on_places
from .findings import Check
from .origins import left_out_of, recipe_of
from .sampling import draw_sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.metadata import ArrayMetadata, Document

    from .pyramid import FoundLevel, Pyramid
    from .sampling import Scope

_MOST_SHAPES = 64
"""Extents of level 0 that are tried where nothing but level 1 tells them."""

_OWN = {"shape", "chunks", "chunk_grid", "codecs", "compressor"}
"""Keys in which a level may differ from level 0."""


def mend_base(pyramid: Pyramid, scope: Scope) -> Check | None:
    """Write the document that level 0 must have, and return a check that says so.

    None where the levels contradict neither the document that is there nor its voxels, where these
    are those of which level 1 was made, and where they are other voxels by now.

    Parameters
    ----------
    scope
        How much of level 1 is made of a document's voxels before all of them are read.

    Raises
    ------
    StoreError
        If the document contradicts the levels, and nothing proves another one.
    """
    base, levels = pyramid.levels[0], _witnesses(pyramid)
    if not levels:
        return None
    proof = (levels[0].record or {})["source"].get("digest")
    wrong = _contradicted(base, levels[0])
    makes = (
        not scope.full
        and base.metadata is not None
        and _makes(pyramid, base.metadata, levels[0], scope)
    )
    if makes and not _is_outvoted(pyramid, levels, wrong):
        return None
    is_proved = base.metadata is not None and _digest(pyramid, base.metadata, scope) == proof
    if is_proved and not _is_outvoted(pyramid, levels, wrong):
        return None
    candidates = iter(()) if pyramid.store.is_link(base.at) else _candidates(pyramid, base, levels)
    for candidate in candidates:
        fits = _makes(pyramid, candidate, levels[0], scope)
        if fits and _digest(pyramid, candidate, scope) == proof:
            write_array(pyramid.store, base.at, candidate)
            said = ", ".join(wrong) or "voxels"
            figure = f"document written anew, which was not that of its levels: {said}"
            return Check(name="repair", level=0, figure=figure)
    if is_proved or not wrong:
        return None
    raise StoreError(
        f"{base.name} contradicts its levels ({', '.join(wrong)}), and no other document gives the "
        f"voxels of which {levels[0].path} was made; restore it from a copy, or remove the levels "
        "and build them of level 0 as it is"
    )


def _makes(pyramid: Pyramid, metadata: ArrayMetadata, first: FoundLevel, scope: Scope) -> bool:
    """Tell whether level 1 is made of level 0 as a document has it, by a sample of it."""
    method, factors = recipe_of(first) or ("", ())
    if len(factors) != len(metadata.shape) or kind_of(metadata.dtype) not in METHODS[method].kinds:
        return False
    if METHODS[method].keeps_dtype and metadata.dtype != first.array.dtype:
        return False
    if geometry.coarse_shape(metadata.shape, factors) != first.array.shape:
        return False
    left_out = left_out_of(first)
    if not fits_no_data(left_out, method, factors, metadata.shape, metadata.dtype):
        return False
    arrays = [(pyramid.levels[0].at, metadata), (first.at, first.array)]
    try:
        task = CompareTask.of(pyramid.store, arrays, factors, method, left_out)
        places = draw_sample(task.grid, scope.sample, random.Random(scope.seed)).places
        return not any(found.differences for found in on_places(task, places, scope.n_workers))
    except PyramidError:
        return False


def _witnesses(pyramid: Pyramid) -> list[FoundLevel]:
    """Return the levels made here that can be read, if level 1 with its whole record is one."""
    levels = [level for level in pyramid.ours if level.metadata is not None]
    if not levels or pyramid.paths.level(levels[0].path) != 1:
        return []
    is_whole = recipe_of(levels[0]) is not None and "source" in (levels[0].record or {})
    return levels if is_whole else []


def _contradicted(base: FoundLevel, first: FoundLevel) -> list[str]:
    """Return the keys in which the document of level 0 is not that of level 1."""
    if base.metadata is None:
        return [base.fault]
    recipe = recipe_of(first)
    assert recipe is not None
    method, factors = recipe
    own = {*_OWN}
    if not METHODS[method].keeps_dtype:
        own |= {"dtype", "data_type", "fill_value", "bytes"}
    found, expected = _said(base.metadata), _said(first.array)
    keys = sorted({*found, *expected} - own)
    wrong = [key for key in keys if found.get(key) != expected.get(key)]
    shape = base.metadata.shape
    if len(shape) != len(factors) or geometry.coarse_shape(shape, factors) != first.array.shape:
        wrong.append("shape")
    return wrong


def _is_outvoted(pyramid: Pyramid, levels: Sequence[FoundLevel], wrong: Sequence[str]) -> bool:
    """Tell whether several documents agree on what that of level 0 contradicts."""
    said = [[_said(level.array).get(key) for key in wrong] for level in levels]
    if wrong == ["dimension_names"]:  # which the list says too
        said.append([json.dumps([axis["name"] for axis in pyramid.axes])])
    return bool(wrong) and len(said) > 1 and all(each == said[0] for each in said)


def _said(array: ArrayMetadata) -> dict[str, str]:
    """Return the meaning of a document, with the codecs that no setting replaces of their own."""
    codecs = [codec for codec in array.codecs if codec["name"] in ("transpose", "bytes")]
    return {**array.meaning, "bytes": json.dumps(codecs, sort_keys=True)}


def _candidates(
    pyramid: Pyramid, base: FoundLevel, levels: Sequence[FoundLevel]
) -> Iterator[ArrayMetadata]:
    """Yield what the document of level 0 may have been, the likeliest first."""
    first, found = levels[0].array, base.metadata
    attributes: Document = {}
    with contextlib.suppress(PyramidError):
        node = read_node(pyramid.store, base.at)
        attributes = {} if node is None else node.attributes
    if found is not None:
        document = {**found.document}
        for key in _contradicted(base, levels[0]):
            if key not in ("shape", "bytes"):
                document.pop(key, None)
                document |= {key: first.document[key]} if key in first.document else {}
        with contextlib.suppress(PyramidError):
            yield parse_array(_documents(first, document, attributes), base.name)
    yield from _consolidated(pyramid, base)
    (_, factors) = recipe_of(levels[0]) or ("", ())
    cuts = {(array.chunks, array.shards): None for array in (found, first) if array}
    dtypes = {array.dtype: None for array in (found, first) if array}
    shapes = [
        range((n - 1) * by + 1, n * by + 1) for n, by in zip(first.shape, factors, strict=False)
    ]
    # Rounded up as a rule: the largest extents first.
    extents = itertools.product(*map(reversed, shapes))
    for shape in [*([found.shape] if found else []), *itertools.islice(extents, _MOST_SHAPES)]:
        for (chunks, shards), dtype in itertools.product(cuts, dtypes):
            if {len(shape), len(chunks)} == {len(first.shape)}:
                yield first.derive(
                    shape=shape, chunks=chunks, shards=shards, attributes=attributes, dtype=dtype
                )


def _consolidated(pyramid: Pyramid, base: FoundLevel) -> Iterator[ArrayMetadata]:
    """Yield what consolidated metadata of the groups above says of level 0."""
    spelling = pyramid.group.format
    for above in reversed(groups_above(base.at)):
        with contextlib.suppress(PyramidError):
            kept = read_consolidated(pyramid.store, above, pyramid.zarr_format)
            below = base.at[len(above) :].strip("/")
            names = (spelling.array_document, spelling.attributes_document)
            held = {
                name: (kept or {}).get(spelling.consolidated_key(below, name)) for name in names
            }
            if isinstance(held[spelling.array_document], dict):
                yield parse_array({name: item for name, item in held.items() if item}, base.name)


def _documents(
    like: ArrayMetadata, document: Document, attributes: Document
) -> dict[str, Document]:
    """Return the documents of an array of the format of another one."""
    named = replace(like, document=document, attributes=attributes).documents()
    return {name: dict(item) for name, item in named.items()}


def _digest(pyramid: Pyramid, metadata: ArrayMetadata, scope: Scope) -> str:
    """Return the digest of level 0's voxels as a document has them; "" where it does not fit."""
    path = pyramid.levels[0].at
    try:
        chunks = open_chunks(pyramid.store, path, metadata)
        total = BlockResult()
        grid = geometry.grid_shape(metadata.shape, metadata.write_shape)
        for seen in on_places(
            partial(counted, chunks), geometry.iterate_units(grid), scope.n_workers
        ):
            total.merge(seen)
    except PyramidError:
        return ""
    return total.target.digest(digest_header(metadata))
