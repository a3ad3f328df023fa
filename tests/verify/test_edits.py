"""One edit of one document: what verify, status and a run say of it, and what a repair makes of it.

A table of every entry of every document of small pyramids, each left out or with something else in
its place. No command contradicts another one, a repair changes no sound document, and afterwards
verify finds nothing, or a line has said what is lost.
"""

from __future__ import annotations

import json
import random
from typing import NamedTuple

import numpy as np
import pytest
import zarr

from edits import edits
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_configs
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.publish import write_multiscales
from zarrpyramid.downsample.stale import stale_sentinels, write_owner
from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import write_sentinel
from zarrpyramid.plan import base_layout, open_image

FORMS = {
    "v3": ({}, {}),
    "v2": ({"zarr_format": 2}, {}),
    "sparse": ({"fill_value": 5}, {"write_empty_chunks": False}),
    "shards": ({"shards": (16, 16)}, {}),
    "0.6": ({}, {"ngff_version": "0.6"}),
}
DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
N_EDITS = 40

VOXELS_ALONE = {*("min", "max", "sum", "mean", "n_nan", "n_inf", "digest", "keys", "n")}
"""Entries of records that are held against voxels, and against nothing that status reads."""

SEALED_ALONE = {"voxel_revision", "fingerprint", "objects", "shards", "stored_bytes"}
"""Entries of records that are held against sentinels, which the store has not."""


class Pyramid(NamedTuple):
    """A small pyramid, as it was built: its files, settings, and the folder of a run's results."""

    files: dict
    settings: dict
    results: object


def make(path, settings, zarr_format=3, **how):
    voxels = np.random.default_rng(3).integers(0, 200, (37, 45)).astype("uint16")
    if "fill_value" in how:
        voxels[8:] = how["fill_value"]
    if zarr_format == 3:
        how["dimension_names"] = ("y", "x")
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format).create_group("raw")
    group.create_array("0", data=voxels, chunks=(8, 8), **how)
    return build_pyramid(path, "raw", progress=False, n_workers=1, **{"levels": 2, **settings})


@pytest.fixture(scope="module", params=FORMS)
def pyramid(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    how, settings = FORMS[request.param]
    records = make(folder / "a.zarr", settings, **how)
    for number, record in enumerate(records):
        write_sentinel(folder / f"results/levels/{number}.json", record)
    files = {
        path.relative_to(folder / "a.zarr"): path.read_bytes()
        for path in (folder / "a.zarr").rglob("*")
        if path.is_file()
    }
    return Pyramid(files, {"field": "raw", "levels": 2, **settings}, folder / "results")


def put(pyramid, store):
    for name, data in pyramid.files.items():
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_bytes(data)


def documents(files):
    return {
        name: json.loads(data) if name.name in DOCUMENTS else data for name, data in files.items()
    }


def contents(store):
    return {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}


def stale(pyramid, store, image=None):
    """Return the names of the sentinels that a run finds stale; of all where it cannot plan."""
    try:
        image = open_image(image_configs({**pyramid.settings, "store": str(store)})[0])
        found = stale_sentinels(image, pyramid.results, base_layout(image))
    except PyramidError:
        return {"all"}
    return {path.stem for path in found}


def all_edits(pyramid):
    """Return all edits of all documents: its name, the entry, the edited document as bytes."""
    found = []
    for name, data in pyramid.files.items():
        if name.name in DOCUMENTS:
            found += [(name, "", b"{"), (name, "", None)]
            found += [
                (name, entry, json.dumps(edited).encode())
                for entry, edited in edits(json.loads(data))
            ]
    return found


@pytest.mark.sampled(4)
@pytest.mark.parametrize("number", range(N_EDITS))
def test_one_edit(pyramid, number, tmp_path, capsys):
    name, entry, data = random.Random(number).choice(all_edits(pyramid))
    store = tmp_path / "a.zarr"
    put(pyramid, store)
    image = open_image(image_configs({**pyramid.settings, "store": str(store)})[0])
    write_owner(image, pyramid.results, base_layout(image))
    write_sentinel(pyramid.results / "levels/0.json", seal_base(image))
    write_sentinel(pyramid.results / "multiscales.json", write_multiscales(image))
    (store / name).unlink()
    if data is not None:
        (store / name).write_bytes(data)
    what = f"{name}: {entry}: {data!r:.2000}"
    found_stale = stale(pyramid, store)
    verified = main(["verify", str(store / "raw"), "--full"])
    status = main(["status", str(store / "raw")])
    is_base = "0" in name.parts
    key = entry.rpartition("/")[2]

    # No command contradicts another one.
    if verified == 0:
        assert status == 0, what
        # What a run seals of level 0, and of records, is more than the store says of itself.
        is_sealed = key in SEALED_ALONE or "windows" in entry or entry.endswith("version")
        assert not found_stale or is_base or is_sealed, what
    elif not is_base and key not in VOXELS_ALONE and not entry.endswith("source"):
        assert status != 0, what
    if verified and not is_base and "omero" not in entry:  # which a run leaves as it is
        assert found_stale, what

    # A repair mends it, or says what is lost; it changes nothing that was sound.
    capsys.readouterr()
    repaired = main(["verify", str(store / "raw"), "--repair", "--full"])
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    if repaired == 0:
        assert main(["verify", str(store / "raw"), "--full"]) == 0, what
        assert main(["status", str(store / "raw")]) == 0, what
    else:
        assert "restore it from a copy" in told.err + told.out or "; " in told.err + told.out, what
    after = contents(store)
    others = {other: item for other, item in pyramid.files.items() if other != name}
    kept = {other: after[other] for other in others if other in after}
    assert documents(kept) == documents(others), what
