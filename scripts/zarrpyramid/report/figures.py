"""Pictures of slices for a report: grey values and labels as WebP.

The only module that imports Pillow.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    Pixels = np.ndarray[Any, np.dtype[Any]]

NOT_FINITE = (0xB5, 0x33, 0x8A)
"""Colour of voxels that are NaN or infinite: magenta."""


def contrast_window(pixels: Sequence[Pixels]) -> tuple[float, float]:
    """Return the 0.5th and 99.8th percentile of all finite pixels; a window that is never empty."""
    flat = [np.asarray(plane, np.float64).ravel() for plane in pixels]
    values = np.concatenate(flat) if flat else np.empty(0)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.percentile(values, [0.5, 99.8]))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def slice_picture(pixels: Pixels, window: tuple[float, float], side: int) -> bytes:
    """Return a slice in grey as WebP, every k-th pixel of it, so that no edge is beyond `side`."""
    shown = np.asarray(_thinned(pixels, side), np.float64)
    is_finite = np.isfinite(shown)
    shares = (np.where(is_finite, shown, window[0]) - window[0]) / (window[1] - window[0])
    grey = np.clip(256 * shares, 0, 255).astype(np.uint8)
    colours = np.repeat(grey[..., None], 3, axis=-1)
    colours[~is_finite] = NOT_FINITE
    return _webp(colours, lossless=grey.size <= 64**2)


def label_picture(pixels: Pixels, side: int) -> bytes:
    """Return a slice of labels as WebP: an id has the same colour in all pictures, 0 is black."""
    ids = np.asarray(_thinned(pixels, side)).astype(np.uint64)
    # Fibonacci hashing: neighbouring ids get colours far apart.
    hashed = ids * np.uint64(0x9E3779B97F4A7C15)
    hue = (hashed >> np.uint64(40)).astype(np.float64) / 2**24
    light = 0.62 + 0.38 * ((hashed >> np.uint64(20)) & np.uint64(0xFF)).astype(np.float64) / 255
    turns = np.array([0.0, 1 / 3, 2 / 3])
    # A cosine for each of red, green and blue: no colour map has as many colours.
    colour = light[..., None] * (0.58 + 0.42 * np.cos(2 * np.pi * (hue[..., None] - turns)))
    colour[ids == 0] = 0.0
    return _webp((255 * colour).astype(np.uint8), lossless=True)


def _thinned(pixels: Pixels, side: int) -> Pixels:
    step = max(1, -(-max(pixels.shape) // side))
    return pixels[::step, ::step]


def _webp(colours: Pixels, *, lossless: bool) -> bytes:
    buffer = io.BytesIO()
    # By this ending Pillow loads one format; by `format` it loads all 40, in four times the time.
    buffer.name = "slice.webp"
    Image.fromarray(colours).save(buffer, lossless=lossless, quality=82)
    return buffer.getvalue()
