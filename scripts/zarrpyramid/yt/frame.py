"""Where the voxels of a pyramid stand in yt: units of lengths and fields, and edges.

OME-NGFF knows the parsec alone of astronomers' units. What a pyramid's group says to yt stands in
its attributes under ``yt``: ``length_unit``, ``unit`` (of the field), and along x, y and z
``left_edge`` (in that length) and ``periodicity``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid.errors import ConfigError, MetadataError

from .importing import import_unyt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.metadata import Document

YT_KEY = "yt"
"""Attribute of a group that holds what it says to yt."""

_METRES = ("meter", "centimeter", "millimeter", "micrometer", "nanometer", "kilometer", "angstrom")


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """The place of the finest level, along x, y, z.

    Attributes
    ----------
    unit
        Of lengths; "code_length" where none is known.
    left_edge
        Outer corner of the first voxel.
    voxel
        Extents of a voxel.
    periodicity
        Whether the domain goes on at its other end, along each axis.
    """

    unit: str
    left_edge: tuple[float, ...]
    voxel: tuple[float, ...]
    periodicity: tuple[bool, ...] = (False, False, False)

    def edge(self, axis: int, number: int) -> float:
        """Return where a voxel begins along an axis."""
        return self.left_edge[axis] + number * self.voxel[axis]

    def edges(self, axis: int, count: int, stride: int) -> list[float]:
        """Return where every `stride`-th of `count` voxels begins along an axis, and the end.

        yt compares edges of grids exactly, with each other and with those of `numpy.linspace`. That
        one divides the extent by a number of voxels: where strides are powers of two, edges that
        levels share have the same bits.
        """
        left, right = self.left_edge[axis], self.edge(axis, count)
        return [*np.linspace(left, right, count // stride, endpoint=False).tolist(), right]


def said_to_yt(attributes: Document, where: str) -> Document:
    """Return what a group says to yt.

    Raises
    ------
    MetadataError
        If it is not what `sample_fields` writes.
    """
    said = attributes.get(YT_KEY, {})
    if not _is_readable(said):
        raise MetadataError(
            f"{where}: its attribute {YT_KEY!r} is {str(said)[:80]}, expected a mapping with the "
            "texts length_unit and unit, left_edge with three numbers, and periodicity with three "
            "truth values; fix or remove it"
        )
    return dict(said)


def _is_readable(said: object) -> bool:
    if not isinstance(said, dict):
        return False
    texts = [said.get(key, "") for key in ("length_unit", "unit")]
    edge, ends = said.get("left_edge", [0, 0, 0]), said.get("periodicity", [False] * 3)
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(each, list) and len(each) == 3 for each in (edge, ends))
        and all(isinstance(n, int | float) for n in edge)
        and all(isinstance(end, bool) for end in ends)
    )


def find_frame(
    said: Document,
    units: Sequence[str | None],
    voxel: Sequence[float],
    centre: Sequence[float] | None,
    *,
    length_unit: str | None,
    where: str,
) -> Frame:
    """Return the frame of a pyramid.

    Parameters
    ----------
    said
        What the group says to yt.
    units, voxel, centre
        Unit of each axis x, y, z, extents of a voxel of the finest level, and where the centre of
        its first voxel is: as OME-NGFF says, where it says so; 0 unless given.
    length_unit
        Unit to have lengths in; None takes the one that the group says, else that of the axes.

    Raises
    ------
    ConfigError
        If a unit is none of a length.
    """
    stated = next((unit for unit in units if unit), None)
    own = said.get("length_unit")
    target = length_unit or own or stated or "code_length"
    # Without a unit in OME-NGFF, numbers are in the unit that the group says, else in the target.
    sizes = [convert(1.0, unit or own or target, target, where) for unit in units]
    scaled = tuple(n * size for n, size in zip(voxel, sizes, strict=True))
    if "left_edge" in said:
        left = tuple(convert(float(n), own or target, target, where) for n in said["left_edge"])
    else:
        middle = [n * size for n, size in zip(centre or [0.0] * len(sizes), sizes, strict=True)]
        left = tuple(n - width / 2 for n, width in zip(middle, scaled, strict=True))
    ends = tuple(said.get("periodicity", [False] * 3))
    return Frame(unit=target, left_edge=left, voxel=scaled, periodicity=ends)


def convert(value: float, unit: str, target: str, where: str) -> float:
    """Return a length in another unit."""
    if unit == target:
        return value
    return float(quantity(value, unit, where).to_value(quantity(1.0, target, where).units))


def quantity(value: float, unit: str, where: str) -> Any:
    """Return a length of yt.

    Raises
    ------
    ConfigError
        If yt knows no such length.
    """
    unyt = import_unyt()
    try:
        found = unyt.unyt_quantity(value, unit)
    except unyt.exceptions.UnitParseError:
        found = None
    if found is None or found.units.dimensions != unyt.dimensions.length:
        raise ConfigError(
            f"{where}: expected a unit of length that yt knows, such as kpc, found {unit!r}; "
            "give length_unit"
        )
    return found


def check_unit(unit: str, where: str) -> str:
    """Return the unit of a field; "" is none.

    Raises
    ------
    ConfigError
        If yt knows no such unit.
    """
    if not unit:
        return unit
    unyt = import_unyt()
    try:
        unyt.Unit(re.sub(r"\bcode_[a-z]+", "m", unit))  # yt has those of a dataset
    except unyt.exceptions.UnitParseError as error:
        raise ConfigError(
            f"{where}: yt knows no unit {unit!r}; expected one such as g/cm**3: give units"
        ) from error
    return unit


def ngff_unit(unit: str, where: str) -> tuple[str | None, float]:
    """Return the unit of OME-NGFF for lengths in a unit of yt, and how many of it one has.

    >>> ngff_unit("code_length", "galaxy")
    (None, 1.0)
    """
    if unit == "code_length":
        return None, 1.0
    if unit.endswith("pc"):
        return "parsec", convert(1.0, unit, "parsec", where)
    length = quantity(1.0, unit, where)
    for name in _METRES:
        if length.to_value(name) == 1:
            return name, 1.0
    return "meter", float(length.to_value("meter"))
