"""What a group lists of level 0, put right where its other entries tell what it must say.

The list of a pyramid names level 0 first and places it; every other level is placed by that. An
entry that is lost, leads elsewhere or places nothing is made again from those of the levels.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import MetadataError
from zarrpyramid.metadata import (
    OMERO_DIGEST,
    LevelPaths,
    change_group_attributes,
    join,
    ome_attributes,
    read_node,
    read_transformations,
    with_axes,
    with_base_entry,
    without_omero,
)
from zarrpyramid.metadata import unread as unread_transformations
from zarrpyramid.plan import record_of
from zarrpyramid.reduce import METHODS

from .display import check_omero
from .findings import DEFECT
from .pyramid import read_pyramid
from .votes import Votes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.metadata import Document

    from .pyramid import Pyramid

    Place = tuple[tuple[float, ...], tuple[float, ...]]


def mend_list(pyramid: Pyramid) -> None:
    """Have the list of a pyramid name level 0 first, and place it by axes with names.

    Nothing is changed where the list does so, and where nothing else says what it must say.
    """
    path = _base_of(pyramid)
    if path is not None and path != pyramid.levels[0].path:
        change_group_attributes(
            pyramid.store, pyramid.path, partial(with_base_entry, path=path, steps=None)
        )
        pyramid = read_pyramid(pyramid.store, pyramid.path)
    found = Votes(pyramid)
    if pyramid.multiscales is None or pyramid.levels[0].metadata is None:
        return
    n_axes, path = len(found.base.shape), pyramid.levels[0].path
    entry: Document = next((each for each in pyramid.datasets if each.get("path") == path), {})
    steps = None if _places(entry, n_axes) else _steps(pyramid, found, n_axes)

    shown = ome_attributes(pyramid.attributes, "omero").get("omero")
    wrong = check_omero(shown, pyramid.version or "", None) if shown is not None else ()
    # One that we wrote, and that nobody can read any more, is written again.
    is_dark = OMERO_DIGEST in (pyramid.provenance or {}) and any(
        each.grade == DEFECT for each in wrong
    )

    def mended(attributes: Document) -> Document:
        if steps is not None:
            attributes = with_base_entry(attributes, path=path, steps=steps)
        attributes = with_axes(attributes, found.names)
        return without_omero(attributes) if is_dark else attributes

    change_group_attributes(pyramid.store, pyramid.path, mended)


def _base_of(pyramid: Pyramid) -> str | None:
    """Return the path of level 0 beside which the levels stand, as their records number them."""
    found: Counter[str] = Counter()
    for level in pyramid.levels:
        number = (record_of(level.metadata) or {}).get("level")
        for digits in re.finditer(r"\d+", level.path):
            base = (
                f"{level.path[: digits.start()]}{'0' * len(digits[0])}{level.path[digits.end() :]}"
            )
            if int(digits[0]) == number and LevelPaths(base=base).path(number) == level.path:
                found[base] += _is_base(pyramid, base)
    return next((base for base, n in found.most_common() if n), None)


def _is_base(pyramid: Pyramid, path: str) -> bool:
    """Tell whether an array that is none of our levels stands at a path, perhaps a damaged one."""
    try:
        node = read_node(pyramid.store, join(pyramid.path, path))
    except MetadataError:
        return True
    return node is not None and node.kind == "array" and not record_of(node)


def _places(entry: Document, n_axes: int) -> bool:
    """Tell whether an entry of the list places a voxel along each axis."""
    scale = read_transformations(entry)[0]
    is_read = not unread_transformations(entry, n_axes)
    return is_read and scale is not None and len(scale) == n_axes and min(scale) > 0


def _steps(pyramid: Pyramid, found: Votes, n_axes: int) -> list[Document] | None:
    """Return the transformations of level 0 that most entries of the list lead to."""
    votes = Counter(_votes(pyramid, found, n_axes)).most_common(1)
    if not votes:
        return None
    (size, offset), _ = votes[0]
    scale: Document = {"type": "scale", "scale": list(size)}
    return [scale, {"type": "translation", "translation": list(offset)}] if any(offset) else [scale]


def _votes(pyramid: Pyramid, found: Votes, n_axes: int) -> Iterator[Place]:
    """Yield where each entry of the list has level 0, the first as that of level 0 itself."""
    entries = [each for each in pyramid.datasets if _places(each, n_axes)]
    by_path = {each.get("path"): each for each in entries}  # the last of each path
    whole = (1,) * n_axes
    first = pyramid.datasets[:1]
    placed = [(each, whole) for each in first if each in entries]
    downsampling = whole
    for level, step in zip(found.levels.values(), found.factors, strict=True):
        downsampling = geometry.multiply(downsampling, tuple(step))
        if level.path in by_path:
            placed.append((by_path[level.path], downsampling))
    shifts = METHODS[found.methods[0]].shifts
    for entry, factors in placed:
        scale, translation = read_transformations(entry)
        size = [edge / by for edge, by in zip(scale or (), factors, strict=True)]
        offset = translation if translation and len(translation) == n_axes else [0.0] * n_axes
        if shifts:
            axes = zip(offset, size, factors, strict=True)
            offset = [place - edge * (by - 1) / 2 for place, edge, by in axes]
        yield tuple(float(f"{n:.12g}") for n in size), tuple(round(n, 12) for n in offset)
