"""What an image is, whoever made it, by its documents and a list of its objects; reads no voxel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import find_members, locate
from zarrpyramid.programs import command
from zarrpyramid.tables import aligned_table, as_bytes
from zarrpyramid.verify import pyramid_at, read_pyramid, status_of

from .facts import number
from .web_links import web_links

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.metadata import ArrayMetadata, Document, Member
    from zarrpyramid.stores import Store
    from zarrpyramid.verify import FoundLevel, LevelStatus, Pyramid

_AXES = ("axis", "type", "unit", "extent", "voxel size")
_LEVELS = ("level", "shape", "scale", "chunks", "shards", "codecs", "made by", "objects", "bytes")
_IMAGES = ("image", "shape", "dtype", "levels")
_OF_ONE = (
    "format",
    "is_labels",
    "axes",
    "levels",
    "bytes",
    "channels",
    "labels",
    "faults",
    "warnings",
    "notes",
    "links",
)
"""Keys of what is told of one image."""
_SHOWN = 40
"""Images of a group that are shown; JSON has all of them."""


def describe(path: str, *, storage_options: Mapping[str, Any] | None = None) -> Document:
    """Return what is known of the image at a path or URL, or which images the group there holds.

    Its keys are those of `zarrpyramid info --json`.

    Raises
    ------
    PyramidError
        If there is no image, or it cannot be read.
    """
    store, inside = locate(path, "", options=storage_options)
    members = list(find_members(store, inside))
    if members and members[0].path != inside:
        where = f"{store.name}/{inside}".rstrip("/")
        images = store.each(partial(_member, store, len(inside)), members)
        return {"path": where, "images": list(images), **dict.fromkeys(_OF_ONE)}
    pyramid = pyramid_at(store, inside)
    found = status_of(pyramid) if store.lists else None
    stored = {} if found is None else {level.path: level for level in found.levels}
    return {
        "path": pyramid.where,
        "images": None,
        "format": {"version": pyramid.version, "zarr_format": pyramid.zarr_format},
        "is_labels": pyramid.is_labels,
        "axes": _axes(pyramid),
        "levels": [_level(pyramid, level, stored.get(level.path)) for level in pyramid.levels],
        "bytes": sum(level.stored_bytes for level in found.levels) if found else None,
        "channels": [_channel(channel) for channel in pyramid.channels],
        "labels": [member.path.rpartition("/")[2] for member in members[1:]],
        "faults": found and found.faults,
        "warnings": found and found.warnings,
        "notes": found and found.notes,
        "links": web_links(store, inside) if pyramid.listed else {},
    }


def description_lines(found: Document) -> list[str]:
    """Return what `describe` found as lines for people."""
    if found["images"] is not None:
        return _lines_of_images(found["path"], found["images"])
    levels, form = found["levels"], found["format"]
    listed = f"OME-Zarr {form['version']}" if form["version"] else "not listed as OME-Zarr"
    size = [] if found["bytes"] is None else [as_bytes(found["bytes"])]
    n_levels = f"{len(levels)} level{'s' * (len(levels) != 1)}"
    kind = "labels" if found["is_labels"] else "image"
    head = [
        f"{levels[0]['dtype'] or 'unreadable'} {kind}",
        n_levels,
        listed,
        f"zarr v{form['zarr_format']}",
        *size,
    ]
    axes = [
        tuple("-" if value is None else number(value) for value in axis.values())
        for axis in found["axes"]
    ]
    lines = [f"{found['path']}: {', '.join(head)}"]
    lines += ["", *aligned_table(_AXES, axes)] if axes else []
    lines += ["", *aligned_table(_LEVELS, map(_row, levels)), ""]
    if found["channels"]:
        lines.append(f"channels: {', '.join(map(_spelled, found['channels']))}")
    if found["labels"]:
        lines.append(f"labels: {', '.join(found['labels'])}")
    lines += [f"warning: {warning}" for warning in found["warnings"] or ()]
    lines += [f"note: {note}" for note in found["notes"] or ()]
    lines.append(_verdict(found))
    lines += [f"{name}: {address}" for name, address in found["links"].items()]
    return lines


def _member(store: Store, start: int, member: Member) -> Document:
    """Return what is told of one of many images; of what cannot be read, why."""
    told: Document = {"path": member.path[start:].lstrip("/"), "fault": member.fault}
    try:
        levels = [] if member.fault else read_pyramid(store, member.path).levels
    except PyramidError as error:
        told["fault"], levels = str(error), []
    base = levels[0].metadata if levels else None
    return {
        **told,
        "shape": base and base.shape,
        "dtype": base and base.dtype,
        "levels": len(levels),
        "is_labels": member.image is not None,
    }


def _axes(pyramid: Pyramid) -> list[Document]:
    axes, base = pyramid.axes, pyramid.levels[0].metadata
    fits = base is not None and len(base.shape) == len(axes)
    extents = base.shape if base and fits else [None] * len(axes)
    return [
        {
            "name": axis["name"],
            "type": kind,
            "unit": axis.get("unit"),
            "extent": extent,
            "voxel_size": size,
        }
        for axis, kind, extent, size in zip(
            axes, pyramid.types, extents, pyramid.voxel_sizes, strict=True
        )
    ]


def _level(pyramid: Pyramid, level: FoundLevel, stored: LevelStatus | None) -> Document:
    scale, translation = pyramid.transformations(level)
    record, array = level.record or {}, level.metadata
    return {
        "level": level.number,
        "path": level.path,
        "listed": level.listed,
        "shape": array and array.shape,
        "dtype": array and array.dtype,
        "scale": scale,
        "translation": translation,
        "chunks": array and array.chunks,
        "shards": array and array.shards,
        "codecs": array and _codecs(array),
        "method": record.get("recipe", {}).get("method"),
        "digest": record.get("digest"),
        "objects": stored and stored.n_objects,
        "bytes": stored and stored.stored_bytes,
        "fault": level.fault or (stored.fault if stored else ""),
    }


def _codecs(array: ArrayMetadata) -> list[str]:
    """Return the names of the codecs of a chunk, without the one that only orders its bytes."""
    return [str(codec["name"]) for codec in array.codecs if codec["name"] != "bytes"]


def _channel(channel: Document) -> Document:
    window = channel.get("window")
    ends = [window.get("start"), window.get("end")] if isinstance(window, dict) else None
    return {"label": channel.get("label"), "color": channel.get("color"), "window": ends}


def _row(level: Document) -> Sequence[str]:
    who = level["method"] or ("-" if level["level"] == 0 else "others")
    scale = "x".join(f"{size:.6g}" for size in level["scale"]) if level["scale"] else "-"
    return (
        level["path"],
        _extents(level["shape"]),
        scale,
        _extents(level["chunks"]),
        _extents(level["shards"]),
        ", ".join(level["codecs"] or ()) or "-",
        who,
        number(level["objects"]),
        "-" if level["bytes"] is None else as_bytes(level["bytes"]),
    )


def _extents(extents: Sequence[int] | None) -> str:
    return "x".join(map(str, extents)) if extents else "-"


def _spelled(channel: Document) -> str:
    window = channel["window"] and " to ".join(map(number, channel["window"]))
    told = ", ".join(str(item) for item in (channel["color"], window) if item)
    return f"{channel['label']} ({told})" if told else str(channel["label"])


def _verdict(found: Document) -> str:
    """Return whether it is complete, and which command says more."""
    if found["faults"] is None:
        return "complete or not: nobody knows, as a web server lists no objects"
    if found["faults"]:
        first, *more = found["faults"]
        rest = f"; {len(more)} more by {command('zarrpyramid', 'status', found['path'])}"
        return f"NOT COMPLETE: {first}{rest * bool(more)}"
    prove = command("zarrpyramid", "verify", found["path"])
    return f"complete, by names and sizes; this proves the voxels: {prove}"


def _lines_of_images(where: str, images: Sequence[Document]) -> list[str]:
    """Return a table of images."""
    rows = [
        (image["path"], _extents(image["shape"]), image["dtype"] or "-", str(image["levels"]))
        for image in images[:_SHOWN]
    ]
    n_more, one = len(images) - len(rows), f"{where}/{images[0]['path']}"
    return [
        f"{where}: a group of {len(images)} image{'s' * (len(images) != 1)}",
        "",
        *aligned_table(_IMAGES, rows),
        *([f"and {n_more} more, which --json lists"] if n_more else []),
        *(f"{image['path']}: {image['fault']}" for image in images[:_SHOWN] if image["fault"]),
        "",
        f"one of them: {command('zarrpyramid', 'info', one)}",
    ]
