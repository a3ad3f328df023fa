"""Whether the documents of a pyramid agree with each other: list, shapes, records and codecs.

Reads no voxel and no object, and imports no array library.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.plan import VOXEL_REVISION, times
from zarrpyramid.reduce import METHODS, kind_of

from .findings import DEFECT, NOTE, WARNING, Check, Finding
from .ngff import check_ngff, version_of
from .origins import finer_of, recipe_of, scale_ratio
from .placement import CLOSE, can_be_listed, check_scale, check_translation, relist_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata

    from .pyramid import FoundLevel, Pyramid


def check_documents(pyramid: Pyramid) -> Iterator[Check | Finding]:
    """Yield what the documents say, and where they contradict each other or the specification."""
    arrays = {level.path: level.metadata for level in pyramid.levels if level.metadata is not None}
    methods = sorted({recipe[0] for level in pyramid.levels if (recipe := recipe_of(level))})
    maker = f"made by zarrpyramid ({', '.join(methods)})" if methods else "made by others"
    version = version_of(pyramid.attributes, pyramid.zarr_format)
    listed = f"OME-NGFF {version}" if version else "no list of levels"
    yield Check(
        name="documents",
        figure=f"group and {len(arrays)} of {len(pyramid.levels)} arrays, "
        f"zarr v{pyramid.zarr_format}, {listed}, {maker}",
    )
    for level in pyramid.levels:
        if level.metadata is None:
            yield Finding(
                what=level.fault,
                level=level.number,
                key=pyramid.name(level),
                way_out=f"build the levels again: {relist_command(pyramid)}",
            )
    if pyramid.multiscales is not None:
        for found in check_ngff(pyramid.attributes, pyramid.zarr_format, arrays):
            # A repair does not change what the group says of level 0.
            mends = pyramid.is_ours and found.grade == DEFECT and found.level != 0
            way_out = found.way_out or (relist_command(pyramid) if mends else "")
            yield replace(found, way_out=way_out)
    yield from _check_list(pyramid)
    for level in pyramid.levels[1:]:
        finer = finer_of(pyramid, level)
        if level.metadata is None:
            continue
        if level.record is not None:
            yield from _check_record(pyramid, level, level.metadata, finer)
        elif finer is not None and finer.metadata is not None:
            yield from _check_foreign(pyramid, level, finer, level.metadata, finer.metadata)


def _check_list(pyramid: Pyramid) -> Iterator[Finding]:
    """Yield where levels made here are not listed, or are listed as made in another way."""
    ours = [level for level in pyramid.levels if level.record is not None]
    listable = bool(ours) and can_be_listed(pyramid, ours[-1])
    mends: dict[str, Any] = {"grade": NOTE}
    if listable:
        mends = {"grade": DEFECT, "way_out": f"list them: {relist_command(pyramid)}"}
    if pyramid.multiscales is None:
        what = "the group lists no levels, so that no OME-Zarr viewer finds them"
        yield Finding(what=what, **mends)
        return
    for level in ours:
        if not level.listed:
            what = "is there and not listed"
            yield Finding(what=what, level=level.number, key=pyramid.name(level), **mends)
    stated = pyramid.multiscales.get("metadata")
    if not listable or not isinstance(stated, dict) or stated.get("software") != "zarrpyramid":
        return
    recipes = [recipe for level in ours if level.listed and (recipe := recipe_of(level))]
    if len(recipes) < sum(level.listed for level in ours):
        return
    made: dict[str, Any] = {
        "method": ", ".join(sorted({method for method, _ in recipes})),
        "factors": [list(factors) for _, factors in recipes],
    }
    for key, expected in made.items():
        if stated.get(key) != expected:
            yield Finding(
                what=f"the list says another {key} than the levels' records",
                expected=str(expected),
                found=str(stated.get(key)),
                way_out=f"list the levels again: {relist_command(pyramid)}",
            )


def _check_record(
    pyramid: Pyramid, level: FoundLevel, metadata: ArrayMetadata, finer: FoundLevel | None
) -> Iterator[Finding]:
    """Compare a level made here with its own record and with the level it was made from."""
    record, recipe = level.record or {}, recipe_of(level)

    def defect(what: str, expected: object = "", found: object = "") -> Finding:
        return Finding(
            what=what,
            level=level.number,
            key=pyramid.name(level),
            expected=str(expected),
            found=str(found),
            way_out=pyramid.repair(),
        )

    if recipe is None:
        yield defect("its record names no recipe that is known here")
        return
    if finer is None or finer.metadata is None:
        yield defect("the level that it was made from is not there")
        return
    method, factors = recipe
    before = finer.metadata
    if len(before.shape) != len(metadata.shape):
        yield defect(f"has other axes than {finer.path}", times(before.shape),
                     times(metadata.shape))  # fmt: skip
        return
    for key, found in {"level": pyramid.paths.level(level.path), **level.form}.items():
        if record.get(key) != found:
            yield defect(f"{key} is not that of its record", record.get(key), found)
    expected = geometry.coarse_shape(before.shape, factors)
    if metadata.shape != expected:
        yield defect(f"shape is not that of {finer.path} divided by {times(factors)}",
                     list(expected), list(metadata.shape))  # fmt: skip
    if kind_of(before.dtype) not in METHODS[method].kinds:
        yield defect(f"{before.dtype} has no {method}")
    if method != "sum" and metadata.dtype != before.dtype:
        yield defect("dtype", before.dtype, metadata.dtype)
    source, digest = record.get("source"), (finer.record or {}).get("digest")
    if not isinstance(source, dict) or not isinstance(record.get("digest"), str):
        yield defect("its record lacks the digests that prove it")
    elif finer.record is not None and source.get("digest") != digest:
        yield defect(f"was not made from {finer.path} as that is now", digest, source.get("digest"))
    first = next(other for other in pyramid.levels if other.record is not None)
    if first.metadata is not None and _codecs(first.metadata) != _codecs(metadata):
        yield defect(f"is encoded otherwise than {first.path}",
                     _codecs(first.metadata), _codecs(metadata))  # fmt: skip
    revision = record["recipe"].get("voxel_revision")
    if revision != VOXEL_REVISION:
        yield Finding(
            what=f"was made by revision {revision} of the arithmetic, and is compared with "
            f"{VOXEL_REVISION}",
            grade=NOTE,
            level=level.number,
            key=pyramid.name(level),
        )
    if level.listed:
        yield from check_scale(pyramid, level, finer, factors)
        yield from check_translation(pyramid, level, shifts=METHODS[method].shifts)


def _check_foreign(
    pyramid: Pyramid,
    level: FoundLevel,
    finer: FoundLevel,
    metadata: ArrayMetadata,
    before: ArrayMetadata,
) -> Iterator[Finding]:
    """Compare a level of another program with the one before it."""
    where: dict[str, Any] = {"level": level.number, "key": pyramid.name(level)}
    if len(metadata.shape) != len(before.shape):
        yield Finding(what=f"has other axes than {finer.path}", expected=times(before.shape),
                      found=times(metadata.shape), **where)  # fmt: skip
        return
    if metadata.shape == before.shape:
        yield Finding(what=f"is as large as {finer.path}", grade=WARNING, **where)
    ratio = scale_ratio(pyramid, finer, level)
    if ratio is not None and not _fits_shapes(ratio, before.shape, metadata.shape):
        by_shape = [m / n for m, n in zip(before.shape, metadata.shape, strict=True)]
        yield Finding(
            what="scale contradicts shape",
            expected=f"about {times(by_shape)} times that of {finer.path}",
            found=times(ratio),
            **where,
        )
    base = pyramid.levels[0].metadata or before
    forms = {
        "dtype": (base.dtype, metadata.dtype),
        "zarr format": (base.zarr_format, metadata.zarr_format),
        "codecs": (_codecs(base), _codecs(metadata)),
        "fill value": (base.document.get("fill_value"), metadata.document.get("fill_value")),
    }
    for what, (expected, found) in forms.items():
        if found != expected:
            yield Finding(
                what=f"{what} differs from level 0's",
                grade=WARNING,
                expected=str(expected),
                found=str(found),
                **where,
            )


def _fits_shapes(ratio: tuple[float, ...], finer: Shape, coarser: Shape) -> bool:
    """Tell whether extents divided by a ratio are those of the coarser level, in whole voxels.

    A program rounds an extent up or down, but never by a whole voxel.
    """
    if len(ratio) != len(coarser):
        return True
    return all(
        abs(more / by - less) < 1 - CLOSE
        for more, less, by in zip(finer, coarser, ratio, strict=True)
    )


def _codecs(metadata: ArrayMetadata) -> str:
    """Return what encodes a chunk, as text."""
    return json.dumps(metadata.codecs, sort_keys=True)
