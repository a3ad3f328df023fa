"""The configuration that makes a pyramid of zarrpyramid again, from the documents in its store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.config import to_yaml
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import (
    OMERO_DIGEST,
    SAME,
    ZARR_FORMATS,
    encoded_as,
    fits,
    labels_group,
    read_axes,
    stated_version,
    version_written,
)
from zarrpyramid.plan import VOXEL_REVISION
from zarrpyramid.programs import command
from zarrpyramid.reduce import METHODS

from .origins import recipe_of
from .pyramid import find_pyramid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata

    from .pyramid import FoundLevel, Pyramid


def reproduce(path: str, *, storage_options: Mapping[str, Any] | None = None) -> str:
    """Return the configuration, as YAML, that makes the pyramid at a path.

    A build by it in a copy of level 0 gives equal documents and equal digests.

    Raises
    ------
    PyramidError
        If zarrpyramid made no level of it, or no one configuration makes it.
    """
    pyramid = find_pyramid(path, storage_options=storage_options)
    settings = reproduced_settings(pyramid)
    if storage_options:
        settings["storage_options"] = dict(storage_options)
    return f"# Makes the pyramid of {pyramid.where} again.\n{to_yaml(settings)}"


def reproduced_settings(pyramid: Pyramid, *, trusts_list: bool = False) -> dict[str, Any]:
    """Return the settings that make a pyramid of zarrpyramid, as a configuration file holds them.

    With `trusts_list`, method and factors may be those that the group's list states, where levels
    or records are lost or contradict each other. Errors are those of `reproduce`.
    """
    ours = _made_here(pyramid)
    base = pyramid.levels[0].metadata
    if base is None:
        raise StoreError(f"{pyramid.where} has no level 0 from which its levels could be made")
    chain = _recipes(pyramid, ours, len(base.shape) if trusts_list else None)
    # The first level whose document is what its record says.
    agree = [each for each in ours.values() if recipe_of(each) and fits(each.record, each.form)]
    level = [*agree, *ours.values()][0]
    first, record, stated = level.array, level.record or {}, pyramid.provenance
    holds_ids = pyramid.is_labels or labels_group(pyramid.path) is not None
    return {
        "store": pyramid.store.name,
        "field": pyramid.path,
        "levels": len(chain),
        "scale_factors": [list(factors) for _, factors in chain],
        "method": chain[0][0],
        # Means that were made of labels are made again as they are.
        **({"labels": False} if METHODS[chain[0][0]].mixes and holds_ids else {}),
        **({} if stated is None or OMERO_DIGEST in stated else {"omero": False}),
        "dtype": SAME if first.dtype == base.dtype else first.dtype,
        "chunks": list(first.chunks),
        "shards": "none" if first.shards is None else list(first.shards),
        **_encoding(pyramid, base, first),
        "write_empty_chunks": record.get("recipe", {}).get("write_empty_chunks", True),
        **_axes(pyramid, base, first),
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


def _recipes(
    pyramid: Pyramid, ours: Mapping[int, FoundLevel], n_axes: int | None
) -> list[tuple[str, Shape]]:
    """Return method and factors of each level, of one method and the arithmetic of today.

    `n_axes` counts the axes of the image where the group's list may be trusted, and is else None.
    """
    recipes = {number: recipe for number, level in ours.items() if (recipe := recipe_of(level))}
    chain = [recipes[number] for number in sorted(recipes)]
    is_whole = set(recipes) == set(ours) == set(range(1, len(ours) + 1))
    methods = {method for method, _ in chain}
    listed = None if n_axes is None else _listed_recipes(pyramid, n_axes)
    # Records win over the list where they are whole, agree on a method and contradict it.
    is_contradicted = is_whole and len(methods) == 1 and (listed or [])[: len(chain)] != chain
    if listed and not is_contradicted:
        chain, is_whole, methods = listed, True, {listed[0][0]}
    if not is_whole:
        raise StoreError(
            f"{pyramid.where} lacks some of its levels or their records, found "
            f"{sorted(level.path for level in ours.values())}; build it anew"
        )
    revisions = {(ours[number].record or {})["recipe"].get("voxel_revision") for number in recipes}
    if len(methods) != 1 or revisions - {VOXEL_REVISION}:
        raise StoreError(
            f"{pyramid.where} was made by methods {sorted(methods)} and revisions "
            f"{sorted(map(str, revisions))} of the arithmetic, expected one method and revision "
            f"{VOXEL_REVISION}; build it anew"
        )
    return chain


def _listed_recipes(pyramid: Pyramid, n_axes: int) -> list[tuple[str, Shape]] | None:
    """Return method and factors of all levels as the group's list states them, if it does."""
    stated = pyramid.provenance or {}
    method, factors = str(stated.get("method")), stated.get("factors")
    if method not in METHODS or not isinstance(factors, list):
        return None
    for step in factors:
        is_step = isinstance(step, list) and len(step) == n_axes
        if not is_step or not all(type(n) is int and n > 0 for n in step):
            return None
    return [(method, tuple(step)) for step in factors]


def _encoding(pyramid: Pyramid, base: ArrayMetadata, first: ArrayMetadata) -> dict[str, Any]:
    """Return the compressor and checksum that turn level 0's codecs into those of the levels."""
    for compressor in (SAME, "none", "blosc-lz4", "blosc-zstd", "gzip", "zstd", *_zstd_of(first)):
        for checksum in (False, True):
            try:
                pattern = encoded_as(base, compressor, checksum=checksum, where=pyramid.where)
            except ConfigError:
                continue
            cut: dict[str, Any] = {"chunks": first.chunks, "shards": first.shards}
            derived = pattern.derive(shape=first.shape, attributes={}, dtype=first.dtype, **cut)
            # Level 0 may lack the names that the levels have.
            if derived.form == first.form:
                return {"compressor": compressor, "checksum": checksum}
    raise StoreError(
        f"{pyramid.levels[0].name} is encoded otherwise than when its levels were made: "
        "no compressor that can be asked for turns its codecs into theirs; build the pyramid anew"
    )


def _zstd_of(metadata: ArrayMetadata) -> list[str]:
    """Return the setting that asks for the zstd codec of an array, where it has one."""
    known = [c.get("configuration", {}) for c in metadata.codecs if c["name"] == "zstd"]
    levels = [codec.get("level") for codec in known]
    return [f"zstd:{level}" for level in levels if type(level) is int]


def _axes(pyramid: Pyramid, base: ArrayMetadata, first: ArrayMetadata) -> dict[str, Any]:
    """Return names, voxel sizes and units of the axes, as far as they are recorded."""
    found = read_axes(pyramid.attributes, len(base.shape))
    names = [axis.name for axis in found] if found else list(first.dimension_names or ())
    settings: dict[str, Any] = {"axes": names} if names and all(names) else {}
    if found:
        settings["voxel_size"] = {axis.name: axis.size for axis in found}
        settings["unit"] = {axis.name: axis.unit for axis in found if axis.unit}
    # A build names the dimensions of a level 0 of zarr v3 that names none.
    lacks = base.zarr_format == 3 and base.dimension_names != first.dimension_names
    return {**settings, "edit_base": not lacks}


def _version(pyramid: Pyramid) -> dict[str, str]:
    """Return the version of OME-NGFF, where a group that lists nothing would get another."""
    stated = stated_version(pyramid.attributes)
    usual = version_written({}, pyramid.zarr_format)
    if not isinstance(stated, str) or stated == usual:
        return {}
    return {"ngff_version": stated} if ZARR_FORMATS.get(stated) == pyramid.zarr_format else {}
