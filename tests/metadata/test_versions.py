"""Versions of OME-NGFF as groups state them, as they are read, and as they are written back."""

from __future__ import annotations

import pytest

from zarrpyramid.metadata.versions import rules_of, stated_version, version_written


def old(version=None, **keys):
    stated = {} if version is None else {"version": version}
    return {"multiscales": [{"datasets": [{"path": "0"}], **stated, **keys}]}


def new(version=None, **keys):
    stated = {} if version is None else {"version": version}
    return {"ome": {**old(**keys), **stated}}


SYSTEMS = {"coordinateSystems": []}


@pytest.mark.parametrize(
    ("attributes", "zarr_format", "rules", "written"),
    [
        ({}, 2, "0.4", "0.4"),
        ({}, 3, "0.5", "0.5"),
        (old(), 2, "0.4", "0.4"),
        (new(), 3, "0.5", "0.5"),
        (new(**SYSTEMS), 3, "0.6", "0.6"),
        (old("0.1"), 2, "0.1", "0.4"),
        (old("0.3"), 2, "0.3", "0.4"),
        (old("0.4"), 2, "0.4", "0.4"),
        (old(0.4), 2, "0.4", "0.4"),
        (old("0.4-dev-spatialdata"), 2, "0.4", "0.4-dev-spatialdata"),
        (old("0.4"), 3, "0.4", "0.5"),  # which is of zarr v3
        (new("0.5"), 2, "0.5", "0.4"),
        (new("0.5"), 3, "0.5", "0.5"),
        (new("0.5.2"), 3, "0.5", "0.5.2"),
        (new("0.5-dev-spatialdata"), 3, "0.5", "0.5-dev-spatialdata"),
        (new("0.6"), 3, "0.6", "0.6"),
        (new("0.6rc0", **SYSTEMS), 3, "0.6", "0.6rc0"),
        (new("0.6.dev4", **SYSTEMS), 3, "0.6", "0.6.dev4"),
        (new("0.6dev1", **SYSTEMS), 3, "0.6", "0.6dev1"),
        ({"ome": {"version": "0.6", "omero": {}}}, 3, "0.6", "0.6"),
        ({"ome": {"multiscales": [{"version": "0.5"}]}}, 3, "0.5", "0.5"),
        (new("0.7"), 3, None, "0.7"),
        (new("0.9.dev1"), 3, None, "0.9.dev1"),
        (new("0.10"), 3, None, "0.10"),
        (new("0.60"), 3, None, "0.60"),
        (new("1.0"), 3, None, "1.0"),
        (new("latest"), 3, None, "latest"),
        (new(""), 3, None, ""),
        (old(["0.4"]), 2, None, "['0.4']"),
    ],
)
def test_a_version_is_read_by_its_numbers_and_stays(attributes, zarr_format, rules, written):
    assert rules_of(attributes, zarr_format) == rules
    assert version_written(attributes, zarr_format) == written
    for wanted in ("0.4", "0.5", "0.6"):
        assert version_written(attributes, zarr_format, wanted) == wanted


def test_where_a_version_stands():
    assert stated_version(old("0.4")) == "0.4"
    assert stated_version({"ome": {"version": "0.5"}, **old("0.4")}) == "0.4"
    assert stated_version({"ome": "text", **old("0.4")}) == "0.4"
    assert stated_version({}) is None
