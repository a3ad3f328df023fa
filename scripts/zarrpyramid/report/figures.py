"""Pictures of slices: grey values, colours and labels, as WebP for a report or as PNG.

The only module that imports Pillow.
"""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    Pixels = np.ndarray[Any, np.dtype[Any]]
    Window = tuple[float, float]

NOT_FINITE = (0xB5, 0x33, 0x8A)
"""Colour of voxels that are NaN or infinite: magenta."""

WHITE = "FFFFFF"
_LOW, _HIGH = 0.005, 0.998
_MOST = 2**16
"""Pixels of a slice, at most, by which a window is chosen."""
_TAPS = 4
"""Pixels along an edge, at most, whose mean stands for all that one pixel of a picture covers."""
_LOSSLESS = 96**2
"""Pixels up to which a picture is stored without loss."""


def contrast_window(pixels: Sequence[Pixels]) -> Window:
    """Return the 0.5th and 99.8th percentile of all finite pixels; a window that is never empty."""
    thinned = [plane.ravel()[:: -(-plane.size // _MOST) or 1] for plane in pixels]
    flat = [np.asarray(plane, np.float64) for plane in thinned]
    values = np.concatenate(flat) if flat else np.empty(0)
    values = np.sort(values[np.isfinite(values)])
    if values.size == 0:
        return 0.0, 1.0
    # numpy's percentile imports a third of numpy more.
    low = float(values[math.floor(_LOW * (values.size - 1))])
    high = float(values[math.ceil(_HIGH * (values.size - 1))])
    if high <= low:
        low, high = float(values[0]), float(values[-1])
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def step_of(shape: tuple[int, ...], side: int) -> int:
    """Return how many pixels of a slice make one of its picture, no edge of which is longer."""
    return max(1, -(-max(shape) // side))


def averaged(pixels: Pixels, step: int) -> Pixels:
    """Return windows of `step` x `step` pixels as means of those that are finite among 16 of each.

    NaN stands where none is.
    """
    offsets = sorted({n * (step - 1) // max(_TAPS - 1, 1) for n in range(_TAPS)})
    shape = tuple(-(-extent // step) for extent in pixels.shape)
    sums, counts = np.zeros(shape), np.zeros(shape)
    for row in offsets:
        for column in offsets:
            part = pixels[row::step, column::step].astype(np.float64)
            there = np.isfinite(part)
            place = tuple(slice(0, extent) for extent in part.shape)
            sums[place] += np.where(there, part, 0)
            counts[place] += there
    with np.errstate(invalid="ignore"):
        found: Pixels = sums / counts
    return found


def shares(pixels: Pixels, window: Window) -> Pixels:
    """Return where values lie in a window: 0 is black and 1 is full; NaN stays."""
    return np.clip((pixels - window[0]) / (window[1] - window[0]), 0, 1)


def slice_picture(pixels: Pixels, window: Window, side: int) -> bytes:
    """Return a slice in grey as WebP, no edge of which is beyond `side`."""
    return colour_picture([pixels], [window], [WHITE], side)


def colour_picture(
    planes: Sequence[Pixels], windows: Sequence[Window], colours: Sequence[str], side: int
) -> bytes:
    """Return channels, each in its colour and all added up, as WebP; see `colour_pixels`."""
    picture = colour_pixels(planes, windows, colours, side)
    return _webp(picture, lossless=picture[..., 0].size <= _LOSSLESS)


def colour_pixels(
    planes: Sequence[Pixels], windows: Sequence[Window], colours: Sequence[str], side: int
) -> Pixels:
    """Return channels, each in its colour and all added up, as bytes of red, green and blue.

    Parameters
    ----------
    planes
        The slice of each channel, all of one shape.
    colours
        As six hexadecimal digits.
    side
        Pixels along the longer edge, at most.
    """
    step = step_of(planes[0].shape, side)
    found = [
        shares(averaged(plane, step), window) for plane, window in zip(planes, windows, strict=True)
    ]
    light = np.zeros((*found[0].shape, 3))
    for share, digits in zip(found, colours, strict=True):
        full = np.frombuffer(bytes.fromhex(digits), np.uint8) / 255
        light += np.nan_to_num(share)[..., None] * full
    picture: Pixels = np.clip(256 * light, 0, 255).astype(np.uint8)
    picture[np.logical_and.reduce([np.isnan(share) for share in found])] = NOT_FINITE
    return picture


def label_picture(pixels: Pixels, side: int) -> bytes:
    """Return a slice of labels as WebP; see `label_pixels`."""
    return _webp(label_pixels(pixels, side), lossless=True)


def label_pixels(pixels: Pixels, side: int) -> Pixels:
    """Return labels as bytes of red, green and blue, where 0 is black.

    An id has the same colour in all pictures. Of a large slice it is every k-th pixel.
    """
    step = step_of(pixels.shape, side)
    ids = np.asarray(pixels[::step, ::step]).astype(np.uint64)
    # Fibonacci hashing: neighbouring ids get colours far apart.
    hashed = ids * np.uint64(0x9E3779B97F4A7C15)
    hue = (hashed >> np.uint64(40)).astype(np.float64) / 2**24
    light = 0.62 + 0.38 * ((hashed >> np.uint64(20)) & np.uint64(0xFF)).astype(np.float64) / 255
    turns = np.array([0.0, 1 / 3, 2 / 3])
    # A cosine for each of red, green and blue: no colour map has as many colours.
    colour = light[..., None] * (0.58 + 0.42 * np.cos(2 * np.pi * (hue[..., None] - turns)))
    colour[ids == 0] = 0.0
    picture: Pixels = (255 * colour).astype(np.uint8)
    return picture


def as_url(picture: bytes, form: str = "webp") -> str:
    """Return a picture as the page holds it."""
    return f"data:image/{form};base64,{base64.b64encode(picture).decode()}"


def as_png(colours: Pixels, size: tuple[int, int], *, is_labels: bool) -> bytes:
    """Return a picture as PNG of another size (width, height); colours of ids are not mixed."""
    buffer = io.BytesIO()
    buffer.name = "thumbnail.png"  # as in `_webp`
    is_grey = (colours == colours[..., :1]).all()  # a third of the bytes
    picture = Image.fromarray(colours[..., 0] if is_grey else colours)
    if picture.size != size:
        # Means of what one pixel covers; where it covers less than one, the nearest.
        way = Image.Resampling.NEAREST if is_labels else Image.Resampling.BOX
        picture = picture.resize(size, way)
    picture.save(buffer)
    return buffer.getvalue()


def _webp(colours: Pixels, *, lossless: bool) -> bytes:
    buffer = io.BytesIO()
    # By this ending Pillow loads one format; by `format` it loads all 40, in four times the time.
    buffer.name = "slice.webp"
    Image.fromarray(colours).save(buffer, lossless=lossless, quality=82, method=2)
    return buffer.getvalue()
