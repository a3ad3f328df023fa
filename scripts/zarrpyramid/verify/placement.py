"""Whether the listed scale and translation of a level place its voxels where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.metadata import SPACE, axis_type, read_axes
from zarrpyramid.plan import times

from .findings import DEFECT, WARNING, Finding, replace_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.geometry import Shape

    from .pyramid import FoundLevel, Pyramid

CLOSE = 1e-6
"""Part of a voxel by which a place may be off, since documents hold decimals."""


def check_scale(
    pyramid: Pyramid, level: FoundLevel, finer: FoundLevel, factors: Shape
) -> Iterator[Finding]:
    """Yield where the scale of a level made here is not the finer level's times the factors."""
    before, found = (pyramid.transformations(each)[0] for each in (finer, level))
    if before is None or found is None or {len(before), len(found)} != {len(factors)}:
        return
    expected = tuple(size * factor for size, factor in zip(before, factors, strict=True))
    if not _is_close(found, expected, before):
        yield Finding(
            what="scale is not that of its factors",
            level=level.number,
            key=pyramid.name(level),
            expected=times(expected),
            found=times(found),
            way_out=f"list the levels again: {relist_command(pyramid)}",
        )


def check_translation(
    pyramid: Pyramid, level: FoundLevel, *, shifts: bool | None
) -> Iterator[Finding]:
    """Yield where a level's translation is not that of the centres of its windows.

    Parameters
    ----------
    shifts
        Whether a voxel stands for its whole window, not for the window's first voxel; None where
        that is not known, and both are right.
    """
    base = pyramid.levels[0]
    (size, offset), (larger, found) = map(pyramid.transformations, (base, level))
    if size is None or larger is None or len(size) != len(larger):
        return
    origin = (0.0,) * len(size)
    offset = offset or origin
    if len(offset) != len(origin) or (found is not None and len(found) != len(origin)):
        return
    centred = tuple(o + (b - a) / 2 for o, a, b in zip(offset, size, larger, strict=True))
    expected = offset if shifts is False else centred
    allowed = (expected, offset) if shifts is None else (expected,)
    if any(_is_close(found or origin, place, size) for place in allowed):
        return
    where = "first voxels" if shifts is False else "centres"
    is_missing = found is None and not any(offset)
    is_ours = level.record is not None
    yield Finding(
        what="has no translation by half a window, so that viewers show it displaced"
        if is_missing
        else f"translation is not that of its windows' {where}",
        grade=DEFECT if is_ours else WARNING,
        level=level.number,
        key=pyramid.name(level),
        expected=times(expected),
        found="none" if found is None else times(found),
        way_out=f"list the levels again: {relist_command(pyramid)}" if is_ours else "",
    )


def can_be_listed(pyramid: Pyramid, level: FoundLevel) -> bool:
    """Tell whether OME-NGFF can describe the image: it has 2 or 3 space axes, or names none.

    Parameters
    ----------
    level
        A level whose document names the axes.
    """
    if level.metadata is None:
        return False
    n_axes, names = len(level.metadata.shape), level.metadata.dimension_names
    if names is not None:
        return sum(axis_type(name or "") == SPACE for name in names) in (2, 3)
    axes = read_axes(pyramid.attributes, n_axes)
    return n_axes > 1 if axes is None else sum(axis.type == SPACE for axis in axes) in (2, 3)


def relist_command(pyramid: Pyramid) -> str:
    """Return the command that lists the levels again, or replaces those of another program."""
    return pyramid.repair() if pyramid.is_ours else replace_command(pyramid.where)


def _is_close(
    found: tuple[float, ...], expected: tuple[float, ...], unit: tuple[float, ...]
) -> bool:
    return all(
        abs(a - b) <= CLOSE * max(size, abs(b))
        for a, b, size in zip(found, expected, unit, strict=True)
    )
