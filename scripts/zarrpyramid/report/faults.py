"""What is wrong with a pyramid that a report shows: all that `status` names, and what it has read.

Voxels that a report has read are held against the records, and damaged chunks are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarrpyramid.downsample import fingerprint
from zarrpyramid.errors import AccessError, PyramidError
from zarrpyramid.plan import Level, way_back
from zarrpyramid.verify import DEFECT, Finding, check_archive, document_faults

from .slices import BUDGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.plan import Image
    from zarrpyramid.verify import Pyramid

    from .facts import LevelFacts
    from .slices import Preview


def find_faults(
    image: Image, pyramid: Pyramid, facts: Sequence[LevelFacts], previews: Sequence[Preview]
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the levels, their documents, and the bytes that are looked at.

    After it, what is in their documents that misleads some readers.

    A single file is read whole, unless it is remote.
    """
    lacks = [f"level {level.plan.level} {level.fault}" for level in facts[1:] if level.fault]
    faults = [f"{'; '.join(lacks)}; run the workflow again, which makes them again"] * bool(lacks)
    if lost := facts[0].fault:
        faults.insert(0, f"level 0 {lost}; {way_back(Level(image, 0).metadata)}")
    warnings = list[str]()
    if image.store.lists:
        try:
            wrong, warnings = document_faults(pyramid)
        except AccessError:
            raise
        except PyramidError as error:
            wrong = [str(error)]
        faults += wrong
    if not image.store.is_remote:
        findings = [each for each in check_archive(image.store) if isinstance(each, Finding)]
        faults += [found.line.partition(" ")[2] for found in findings if found.grade == DEFECT]
    whole = [preview for preview in previews if not facts[preview.level].fault]
    faults += [
        f"level {preview.level} cannot be read: {_way_out(pyramid, facts, preview)}"
        for preview in whole
        if preview.fault and not any(preview.fault in fault for fault in faults)
    ]
    faults += [
        _changed(pyramid, preview.level)
        for preview in whole
        if preview.digest and recorded(facts, preview.level) not in ("", preview.digest)
    ]
    known = _made_from(pyramid) if is_base_read(facts) and not faults else ""
    if known and not previews[0].digest and fingerprint(Level(image, 0)) != known:
        faults.append(
            "level 0 has other stored bytes than level 1 was made from; zarrpyramid verify tells "
            "whether its voxels are others"
        )
    return faults, warnings


def compared_levels(facts: Sequence[LevelFacts], previews: Sequence[Preview]) -> list[int]:
    """Return the levels that were read whole and held against a record."""
    return [
        preview.level
        for preview in previews
        if (preview.digest and recorded(facts, preview.level))
        or (preview.level == 0 and is_base_read(facts))
    ]


def recorded(facts: Sequence[LevelFacts], level: int) -> str:
    """Return the digest that a level's record holds, that of level 1 for level 0; "" for none."""
    return str(facts[level].statistics.get("digest", ""))


def _way_out(pyramid: Pyramid, facts: Sequence[LevelFacts], preview: Preview) -> str:
    """Return why a level cannot be read, with the repair where an object of ours is damaged."""
    what, is_damaged, _ = preview.fault.partition("; restore it")
    if is_damaged and preview.level and recorded(facts, preview.level):
        return f"{what}; {pyramid.repair('--full')}"
    return preview.fault


def _changed(pyramid: Pyramid, level: int) -> str:
    if not level:
        return (
            "level 0 has other voxels than level 1 was made from; restore them, or run the "
            "workflow again, which makes the levels of those that are there"
        )
    return f"level {level} has other voxels than its record says; {pyramid.repair('--full')}"


def is_base_read(facts: Sequence[LevelFacts]) -> bool:
    """Tell whether all bytes of level 0 are read: no job has just done so, and they are few."""
    size = facts[0].stored_bytes
    return not any(level.n_jobs for level in facts) and size is not None and size <= BUDGET


def _made_from(pyramid: Pyramid) -> str:
    """Return the fingerprint of the level 0 that level 1 was made from; "" where none is known."""
    records = [level.record for level in pyramid.levels[1:2] if level.record]
    return str(records[0].get("source", {}).get("fingerprint", "")) if records else ""
