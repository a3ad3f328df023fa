"""Sentinels that the store contradicts: what they prove is not there any more.

The Snakefile asks for them while it plans, and sets them aside, so that their levels are made
again. They are held against the store alone: a run from a fresh clone finds the same. Imports no
array library.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zarrpyramid.errors import MetadataError, PyramidError
from zarrpyramid.metadata import fits, proofs, read_node, read_sentinel, same_text
from zarrpyramid.plan import COPY_KEY, MOST_COUNTED, Level, base_record, why_remade
from zarrpyramid.stores import write_aside

from .opening import opening_number, purpose
from .publish import listed_attributes
from .withdrawal import reported_faults

if TYPE_CHECKING:
    from pathlib import Path

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import BaseLayout, Image


def stale_sentinels(
    image: Image, folder: Path, layout: BaseLayout, source: BaseLayout | None = None
) -> dict[Path, str]:
    """Return the sentinels below a folder of results that the store contradicts, and why.

    So is a table whose report says Incomplete: what that tells may be mended since, and is looked
    at again.

    The sentinel of a level is stale for the reasons of `why_remade`; that of level 0, and with it
    that of level 1, if an object of level 0 has changed, or an object that it was copied from.

    Parameters
    ----------
    layout
        What level 0's objects look like now.
    source
        The same of the objects that level 0 is taken from, where it has a source.
    """
    if not folder.exists():  # of most images of a new run
        return {}
    owner = read_sentinel(folder / "image.json")
    if owner is not None and not fits(owner, _owner(image)):
        mine = [
            path for inside in (".", "levels", "parts") for path in folder.glob(f"{inside}/*.json")
        ]
        return dict.fromkeys(mine, f"{folder} belonged to another image")
    stale = _stale_base(image, folder, owner, layout, source)
    for plan in image.plan.levels[1:]:
        level, path = Level(image, plan.level), folder / "levels" / f"{plan.level}.json"
        is_there = path.exists()
        if is_there and (reason := _why_stale(level, read_sentinel(path))):
            stale[path] = reason
        if path in stale or not is_there:
            stale.update(_stale_parts(level, folder, layout))
    if image.plan.image.label_report and not _counts_hold(image, folder):
        stale[folder / "labels.json"] = f"{image.plan.where} has other levels than were counted"
    listed = folder / "multiscales.json"
    if image.plan.lists_levels and listed.exists() and not _list_holds(image):
        stale[listed] = f"{image.plan.where} lists other levels, or lists them differently"
    if faults := reported_faults(folder):
        stale[folder / "summary.md"] = (
            f"the report beside it says Incomplete: {faults[0].removesuffix('.')}"
        )
    return {path: reason for path, reason in stale.items() if path.exists()}


def set_aside(stale: dict[Path, str]) -> None:
    """Move stale sentinels into a folder beside them, where no rule looks for them."""
    for path in stale:
        aside = path.parent / "set-aside" / path.name
        aside.parent.mkdir(exist_ok=True)
        path.replace(aside)


def write_owner(image: Image, folder: Path, layout: BaseLayout) -> None:
    """Write into the results folder which image it belongs to, and what its level 0 looked like.

    Another image then takes another name, and a change of level 0 is seen. Not a sentinel: it holds
    a path, and a digest of times.
    """
    note = {**_owner(image), "watch": layout.watch}
    write_aside(folder / "image.json", (json.dumps(note) + "\n").encode())


def write_source(image: Image, folder: Path, layout: BaseLayout) -> None:
    """Note in a folder of results what level 0 was taken from, and what that looked like then."""
    assert image.source is not None
    note = {"source": image.source.name, "watch": layout.watch}
    write_aside(folder / "source.json", (json.dumps(note) + "\n").encode())


def _stale_base(
    image: Image,
    folder: Path,
    owner: Record | None,
    layout: BaseLayout,
    source: BaseLayout | None,
) -> dict[Path, str]:
    """Return the sentinels of level 0, and of level 1 that was made from it, and why."""
    stale: dict[Path, str] = {}
    level, sealed = Level(image, 0), folder / "levels" / "0.json"
    if image.plan.image.test_image is not None and level.node is None:
        stale[folder / "test_image.json"] = f"{level.name} is absent"
    if image.source is not None and source is not None:
        reason = _why_taken_again(level, folder, owner, layout, source)
        if reason:
            stale[folder / "base_copy.json"] = stale[sealed] = reason
        if image.input and (reason or not (folder / "base_copy.json").exists()):
            stale.update(_stale_parts(level, folder, source))
    if level.node is None or read_sentinel(sealed) != base_record(image, layout):
        stale[sealed] = f"{level.name} has other objects than were sealed"
    elif owner is not None and owner.get("watch") != layout.watch:
        reason = f"objects of {level.name} have changed"
        stale[sealed] = stale[sealed.with_name("1.json")] = reason
    return stale


def _why_taken_again(
    level: Level, folder: Path, owner: Record | None, layout: BaseLayout, source: BaseLayout
) -> str:
    """Return why level 0 is not what was taken from the source that is configured, or ""."""
    image, store = level.image, level.store
    assert image.source is not None
    known = read_sentinel(folder / "base_copy.json")
    if store.is_link(level.path):
        leads = store.link_target(level.path)
        is_taken = leads == image.source.name and known is not None and known["taken"] == "link"
    else:
        is_taken = level.node is not None and level.node.attributes.get(COPY_KEY) == known
    if not is_taken or known is None:
        return f"{level.name} is absent, or was not taken from {image.source.name}"
    if known["taken"] != ("copy" if image.copies else "link"):
        return f"{level.name} is a {known['taken']}, but link_base asks for the other"
    if not image.copies:
        return ""
    expected = {"source": image.source.name, "watch": source.watch}
    if read_sentinel(folder / "source.json") != expected:
        return f"objects of {image.source.name} have changed since they were copied"
    if owner is None or owner.get("watch") != layout.watch:
        return f"objects of {level.name} have changed since they were copied"
    return ""


def _why_stale(level: Level, sentinel: Record | None) -> str:
    """Return why a sentinel does not prove its level, or ""."""
    if sentinel is None:
        return "it is no record"
    try:
        return why_remade(level, proof=sentinel, most_counted=MOST_COUNTED)
    except MetadataError as error:
        return str(error)


def _stale_parts(level: Level, folder: Path, layout: BaseLayout) -> dict[Path, str]:
    """Return the sentinels of an unproved level's parts that are not of its opening as it is now.

    Where the level is not open for what it is to be, that is all of them.
    """
    paths = list((folder / "parts").glob(f"{level.number}.*.json"))
    if not paths:
        return {}
    finer = read_sentinel(folder / "levels" / f"{level.number - 1}.json")
    # An absent one is made again, and after it the opening, whatever this one is.
    is_known = finer is not None or level.number == 0
    wanted = purpose(level, finer or {}, layout) if is_known else level.form
    number = opening_number(level, wanted)
    return {
        path: f"{level.name} is not open for it"
        for path in paths
        if number is None or (read_sentinel(path) or {}).get("opening") != number
    }


def _counts_hold(image: Image, folder: Path) -> bool:
    """Tell whether the ids that a report counted are those of the levels that sentinels prove."""
    report = read_sentinel(folder / "labels.json") or {}
    numbers = range(len(image.plan.levels))
    records = [read_sentinel(folder / "levels" / f"{level}.json") or {} for level in numbers]
    return [counted.get("proof") for counted in report.get("levels", [])] == proofs(records)


def _list_holds(image: Image) -> bool:
    """Tell whether the group lists the levels as the plan does."""
    node = read_node(image.store, image.path)
    attributes = {} if node is None else node.attributes
    try:
        return same_text(listed_attributes(image, attributes), attributes)
    except PyramidError:  # level 1, which tells the windows, cannot be read
        return False


def _owner(image: Image) -> Record:
    return {"store": image.plan.image.store, "field": image.plan.image.field}
