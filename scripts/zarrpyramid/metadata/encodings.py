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
        codec = _v2_codec(compressor)
    if checksum:
        if codec is None or codec.get("id") != "zstd":
            found = "none" if codec is None else repr(codec.get("id"))
            raise ConfigError(
                f"{where}: checksum: zarr v2 has one for zstd alone, the compressor is {found}; "
                "give compressor: zstd, or leave checksum out"
            )
        codec = {**codec, "checksum": True}
    return {**base.document, "compressor": codec}


def _v2_codec(compressor: str) -> Document | None:
    name, _, option = compressor.partition(":")
    match name:
        case "none":
            return None
        case "gzip":
            return {"id": "gzip", "level": 5}
        case "zstd":
            return {"id": "zstd", "level": int(option or 0)}
        case _:
            cname = name.removeprefix("blosc-")
            return {"id": "blosc", "cname": cname, "clevel": 5, "shuffle": 1, "blocksize": 0}


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
        last = _v3_codecs(compressor, base.item_size)
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


def _v3_codecs(compressor: str, item_size: int) -> list[Document]:
    name, _, option = compressor.partition(":")
    match name:
        case "none":
            return []
        case "gzip":
            options: Document = {"level": 5}
        case "zstd":
            options = {"level": int(option or 0), "checksum": False}
        case _:
            name, cname = name.split("-")
            options = {
                "typesize": item_size,
                "cname": cname,
                "clevel": 5,
                "shuffle": "shuffle" if item_size > 1 else "bitshuffle",
                "blocksize": 0,
            }
    return [{"name": name, "configuration": options}]
