"""Whether the documents of a pyramid agree with each other: list, records, codecs and placement.

Reads no voxel and no object, and imports no array library.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import (
    OMERO_DIGEST,
    fits_no_data,
    listed_paths,
    rules_of,
)
from zarrpyramid.plan import ONCE, VOXEL_REVISION, times
from zarrpyramid.reduce import METHODS, kind_of

from .absent import absent_levels, can_be_listed
from .axes import DIMENSION_NAMES
from .findings import DEFECT, NOTE, WARNING, Check, Finding
from .ngff import check_ngff
from .origins import (
    CLOSE,
    finer_of,
    is_padded,
    left_out_of,
    method_name,
    recipe_of,
    rounding_of,
    scale_ratio,
)
from .planned import check_planned
from .versions import version_of
from .ways_out import making, relisting
from .weighing import found_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata

    from .pyramid import FoundLevel, Pyramid

NO_VOXELS = "has no voxels"
"""What is said of a level without extent along some axis."""

NO_LIST = "the group lists no levels, so that no OME-Zarr viewer finds them"
"""What is said of a group without a list."""

NOT_LISTED = "is there and not listed"
"""What is said of a level made here that the group does not list."""


_CORRECT_OMERO = (
    "correct it, or remove omero from the group's attributes: viewers then choose colours"
)


def check_documents(pyramid: Pyramid) -> Iterator[Check | Finding]:
    """Yield what the documents say, and where they contradict each other or the specification."""
    told: list[Finding] = []
    for event in _check_each(pyramid):
        told += [event] if isinstance(event, Finding) else []
        yield event
    if pyramid.ours or pyramid.provenance is not None:
        yield from check_planned(pyramid, told)


def _check_each(pyramid: Pyramid) -> Iterator[Check | Finding]:
    every = pyramid.every_level
    arrays = {level.path: level.metadata for level in every if level.metadata is not None}
    methods = sorted({name for level in pyramid.levels if (name := method_name(level))})
    maker = f"made by zarrpyramid ({'; '.join(methods)})" if methods else "made by others"
    version = version_of(pyramid.attributes, pyramid.zarr_format)
    listed = f"OME-NGFF {version}" if version else "no list of levels"
    yield Check(
        name="documents",
        figure=f"group and {len(arrays)} of {len(every)} arrays, "
        f"zarr v{pyramid.zarr_format}, {listed}, {maker}",
        # What a later version says of the levels' places is not read.
        proven=not version or rules_of(pyramid.attributes, pyramid.zarr_format) is not None,
    )
    for level in every:
        if level.metadata is not None and 0 in level.metadata.shape:
            yield level.finding(
                NO_VOXELS,
                expected="at least 1 along each axis",
                found=list(level.metadata.shape),
                way_out="write it again",
            )
    for level in pyramid.levels:
        if level.metadata is None:
            way_out = f"build the levels again: {relisting(pyramid)}"
            if level.number == 0:  # from which all others are made
                way_out = "" if ";" in level.fault else "restore it from a copy"
            elif pyramid.store.is_link(level.at):  # behind which nothing is ever written
                way_out = f"remove the link, or put the level itself there, and {way_out}"
            yield level.finding(level.fault, way_out=way_out)
    for other in pyramid.further:
        for level in other.levels:
            if level.metadata is None:
                way_out = "restore it from a copy, or take it out of that list"
                yield level.finding(f"of a further multiscales {level.fault}", way_out=way_out)
    own = {level.path for level in pyramid.levels} if pyramid.ours else set()
    for found in check_ngff(pyramid.attributes, pyramid.zarr_format, arrays):
        # A repair changes what the group says of the levels, and of channels what we wrote.
        mends = found.level and found.key in own and found.grade == DEFECT
        way_out = found.way_out or (relisting(pyramid) if mends else "")
        if not (way_out or found.key) and found.grade == DEFECT and "omero" in found.what:
            is_told = OMERO_DIGEST in (pyramid.provenance or {})
            way_out = pyramid.repair() if is_told else _CORRECT_OMERO
        mended = replace(found, way_out=way_out)
        yield _of_unnamed_base(pyramid, mended) if found.what == DIMENSION_NAMES else mended
    yield from _check_list(pyramid)
    for each in (pyramid, *pyramid.further):
        yield from _check_levels(each)


def _of_unnamed_base(pyramid: Pyramid, found: Finding) -> Finding:
    """Return what is said of names of dimensions, where level 0 has none in a pyramid of ours.

    A build leaves a level 0 without names that is a link, or that may not be edited: what it made
    is complete, and validators refuse it.
    """
    base = pyramid.levels[0]
    names = base.metadata.dimension_names if base.metadata is not None else None
    if found.key != base.path or (names is not None and all(names)):
        return found
    way_out = found.way_out
    if pyramid.store.is_link(base.at):
        way_out = "build in another store with this group as source, which copies level 0"
    if not pyramid.ours and pyramid.provenance is None:
        return replace(found, way_out=way_out)
    what = "names no dimensions, for which validators of OME-NGFF 0.5 refuse the image"
    how: dict[str, Any] = {"grade": WARNING, "level": 0, "expected": "", "found": ""}
    return replace(found, what=what, way_out=way_out, **how)


def _check_levels(pyramid: Pyramid) -> Iterator[Finding]:
    """Compare each level with its record, or with the one before it."""
    for level in pyramid.levels[1:]:
        finer = finer_of(pyramid, level)
        if level.metadata is None:
            continue
        if level.record is not None:
            yield from _check_record(pyramid, level, finer)
        elif finer is not None:
            yield from _check_foreign(pyramid, level, finer)


def _check_list(pyramid: Pyramid) -> Iterator[Finding]:
    """Yield where levels made here are not listed, or are listed as made in another way."""
    ours = pyramid.ours
    listable = bool(ours) and can_be_listed(pyramid, ours[-1])
    mends: dict[str, Any] = {"grade": NOTE}
    if listable:
        mends = {"grade": DEFECT, "way_out": f"list them: {relisting(pyramid)}"}
    if pyramid.multiscales is None:
        if listable:  # a run that is made again also makes levels that it had not come to
            mends["way_out"] = (
                f"{making(pyramid)}; to list only what is there: {relisting(pyramid)}"
            )
        yield Finding(what=NO_LIST, **mends)
        return
    for level in ours:
        if not level.listed:
            yield level.finding(NOT_LISTED, **mends)
    for level in pyramid.foreign if ours else ():
        what = "is listed among levels of zarrpyramid, which did not make it"
        way_out = f"have it removed: {relisting(pyramid)}"
        yield level.finding(what, grade=WARNING, way_out=way_out)
    for path, n in Counter(listed_paths(pyramid.attributes)).items():
        if n > 1:
            way_out = f"list the levels again: {relisting(pyramid)}"
            yield Finding(what=f"{path} is listed {n} times", key=pyramid.where, way_out=way_out)
    stated = pyramid.provenance
    for level in pyramid.unrecorded:
        what = "is listed as made here, and has no record that says so"
        yield level.finding(what, way_out=pyramid.repair())
    if not listable or stated is None:
        return
    absent = list(absent_levels(pyramid))
    yield from absent
    n_listed = len(pyramid.listed) - 1
    recipes = [recipe for level in ours if level.listed and (recipe := recipe_of(level))]
    n_ours = sum(level.listed for level in ours)
    if pyramid.unrecorded or not n_ours or len(recipes) < n_ours:
        return
    made: dict[str, Any] = {
        "method": ", ".join(sorted({method for method, _ in recipes})),
        "factors": [list(factors) for _, factors in recipes],
    }
    for key, expected in made.items():
        found = stated.get(key)
        if key == "factors" and isinstance(found, list) and (absent or len(recipes) < n_listed):
            found = found[: len(recipes)]  # levels that are not there are told as such
        if found != expected:
            yield Finding(
                what=f"{key} in the list differs from that in the levels' records",
                expected=str(expected),
                found=str(stated.get(key)),
                way_out=f"list the levels again: {relisting(pyramid)}",
            )


def _check_record(
    pyramid: Pyramid, level: FoundLevel, finer: FoundLevel | None
) -> Iterator[Finding]:
    """Compare a level made here with its own record and with the level it was made from."""
    record, recipe, metadata = level.record or {}, recipe_of(level), level.array

    def defect(what: str, expected: object = "", found: object = "") -> Finding:
        return level.finding(what, expected=expected, found=found, way_out=pyramid.repair())

    if recipe is None:
        yield defect("its record names no recipe that is known here")
        return
    if finer is None:
        yield defect("the level that it was made from is not there")
        return
    (method, factors), before = recipe, finer.array
    if len(before.shape) != len(metadata.shape):
        what = f"has other axes than {finer.path}"
        yield defect(what, times(before.shape), times(metadata.shape))
        return
    for key, found in {"level": pyramid.paths.level(level.path), **level.form}.items():
        if record.get(key) != found:
            yield defect(f"{key} is not that of its record", record.get(key), found)
    expected = geometry.coarse_shape(before.shape, factors)
    if metadata.shape != expected:
        what = f"shape is not that of {finer.path} divided by {times(factors)}"
        yield defect(what, list(expected), list(metadata.shape))
    if kind_of(before.dtype) not in METHODS[method].kinds:
        yield defect(f"{before.dtype} has no {method}")
    if METHODS[method].keeps_dtype and metadata.dtype != before.dtype:
        yield defect("dtype", before.dtype, metadata.dtype)
    if not fits_no_data(left_out_of(level), method, factors, before.shape, before.dtype):
        yield defect(
            "nodata in its record is none of such voxels", found=record["recipe"]["nodata"]
        )
    source, digest = record.get("source"), (finer.record or {}).get("digest")
    if not isinstance(source, dict) or not isinstance(record.get("digest"), str):
        yield defect("its record lacks the digests that prove it")
    elif finer.record is not None and source.get("digest") != digest:
        yield defect(f"was not made from {finer.path} as that is now", digest, source.get("digest"))
    elif rounding_of(record) == ONCE and not isinstance(record.get("remainders"), str):
        yield defect("its record lacks the digest of its remainders")
    elif finer.record is not None and rounding_of(record) == ONCE:
        left, taken = finer.record.get("remainders"), source.get("remainders")
        if left != taken:
            yield defect(f"was not made from remainders of {finer.path} as it is now", left, taken)
    yield from _check_weights(pyramid, level)
    first = pyramid.ours[0]
    if _codecs(first.array) != _codecs(metadata):
        what = f"is encoded differently from {first.path}"
        yield defect(what, _codecs(first.array), _codecs(metadata))
    revision = record["recipe"].get("voxel_revision")
    if revision != VOXEL_REVISION:
        what = f"was made by revision {revision} of the arithmetic, and is compared with "
        yield level.finding(f"{what}{VOXEL_REVISION}", grade=NOTE)
    if level.listed:
        yield from check_scale(pyramid, level, finer, factors)
        yield from check_translation(pyramid, level, shifts=METHODS[method].shifts)


def _check_weights(pyramid: Pyramid, level: FoundLevel) -> Iterator[Finding]:
    """Compare what the record says of the weights with the record of their level as it is now."""
    try:
        weights = found_weights(pyramid, level)
        now = None if weights is None else weights.record.get("digest")
    except PyramidError:  # that they cannot be read is said where voxels are looked at
        return
    taken = ((level.record or {}).get("source") or {}).get("weights")
    if weights is not None and not isinstance(taken, str):
        yield level.finding("its record lacks the digest of its weights", way_out=pyramid.repair())
    elif weights is not None and now not in (None, taken):
        what = f"was not made with the weights {weights.name} as they are now"
        yield level.finding(what, expected=now, found=taken, way_out=pyramid.repair())


def _check_foreign(pyramid: Pyramid, level: FoundLevel, finer: FoundLevel) -> Iterator[Finding]:
    """Compare a level of another program with the one before it."""
    metadata, before = level.array, finer.array
    if len(metadata.shape) != len(before.shape):
        expected, found = times(before.shape), times(metadata.shape)
        yield level.finding(f"has other axes than {finer.path}", expected=expected, found=found)
        return
    if 0 in metadata.shape and 0 not in before.shape:
        return  # said of every level
    if metadata.shape == before.shape:
        yield level.finding(f"is as large as {finer.path}", grade=WARNING)
    ratio = scale_ratio(pyramid, finer, level)
    if ratio is not None and not fits_shapes(ratio, before, metadata):
        by_shape = [m / n for m, n in zip(before.shape, metadata.shape, strict=True)]
        expected = f"about {times(by_shape)} times that of {finer.path}"
        yield level.finding("scale contradicts shape", expected=expected, found=times(ratio))
    base = pyramid.levels[0].metadata or before
    forms = {
        "dtype": (base.dtype, metadata.dtype),
        "zarr format": (base.zarr_format, metadata.zarr_format),
        "codecs": (_codecs(base), _codecs(metadata)),
        "fill value": (base.document.get("fill_value"), metadata.document.get("fill_value")),
    }
    for key, (wanted, seen) in forms.items():
        if seen != wanted:
            what = f"{key} differs from level 0's"
            yield level.finding(what, grade=WARNING, expected=wanted, found=seen)


def fits_shapes(ratio: tuple[float, ...], finer: ArrayMetadata, coarser: ArrayMetadata) -> bool:
    """Tell whether extents divided by a ratio are those of the coarser level, in whole voxels.

    A program rounds an extent up or down, but never by a whole voxel; or it pads both arrays to
    whole objects.
    """
    if len(ratio) != len(coarser.shape):
        return True
    units = zip(finer.write_shape, coarser.write_shape, strict=True)
    axes = zip(finer.shape, coarser.shape, ratio, units, strict=True)
    return all(
        abs(more / by - less) < 1 - CLOSE or is_padded(more, less, by, both)
        for more, less, by, both in axes
    )


def _codecs(metadata: ArrayMetadata) -> str:
    """Return what encodes a chunk, as text."""
    return json.dumps(metadata.codecs, sort_keys=True)


def check_scale(
    pyramid: Pyramid, level: FoundLevel, finer: FoundLevel, factors: Shape
) -> Iterator[Finding]:
    """Yield where the scale of a level made here is not the finer level's times the factors."""
    before, found = (pyramid.transformations(each)[0] for each in (finer, level))
    if before is None or found is None or {len(before), len(found)} != {len(factors)}:
        return
    expected = tuple(size * factor for size, factor in zip(before, factors, strict=True))
    if not _is_close(found, expected, before):
        yield level.finding(
            "scale is not that of its factors",
            expected=times(expected),
            found=times(found),
            way_out=f"list the levels again: {relisting(pyramid)}",
        )


def check_translation(
    pyramid: Pyramid, level: FoundLevel, *, shifts: bool | None
) -> Iterator[Finding]:
    """Yield where a level's translation is not that of the centres of its windows.

    Parameters
    ----------
    shifts
        Whether a voxel stands for its whole window, not for the window's first voxel; None where
        that is not known, and both are right.
    """
    base = pyramid.levels[0]
    (size, offset), (larger, found) = map(pyramid.transformations, (base, level))
    if size is None or larger is None or len(size) != len(larger):
        return
    origin = (0.0,) * len(size)
    offset = offset or origin
    if len(offset) != len(origin) or (found is not None and len(found) != len(origin)):
        return
    centred = tuple(o + (b - a) / 2 for o, a, b in zip(offset, size, larger, strict=True))
    expected = offset if shifts is False else centred
    allowed = (expected, offset) if shifts is None else (expected,)
    if any(_is_close(found or origin, place, size) for place in allowed):
        return
    where = "first voxels" if shifts is False else "centres"
    is_ours = level.record is not None
    what = f"translation is not that of its windows' {where}"
    if found is None and not any(offset):
        what = "has no translation by half a window, so that viewers show it displaced"
    yield level.finding(
        what,
        grade=DEFECT if is_ours else WARNING,
        expected=times(expected),
        found="none" if found is None else times(found),
        way_out=f"list the levels again: {relisting(pyramid)}" if is_ours else "",
    )


def _is_close(
    found: tuple[float, ...], expected: tuple[float, ...], unit: tuple[float, ...]
) -> bool:
    axes = zip(found, expected, unit, strict=True)
    return all(abs(a - b) <= CLOSE * max(size, abs(b)) for a, b, size in axes)
