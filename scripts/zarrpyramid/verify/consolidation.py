"""Whether consolidated metadata, which many readers believe, says what the documents say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import MetadataError
from zarrpyramid.metadata import groups_above, join, read_consolidated, read_node
from zarrpyramid.programs import command

from .findings import Check, Finding
from .pyramid import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.metadata import Document

    from .pyramid import FoundLevel, Pyramid


def check_consolidated(pyramid: Pyramid) -> Iterator[Check | Finding]:
    """Yield where consolidated metadata of the group or of one above contradicts the documents."""
    spelling = pyramid.group.format
    nodes: list[tuple[str, int | None, Mapping[str, Document | None]]]
    nodes = [(pyramid.path, None, pyramid.group.documents)]
    nodes += [(level.at, level.number, _documents(pyramid, level)) for level in pyramid.every_level]
    for above in (*groups_above(pyramid.path), pyramid.path):
        where, n_wrong = join(pyramid.store.name, above), 0
        document_path = join(where, spelling.consolidated_document)
        code = f"import zarr; zarr.consolidate_metadata({where!r})"
        way_out = f"consolidate it anew: {command('python', '-c', code)}"
        try:
            kept = read_consolidated(pyramid.store, above, pyramid.zarr_format)
        except MetadataError:
            what = f"consolidated metadata of {where} is damaged, and readers believe it"
            yield Finding(what=what, key=document_path, way_out=way_out)
            continue
        if kept is None:
            continue
        for path, number, documents in nodes:
            below = path[len(above) :].strip("/")
            if not below and not spelling.lists_itself:
                continue
            for key, document in documents.items():
                what = _difference(kept.get(spelling.consolidated_key(below, key)), document)
                if what:
                    n_wrong += 1
                    yield Finding(
                        what=f"consolidated metadata of {where} {what}, and readers believe it",
                        level=number,
                        key=join(pyramid.store.name, path, key),
                        way_out=way_out,
                    )
        yield Check(name="consolidated", figure=f"{document_path}, {n_wrong} differ")


def _documents(pyramid: Pyramid, level: FoundLevel) -> dict[str, Document | None]:
    """Return a level's documents by name; None stands for one that is not there."""
    if level.metadata is None:
        return {pyramid.group.format.array_document: None} if level.fault == ABSENT else {}
    node = read_node(pyramid.store, level.at)
    return {} if node is None else dict(node.documents)


def _difference(shown: Any, document: Document | None) -> str:
    """Return how consolidated metadata differs from a document, or ""."""
    if document is None:
        return "" if shown is None else "shows an array that is not there"
    if not isinstance(shown, dict):
        return "does not show it"
    shared = shown.keys() & document.keys() - {"consolidated_metadata"}
    wrong = [key for key in shared if shown[key] != document[key]
             and str(shown[key]) != str(document[key])]  # fmt: skip
    return f"has another {', '.join(sorted(wrong))}" if wrong else ""
