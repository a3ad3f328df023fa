"""Voxel size, units and names of channels that a TIFF says: OME-XML, ImageJ, LSM, resolution tags.

What it does not say is left out, and so is what means nothing: ImageJ's "pixel", and the dots per
inch that programs write for printers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from .image_input import COLOURS
from .units import unit_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tifffile import TiffFile, TiffPage, TiffPageSeries

_OME_LENGTH, _OME_TIME = "µm", "s"
"""Units that OME-XML means where it names none."""
_LENGTHS = {2: (25400.0, "inch"), 3: (1e4, "cm"), 4: (1e3, "mm"), 5: (1.0, "µm")}
"""Micrometers in a unit of the tag ResolutionUnit; 4 and 5 are extensions."""
_INCH = 25400.0
_PRINTED = 10.0
"""Micrometers of a dot of 2540 per inch; coarser ones are those of printers and screens."""
_USUAL = (1, 72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 240, 300, 360, 400, 600, 720, 1200, 2400)
"""Dots per inch that programs write without knowing of any, in inches or centimeters."""


_COLOURED = (2, 6)
"""PhotometricInterpretation of RGB, and of YCbCr, which is decoded to RGB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """What a file says of its voxels, by name of axis, and where it says it."""

    origin: str
    size: dict[str, float] = field(default_factory=dict)
    unit: dict[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()

    def origins(self) -> dict[str, str]:
        """Return where each of the attributes comes from that is there."""
        found = {"voxel_size": self.size, "unit": self.unit, "channels": self.channels}
        return {name: self.origin for name, value in found.items() if value}

    def along(self, axes: Sequence[str], extents: Sequence[int]) -> Scale:
        """Return what is said of axes that are there, and the channels if all are named."""
        n_channels = extents[axes.index("c")] if "c" in axes else 0
        return Scale(
            origin=self.origin,
            size={axis: size for axis, size in self.size.items() if axis in axes},
            unit={axis: unit for axis, unit in self.unit.items() if axis in axes},
            channels=self.channels if len(self.channels) == n_channels else (),
        )


def scale_of(file: TiffFile, series: TiffPageSeries) -> Scale:
    """Return what a file says of one of its series."""
    if file.is_ome and file.ome_metadata:
        return _ome(file.ome_metadata, series)
    if file.is_imagej and file.imagej_metadata:
        return _imagej(file.imagej_metadata, series)
    if file.is_lsm and file.lsm_metadata:
        return _lsm(file.lsm_metadata)
    return _tags(series.keyframe)


def _scale(origin: str, found: Mapping[str, tuple[Any, Any]], **kept: Any) -> Scale:
    """Return a scale of pairs of size and unit; those that mean nothing are left out."""
    size, unit = {}, {}
    for axis, (value, name) in found.items():
        known = unit_named(name) if name else None
        if known and _is_extent(value):
            size[axis], unit[axis] = float(value), known
    return Scale(origin=origin, size=size, unit=unit, **kept)


def _is_extent(value: object) -> bool:
    try:
        extent = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return math.isfinite(extent) and extent > 0


def with_colours(scale: Scale, series: TiffPageSeries) -> Scale:
    """Return a scale that names red, green and blue, of a series without other channels."""
    is_coloured = int(series.keyframe.photometric) in _COLOURED
    n_samples = series.shape[series.axes.index("S")] if "S" in series.axes else 0
    if not is_coloured or "C" in series.axes or n_samples not in (3, 4):
        return scale
    return replace(scale, channels=COLOURS[:n_samples])


def _ome(text: str, series: TiffPageSeries) -> Scale:
    origin = "its OME-XML"
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return Scale(origin=origin)
    images = [
        (image.get("Name"), pixels)
        for image in root.iterfind("{*}Image")
        for pixels in image.iterfind("{*}Pixels")
        if pixels.find("{*}TiffData") is not None
    ]
    named = [pixels for name, pixels in images if name and name == series.name]
    place = series.parent.series.index(series) if series.parent else 0
    if len(named) == 1:
        pixels = named[0]
    elif place < len(images):
        pixels = images[place][1]
    else:
        return Scale(origin=origin)
    found = {
        axis.lower(): (
            pixels.get(f"PhysicalSize{axis}"),
            pixels.get(f"PhysicalSize{axis}Unit", _OME_LENGTH),
        )
        for axis in "ZYX"
    }
    found["t"] = (pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", _OME_TIME))
    channels = [channel.get("Name", "") for channel in pixels.iterfind("{*}Channel")]
    return _scale(origin, found, channels=tuple(channels) if all(channels) else ())


def _imagej(values: Mapping[str, Any], series: TiffPageSeries) -> Scale:
    page = series.keyframe
    unit = _unescaped(values.get("unit"))
    dots = dict(zip("xy", page.get_resolution(), strict=True))
    found: dict[str, tuple[Any, Any]] = {}
    for axis, per_unit in dots.items():
        own = _unescaped(values.get(f"{axis}unit")) or unit
        is_given = page.tags.get({"x": 282, "y": 283}[axis]) is not None and per_unit > 0
        # ImageJ takes over the dots per inch of a file that it opens.
        if is_given and not (own == "inch" and _is_usual(per_unit)):
            found[axis] = (1 / per_unit, own)
    spacing = values.get("spacing")
    if isinstance(spacing, int | float) and (unit != "inch" or found):
        found["z"] = (abs(spacing), _unescaped(values.get("zunit")) or unit)
    found["t"] = (values.get("finterval"), values.get("tunit", "sec"))
    return _scale("its ImageJ metadata", found, channels=_labels(values, series))


def _unescaped(unit: object) -> str:
    # ImageJ writes \u00B5m, by these six characters.
    text = str(unit) if unit else ""
    return text.replace("\\u00B5", "µ").replace("\\u00b5", "µ")


def _labels(values: Mapping[str, Any], series: TiffPageSeries) -> tuple[str, ...]:
    """Return ImageJ's labels of slices where each channel has one of its own in all planes."""
    labels, axes = values.get("Labels"), series.axes
    if not isinstance(labels, list) or "C" not in axes:
        return ()
    extents = series.shape[: axes.index("Y")]
    if math.prod(extents) != len(labels):
        return ()
    place = axes.index("C")
    step, n_channels = math.prod(extents[place + 1 :]), extents[place]
    names: list[set[str]] = [set() for _ in range(n_channels)]
    for n, label in enumerate(labels):
        names[n // step % n_channels].add(str(label).strip())
    if any(len(found) != 1 or "" in found for found in names):
        return ()
    channels = tuple(found.pop() for found in names)
    return channels if len(set(channels)) == n_channels else ()


def _lsm(values: Mapping[str, Any]) -> Scale:
    found = {
        axis: (float(values.get(f"VoxelSize{axis.upper()}") or 0) * 1e6, "µm") for axis in "zyx"
    }
    found["t"] = (float(values.get("TimeIntervall") or 0), "s")
    colours = values.get("ChannelColors") or {}
    names = colours.get("ColorNames") or () if isinstance(colours, dict) else ()
    return _scale("its LSM header", found, channels=tuple(map(str, names)))


def _tags(page: TiffPage) -> Scale:
    origin = "its resolution tags"
    given = page.tags.get(296)
    if given is None or page.tags.get(282) is None or page.tags.get(283) is None:
        return Scale(origin=origin)
    length, name = _LENGTHS.get(int(given.value), (0.0, ""))
    dots = page.get_resolution()
    if not length or min(dots) <= 0:
        return Scale(origin=origin)
    sizes = dict(zip("xy", (length / per_unit for per_unit in dots), strict=True))
    for size in sizes.values():
        is_printed = name == "inch" and size > _PRINTED
        if name in ("inch", "cm") and (is_printed or _is_usual(_INCH / size)):
            return Scale(origin=origin)
        if name == "cm" and _is_usual(length / size):
            return Scale(origin=origin)
    return _scale(origin, {axis: (size, "micrometer") for axis, size in sizes.items()})


def _is_usual(dots: float) -> bool:
    return any(abs(dots - usual) < 0.01 * usual for usual in _USUAL)
