"""The configuration that makes a pyramid of zarrpyramid again, from the documents in its store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.config import short_name
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import (
    BLOSC,
    OMERO_DIGEST,
    SAME,
    SHUFFLES,
    ZARR_FORMATS,
    encoded_as,
    fits,
    has_layout,
    labels_group,
    outer_base,
    read_axes,
    stated_version,
    version_written,
)
from zarrpyramid.plan import EACH, VOXEL_REVISION, weights_group
from zarrpyramid.programs import command
from zarrpyramid.reduce import ALL_DATA, METHODS

from .origins import left_out_of, recipe_of, rounding_of, weights_in
from .pyramid import find_pyramid, pyramid_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Document
    from zarrpyramid.reduce import NoData

    from .pyramid import FoundLevel, Pyramid


_TAKEN_OVER = (
    "scale_factors",
    "chunks",
    "shards",
    "compressor",
    "checksum",
    "write_empty_chunks",
    "nodata",
)
"""What a companion takes over from its image, of what its records and documents say."""


def reproduce(path: str, *, storage_options: Mapping[str, Any] | None = None) -> str:
    """Return the configuration, as YAML, that makes the pyramid at a path.

    A build by it in a copy of level 0 gives equal documents and equal digests.

    Raises
    ------
    PyramidError
        If zarrpyramid made no level of it, or no one configuration makes it.
    """
    from zarrpyramid.config import to_yaml  # 10 ms of yaml, which a report does not need

    asked = pyramid = find_pyramid(path, storage_options=storage_options)
    settings = reproduced_settings(pyramid)
    if outer_base(pyramid.attributes) is not None:
        pyramid = pyramid_at(pyramid.store, pyramid.path.rpartition("/")[0])
        settings = _as_companion(settings, asked, pyramid)
    if "weights" in settings:
        settings = {"images": _with_weights(pyramid, settings)}
    if asked.store.archive is not None:  # which is only read
        for each in settings.get("images", {"": settings}).values():
            each["source"] = f"{each['store']}/{each['field']}".rstrip("/")
            each["store"] = "NEW.zarr"
    if storage_options:
        key = "storage_options" if asked.store.archive is None else "source_options"
        settings[key] = dict(storage_options)
    return f"# Makes the pyramid of {asked.where} again.\n{to_yaml(settings)}"


def _as_companion(settings: dict[str, Any], made: Pyramid, image: Pyramid) -> dict[str, Any]:
    """Return the settings of an image that make a companion beside it, of those of its own.

    Raises
    ------
    StoreError
        If the image was made otherwise, so that its companion would be another one.
    """
    of_image = reproduced_settings(image)
    for key in _TAKEN_OVER:
        if settings.get(key) != of_image.get(key):
            raise StoreError(
                f"{made.where} was made with {key} {settings.get(key)}, its image {image.where} "
                f"with {of_image.get(key)}, so that also would make another one; build both anew"
            )
    return {**of_image, "also": [settings["method"]]}


def _with_weights(pyramid: Pyramid, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an image and of what weighs it, and so on, by names of images."""
    images: dict[str, Any] = {}
    while True:
        name = short_name(settings["store"], settings["field"])
        if name in images:
            raise StoreError(f"{pyramid.where} is weighed by itself; build it anew")
        images[name] = settings
        if "weights" not in settings:
            return images
        weights = _weights(pyramid, _made_here(pyramid))
        at = weights_group(pyramid.store, pyramid.path, weights)
        pyramid = pyramid_at(pyramid.store, at)
        settings = reproduced_settings(pyramid)


def _weights(pyramid: Pyramid, ours: Mapping[int, FoundLevel]) -> str:
    """Return the path of the weights of all levels from their group, "" where they have none."""
    found = {weights_in(level.record) for level in ours.values()}
    if len(found) > 1:
        raise StoreError(
            f"{pyramid.where} has levels that are weighed by {sorted(found)}, expected one of them "
            "for all; build it anew"
        )
    return found.pop()


def reproduced_settings(pyramid: Pyramid) -> dict[str, Any]:
    """Return the settings that make a pyramid of zarrpyramid, as a configuration file holds them.

    Errors are those of `reproduce`.
    """
    ours = _made_here(pyramid)
    base = pyramid.levels[0].metadata
    if base is None:
        raise StoreError(f"{pyramid.where} has no level 0 from which its levels could be made")
    chain = _recipes(pyramid, ours)
    # The first level whose document is what its record says.
    agree = [each for each in ours.values() if recipe_of(each) and fits(each.record, each.form)]
    level = [*agree, *ours.values()][0]
    first, record = level.array, level.record or {}
    encoding = encoding_of(pyramid, base, first, lambda array: array.form)
    if not encoding:
        raise StoreError(
            f"{pyramid.levels[0].name} is encoded differently than when its levels were made: "
            "no compressor that can be asked for turns its codecs into theirs; build the pyramid "
            "anew"
        )
    found = read_axes(pyramid.attributes, len(base.shape))
    names = [axis.name for axis in found] if found else list(first.dimension_names or ())
    return as_settings(
        pyramid,
        base,
        factors=[list(factors) for _, factors in chain],
        method=chain[0][0],
        no_data=_no_data(pyramid, ours),
        rounding=_rounding(pyramid, ours),
        weights=_weights(pyramid, ours),
        dtype=first.dtype,
        chunks=first.chunks,
        shards=first.shards,
        encoding=encoding,
        write_empty=record.get("recipe", {}).get("write_empty_chunks", True),
        names=[name for name in names if name],
        # A build names the dimensions of a level 0 of zarr v3 that names none.
        edits_base=base.zarr_format == 2 or base.dimension_names == first.dimension_names,
    )


def as_settings(
    pyramid: Pyramid,
    base: ArrayMetadata,
    *,
    factors: list[list[int]],
    method: str,
    no_data: NoData,
    rounding: str,
    weights: str,
    dtype: str,
    chunks: Shape,
    shards: Shape | None,
    encoding: dict[str, Any],
    write_empty: bool,
    names: list[str],
    edits_base: bool,
) -> dict[str, Any]:
    """Return the settings that make such levels of level 0, and list them as the group does."""
    stated = pyramid.provenance
    store, field = pyramid.store, pyramid.path
    holds_ids = pyramid.is_labels or labels_group(pyramid.path) is not None
    return {
        "store": store.name,
        "field": field,
        "levels": len(factors),
        "scale_factors": factors,
        "method": method,
        **_nodata(no_data),
        **({} if rounding == EACH else {"rounding": rounding}),
        **({"weights": weights_group(store, field, weights)} if weights else {}),
        # Means that were made of labels are made again as they are.
        **({"labels": False} if METHODS[method].mixes and holds_ids else {}),
        **({} if stated is None or OMERO_DIGEST in stated else {"omero": False}),
        **({"zarr_conventions": True} if has_layout(pyramid.attributes) else {}),
        "dtype": SAME if dtype == base.dtype else dtype,
        "chunks": list(chunks),
        "shards": "none" if shards is None else list(shards),
        **encoding,
        "write_empty_chunks": write_empty,
        **_axes(pyramid, base, names),
        "edit_base": edits_base,
        **_version(pyramid),
    }


def _made_here(pyramid: Pyramid) -> dict[int, FoundLevel]:
    """Return the levels that carry a record of zarrpyramid, by their numbers, in order."""
    found = {pyramid.paths.level(level.path): level for level in pyramid.ours}
    ours = {number: found[number] for number in sorted(filter(None, found))}
    if not ours:
        raise StoreError(
            f"{pyramid.where} has no level that was made here, so that nothing says how; "
            f"{command('zarrpyramid', 'verify', pyramid.where)} tells which method explains the "
            "levels of others"
        )
    return ours


def _recipes(pyramid: Pyramid, ours: Mapping[int, FoundLevel]) -> list[tuple[str, Shape]]:
    """Return method and factors of each level, of one method and the arithmetic of today."""
    recipes = {number: recipe for number, level in ours.items() if (recipe := recipe_of(level))}
    if not set(recipes) == set(ours) == set(range(1, len(ours) + 1)):
        raise StoreError(
            f"{pyramid.where} lacks some of its levels or their records, found "
            f"{sorted(level.path for level in ours.values())}; build it anew"
        )
    methods = {method for method, _ in recipes.values()}
    revisions = {(ours[number].record or {})["recipe"].get("voxel_revision") for number in recipes}
    if len(methods) != 1 or revisions - {VOXEL_REVISION}:
        raise StoreError(
            f"{pyramid.where} was made by methods {sorted(methods)} and revisions "
            f"{sorted(map(str, revisions))} of the arithmetic, expected one method and revision "
            f"{VOXEL_REVISION}; build it anew"
        )
    return [recipes[number] for number in sorted(recipes)]


def _rounding(pyramid: Pyramid, ours: Mapping[int, FoundLevel]) -> str:
    """Return how all levels are rounded."""
    found = {rounding_of(level.record) for level in ours.values()}
    if len(found) > 1:
        raise StoreError(
            f"{pyramid.where} has levels of rounding each and others of rounding once, expected "
            "one of them; build it anew"
        )
    return found.pop()


def _no_data(pyramid: Pyramid, ours: Mapping[int, FoundLevel]) -> NoData:
    """Return what all levels leave out of their windows."""
    found = {repr(left_out_of(level)): left_out_of(level) for level in ours.values()}
    given = [no_data for no_data in found.values() if no_data.is_given]
    if len(found) > 1 and given:
        raise StoreError(
            f"{pyramid.where} was made with {len(found)} kinds of nodata, expected one for all "
            "levels; build it anew"
        )
    return given[0] if given else ALL_DATA


def _nodata(no_data: NoData) -> dict[str, Any]:
    """Return the settings that give these voxels that are no data."""
    if not no_data.is_given:
        return {}
    values = ["nan" if value != value else value for value in no_data.values]
    given = values[0] if no_data.axis is None else values
    share = {} if no_data.share == ALL_DATA.share else {"nodata_share": no_data.share}
    return {"nodata": given, **share}


def encoding_of(
    pyramid: Pyramid,
    base: ArrayMetadata,
    level: ArrayMetadata,
    seen: Callable[[ArrayMetadata], object],
) -> dict[str, Any]:
    """Return the compressor and checksum that turn level 0's codecs into those of a level.

    `seen` returns what of two arrays has to be equal. Nothing is returned where none does it.
    """
    for compressor in (SAME, "none", "gzip", "zstd", *BLOSC, *_spelled(level)):
        for checksum in (False, True):
            try:
                pattern = encoded_as(base, compressor, checksum=checksum, where=pyramid.where)
            except ConfigError:
                continue
            cut: dict[str, Any] = {"chunks": level.chunks, "shards": level.shards}
            derived = pattern.derive(shape=level.shape, attributes={}, dtype=level.dtype, **cut)
            if seen(derived) == seen(level):
                return {"compressor": compressor, "checksum": checksum}
    return {}


def compression(array: ArrayMetadata) -> list[Document]:
    """Return the codecs that a compressor and a checksum stand for, whatever else is encoded."""
    return [codec for codec in array.codecs if codec["name"] not in ("transpose", "bytes")]


def _spelled(metadata: ArrayMetadata) -> Iterator[str]:
    """Yield the settings that ask for the compressors of an array, level and shuffle spelled."""
    for codec in metadata.codecs:
        options = codec.get("configuration", {})
        name = codec["name"]
        level = options.get("clevel" if name == "blosc" else "level")
        if type(level) is not int:
            continue
        if name == "zstd":
            yield f"zstd:{level}"
        elif name == "gzip":
            yield f"gzip:{level}"
        elif name == "blosc" and (cname := f"blosc-{options.get('cname')}") in BLOSC:
            yield f"{cname}:{level}"
            yield from (f"{cname}:{level}:{shuffle}" for shuffle in SHUFFLES)


def _axes(pyramid: Pyramid, base: ArrayMetadata, names: list[str]) -> dict[str, Any]:
    """Return names, voxel sizes and units of the axes, as far as they are known."""
    settings: dict[str, Any] = {"axes": names} if len(names) == len(base.shape) else {}
    found = read_axes(pyramid.attributes, len(base.shape))
    if found:
        called = names if settings else [axis.name for axis in found]
        axes = dict(zip(called, found, strict=True))
        settings["voxel_size"] = {name: axis.size for name, axis in axes.items()}
        settings["unit"] = {name: axis.unit for name, axis in axes.items() if axis.unit}
    return settings


def _version(pyramid: Pyramid) -> dict[str, str]:
    """Return the version of OME-NGFF, where a group that lists nothing would get another."""
    stated = stated_version(pyramid.attributes)
    usual = version_written({}, pyramid.zarr_format)
    if not isinstance(stated, str) or stated == usual:
        return {}
    return {"ngff_version": stated} if ZARR_FORMATS.get(stated) == pyramid.zarr_format else {}
