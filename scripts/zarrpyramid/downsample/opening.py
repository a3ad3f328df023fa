"""The opening of a level: a document in its folder, which says that its parts are being made.

It says what the level is opened for, under a number that no other opening has, and it is removed
before anything else of the level. So the objects that sentinels of parts prove cannot be removed,
or made for something else, while these sentinels still count.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zarrpyramid.metadata import OPENING_DOCUMENT, fits, join, put_document, read_document
from zarrpyramid.plan import base_form, base_layout, made_of, source_layout, weights_watch

if TYPE_CHECKING:
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import BaseLayout, Level


def find_opening(level: Level) -> Record | None:
    """Return the opening that is in a level's folder now, None where the level is not open."""
    return read_document(level.store, _key(level))


def opening_number(level: Level, wanted: Record) -> str | None:
    """Return the number under which a level is open for what is wanted, None where it is not."""
    found = find_opening(level)
    number: str | None = found.get("opening") if found and fits(found, wanted) else None
    return number


def purpose(level: Level, finer: Record, layout: BaseLayout | None = None) -> Record:
    """Return what a level is opened for: what it is to be, and which voxels it is made from.

    Parameters
    ----------
    finer
        Record of the level before.
    layout
        Of the objects as they are now that the level is made from, at level 0 and level 1; looked
        at where it is not given.
    """
    form = wanted_form(level)
    weights = weights_watch(level) if level.plan.weights else None
    form |= {} if weights is None else {"weights": weights}
    if level.number == 0:
        return {**form, "source": (layout or source_layout(level.image)).watch}
    if level.number == 1:
        return {**form, "source": (layout or base_layout(level.image)).watch}
    of = made_of(finer)
    return {**form, "source": of["digest"] if len(of) == 1 else of}


def wanted_form(level: Level) -> Record:
    """Return what a level is to be; of a level 0, also what of its source file is taken."""
    if level.number:
        return level.form
    source = level.image.input
    return {**base_form(level.image), "taken": None if source is None else source.taken}


def begin_opening(level: Level, wanted: Record) -> Record:
    """Open a level whose place is clear, under a number that no opening had before."""
    opening = {**wanted, "opening": os.urandom(8).hex()}
    put_document(level.store, _key(level), opening)
    level.store.sync()
    return opening


def end_opening(level: Level) -> None:
    """Close a level: no part is made for it any more, and the sentinels of its parts end."""
    level.store.delete(_key(level))


def _key(level: Level) -> str:
    return join(level.path, OPENING_DOCUMENT)
