"""Arrays of zarr v3, with shards or without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from zarrpyramid.reduce import ITEM_SIZES

from .array import SHARDING, ArrayMetadata
from .formats import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape

    Document = dict[str, Any]

_NEW_SHARDING = {
    "chunk_shape": [],
    "codecs": [],
    "index_codecs": [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "crc32c"},
    ],
    "index_location": "end",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayV3(ArrayMetadata):
    """An array of zarr v3: ``zarr.json`` alone."""

    format: ClassVar[Format] = FORMATS[3]

    @property
    def byte_order(self) -> str:
        """As the codec `bytes` says, little where it says none."""
        for codec in self.codecs:
            if codec["name"] == "bytes":
                return str(codec.get("configuration", {}).get("endian", "little"))
        return "little"

    @property
    def codecs(self) -> list[Document]:
        """Those of the inner chunks where there are shards, each as a mapping."""
        configuration = self.sharding
        listed = self.document["codecs"] if configuration is None else configuration["codecs"]
        return [{"name": codec} if isinstance(codec, str) else codec for codec in listed]

    @property
    def filters(self) -> list[str]:
        """Names of the codecs before `bytes`; a transpose is bound to no data type."""
        names = [str(codec["name"]) for codec in self.codecs]
        before = names[: names.index("bytes")] if "bytes" in names else names
        return [name for name in before if name != "transpose"]

    @property
    def separator(self) -> str:
        """As the chunk key encoding says, or is usual for it."""
        encoding = self.document["chunk_key_encoding"]
        usual = {"default": "/", "v2": "."}[encoding["name"]]
        return str(encoding.get("configuration", {}).get("separator", usual))

    def object_key(self, index: tuple[int, ...]) -> str:
        """Return ``"c/0/1/2"`` in the usual encoding, ``"0.1.2"`` in the one that v2 has."""
        is_v2 = self.document["chunk_key_encoding"]["name"] == "v2"
        return self.separator.join(map(str, index if is_v2 else ("c", *index)))

    def documents(self) -> dict[str, Document]:
        """Return one document that holds the attributes too."""
        return {"zarr.json": {**self.document, "attributes": self.attributes}}

    def named(self, names: Sequence[str]) -> ArrayMetadata:
        """Return metadata whose document says ``dimension_names``."""
        document = {**self.document, "dimension_names": list(names)}
        return replace(self, dimension_names=tuple(names), document=document)

    def _cut(self, chunks: Shape, shards: Shape | None) -> Document:
        grid = {"chunk_shape": list(shards or chunks)}
        document: Document = {"chunk_grid": {"name": "regular", "configuration": grid}}
        sharding = self.sharding
        if shards is not None:
            options = sharding or {**_NEW_SHARDING, "codecs": self.document["codecs"]}
            inner = {**options, "chunk_shape": list(chunks)}
            document["codecs"] = [{"name": SHARDING, "configuration": inner}]
        elif sharding is not None:
            document["codecs"] = sharding["codecs"]
        return document

    def _retyped(self, dtype: str) -> Document:
        codecs = [_retyped_codec(codec, self.item_size, dtype) for codec in self.codecs]
        if self.sharding is not None:
            configuration = {**self.sharding, "codecs": codecs}
            codecs = [{"name": SHARDING, "configuration": configuration}]
        return {**self.document, **self._refilled(dtype), "data_type": dtype, "codecs": codecs}


def _retyped_codec(codec: Document, item_size: int, dtype: str) -> Document:
    """Return a v3 codec for voxels of another data type."""
    configuration = codec.get("configuration", {})
    if codec["name"] == "bytes" and ITEM_SIZES[dtype] > 1:
        # A document may leave the byte order out where it means nothing.
        return {**codec, "configuration": {"endian": "little", **configuration}}
    if codec["name"] == "blosc" and configuration.get("typesize") == item_size:
        return {**codec, "configuration": {**configuration, "typesize": ITEM_SIZES[dtype]}}
    return codec
