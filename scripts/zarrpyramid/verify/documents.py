"""Whether the documents of a pyramid agree with each other: geometry, places, records, codecs.

Reads no voxel and no object; imports no array library.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.metadata import (
    SPACE,
    axis_type,
    read_axes,
    read_datasets,
    read_transformations,
)
from zarrpyramid.plan import VOXEL_REVISION, times
from zarrpyramid.reduce import METHODS, kind_of

from .findings import DEFECT, NOTE, WARNING, Check, Finding, replace_command
from .ngff import check_ngff, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata

    from .pyramid import FoundLevel, Survey

_CLOSE = 1e-6
"""Part of a voxel by which a place may be off, since documents hold decimals."""


def finer_of(survey: Survey, level: FoundLevel) -> FoundLevel | None:
    """Return the level that a level was made from: of ours the one before, else that listed before.

    None for level 0, and where that level is not there.
    """
    there = [other for other in survey.levels if other.metadata is not None]
    if level.record is not None:
        number = survey.paths.level(level.path)
        path = None if number is None else survey.paths.path(number - 1)
        return next((other for other in there if other.path == path), None)
    before = [other for other in there if other.number < level.number]
    return before[-1] if before else None


def recipe_of(level: FoundLevel) -> tuple[str, Shape] | None:
    """Return method and factors that a level's record names, or None where they mean nothing."""
    recipe = (level.record or {}).get("recipe")
    if level.metadata is None or not isinstance(recipe, dict):
        return None
    method, factors = recipe["method"], recipe["factors"]
    fit = method in METHODS and len(factors) == len(level.metadata.shape)
    return (method, tuple(factors)) if fit else None


def factors_between(finer: Shape, coarser: Shape, ratio: tuple[float, ...] | None) -> Shape | None:
    """Return the whole factors by which one shape may come of another, or None where none does.

    Extents may be rounded up, or down where the voxels at the edge were dropped.

    Parameters
    ----------
    ratio
        Of the two levels' scales, which decides where several factors fit; None where not known.

    >>> factors_between((5, 7, 7), (3, 2, 7), None)
    (2, 4, 1)
    >>> factors_between((5, 7, 7), (3, 2, 7), (2.0, 3.0, 1.0))
    (2, 3, 1)
    >>> factors_between((10, 10), (10, 7), None)
    """
    factors = []
    for axis, (more, less) in enumerate(zip(finer, coarser, strict=True)):
        told = round(ratio[axis]) if ratio else 0
        likely = [told, round(more / less), more // less, -(-more // less)]
        fits = [f for f in likely if f > 0 and less in (more // f, -(-more // f))]
        if not fits:
            return None
        factors.append(fits[0])
    return tuple(factors)


def scale_ratio(survey: Survey, finer: FoundLevel, coarser: FoundLevel) -> tuple[float, ...] | None:
    """Return how much larger voxels of one level are than those of another, as listed.

    None where they list none, or scales so far apart that their ratio is no number.
    """
    size, larger = (transformation(survey, level, "scale") for level in (finer, coarser))
    if size is None or larger is None or len(size) != len(larger):
        return None
    ratio = tuple(b / a for a, b in zip(size, larger, strict=True))
    return ratio if all(0 < by < math.inf for by in ratio) else None


def transformation(survey: Survey, level: FoundLevel, kind: str) -> tuple[float, ...] | None:
    """Return a level's scale or translation, or None where it has none that is numbers."""
    for dataset in read_datasets(survey.group.attributes):
        if dataset.get("path") == level.path:
            scale, translation = read_transformations(dataset)
            values = scale if kind == "scale" else translation
            if values:
                return None if kind == "scale" and min(values) <= 0 else tuple(values)
    return None


def check_structure(survey: Survey) -> Iterator[Check | Finding]:
    """Yield what documents say, and where they contradict each other or the specification."""
    arrays = {level.path: level.metadata for level in survey.levels if level.metadata is not None}
    makers = {level.record["recipe"]["method"] for level in survey.levels if recipe_of(level) and
              level.record}  # fmt: skip
    maker = f"made by zarrpyramid ({', '.join(sorted(makers))})" if makers else "made by others"
    version = version_of(survey.group.attributes, survey.group.zarr_format)
    listed = f"OME-NGFF {version}" if version else "no list of levels"
    yield Check(
        name="documents",
        figure=f"group and {len(arrays)} of {len(survey.levels)} arrays, "
        f"zarr v{survey.group.zarr_format}, {listed}, {maker}",
    )
    for level in survey.levels:
        if level.metadata is None:
            yield Finding(
                what=level.fault,
                level=level.number,
                key=survey.name(level),
                way_out=f"build the levels again: {_again(survey)}",
            )
    if survey.multiscales is not None:
        for found in check_ngff(survey.group.attributes, survey.group.zarr_format, arrays):
            # What level 0 says of itself is not ours to change.
            mends = survey.is_ours and found.grade == DEFECT and found.level != 0
            yield replace(found, way_out=_again(survey)) if mends and not found.way_out else found
    yield from _check_list(survey)
    for level in survey.levels[1:]:
        finer = finer_of(survey, level)
        if level.metadata is None:
            continue
        if level.record is not None:
            yield from _check_record(survey, level, finer)
        elif finer is not None and finer.metadata is not None:
            yield from _check_foreign(survey, level, finer, level.metadata, finer.metadata)


def check_place(survey: Survey, level: FoundLevel, *, shifts: bool | None) -> Iterator[Finding]:
    """Yield where a level's translation is not that of the centres of its windows.

    Parameters
    ----------
    shifts
        Whether its voxels stand for whole windows, not for the first voxel of each; None where that
        is not known.
    """
    base = survey.levels[0]
    size, larger = (transformation(survey, each, "scale") for each in (base, level))
    if size is None or larger is None or len(size) != len(larger):
        return
    origin = (0.0,) * len(size)
    offset = transformation(survey, base, "translation") or origin
    found = transformation(survey, level, "translation")
    if len(offset) != len(origin) or (found is not None and len(found) != len(origin)):
        return
    centred = tuple(o + (b - a) / 2 for o, a, b in zip(offset, size, larger, strict=True))
    expected = offset if shifts is False else centred
    allowed = (expected, offset) if shifts is None else (expected,)
    if not any(_close(found or origin, place, size) for place in allowed):
        missing = found is None and not any(offset)
        yield Finding(
            what="has no translation by half a window, so that viewers show it displaced"
            if missing
            else "translation is not that of its windows' "
            + ("first voxels" if shifts is False else "centres"),
            grade=DEFECT if level.record is not None else WARNING,
            level=level.number,
            key=survey.name(level),
            expected=times(expected),
            found="none" if found is None else times(found),
            way_out=f"list the levels again: {_again(survey)}" if level.record is not None else "",
        )


def _check_list(survey: Survey) -> Iterator[Finding]:
    """See that our levels are listed, and made as the list says."""
    ours = [level for level in survey.levels if level.record is not None]
    listable = bool(ours) and _can_be_listed(survey, ours[-1])
    grade, way_out = (DEFECT, f"list them: {_again(survey)}") if listable else (NOTE, "")
    if survey.multiscales is None:
        yield Finding(
            what="the group lists no levels, so that no OME-Zarr viewer finds them",
            grade=grade,
            way_out=way_out,
        )
        return
    for level in ours:
        if not level.listed:
            yield Finding(
                what="is there and not listed",
                grade=grade,
                level=level.number,
                key=survey.name(level),
                way_out=way_out,
            )
    told = survey.multiscales.get("metadata")
    if not listable or not isinstance(told, dict) or told.get("software") != "zarrpyramid":
        return
    recipes = [recipe_of(level) for level in ours if level.listed]
    made: dict[str, Any] = {
        "method": ", ".join(sorted({recipe[0] for recipe in recipes if recipe})),
        "factors": [list(recipe[1]) for recipe in recipes if recipe],
    }
    for key, expected in made.items():
        if all(recipes) and told.get(key) != expected:
            yield Finding(
                what=f"the list says another {key} than the levels' records",
                expected=str(expected),
                found=str(told.get(key)),
                way_out=f"list the levels again: {_again(survey)}",
            )


def _can_be_listed(survey: Survey, level: FoundLevel) -> bool:
    """Tell whether OME-NGFF can describe an image, by the axes that its documents name, if any."""
    if level.metadata is None:
        return False
    n_axes, names = len(level.metadata.shape), level.metadata.dimension_names
    if names is not None:
        return sum(axis_type(name or "") == SPACE for name in names) in (2, 3)
    axes = read_axes(survey.group.attributes, n_axes)
    return n_axes > 1 if axes is None else sum(axis.type == SPACE for axis in axes) in (2, 3)


def _check_record(survey: Survey, level: FoundLevel, finer: FoundLevel | None) -> Iterator[Finding]:
    """Hold a level of ours against its own record and the level before it."""
    record, metadata, recipe = level.record or {}, level.metadata, recipe_of(level)
    assert metadata is not None

    def defect(what: str, expected: object = "", found: object = "") -> Finding:
        return Finding(
            what=what,
            level=level.number,
            key=survey.name(level),
            expected=str(expected),
            found=str(found),
            way_out=survey.repair(),
        )

    if recipe is None:
        yield defect("its record names no recipe that is known here")
        return
    if finer is None or finer.metadata is None:
        yield defect("the level that it was made from is not there")
        return
    if len(finer.metadata.shape) != len(metadata.shape):
        yield defect(f"has other axes than {finer.path}", list(finer.metadata.shape),
                     list(metadata.shape))  # fmt: skip
        return
    method, factors = recipe
    if len(metadata.shape) != len(finer.metadata.shape) or len(metadata.shape) != len(factors):
        yield defect(f"has other axes than {finer.path} and its record",
                     times(finer.metadata.shape), times(metadata.shape))  # fmt: skip
        return
    said = {
        "level": survey.paths.level(level.path),
        "shape": list(metadata.shape),
        "chunks": list(metadata.chunks),
        "shards": None if metadata.shards is None else list(metadata.shards),
        "dtype": metadata.dtype,
    }
    for key, found in said.items():
        if record.get(key) != found:
            yield defect(f"{key} is not that of its record", record.get(key), found)
    expected = geometry.coarse_shape(finer.metadata.shape, factors)
    if metadata.shape != expected:
        yield defect(f"shape is not that of {finer.path} divided by {times(factors)}",
                     list(expected), list(metadata.shape))  # fmt: skip
    if kind_of(finer.metadata.dtype) not in METHODS[method].kinds:
        yield defect(f"{finer.metadata.dtype} has no {method}")
    if method != "sum" and metadata.dtype != finer.metadata.dtype:
        yield defect("dtype", finer.metadata.dtype, metadata.dtype)
    source = record.get("source")
    if not isinstance(source, dict) or not isinstance(record.get("digest"), str):
        yield defect("its record lacks the digests that prove it")
    elif finer.record is not None and source.get("digest") != finer.record.get("digest"):
        yield defect(
            f"was not made from {finer.path} as that is now",
            finer.record.get("digest"),
            source.get("digest"),
        )
    first = next(other for other in survey.levels if other.record is not None)
    if first.metadata is not None and _codecs(first.metadata) != _codecs(metadata):
        yield defect(f"is encoded otherwise than {first.path}",
                     _codecs(first.metadata), _codecs(metadata))  # fmt: skip
    revision = record["recipe"].get("voxel_revision")
    if revision != VOXEL_REVISION:
        yield Finding(
            what=f"was made by revision {revision} of the arithmetic, and is held against "
            f"{VOXEL_REVISION}",
            grade=NOTE,
            level=level.number,
            key=survey.name(level),
        )
    if level.listed:
        yield from _check_scale(survey, level, finer, factors)
        yield from check_place(survey, level, shifts=METHODS[method].shifts)


def _check_scale(
    survey: Survey, level: FoundLevel, finer: FoundLevel, factors: Shape
) -> Iterator[Finding]:
    """See that a listed level of ours has the scale that its factors make."""
    before, found = (transformation(survey, each, "scale") for each in (finer, level))
    if before is None or found is None or {len(before), len(found)} != {len(factors)}:
        return
    expected = tuple(size * factor for size, factor in zip(before, factors, strict=True))
    if not _close(found, expected, before):
        yield Finding(
            what="scale is not that of its factors",
            level=level.number,
            key=survey.name(level),
            expected=times(expected),
            found=times(found),
            way_out=f"list the levels again: {_again(survey)}",
        )


def _check_foreign(
    survey: Survey,
    level: FoundLevel,
    finer: FoundLevel,
    metadata: ArrayMetadata,
    before: ArrayMetadata,
) -> Iterator[Finding]:
    """Hold a level of somebody else's against the one before it."""
    where: dict[str, Any] = {"level": level.number, "key": survey.name(level)}
    if len(metadata.shape) != len(before.shape):
        yield Finding(what=f"has other axes than {finer.path}", expected=times(before.shape),
                      found=times(metadata.shape), **where)  # fmt: skip
        return
    if metadata.shape == before.shape:
        yield Finding(what=f"is as large as {finer.path}", grade=WARNING, **where)
    ratio = scale_ratio(survey, finer, level)
    if ratio is not None and len(ratio) == len(metadata.shape):
        by_shape = [m / n for m, n in zip(before.shape, metadata.shape, strict=True)]
        # An extent may be rounded up or down by whoever made it, but never by a whole voxel.
        if any(
            abs(more / by - less) >= 1 - _CLOSE
            for more, less, by in zip(before.shape, metadata.shape, ratio, strict=True)
        ):
            yield Finding(
                what="scale contradicts shape",
                expected=f"about {times(by_shape)} times that of {finer.path}",
                found=times(ratio),
                **where,
            )
    base = survey.levels[0].metadata or before
    drifts = {
        "dtype": (base.dtype, metadata.dtype),
        "zarr format": (base.zarr_format, metadata.zarr_format),
        "codecs": (_codecs(base), _codecs(metadata)),
        "fill value": (base.document.get("fill_value"), metadata.document.get("fill_value")),
    }
    for what, (expected, found) in drifts.items():
        if found != expected:
            yield Finding(
                what=f"{what} differs from level 0's",
                grade=WARNING,
                expected=str(expected),
                found=str(found),
                **where,
            )


def _codecs(metadata: ArrayMetadata) -> str:
    """Return what encodes a chunk, as text."""
    if metadata.zarr_format == 2:
        kept = {key: metadata.document.get(key) for key in ("compressor", "filters", "order")}
        return json.dumps({**kept, "endian": metadata.byte_order}, sort_keys=True)
    return json.dumps(metadata.codecs, sort_keys=True)


def _close(found: tuple[float, ...], expected: tuple[float, ...], unit: tuple[float, ...]) -> bool:
    return all(
        abs(a - b) <= _CLOSE * max(size, abs(b))
        for a, b, size in zip(found, expected, unit, strict=True)
    )


def _again(survey: Survey) -> str:
    """Return the command that lists or replaces the levels."""
    return survey.repair() if survey.is_ours else replace_command(survey.where)
