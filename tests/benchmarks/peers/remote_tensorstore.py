"""tensorstore on a bucket: its downsample driver over its s3 driver, with their defaults."""

from __future__ import annotations

import json

import tensorstore as ts
from contender import compete_remotely


def build(port: int, levels: int, threads: int) -> None:
    """Make the levels beside array 0."""

    def place(name: str) -> dict[str, object]:
        return {
            "driver": "s3",
            "bucket": "bucket",
            "path": f"image.zarr/field/{name}/",
            "endpoint": f"http://127.0.0.1:{port}",
            "aws_region": "us-east-1",
        }

    context = ts.Context({"data_copy_concurrency": {"limit": threads}})
    document = ts.KvStore.open(place("0")).result().read("zarr.json").result().value
    metadata = json.loads(document)
    kept = ("chunk_grid", "chunk_key_encoding", "codecs", "data_type", "fill_value")
    for level in range(1, levels + 1):
        base = {"driver": "zarr3", "kvstore": place(str(level - 1))}
        downsample = {
            "driver": "downsample",
            "downsample_factors": [2] * len(metadata["shape"]),
            "downsample_method": "mean",
            "base": base,
        }
        source = ts.open(downsample, context=context, read=True).result()
        target = ts.open(
            {
                "driver": "zarr3",
                "kvstore": place(str(level)),
                "metadata": {**{key: metadata[key] for key in kept}, "shape": source.shape},
            },
            context=context,
            create=True,
        ).result()
        target.write(source).result()


if __name__ == "__main__":
    compete_remotely(build, "tensorstore")
