"""A level that is open: its parts are being made, and no metadata document is there yet.

What one opening is for, its number, and which sentinels are of it. The document that says so stands
in the level's folder and is the first thing removed with it: so objects that sentinels of parts
prove cannot be removed, or made for something else, without these sentinels losing their opening.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from zarrpyramid.metadata import OPENING_DOCUMENT, join, put_document, read_document
from zarrpyramid.plan import base_layout, level_metadata

if TYPE_CHECKING:
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import BaseLayout, Image


def find_opening(image: Image, level: int) -> Record | None:
    """Return what stands in a level's folder about its opening, None where it is not open."""
    return read_document(image.store, _key(image, level))


def purpose(image: Image, level: int, finer: Record, layout: BaseLayout | None = None) -> Record:
    """Return what a level is opened for: what it shall be, and of which voxels.

    Parameters
    ----------
    finer
        Record of the level before.
    layout
        Of level 0's objects as they are now; looked at where it is not given.
    """
    source = (layout or base_layout(image)).watch if level == 1 else finer["digest"]
    return {**form(image, level), "source": source}


def form(image: Image, level: int) -> Record:
    """Return what a level shall be, of whatever voxels."""
    document = level_metadata(image, level).document
    wanted: Record = json.loads(json.dumps({"document": document}))
    return {**image.plan.levels[level].expected, **wanted}


def begin_opening(image: Image, level: int, wanted: Record) -> Record:
    """Open a level whose place is clear, under a number that no opening had before."""
    opening = {**wanted, "opening": secrets.token_hex(8)}
    put_document(image.store, _key(image, level), opening)
    image.store.sync()
    return opening


def end_opening(image: Image, level: int) -> None:
    """Close a level: no part is made for it any more, and none that was made counts."""
    image.store.delete(_key(image, level))


def _key(image: Image, level: int) -> str:
    return join(image.level_path(level), OPENING_DOCUMENT)
