"""How the chunks of new levels are encoded, as documents: level 0's way, or another compressor.

Documents are those that zarr-python writes for the same settings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zarrpyramid.errors import ConfigError

from .array import SHARDING

if TYPE_CHECKING:
    from .array import ArrayMetadata, Document

SAME = "same"

BLOSC = ("blosc-lz4", "blosc-lz4hc", "blosc-zstd", "blosc-zlib", "blosc-blosclz")
"""The compressors that blosc calls, as a configuration spells them."""

SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
"""What blosc does with the bytes of voxels before; zarr v2 gives them numbers from 0."""


def encoded_as(
    base: ArrayMetadata, compressor: str, *, checksum: bool, where: str
) -> ArrayMetadata:
    """Return an array's metadata with another compressor, its chunks and shards as they are.

    Filters and the byte order stay; all codecs behind them are replaced.

    `compressor` is as in the configuration, where ``same`` keeps the codecs. With `checksum` chunks
    end with one: zstd's own, else crc32c. Messages call the image `where`.

    Raises
    ------
    ConfigError
        If the array's codecs cannot be told from its filters, or its format has no such checksum.
    """
    if compressor == SAME and not checksum:
        return base
    encode = _encoded_v2 if base.zarr_format == 2 else _encoded_v3
    return replace(base, document=encode(base, compressor, checksum, where))


def _encoded_v2(base: ArrayMetadata, compressor: str, checksum: bool, where: str) -> Document:
    codec: Document | None = base.document.get("compressor")
    if compressor != SAME:
        name, options = _options(base, compressor)
        codec = {"id": name, **options} if name else None
    if checksum:
        if codec is None or codec.get("id") != "zstd":
            found = "none" if codec is None else repr(codec.get("id"))
            raise ConfigError(
                f"{where}: checksum: zarr v2 has one only for zstd, the compressor is {found}; "
                "give compressor: zstd, or leave checksum out"
            )
        codec = {**codec, "checksum": True}
    return {**base.document, "compressor": codec}


def _encoded_v3(base: ArrayMetadata, compressor: str, checksum: bool, where: str) -> Document:
    codecs = base.codecs
    names = [codec["name"] for codec in codecs]
    if "bytes" not in names:
        key = "checksum" if compressor == SAME else f"compressor {compressor!r}"
        raise ConfigError(
            f"{where}: {key} has no place among level 0's codecs {names}, of which none is "
            "'bytes'; leave compressor and checksum out, which keeps them"
        )
    after = names.index("bytes") + 1
    kept, last = codecs[:after], codecs[after:]
    if compressor != SAME:
        name, options = _options(base, compressor)
        last = [{"name": name, "configuration": options}] if name else []
    if checksum and "crc32c" not in [codec["name"] for codec in last]:
        if last and last[-1]["name"] == "zstd":
            options = {**last[-1].get("configuration", {}), "checksum": True}
            last = [*last[:-1], {"name": "zstd", "configuration": options}]
        else:
            last = [*last, {"name": "crc32c"}]
    codecs = [*kept, *last]
    if base.sharding is not None:
        options = {**base.sharding, "codecs": codecs}
        codecs = [{"name": SHARDING, "configuration": options}]
    return {**base.document, "codecs": codecs}


def _options(base: ArrayMetadata, compressor: str) -> tuple[str, Document]:
    """Return the name of a compressor's codec, which "none" has not, and its options."""
    name, *given = compressor.split(":")
    is_v2, size = base.zarr_format == 2, base.item_size
    level = int(given.pop(0)) if given and given[0] not in SHUFFLES else None
    match name:
        case "none":
            return "", {}
        case "gzip":
            return name, {"level": 5 if level is None else level}
        case "zstd":
            return name, {"level": level or 0, **({} if is_v2 else {"checksum": False})}
    name, cname = name.split("-")
    shuffle = given[0] if given else "shuffle" if is_v2 or size > 1 else "bitshuffle"
    return name, {
        **({} if is_v2 else {"typesize": size}),
        "cname": cname,
        "clevel": 5 if level is None else level,
        "shuffle": SHUFFLES.index(shuffle) if is_v2 else shuffle,
        "blocksize": 0,
    }
