"""The configuration that makes a pyramid of ours once more, from what stands in its store.

Documents alone; imports no array library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.config import to_yaml
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import SAME, encoded_as, fits, read_axes
from zarrpyramid.plan import VOXEL_REVISION
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

    A build by it in a copy without levels gives equal documents and equal digests.

    Raises
    ------
    PyramidError
        If there is no pyramid of ours, or none that one configuration makes.
    """
    pyramid = find_pyramid(path, storage_options=storage_options)
    settings = reproduced_settings(pyramid)
    if storage_options:
        settings["storage_options"] = dict(storage_options)
    return f"# Makes the pyramid of {pyramid.where} again.\n{to_yaml(settings)}"


def reproduced_settings(pyramid: Pyramid, *, trusts_list: bool = False) -> dict[str, Any]:
    """Return the settings that make a pyramid of ours, as a configuration file holds them.

    Parameters
    ----------
    trusts_list
        Whether method and factors may be those that the group's list names, where levels or
        records are lost or contradict each other.
    """
    ours = _ours(pyramid)
    base = pyramid.levels[0].metadata
    if base is None:
        raise StoreError(f"{pyramid.where} has no level 0 from which its levels could be made")
    told = _told(pyramid, len(base.shape)) if trusts_list else None
    recipes = {number: recipe for number, level in ours.items() if (recipe := recipe_of(level))}
    chain = [recipes[number] for number in sorted(recipes)]
    is_whole = set(recipes) == set(ours) == set(range(1, len(ours) + 1))
    if told and not (is_whole and len({recipe[0] for recipe in chain}) == 1
                     and told[: len(chain)] != chain):  # fmt: skip
        chain, is_whole = told, True
    if not is_whole:
        raise StoreError(
            f"{pyramid.where} lacks some of its levels or their records, found "
            f"{sorted(level.path for level in ours.values())}; build it anew"
        )
    methods = {recipe[0] for recipe in chain}
    revisions = {(ours[number].record or {})["recipe"].get("voxel_revision") for number in recipes}
    if len(methods) != 1 or revisions - {VOXEL_REVISION}:
        raise StoreError(
            f"{pyramid.where} was made by methods {sorted(methods)} and revisions "
            f"{sorted(map(str, revisions))} of the arithmetic, expected one method and revision "
            f"{VOXEL_REVISION}; build it anew"
        )
    # The first whose document is what its record says.
    level = next(filter(_agrees, ours.values()), next(iter(ours.values())))
    first, record = level.metadata, level.record or {}
    assert first is not None
    settings: dict[str, Any] = {
        "store": pyramid.store.name,
        "field": pyramid.path,
        "levels": len(chain),
        "scale_factors": [list(recipe[1]) for recipe in chain],
        "method": methods.pop(),
        "dtype": SAME if first.dtype == base.dtype else first.dtype,
        "chunks": list(first.chunks),
        "shards": "none" if first.shards is None else list(first.shards),
        **_encoding(pyramid, base, first),
        "write_empty_chunks": record.get("recipe", {}).get("write_empty_chunks", True),
        **_axes(pyramid, base, first),
    }
    return settings


def _ours(pyramid: Pyramid) -> dict[int, FoundLevel]:
    """Return the levels that carry our record, by their numbers, in order."""
    found = {pyramid.paths.level(level.path): level for level in pyramid.levels if level.record}
    ours = {number: found[number] for number in sorted(filter(None, found))}
    if not ours:
        raise StoreError(
            f"{pyramid.where} has no level that was made here, so that nothing says how; "
            f"zarrpyramid verify {pyramid.where} tells which method explains the levels of others"
        )
    return ours


def _told(pyramid: Pyramid, n_axes: int) -> list[tuple[str, Shape]] | None:
    """Return method and factors of all levels as the group's list names them, if it does."""
    told = (pyramid.multiscales or {}).get("metadata")
    if not isinstance(told, dict) or told.get("software") != "zarrpyramid":
        return None
    method, factors = str(told.get("method")), told.get("factors")
    if method not in METHODS or not isinstance(factors, list):
        return None
    for step in factors:
        is_step = isinstance(step, list) and len(step) == n_axes
        if not is_step or not all(type(n) is int and n > 0 for n in step):
            return None
    return [(method, tuple(step)) for step in factors]


def _agrees(level: FoundLevel) -> bool:
    """Tell whether a level's document and record say the same of its form."""
    metadata, record = level.metadata, level.record or {}
    return (
        metadata is not None
        and recipe_of(level) is not None
        and fits(
            record,
            {
                "shape": list(metadata.shape),
                "chunks": list(metadata.chunks),
                "shards": None if metadata.shards is None else list(metadata.shards),
                "dtype": metadata.dtype,
            },
        )
    )


def _encoding(pyramid: Pyramid, base: ArrayMetadata, first: ArrayMetadata) -> dict[str, Any]:
    """Return compressor and checksum that turn level 0's codecs into those of the levels."""
    for compressor in (SAME, "none", "blosc-lz4", "blosc-zstd", "gzip", "zstd", *_zstd_of(first)):
        for checksum in (False, True):
            try:
                pattern = encoded_as(base, compressor, checksum=checksum, where=pyramid.where)
            except ConfigError:
                continue
            derived = pattern.derive(
                shape=first.shape,
                chunks=first.chunks,
                shards=first.shards,
                attributes={},
                dtype=first.dtype,
            )
            # FoundLevel 0 may lack the names that the levels have.
            if derived.form == first.form:
                return {"compressor": compressor, "checksum": checksum}
    raise StoreError(
        f"{pyramid.name(pyramid.levels[0])} is encoded otherwise than when its levels were made: "
        "no compressor that can be asked for turns its codecs into theirs; build the pyramid anew"
    )


def _zstd_of(metadata: ArrayMetadata) -> list[str]:
    """Return how the zstd codec of an array is asked for."""
    if metadata.zarr_format == 2:
        codec = metadata.document.get("compressor") or {}
        known = [codec] if codec.get("id") == "zstd" else []
    else:
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
    # Without names of its own a level 0 of v3 would get them.
    lacks = base.zarr_format == 3 and base.dimension_names != first.dimension_names
    return {**settings, "edit_base": not lacks}
