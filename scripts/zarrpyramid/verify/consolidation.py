"""Whether consolidated metadata, which many readers take in place of documents, says what they say.

Reads documents alone. What they must say is for others to know.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import join, read_consolidated, read_node

from .findings import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .pyramid import Survey

    Document = dict[str, Any]


def check_consolidated(survey: Survey) -> Iterator[Check | Finding]:
    """Yield where consolidated metadata of the group, or of one above, contradicts documents."""
    store, steps = survey.store, survey.path.split("/") if survey.path else []
    spelling = survey.group.format
    nodes = [survey.path, *(survey.array_path(level) for level in survey.levels)]
    shown = {path: (level.number if level else None, _documents(survey, path))
             for path, level in zip(nodes, (None, *survey.levels), strict=True)}  # fmt: skip
    for depth in range(len(steps) + 1):
        above = "/".join(steps[:depth])
        kept = read_consolidated(store, above, survey.group.zarr_format)
        if kept is None:
            continue
        where, name = join(store.name, above), spelling.consolidated_document
        n_wrong = 0
        for path, (number, documents) in shown.items():
            below = path[len(above) :].strip("/")
            for key, document in documents.items():
                if not below and not spelling.lists_itself:
                    continue
                told = kept.get(spelling.consolidated_key(below, key))
                what = _difference(told, document)
                if what:
                    n_wrong += 1
                    yield Finding(
                        what=f"consolidated metadata of {where} {what}, and readers believe it",
                        level=number,
                        key=join(store.name, path, key),
                        way_out=f"consolidate it anew: {_consolidate_command(where)}",
                    )
        yield Check(name="consolidated", figure=f"{join(where, name)}, {n_wrong} differ")


def _consolidate_command(where: str) -> str:
    """Return the command that has zarr-python consolidate a group anew."""
    code = f"import zarr; zarr.consolidate_metadata({where!r})"
    return f"uv run python -c {shlex.quote(code)}"


def _documents(survey: Survey, path: str) -> dict[str, Document | None]:
    """Return a node's documents by name; None stands for the one that is not there."""
    level = next((each for each in survey.levels if survey.array_path(each) == path), None)
    if level is not None and level.metadata is None:
        absent = level.fault == "is listed, and there is no array"
        return {survey.group.format.array_document: None} if absent else {}
    node = read_node(survey.store, path)
    return {} if node is None else dict(node.documents)


def _difference(told: Any, document: Document | None) -> str:
    """Return how consolidated metadata differs from a document, or nothing."""
    if document is None:
        return "" if told is None else "shows an array that is not there"
    if not isinstance(told, dict):
        return "does not show it"
    wrong = [key for key in document
             if key in told and key != "consolidated_metadata" and told[key] != document[key]
             and str(told[key]) != str(document[key])]  # fmt: skip
    return f"has another {', '.join(sorted(wrong))}" if wrong else ""
