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
    if labels or dtype == "bool":
        value, why = "zstd", "labels compress best by long repeats"
    elif ITEM_SIZES[dtype] == 1:
        value, why = "zstd:1", "a voxel of one byte has no bytes to shuffle"
    else:
        value, why = "blosc-zstd:1", f"shuffled bytes of {dtype} compress better and faster"
    return Decision(key="compressor", value=value, why=why)
