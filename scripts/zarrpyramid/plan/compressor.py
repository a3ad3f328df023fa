"""What `compressor: auto` stands for: a fixed rule, so that equal images give equal bytes.

The rule is by measurement of averaged voxels, docs/design/0028-codecs.md. No timing decides what is
stored: `zarrpyramid plan --codecs` measures, and a person decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.reduce import ITEM_SIZES

from .decision import Decision

if TYPE_CHECKING:
    from zarrpyramid.config import ImageConfig

AUTO = "auto"


def decide_compressor(image: ImageConfig, dtype: str, labels: bool) -> Decision[str]:
    """Return the compressor of the new levels.

    Parameters
    ----------
    dtype
        Of the levels.
    labels
        Whether they hold labels.
    """
    if image.compressor != AUTO:
        return Decision(key="compressor", value=image.compressor, given=True)
    value, why = auto_compressor(dtype, labels)
    return Decision(key="compressor", value=value, why=why)


def auto_compressor(dtype: str, labels: bool) -> tuple[str, str]:
    """Return what `auto` is for levels of a data type, and why.

    >>> auto_compressor("uint16", labels=False)[0], auto_compressor("uint16", labels=True)[0]
    ('blosc-zstd:1', 'zstd')
    """
    if labels or dtype == "bool":
        return "zstd", "labels compress best by long repeats"
    if ITEM_SIZES[dtype] == 1:
        return "zstd:1", "a voxel of one byte has no bytes to shuffle"
    return "blosc-zstd:1", f"shuffled bytes of {dtype} compress better and faster"
