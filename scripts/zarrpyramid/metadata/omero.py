"""How viewers first show an image: OME-NGFF's `omero`, with a window, label and colour by channel.

Functions from attributes to attributes. What others wrote stays as it is; what this package wrote
is known by its digest, which stands in the multiscales' metadata, and is written anew.
"""

from __future__ import annotations

import colorsys
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from zarrpyramid.reduce import kind_of, limits

from .multiscales import ome_attributes, read_multiscales

if TYPE_CHECKING:
    from collections.abc import Sequence

    Document = dict[str, Any]

OMERO_DIGEST = "omero"
"""The entry of the multiscales' metadata that holds the digest of an `omero` of ours."""

_FEW = {
    1: ("FFFFFF",),
    2: ("FF00FF", "00FF00"),
    3: ("FF0000", "00FF00", "0000FF"),
}
"""Colours of images of few channels, as vizarr chooses them."""

_PHOTO = ("red", "green", "blue", "alpha")
"""Names of channels that are a picture in colour."""


def omero_document(
    windows: Any,
    *,
    n_channels: int,
    name: str,
    dtype: str,
    extremes: Sequence[Any] = (),
    middle: int = 0,
    labels: Any = None,
) -> Document | None:
    """Return an `omero` with a window for every channel, or None where windows are no windows.

    Parameters
    ----------
    windows
        Start and end for each channel, or None for one without finite voxels, as records hold them.
    name
        Of the image: the label of a lone channel.
    dtype
        Of level 0. The slider of a window spans the range of integers.
    extremes
        Least and largest voxel of level 0, which a slider of floats spans.
    middle
        The plane along z that is shown first.
    labels
        Names of all channels, as a source file gives them, or None. Red, green and blue share one
        window, since other proportions are other colours; a fourth, alpha, is not shown at first:
        added to them it makes everything white.
    """
    if not isinstance(windows, list) or len(windows) != n_channels:
        return None
    found = [_pair(window) for window in windows]
    if [pair is None for pair in found] != [window is None for window in windows]:
        return None
    is_named = isinstance(labels, list) and len(labels) == n_channels
    usual = [name] if len(found) == 1 else [f"channel {number}" for number in range(len(found))]
    colors = channel_colors(len(found))
    is_photo = is_named and len(found) in (3, 4) and tuple(labels) == _PHOTO[: len(found)]
    if is_photo:
        found[:3] = [_shared(found[:3], dtype)] * 3
        colors = [*channel_colors(3), "FFFFFF"][: len(found)]
    channels = [
        {
            "active": not (is_photo and number == 3),
            "label": str(labels[number]) if is_named else usual[number],
            "color": color,
            "window": _window(pair, dtype, _pair(extremes)),
        }
        for number, (pair, color) in enumerate(zip(found, colors, strict=True))
    ]
    model = "greyscale" if len(found) == 1 else "color"
    return {"channels": channels, "rdefs": {"model": model, "defaultT": 0, "defaultZ": middle}}


def with_omero(attributes: Document, made: Document | None) -> Document:
    """Return a group's attributes with an `omero`, unless others have described its channels.

    Other keys of theirs stay. What is ours goes where `made` is None. The group has a multiscales.
    """
    if others_omero(attributes):
        return attributes
    attributes = without_our_omero(attributes)
    holder = ome_attributes(attributes)
    theirs = ome_attributes(attributes, "omero").get("omero") or {}
    first, *more = holder["multiscales"]
    kept, known = dict(holder), dict(first.get("metadata", {}))
    kept.pop("omero", None)
    known.pop(OMERO_DIGEST, None)
    if made is not None:
        theirs = {key: item for key, item in theirs.items() if key != "channels"}
        kept["omero"] = {**made, **theirs}
        ours = {key: item for key, item in made.items() if key not in theirs}
        known[OMERO_DIGEST] = _digest(ours)
    elif theirs:
        kept["omero"] = theirs
    kept["multiscales"] = [{**first, "metadata": known}, *more]
    return kept if holder is attributes else {**attributes, "ome": kept}


def with_others_omero(attributes: Document, shown: Document) -> Document:
    """Return a group's attributes with the `omero` that others wrote in `shown`, another group's.

    An `omero` of others that the group has itself stays.
    """
    if others_omero(attributes) or not others_omero(shown):
        return attributes
    attributes = without_our_omero(attributes)
    holder = ome_attributes(attributes)
    kept = {**holder, "omero": ome_attributes(shown, "omero")["omero"]}
    return kept if holder is attributes else {**attributes, "ome": kept}


def without_our_omero(attributes: Document) -> Document:
    """Return a group's attributes without what this package wrote of an `omero`."""
    holder, ours = ome_attributes(attributes), _our_keys(attributes)
    if not ours:
        return attributes
    kept = {key: item for key, item in holder.items() if key != "omero"}
    theirs = {key: item for key, item in holder["omero"].items() if key not in ours}
    if theirs:
        kept["omero"] = theirs
    return kept if holder is attributes else {**attributes, "ome": kept}


def without_omero(attributes: Document) -> Document:
    """Return a group's attributes without an `omero`, whoever wrote it."""
    holder = ome_attributes(attributes, "omero")
    kept = {key: item for key, item in holder.items() if key != "omero"}
    return kept if holder is attributes else {**attributes, "ome": kept}


def channel_names(attributes: Document) -> tuple[str, ...]:
    """Return the names that a group's `omero` gives channels; () where not all have one."""
    found = ome_attributes(attributes, "omero").get("omero")
    channels = found.get("channels") if isinstance(found, dict) else None
    if not isinstance(channels, list):
        return ()
    told = [channel.get("label") if isinstance(channel, dict) else None for channel in channels]
    names = [name for name in told if isinstance(name, str) and name]
    return tuple(names) if len(names) == len(told) else ()


def others_omero(attributes: Document) -> bool:
    """Tell whether a group has an `omero` whose channels others wrote or changed."""
    found = ome_attributes(attributes, "omero").get("omero")
    if isinstance(found, dict) and not found.get("channels"):
        return False
    return found is not None and not _our_keys(attributes)


def _our_keys(attributes: Document) -> tuple[str, ...]:
    """Return the keys of a group's `omero` that this package wrote, as the digest tells."""
    found = ome_attributes(attributes).get("omero")
    metadata = (read_multiscales(attributes) or {}).get("metadata")
    known = metadata.get(OMERO_DIGEST) if isinstance(metadata, dict) else None
    if known is None or not isinstance(found, dict):
        return ()
    for keys in (("channels", "rdefs"), ("channels",)):
        if _digest({key: found.get(key) for key in keys}) == known:
            return keys
    return ()


def _digest(found: Any) -> str:
    text = json.dumps(found, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _pair(found: Any) -> tuple[float, float] | None:
    """Return two finite numbers in order, or None where there is anything else."""
    if not isinstance(found, list | tuple) or len(found) != 2:
        return None
    if not all(type(number) in (int, float) and math.isfinite(number) for number in found):
        return None
    return (found[0], found[1]) if found[0] <= found[1] else None


def _window(
    found: tuple[float, float] | None, dtype: str, extremes: tuple[float, float] | None
) -> Document:
    """Return a window that starts before it ends, on a slider that holds it."""
    if kind_of(dtype) == "float":
        least, largest = extremes or found or (0.0, 1.0)
    else:
        least, largest = limits(dtype)
    start, end = (min(max(place, least), largest) for place in found or (least, largest))
    if start >= end and kind_of(dtype) == "float":
        end = start + (abs(start) / 100 or 1.0)
    elif start >= end:
        start, end = (start, start + 1) if start < largest else (start - 1, start)
    return {"min": min(least, start), "max": max(largest, end), "start": start, "end": end}


def _shared(found: Sequence[tuple[float, float] | None], dtype: str) -> tuple[float, float] | None:
    """Return one window for red, green and blue: of 8 bits as on a screen, else around theirs."""
    known = [pair for pair in found if pair is not None]
    if dtype == "uint8" or not known:
        return None
    return min(start for start, _ in known), max(end for _, end in known)


def channel_colors(n_channels: int) -> Sequence[str]:
    """Return a colour for each channel, no two alike, as six hexadecimal digits."""
    if n_channels in _FEW:
        return _FEW[n_channels]
    shades = (colorsys.hsv_to_rgb(number / n_channels, 1.0, 1.0) for number in range(n_channels))
    return ["".join(f"{round(255 * part):02X}" for part in shade) for shade in shades]
