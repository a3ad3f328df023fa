"""What a store holds beside a pyramid, which nobody may change who builds that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zarrpyramid.metadata import listed_paths

if TYPE_CHECKING:
    from pathlib import Path


def contents(store: Path) -> dict[str, bytes]:
    """Return every file of a store by its path in it."""
    return {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*") if p.is_file()}


def harmed(store: Path, field: str, before: dict[str, bytes]) -> list[str]:
    """Return the files of a store that differ from those before, and may not.

    Levels may, and the list of the group. In the documents of level 0 and of the groups above,
    nothing may differ but names of dimensions and consolidated metadata.
    """
    after, own = contents(store), f"{field}/" if field else ""
    base, *ours = _paths(after, own)
    levels = {path.partition("/")[0] for path in (*_paths(before, own), *ours) if path != base}
    places = tuple(f"{own}{level}/" for level in levels - {base.partition("/")[0]})
    return [
        key
        for key in sorted(before)
        if after.get(key) != before[key]
        and not key.startswith(places)
        and not _is_told(key, before[key], after.get(key), own, base)
    ]


def _is_told(key: str, old: bytes, new: bytes | None, own: str, base: str) -> bool:
    """Tell whether a document of level 0, its group or a group above differs as it may."""
    folder, _, name = key.rpartition("/")
    above = f"{folder}/" if folder else ""
    is_near = own.startswith(above) or folder == f"{own}{base}"
    if new is None or not is_near or name not in (".zmetadata", ".zattrs", "zarr.json"):
        return False
    if name == ".zmetadata" or above == own:
        return True
    told = ("consolidated_metadata", "dimension_names")
    documents = [json.loads(text) for text in (old, new)]
    kept = [{key: item for key, item in each.items() if key not in told} for each in documents]
    return kept[0] == kept[1]


def _paths(files: dict[str, bytes], own: str) -> list[str]:
    """Return the paths that a group lists."""
    for name in ("zarr.json", ".zattrs"):
        if f"{own}{name}" in files:
            document = json.loads(files[f"{own}{name}"])
            return listed_paths(document.get("attributes", document))
    return []
