"""Each rule of OME-NGFF by itself: a sound list breaks none, each harm the one it is of."""

from __future__ import annotations

import copy

import pytest

from zarrpyramid.metadata.parsing import parse_array
from zarrpyramid.verify.findings import DEFECT, NOTE
from zarrpyramid.verify.ngff import check_ngff, version_of

AXES = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]


def dataset(path, scale, shift):
    steps = [{"type": "scale", "scale": [scale] * 3}]
    steps += [{"type": "translation", "translation": [shift] * 3}] if shift else []
    return {"path": path, "coordinateTransformations": steps}


def listed(zarr_format):
    described = {
        "name": "a", "type": "mean", "metadata": {}, "axes": AXES,
        "datasets": [dataset("0", 1, 0), dataset("1", 2, 0.5)],
    }  # fmt: skip
    if zarr_format == 2:
        return {"multiscales": [{**described, "version": "0.4"}]}
    return {"ome": {"version": "0.5", "multiscales": [described]}}


def array(extent, zarr_format, names=("z", "y", "x")):
    common = {"shape": [extent] * 3, "fill_value": 0, "zarr_format": zarr_format}
    if zarr_format == 2:
        form = {
            "chunks": [4] * 3,
            "dtype": "<u2",
            "order": "C",
            "compressor": None,
            "filters": None,
        }
        return parse_array({".zarray": {**common, **form}}, "a")
    form = {
        "node_type": "array", "data_type": "uint16", "codecs": ["bytes"],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4] * 3}},
        "chunk_key_encoding": {"name": "default"}, "dimension_names": names,
    }  # fmt: skip
    return parse_array({"zarr.json": {**common, **form}}, "a")


def found(zarr_format, harm=lambda described: None, names=("z", "y", "x")):
    attributes = copy.deepcopy(listed(zarr_format))
    harm((attributes.get("ome") or attributes)["multiscales"][0])
    arrays = {"0": array(8, zarr_format, names), "1": array(4, zarr_format, names)}
    return list(check_ngff(attributes, zarr_format, arrays))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_sound_list(zarr_format):
    assert found(zarr_format) == []
    assert version_of(listed(zarr_format), zarr_format) == {2: "0.4", 3: "0.5"}[zarr_format]


def transformations(*steps):
    return lambda d: d["datasets"][1].update(coordinateTransformations=list(steps))


SCALE = {"type": "scale", "scale": [2.0, 2.0, 2.0]}
SHIFT = {"type": "translation", "translation": [0.5, 0.5, 0.5]}
HARMS = {
    "no axes": (lambda d: d.pop("axes"), 'MUST contain the field "axes"'),
    "one axis": (lambda d: d.update(axes=AXES[:1]), "must be between 2 and 5"),
    "axes of one name": (lambda d: d["axes"][0].update(name="x"), "MUST be unique"),
    "two times": (
        lambda d: [axis.update(type="time") for axis in d["axes"][:2]],
        "MUST contain 2 or 3 entries",
    ),
    "time last": (lambda d: d["axes"][2].update(type="time"), "MUST be ordered by"),
    "no datasets": (lambda d: d.update(datasets=[]), 'MUST contain the field "datasets"'),
    "no path": (lambda d: d["datasets"][1].pop("path"), 'MUST contain the field "path"'),
    "wrong order": (lambda d: d["datasets"].reverse(), "MUST be ordered from largest"),
    "no transformations": (
        lambda d: d["datasets"][1].pop("coordinateTransformations"),
        'MUST contain the field "coordinateTransformations"',
    ),
    "affine": (
        transformations(SCALE, {"type": "affine", "affine": [1] * 3}),
        "MUST only be of type",
    ),
    "two scales": (transformations(SCALE, SCALE), "exactly one `scale`"),
    "translation first": (transformations(SHIFT, SCALE), "MUST be listed after"),
    "short scale": (transformations({**SCALE, "scale": [2.0]}), "MUST be the same as the length"),
    "scale 0": (transformations({**SCALE, "scale": [2.0, 0, 2.0]}), ""),
    "scale of text": (transformations({**SCALE, "scale": [2.0, "2", 2.0]}), ""),
}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", HARMS)
def test_a_broken_rule(zarr_format, name):
    harm, rule = HARMS[name]
    defects = [each for each in found(zarr_format, harm) if each.grade == DEFECT]
    assert any(rule in each.rule if rule else not each.rule for each in defects), defects


def test_names_of_dimensions():
    for names in (("z", "y", "q"), None):
        assert all("dimension_names" in each.rule for each in found(3, names=names))
        assert len(found(3, names=names)) == 2


def test_what_should_be_said():
    (note,) = found(3, lambda d: d.pop("type"))
    assert note.grade == NOTE
    assert "type" in note.what


@pytest.mark.parametrize(("version", "zarr_format"), [("0.4", 3), ("0.5", 2)])
def test_a_version_of_the_other_format(version, zarr_format):
    other = listed({"0.4": 2, "0.5": 3}[version])
    findings = list(check_ngff(other, zarr_format, {}))
    assert any("is of zarr v" in each.what for each in findings)


def test_a_version_that_is_not_known():
    (note,) = found(2, lambda d: d.update(version="0.3"))
    assert note.grade == NOTE
