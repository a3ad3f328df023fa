"""A small pyramid of ours, what can be done to it, and what `verify` says of it then."""

from __future__ import annotations

import json
import shutil

import numpy as np
import zarr

from zarrpyramid.verify.findings import DEFECT, Report
from zarrpyramid.verify.verify import verify_pyramid

SHAPE, CHUNKS = (37, 22, 29), (8, 8, 8)


def make(path, dtype="uint16", shape=SHAPE, chunks=CHUNKS, zarr_format=3, **settings):
    random = np.random.default_rng(3)
    voxels = random.integers(0, 200, shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        voxels[..., :2] = np.nan
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format).create_group("raw")
    group.create_array("0", data=voxels, chunks=chunks, **settings)
    return path


def verified(path, **settings):
    report = Report(path=str(path))
    report.gather(verify_pyramid(str(path), **settings))
    return report


def findings(path, grade=DEFECT, **settings):
    return [found for found in verified(path, **settings).findings if found.grade == grade]


def chunk_of(store, level, key="c/0/0/0"):
    return store / "raw" / str(level) / key


def truncate(store):
    path = chunk_of(store, 1)
    path.write_bytes(path.read_bytes()[:-3])


def empty(store):
    chunk_of(store, 2).write_bytes(b"")


def swap(store):
    """Put another sound chunk in the place of one."""
    shutil.copy(chunk_of(store, 1, "c/0/0/1"), chunk_of(store, 1))


def harm_level_0(store):
    shutil.copy(chunk_of(store, 0, "c/0/0/1"), chunk_of(store, 0))


def damage_level_0(store):
    chunk_of(store, 0, "c/4/2/3").write_bytes(b"no zstd")


def litter(store):
    (store / "raw/1/c/0/0/0.7-7.zarrpyramid-partial").write_bytes(b"half")


def die_within_a_level(store):
    (store / "raw/4/c/0/0").mkdir(parents=True)
    (store / "raw/4/c/0/0/0").write_bytes(b"half")


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def datasets(change):
    """Return what changes the datasets that the group lists."""

    def harm(store):
        edit(
            store / "raw/zarr.json",
            lambda d: change(d["attributes"]["ome"]["multiscales"][0]["datasets"]),
        )

    return harm


def record(change):
    def harm(store):
        edit(store / "raw/1/zarr.json", lambda d: change(d["attributes"]["zarrpyramid"]))

    return harm


def steps(dataset):
    return dataset["coordinateTransformations"]


HARMS = {
    "truncated": (truncate, 1, "1/c/0/0/0 is damaged"),
    "empty": (empty, 2, "is empty, and no chunk"),
    "missing": (lambda s: chunk_of(s, 1).unlink(), 1, "is missing"),
    "other voxels": (swap, 1, r"voxels of chunk \[0, 0, 0\] are not what they must be"),
    "level 0 changed": (harm_level_0, 1, "are not what they must be"),
    "level 0 damaged": (damage_level_0, 1, "0/c/4/2/3 is damaged"),
    "litter": (litter, 1, "left by a run that died"),
    "remains": (die_within_a_level, None, "holds 1 objects and no array"),
    "level gone": (lambda s: shutil.rmtree(s / "raw/2"), 2, "is listed, but there is no array"),
    "no JSON": (lambda s: (s / "raw/2/zarr.json").write_text("{"), 2, "cannot be read"),
    "shape": (
        lambda s: edit(s / "raw/2/zarr.json", lambda d: d.update(shape=[10, 6, 7])),
        2,
        "shape is not that of its record",
    ),
    "dtype": (
        lambda s: edit(s / "raw/2/zarr.json", lambda d: d.update(data_type="int16")),
        2,
        "dtype is not that of its record",
    ),
    "codecs": (
        lambda s: edit(s / "raw/2/zarr.json", lambda d: d.update(codecs=d["codecs"][:1])),
        2,
        "encoded differently from 1",
    ),
    "scale": (
        datasets(lambda d: steps(d[1])[0].update(scale=[2.0, 3.0, 2.0])),
        1,
        "scale is not that of its factors",
    ),
    "translation": (
        datasets(lambda d: steps(d[2]).pop()),
        2,
        "has no translation by half a window",
    ),
    "two scales": (
        datasets(lambda d: steps(d[1]).append(steps(d[1])[0])),
        1,
        "They MUST contain exactly one `scale`",
    ),
    "order": (datasets(lambda d: d.insert(0, d.pop(1))), 1, "MUST be ordered from largest"),
    "unlisted": (datasets(lambda d: d.pop()), 3, "is there and not listed"),
    "recipe": (record(lambda r: r["recipe"].update(method="mode")), 1, "are not what they must be"),
    "no recipe": (record(lambda r: r.pop("recipe")), 1, "names no recipe"),
    "chain": (record(lambda r: r.update(digest="0" * 32)), 2, "was not made from 1 as that is now"),
    "names": (
        lambda s: edit(s / "raw/1/zarr.json", lambda d: d.update(dimension_names=["z", "x", "y"])),
        None,
        "MUST match the names in the",
    ),
}
