"""A level 0 that is described and not written, and the plan of its image."""

from __future__ import annotations

from zarrpyramid.config import check_config, image_config
from zarrpyramid.metadata.parsing import parse_array
from zarrpyramid.plan.levels import plan_image


def base(shape, chunks=None, *, shards=None, names=None, dtype="uint16", nested=False):
    """Return the metadata of a v3 array; `nested` puts a codec before its shards."""
    codecs, outer = [{"name": "bytes"}], list(chunks or [8] * len(shape))
    if shards:
        inner = {"chunk_shape": outer, "codecs": codecs, "index_codecs": codecs}
        codecs, outer = [{"name": "sharding_indexed", "configuration": inner}], list(shards)
    if nested:
        codecs = [{"name": "transpose", "configuration": {"order": [0, 1, 2]}}, *codecs]
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": outer}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": codecs,
        **({"dimension_names": names} if names else {}),
    }
    return parse_array({"zarr.json": document}, "a")


def plan(array, attributes=None, **keys):
    """Return the plan of an image whose level 0 is an array, with these settings."""
    return plan_image(image_config("a", check_config({"store": "/s", **keys})), array, attributes)
