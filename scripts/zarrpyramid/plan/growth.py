"""Growth of levels: along an axis that no level scales, new voxels change none that are there.

A time point that is appended to level 0 adds voxels to every level. A level that has only to grow
keeps its objects, and its documents until the new objects are there (docs/design/0031).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import fits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape

    from .levels import ImagePlan
    from .stored import Level

_EXTENTS = ("shape", "base")
"""Entries of forms that hold extents of a level, or of level 0."""


def open_axes(plan: ImagePlan) -> tuple[int, ...]:
    """Return the numbers of the axes along which all levels have the extent of level 0."""
    return tuple(axis for axis, step in enumerate(plan.levels[-1].downsampling) if step == 1)


def without_extents(form: Any, axes: Sequence[int]) -> Any:
    """Return a form of JSON whose extents along some axes are left open.

    >>> without_extents({"chunks": [1, 8], "document": {"shape": [3, 64]}}, [0])
    {'chunks': [1, 8], 'document': {'shape': [None, 64]}}
    """
    if not isinstance(form, dict):
        return form
    return {
        key: [None if axis in axes else extent for axis, extent in enumerate(item)]
        if key in _EXTENTS
        else without_extents(item, axes)
        for key, item in form.items()
    }


def grown_from(level: Level) -> Shape | None:
    """Return the extents of a level of ours that has only to grow, or None where it has not.

    It is the planned one in all but its extents, and these are less along open axes alone.
    """
    record = level.record
    if record is None or "digest" not in record or "source" not in record:
        return None
    found, wanted, axes = level.metadata, level.planned, open_axes(level.image.plan)
    pairs = list(enumerate(zip(found.shape, wanted.shape, strict=False)))
    if len(found.shape) != len(wanted.shape) or found.shape == wanted.shape:
        return None
    if not all(n == m or (n < m and axis in axes) for axis, (n, m) in pairs):
        return None
    # Attributes of v2 are a file of their own: a record may be ahead of its level.
    expected = {key: item for key, item in level.plan.expected.items() if key != "shape"}
    is_planned = {**found.document, "shape": 0} == {**wanted.document, "shape": 0}
    return found.shape if is_planned and fits(record, expected) else None


def told_growth(level: Level, before: Shape) -> str:
    """Say along which axes a level grows, and how far.

    Parameters
    ----------
    before
        Its extents before.
    """
    axes = zip(level.image.plan.axes, before, level.plan.shape, strict=True)
    return ", ".join(f"{axis.name} from {n} to {m}" for axis, n, m in axes if n != m)
