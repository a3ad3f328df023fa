"""Each rule of OME-NGFF by a pair of documents made into stores: one keeps it, one breaks it."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil

import numpy as np
import pytest
import zarr

from harms import verified
from ngff_stores import AXES, CHANNEL, make, put_group
from zarrpyramid import build_pyramid
from zarrpyramid.verify.findings import DEFECT, NOTE, WARNING

ALL, BOTH = ("0.4", "0.5", "0.6"), ("0.4", "0.5")
OLD, NEW, LAST = ("0.4",), ("0.5", "0.6"), ("0.6",)


def first(change):
    """Return a harm of the first multiscales."""
    return lambda held, _: change(held["multiscales"][0])


def steps(*found, level=1):
    def harm(held, _):
        held["multiscales"][0]["datasets"][level]["coordinateTransformations"] = list(found)

    return harm


def whole(*found):
    return first(lambda described: described.update(coordinateTransformations=list(found)))


def axis(number, **change):
    return first(lambda described: described["axes"][number].update(change))


def without_axis(number, key):
    return first(lambda described: described["axes"][number].pop(key))


def axes(*types):
    """Return a harm that gives the axes other types, and levels scales of their number."""

    def harm(held, _):
        described = held["multiscales"][0]
        described["axes"] = [
            {"name": f"a{number}"} | ({"type": kind} if kind else {})
            for number, kind in enumerate(types)
        ]
        for level, dataset in enumerate(described["datasets"]):
            sizes = [2.0**level if kind == "space" else 1.0 for kind in types]
            dataset["coordinateTransformations"] = [{"type": "scale", "scale": sizes}]
        held.pop("omero", None)

    return harm


def channel(**change):
    """Return a harm of the second channel; None takes a key out."""

    def harm(held, _):
        found = {**copy.deepcopy(CHANNEL), **change}
        kept = {key: item for key, item in found.items() if item is not None}
        held["omero"]["channels"][1] = kept

    return harm


def window(**change):
    found = {**CHANNEL["window"], **change}
    return channel(window={key: item for key, item in found.items() if item is not None})


def label(**change):
    return lambda held, _: held["image-label"].update(change)


def plate(**change):
    return lambda held, _: held["plate"].update(change)


def lacking(kind, key):
    return lambda held, _: held[kind].pop(key)


def wells(*found):
    return plate(wells=list(found))


def acquisition(**change):
    return lambda held, _: held["plate"]["acquisitions"][1].update(change)


def images(*found):
    return lambda held, _: held["well"].update(images=list(found))


def version(value):
    def harm(held, attributes):
        if held is not attributes:
            held["version"] = value
        else:
            for key in ("plate", "well", "multiscales"):
                found = held.get(key, {})
                (found[0] if isinstance(found, list) else found).update(version=value)

    return harm


def further(change):
    """Return a harm of a second multiscales."""

    def harm(held, _):
        second = copy.deepcopy(held["multiscales"][0])
        change(second)
        held["multiscales"].append(second)

    return harm


SCALE = {"type": "scale", "scale": [1, 2.0, 2.0]}
SHIFT = {"type": "translation", "translation": [0, 0.5, 0.5]}
WELL = {"path": "B/2", "rowIndex": 1, "columnIndex": 1}
SYSTEM = {"name": "physical", "axes": AXES}


def sequence(*found):
    return {"type": "sequence", "transformations": list(found)}


def sixth(step, *, level=1, more=False, **ends):
    """Return a harm that gives a level of 0.6 a transformation; an end of None is left out."""
    usual = {"input": {"path": str(level)}, "output": {"name": "physical"}}
    whole = {key: item for key, item in {**step, **usual, **ends}.items() if item is not None}
    return steps(*[whole] * (1 + more), level=level)


def systems(found):
    return first(lambda described: described.update(coordinateSystems=found))


def system(types=None, axis=None, **change):
    """Return a harm of the one coordinate system; `axis` of its first axis."""
    axes = copy.deepcopy(AXES)
    for n, kind in enumerate(types or ()):
        axes[n]["type"] = kind
    axes[0].update(axis or {})
    return systems([{**SYSTEM, "axes": axes, **change}])


def onward(step):
    """Return a harm that lets a step lead on to a second coordinate system."""
    ends = {"input": {"name": "physical"}, "output": {"name": "b"}}

    def harm(held, _):
        systems([SYSTEM, {**SYSTEM, "name": "b"}])(held, _)
        whole({**ends, **step})(held, _)

    return harm


def both(*harms):
    return lambda held, attributes: [harm(held, attributes) for harm in harms]


def as_draft(stated):
    def harm(held, _):
        held["version"] = stated
        for number in range(2):
            step = SCALE if number else {"type": "identity"}
            sixth(step, level=number, input=str(number), output="physical")(held, _)

    return harm


def plain_again(held, _):
    described = held["multiscales"][0]
    (found,) = described.pop("coordinateSystems")
    described["axes"] = found["axes"]


# Documents that keep the rules, beside the plain ones.
KEPT = {
    "length as the unit of time": ("image", BOTH, axis(0, type="time", unit="micrometer")),
    "custom type": ("image", BOTH, axis(0, type="angle")),
    "no type of the other axis": ("image", BOTH, without_axis(0, "type")),
    "null as type and unit": ("image", BOTH, axis(0, type=None, unit=None)),
    "unit of nobody": ("image", BOTH, axis(1, unit="pixel")),
    "no unit": ("image", BOTH, without_axis(1, "unit")),
    "no name": ("image", ALL, first(lambda described: described.pop("name"))),
    "two axes": ("image", BOTH, axes("space", "space")),
    "five axes": ("image", BOTH, axes("time", "channel", *["space"] * 3)),
    "no translation": ("image", BOTH, steps(SCALE)),
    "scale for the whole": ("image", BOTH, whole(SCALE)),
    "scale and translation for the whole": ("image", BOTH, whole(SCALE, SHIFT)),
    "no omero": ("image", ALL, lambda held, _: held.pop("omero")),
    "other keys of a channel": ("image", ALL, channel(coefficient=1, inverted=False)),
    "a channel without colour": ("image", ("0.5",), channel(color=None)),
    "a channel without window": ("image", ("0.5",), channel(window=None)),
    "no version of a multiscales": (
        "image",
        OLD,
        first(lambda described: described.pop("version")),
    ),
    "a second multiscales": ("image", BOTH, further(lambda second: second.update(name="b"))),
    "labels alone": ("label", ALL, lambda held, _: held.update({"image-label": {}})),
    "a value of a whole float": ("label", ALL, label(colors=[{"label-value": 1.0}])),
    # 0.6
    "a scale alone": ("image", LAST, sixth(SCALE)),
    "identity": ("image", LAST, sixth({"type": "identity"}, level=0)),
    "a name of a transformation": ("image", LAST, sixth({**SCALE, "name": "to physical"})),
    "discrete and long names": ("image", LAST, system(axis={"discrete": True, "longName": "dye"})),
    "a rotation elsewhere": ("image", LAST, onward({"type": "rotation", "rotation": [[1]]})),
    "an output in another group": (
        "image",
        LAST,
        onward({"type": "identity", "output": {"path": "labels/a", "name": "physical"}}),
    ),
    "a system that counts voxels": (
        "image",
        LAST,
        both(system(types=["array"] * 3), sixth({"type": "identity"})),
    ),
    "a draft with names alone": ("image", LAST, as_draft("0.6.dev2")),
    "no acquisitions": ("plate", ALL, lacking("plate", "acquisitions")),
    "no field_count": ("plate", ALL, lacking("plate", "field_count")),
    "a name of letters and digits": ("plate", ALL, plate(rows=[{"name": "A1"}, {"name": "B"}])),
    "a path of signs": ("well", LAST, images({"path": "field_1-a.b", "acquisition": 0})),
    "one image": ("well", ALL, images({"path": "0", "acquisition": 0})),
}

BROKEN = {
    # Version.
    "no version in ome": ("image", NEW, lambda held, _: held.pop("version"), "ome has no version"),
    "a number as version": ("image", ALL, version(0.4), "version is no text"),
    "a word as version": ("image", ALL, version("foo"), "'foo' is no version of OME-NGFF"),
    "an older version": ("image", OLD, version("0.3"), "'0.3' is older than what it holds"),
    "no version of a plate": ("plate", ALL, version("foo"), "'foo' is no version"),
    "no version of a well": ("well", ALL, version("foo"), "'foo' is no version"),
    "0.5 in zarr v2": ("image", OLD, version("0.5"), "0.5 is of zarr v3"),
    # Multiscales and axes.
    "no multiscales": ("image", BOTH, lambda h, _: h.update(multiscales=[]), "lists no im"),
    "multiscales as a mapping": ("image", BOTH, lambda h, _: h.update(multiscales={}), "lists"),
    "no axes": ("image", BOTH, first(lambda d: d.pop("axes")), 'MUST contain the field "axes"'),
    "axes of names": (
        "image",
        BOTH,
        first(lambda described: described.update(axes=["c", "y", "x"])),
        'MUST contain the field "axes"',
    ),
    "empty axes": ("image", BOTH, first(lambda d: d.update(axes=[])), "must be between 2 and 5"),
    "one axis": ("image", BOTH, axes("space"), "must be between 2 and 5"),
    "six axes": ("image", BOTH, axes("time", "channel", "a", *["space"] * 3), "between 2 and 5"),
    "axes of one name": ("image", BOTH, axis(1, name="x"), "MUST be unique"),
    "an axis without name": ("image", BOTH, without_axis(1, "name"), "MUST be unique"),
    "a number as name": ("image", BOTH, axis(1, name=3), "MUST be unique"),
    "a number as type": ("image", BOTH, axis(0, type=3), "MAY take other string values"),
    "one axis of space": ("image", BOTH, axes("time", "channel", "space"), "2 or 3 entries"),
    "four axes of space": ("image", BOTH, axes(*["space"] * 4), "2 or 3 entries"),
    "two times": ("image", BOTH, axes("time", "time", "space", "space"), "2 or 3 entries"),
    "two channels": ("image", BOTH, axes("channel", None, "space", "space"), "2 or 3 entries"),
    "time last": ("image", BOTH, axes("space", "space", "time"), 'ordered by "type"'),
    "channel before time": ("image", BOTH, axes("channel", "time", "space", "space"), "ordered by"),
    # Datasets and transformations.
    "datasets absent": ("image", BOTH, first(lambda d: d.pop("datasets")), 'the field "datasets"'),
    "no datasets": ("image", BOTH, first(lambda d: d.update(datasets=[])), 'the field "datasets"'),
    "no path": ("image", BOTH, first(lambda d: d["datasets"][1].pop("path")), 'the field "path"'),
    "a number as path": (
        "image",
        BOTH,
        first(lambda described: described["datasets"][1].update(path=1)),
        'the field "path"',
    ),
    "wrong order": (
        "image",
        BOTH,
        first(lambda described: described["datasets"].reverse()),
        "MUST be ordered from largest",
    ),
    "a level twice": (
        "image", ALL, first(lambda d: d["datasets"].append(d["datasets"][1])), "1: is listed twice"
    ),
    "a multiscales twice": ("image", ALL, further(lambda _: None), "multiscales is listed twice"),
    "a scale beyond all extents": (
        "image", BOTH, steps({**SCALE, "scale": [1, 2, 10**30]}), "scale contradicts shape"
    ),
    "no transformations": (
        "image",
        BOTH,
        first(lambda described: described["datasets"][1].pop("coordinateTransformations")),
        'MUST contain the field "coordinateTransformations"',
    ),
    "null as transformations": (
        "image",
        BOTH,
        first(lambda described: described["datasets"][1].update(coordinateTransformations=None)),
        "is a list of dictionaries",
    ),
    "empty transformations": ("image", BOTH, steps(), "exactly one `scale`"),
    "translation alone": ("image", BOTH, steps(SHIFT), "exactly one `scale`"),
    "two scales": ("image", BOTH, steps(SCALE, SCALE), "exactly one `scale`"),
    "two translations": ("image", BOTH, steps(SCALE, SHIFT, SHIFT), "MUST be listed after"),
    "translation first": ("image", BOTH, steps(SHIFT, SCALE), "MUST be listed after"),
    "affine": ("image", BOTH, steps(SCALE, {"type": "affine", "affine": []}), "MUST only be of"),
    "a step without type": ("image", BOTH, steps(SCALE, {"scale": [1, 1, 1]}), "MUST only be of"),
    "short scale": ("image", BOTH, steps({**SCALE, "scale": [2.0]}), "the same as the length"),
    "no values": ("image", BOTH, steps({"type": "scale"}), "the same as the length"),
    "scale 0": ("image", BOTH, steps({**SCALE, "scale": [1, 0, 2.0]}), "place a voxel"),
    "scale of text": ("image", BOTH, steps({**SCALE, "scale": [1, "2", 2]}), "place a voxel"),
    "short scale for the whole": (
        "image",
        BOTH,
        whole({"type": "scale", "scale": ["invalid"]}),
        "of the whole multiscales: length .*the same as the length",
    ),
    "text for the whole": (
        "image",
        BOTH,
        whole({"type": "scale", "scale": [1, "2", 2]}),
        "of the whole multiscales: scale is not of numbers",
    ),
    "translation alone for the whole": ("image", BOTH, whole(SHIFT), "the whole .*exactly one"),
    "nothing for the whole": ("image", BOTH, whole(), "the whole .*exactly one `scale`"),
    "rotation of the whole": (
        "image",
        BOTH,
        whole(SCALE, {"type": "rotation"}),
        "of the whole .*MUST only be of type",
    ),
    "translation of the whole first": ("image", BOTH, whole(SHIFT, SCALE), "the whole .*after"),
    # Words.
    "a number as unit": ("image", BOTH, axis(2, unit=3), "unit of axis 'x'; expected a text"),
    "a number as the image's name": (
        "image", ALL, first(lambda described: described.update(name=3)), "name of multiscales"
    ),
    "a word as version of labels": ("label", OLD, label(version="foo"), "'foo' is no version"),
    "null as labels": (
        "label", ALL, lambda held, _: held.update({"image-label": None}), "label is no mapping"
    ),
    # 0.6
    "a list as a system's name": ("image", LAST, system(name=["a"]), "MUST be a non-empty string"),
    "text as discrete": ("image", LAST, system(axis={"discrete": "yes"}), "MUST be a boolean"),
    "a number as longName": ("image", LAST, system(axis={"longName": 3}), "MUST be a string"),
    "fewer axes in a system": (
        "image", LAST,
        both(onward({"type": "identity"}),
             systems([SYSTEM, {"name": "b", "axes": AXES[1:]}])),
        "number of axes of coordinate system 'b'; expected 3; found 2",
    ),
    "onward by nothing known": ("image", LAST, onward({"type": "magic"}), "type of transformation"),
    "onward without values": ("image", LAST, onward({"type": "affine"}), "has no affine or path"),
    "onward by too few": ("image", LAST, onward({"type": "scale", "scale": [1]}), "same as the"),
    "onward twice by one name": (
        "image", LAST,
        both(onward({}), whole(*[{"type": "identity", "name": "a", "input": {"name": "physical"},
                                  "output": {"name": "b"}}] * 2)),
        "MUST be unique across all `name`",
    ),
    "axes of 0.5": ("image", LAST, plain_again, "MUST contain the field `coordinateSystems`"),
    "no systems": ("image", LAST, systems([]), "MUST contain the field `coordinateSystems`"),
    "systems of one name": (
        "image", LAST, systems([SYSTEM, SYSTEM]), "MUST be a non-empty string that is unique"
    ),
    "a system without name": ("image", LAST, system(name=""), "MUST be a non-empty string"),
    "a system without axes": ("image", LAST, system(axes=None), "system 'physical': axes are not"),
    "a system of one axis": (
        "image", LAST, systems([SYSTEM, {"name": "a", "axes": AXES[1:2]}]), "'a': there are 1"
    ),
    "a system of voxels and space": (
        "image", LAST, system(types=["array", "space", "array"]), "2 or 3 entries"
    ),
    "time last in 0.6": ("image", LAST, system(types=["space", "space", "time"]), "ordered by"),
    "axes of one name in 0.6": ("image", LAST, system(axis={"name": "x"}), "MUST be unique"),
    "two transformations": ("image", LAST, sixth(SCALE, more=True), "MUST be one of the following"),
    "no transformations in 0.6": ("image", LAST, steps(), "MUST be one of the following"),
    "transformations of 0.5": ("image", LAST, steps(SCALE, SHIFT), "MUST be one of the following"),
    "an affine in 0.6": ("image", LAST, sixth({"type": "affine", "affine": [[1]]}), "one of the f"),
    "a translation in 0.6": ("image", LAST, sixth(SHIFT), "MUST be one of the following"),
    "two scales in 0.6": ("image", LAST, sixth(sequence(SCALE, SCALE)), "one of the following"),
    "the translation first in 0.6": ("image", LAST, sixth(sequence(SHIFT, SCALE)), "one of the fo"),
    "a scale in a sequence": ("image", LAST, sixth(sequence(SCALE)), "one of the following"),
    "a sequence of nothing": ("image", LAST, sixth({"type": "sequence"}), "one of the following"),
    "a short scale in 0.6": ("image", LAST, sixth({**SCALE, "scale": [2]}), "length of the scale"),
    "a scale of 0 in 0.6": ("image", LAST, sixth({**SCALE, "scale": [1, 0, 2]}), "place a voxel"),
    "no input": ("image", LAST, sixth(SCALE, input=None), "MUST equal the value of `path`"),
    "another input": ("image", LAST, sixth(SCALE, input={"path": "7"}), "MUST equal the value of"),
    "an input as text": ("image", LAST, sixth(SCALE, input="1"), "input as a text, expected a ma"),
    "an output as text": ("image", LAST, sixth(SCALE, output="physical"), "output as a text"),
    "no output": ("image", LAST, sixth(SCALE, output=None), "output is none of the coordinate"),
    "an unknown output": ("image", LAST, sixth(SCALE, output={"name": "b"}), "output is none of"),
    "outputs in two systems": (
        "image", LAST,
        both(systems([SYSTEM, {**SYSTEM, "name": "b"}]), sixth(SCALE, output={"name": "b"})),
        "MUST be the same for every dataset",
    ),
    "onward from elsewhere": (
        "image", LAST, onward({"type": "identity", "input": {"name": "b"}}), 'the "intrinsic" coord'
    ),
    "onward to itself": (
        "image", LAST, onward({"type": "identity", "output": {"name": "physical"}}), "different"
    ),
    "onward to nothing": (
        "image", LAST, onward({"type": "identity", "output": {"name": "c"}}), "different from the"
    ),
    "onward without type": ("image", LAST, onward({"scale": [1, 1, 1]}), "the field `type`"),
    "onward by an empty list": (
        "image", LAST, first(lambda d: d.update(coordinateTransformations=[])), "are no list"
    ),
    "onward as a mapping": ("image", LAST, first(lambda d: d.update(coordinateTransformations={})),
                            "of the whole multiscales are no list"),
    "0.6 in zarr v2": ("image", OLD, version("0.6"), "0.6 is of zarr v3"),
    # Further multiscales.
    "a further array that is absent": (
        "image",
        BOTH,
        further(lambda second: second["datasets"][1].update(path="gone")),
        "level 1, .*gone: of a further multiscales is listed, but there is no array",
    ),
    "a further multiscales without axes": (
        "image",
        BOTH,
        further(lambda second: second.pop("axes")),
        'MUST contain the field "axes"',
    ),
    # Display.
    "omero as a list": ("image", ALL, lambda h, _: h.update(omero=[]), "omero is no mapping"),
    "omero without channels": ("image", ALL, lacking("omero", "channels"), "has no channels"),
    "a channel as text": (
        "image",
        ALL,
        lambda held, _: held["omero"].update(channels=["DNA"]),
        "channels of omero",
    ),
    "a number as colour": ("image", ALL, channel(color=255), "6 hexadecimal digits"),
    "a name as colour": ("image", ALL, channel(color="red"), "expected six hexadecimal digits"),
    "a colour of the web": ("image", ALL, channel(color="#00FF00"), "6 hexadecimal digits"),
    "no colour": ("image", (*OLD, *LAST), channel(color=None), r"channels\[1\] has no color"),
    "no window": ("image", (*OLD, *LAST), channel(window=None), r"channels\[1\] has no window"),
    "a list as window": ("image", ALL, channel(window=[0, 1]), "expected a mapping"),
    "no start": ("image", ALL, window(start=None), r"channels\[1\].window has no start"),
    "no max": ("image", ALL, window(max=None), r"channels\[1\].window has no max"),
    "text as end": ("image", ALL, window(end="100"), r"end of omero.*found '100'"),
    "a number as label": ("image", ALL, channel(label=3), "label of omero"),
    "text as active": ("image", ALL, channel(active="yes"), "active of omero"),
    # Labels.
    "image-label as text": (
        "label",
        ALL,
        lambda held, _: held.update({"image-label": "cells"}),
        "image-label is no mapping",
    ),
    "labels without multiscales": (
        "label",
        ALL,
        lambda held, _: held.pop("multiscales"),
        "MUST also contain `multiscales`",
    ),
    "empty colors": ("label", ALL, label(colors=[]), "colors of image-label"),
    "colors as a mapping": ("label", ALL, label(colors={}), "colors of image-label"),
    "empty properties": ("label", ALL, label(properties=[]), "properties of image-label"),
    "a colour of no label": ("label", ALL, label(colors=[{"rgba": [0] * 4}]), "no label-value"),
    "a colour of a text": ("label", ALL, label(colors=[{"label-value": "1"}]), "MUST be the"),
    "a property of no label": ("label", ALL, label(properties=[{"a": 1}]), "has no label-value"),
    "rgba of three": (
        "label",
        ALL,
        label(colors=[{"label-value": 1, "rgba": [0, 0, 0]}]),
        "four integers between 0 and 255",
    ),
    "rgba of 500": (
        "label",
        ALL,
        label(colors=[{"label-value": 1, "rgba": [0, 0, 0, 500]}]),
        "four integers between 0 and 255",
    ),
    "two colours of a label": (
        "label",
        ALL,
        label(colors=[{"label-value": 1}, {"label-value": 1, "rgba": [0] * 4}]),
        "`label-value`s must be unique",
    ),
    "source as text": ("label", ALL, label(source="../../"), "source of image-label"),
    "a number as the source's image": ("label", ALL, label(source={"image": 3}), "image of image"),
    # Plates.
    "plate as a list": ("plate", ALL, lambda h, _: h.update(plate=[]), "plate is no mapping"),
    **{
        f"no {key}": ("plate", ALL, lacking("plate", key), f"plate has no {key}")
        for key in ("rows", "columns", "wells")
    },
    **{
        f"empty {key}": ("plate", ALL, plate(**{key: []}), f"{key} of plate")
        for key in ("rows", "columns", "wells")
    },
    "wells as a mapping": ("plate", ALL, plate(wells={}), "wells of plate"),
    "a row without name": ("plate", ALL, plate(rows=[{"name": "A"}, {}]), "has no name"),
    "a column without name": ("plate", ALL, plate(columns=[{}, {"name": "2"}]), "has no name"),
    "a name with a dash": ("plate", ALL, plate(rows=[{"name": "A-"}, {"name": "B"}]), "alphanum"),
    "rows of one name": (
        "plate",
        ALL,
        plate(rows=[{"name": "B"}, {"name": "B"}]),
        "MUST NOT be a duplicate of any other `name` in the `rows`",
    ),
    "columns of one name": (
        "plate",
        ALL,
        plate(columns=[{"name": "2"}, {"name": "2"}]),
        "MUST NOT be a duplicate of any other `name` in the `columns`",
    ),
    "a well twice": ("plate", ALL, wells(WELL, WELL), "duplicate of any other `path`"),
    **{
        f"a well without {key}": (
            "plate",
            ALL,
            wells({name: item for name, item in WELL.items() if name != key}),
            f"has no {key}",
        )
        for key in WELL
    },
    "a row from 1": ("plate", ALL, wells({**WELL, "rowIndex": 2}), "same row/column pair"),
    "the other column": ("plate", ALL, wells({**WELL, "columnIndex": 0}), "same row/column pair"),
    "a negative row": ("plate", ALL, wells({**WELL, "rowIndex": -1}), "an integer from 0"),
    "one folder": ("plate", ALL, wells({**WELL, "path": "B2"}), "same row/column pair"),
    "three folders": ("plate", ALL, wells({**WELL, "path": "p/B/2"}), "same row/column pair"),
    "column before row": ("plate", ALL, wells({**WELL, "path": "2/B"}), "same row/column pair"),
    "a well that is absent": (
        "plate",
        ALL,
        wells(WELL, {"path": "A/1", "rowIndex": 0, "columnIndex": 0}),
        "no well is there, which the plate lists",
    ),
    "an acquisition without id": ("plate", ALL, plate(acquisitions=[{"name": "a"}]), "has no id"),
    "a text as id": ("plate", ALL, acquisition(id="0"), "unique integer identifier"),
    "a negative id": ("plate", ALL, acquisition(id=-1), "unique integer identifier"),
    "acquisitions of one id": ("plate", ALL, acquisition(id=0), "unique integer identifier"),
    "no fields": ("plate", ALL, acquisition(maximumfieldcount=0), "positive integer"),
    "text as fields": ("plate", ALL, acquisition(maximumfieldcount="1"), "positive integer"),
    "a date as start": ("plate", ALL, acquisition(starttime="2022-05-13"), "epoch timestamps"),
    "a date as end": ("plate", ALL, acquisition(endtime="2022-05-13"), "epoch timestamps"),
    "a negative start": ("plate", ALL, acquisition(starttime=-1), "epoch timestamps"),
    "a number as description": ("plate", ALL, acquisition(description=1), "description of plate"),
    "field_count 0": ("plate", ALL, plate(field_count=0), "field_count of plate"),
    "a number as the plate's name": ("plate", ALL, plate(name=1), "name of plate"),
    # Wells.
    **{
        f"a path {name!r}": ("well", LAST, images({"path": name, "acquisition": 0}), "path of")
        for name in ("__a", "a b", "...")
    },
    "well as a list": ("well", ALL, lambda h, _: h.update(well=[]), "well is no mapping"),
    "no images": ("well", ALL, lacking("well", "images"), "well has no images"),
    "empty images": ("well", ALL, images(), "images of well"),
    "an image without path": ("well", ALL, images({"acquisition": 0}), "has no path"),
    "an image in a folder": ("well", ALL, images({"path": "a/b", "acquisition": 0}), "path of"),
    "images of one path": (
        "well",
        ALL,
        images({"path": "0", "acquisition": 0}, {"path": "0", "acquisition": 3}),
        "duplicate of any other `path`",
    ),
    "a text as acquisition": ("well", ALL, images({"path": "0", "acquisition": "0"}), "acquis"),
    "no acquisition": ("well", ALL, images({"path": "0"}), "has no acquisition"),
    "another acquisition": ("well", ALL, images({"path": "0", "acquisition": 7}), "none of the"),
}  # fmt: skip


def pairs(table):
    return [
        pytest.param(*row[:1], version, *row[2:], id=f"{version} {row[0]} {name}")
        for name, row in table.items()
        for version in row[1]
    ]


def defects(report):
    return [found for found in report.findings if found.grade == DEFECT]


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("kind", ["image", "label", "plate", "well"])
def test_sound_documents(tmp_path, kind, version):
    report = verified(make(tmp_path / "a.zarr", kind, version))
    assert [found.line for found in report.findings] == []
    assert report.code == 0


@pytest.mark.sampled(20)
@pytest.mark.parametrize(("kind", "version", "harm"), pairs(KEPT))
def test_what_is_allowed_is_no_defect(tmp_path, kind, version, harm):
    report = verified(make(tmp_path / "a.zarr", kind, version, harm))
    assert [found.line for found in defects(report)] == []


@pytest.mark.sampled(20)
@pytest.mark.parametrize(("kind", "version", "harm", "message"), pairs(BROKEN))
def test_a_broken_rule_is_a_defect(tmp_path, kind, version, harm, message):
    report = verified(make(tmp_path / "a.zarr", kind, version, harm))
    told = [found.line for found in defects(report)]
    assert any(re.search(message, line) for line in told), told
    assert report.code == 1


MISLEADING = {
    "a development version": (
        "image",
        version("0.5-dev-spatialdata"),
        WARNING,
        "'0.5-dev-spatialdata' is none that is released, and is read as 0.5",
    ),
    "a version of the future": ("image", version("7.1"), WARNING, "7.1 is not one whose rules"),
    "a misspelled key": (
        "image",
        axis(1, units="nanometer"),
        WARNING,
        "axis 'y' says units, which no reader looks for; expected unit; found units: 'nanometer'",
    ),
    "a length as the unit of time": (
        "image",
        axis(0, type="time", unit="micrometer"),
        NOTE,
        "unit of axis 'c' is none of time; found micrometer",
    ),
    "a unit of nobody": ("image", axis(2, unit="pixel"), NOTE, "unit of axis 'x' is none of space"),
    "a channel too few": (
        "image",
        lambda held, _: held["omero"]["channels"].pop(),
        WARNING,
        "number of channels in omero; expected 2; found 1",
    ),
    "no type": ("image", first(lambda d: d.pop("type")), NOTE, "does not say its type"),
    "a level less than the image has": (
        "label",
        first(lambda described: described["datasets"].pop()),
        WARNING,
        "number of levels of labels is not that of their image; expected 2; found 1",
    ),
    "labels that do not say so": (
        "label",
        lambda held, _: held.pop("image-label"),
        NOTE,
        "labels do not say that they are",
    ),
    "no name of a plate": ("plate", lacking("plate", "name"), NOTE, "plate has no name"),
}


@pytest.mark.parametrize(("kind", "harm", "grade", "message"), MISLEADING.values(), ids=MISLEADING)
def test_what_misleads_or_should_be_said(tmp_path, kind, harm, grade, message):
    group = make(tmp_path / "a.zarr", kind, "0.5", harm)
    report = verified(group.parent if kind == "label" else group)
    assert not defects(report)
    assert [grade] == [found.grade for found in report.findings if message in found.line]


@pytest.mark.parametrize(("dtype", "grade"), [("f4", DEFECT), ("b1", WARNING)])
def test_labels_are_integers(tmp_path, dtype, grade):
    report = verified(make(tmp_path / "a.zarr", "label", "0.5", dtype=dtype))
    told = [found for found in report.findings if "integer data types" in found.rule]
    assert [found.grade for found in told] == [grade] * 2


@pytest.mark.parametrize("kind", ["well", "label"])
def test_a_version_is_that_of_the_group_above(tmp_path, kind):
    group = make(tmp_path / "a.zarr", kind, "0.5", version("0.5-dev"))
    report = verified(group if kind == "well" else group.parent)
    assert "MUST be consistent within a hierarchy" in defects(report)[0].rule


def test_a_labels_group_as_ome_zarr_writes_it(tmp_path):
    group = make(tmp_path / "a.zarr", "label", "0.5").parent
    put_group(group, 3, {"ome": {"labels": ["cells", "cells"]}})
    report = verified(group)
    assert [(found.grade, found.what) for found in report.findings] == [
        (WARNING, "ome has no version")
    ]
    assert [check.name for check in report.checks].count("image") == 1


@pytest.mark.parametrize("kind", ["plate", "well"])
def test_images_of_a_plate_are_verified(tmp_path, kind, capsys):
    group = make(tmp_path / "a.zarr", kind, "0.5")
    image = tmp_path / "a.zarr/B/2/1"
    (image / "1/c/0/0/0").write_bytes(b"short")
    report = verified(group)
    assert [check.figure for check in report.checks if check.name == "image"] == [
        str(image.with_name("0")),
        str(image),
    ]
    assert {found.level for found in defects(report)} == {1}
    assert all(str(image) in found.key for found in defects(report))
    shutil.rmtree(image)
    (found,) = defects(verified(group))
    assert "no image is there, which the well lists" in found.line


@pytest.mark.parametrize("v", ALL)
def test_levels_of_further_multiscales_are_verified(tmp_path, v):
    def harm(second):
        second["datasets"][1]["path"] = "other"
        if v == "0.6":
            second["datasets"][1]["coordinateTransformations"][0]["input"]["path"] = "other"

    group = make(tmp_path / "a.zarr", "image", v, further(harm))
    report = verified(group)
    assert report.code == 0
    told = [check.figure for check in report.checks if check.name in ("voxels", "further")]
    assert len(told) == 3
    (chunk,) = [path for path in (group / "other").rglob("0") if path.is_file()]
    chunk.write_bytes(b"short")
    found = defects(verified(group))
    assert {each.level for each in found} == {1}
    assert all("other" in each.key for each in found)


def test_images_of_labels_and_series_are_verified(tmp_path):
    root = tmp_path / "a.zarr"
    cells = make(root / "0", "label", "0.5")
    layout = {"ome": {"version": "0.5", "bioformats2raw.layout": 3}}
    put_group(root, 3, layout)
    for group, image in ((cells.parent, cells), (root, root / "0")):
        report = verified(group)
        assert report.code == 0
        assert [check.figure for check in report.checks if check.name == "image"] == [str(image)]
    put_group(root / "OME", 3, {"ome": {"version": "0.5", "series": ["0", "a"]}})
    assert "no image is there, which OME lists" in defects(verified(root))[0].line
    put_group(root, 3, {"ome": {"version": "0.5", "bioformats2raw.layout": 2}})
    assert 'MUST have the value "3"' in defects(verified(root))[0].rule


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"labels": {}}, "labels is no list of paths"),
        ({"labels": [3]}, "labels is no list of paths"),
        ({"labels": ["cells", "gone"]}, "gone: no image is there, which the labels group lists"),
    ],
)
def test_an_image_s_labels_group_is_checked(tmp_path, listed, message):
    make(tmp_path / "a.zarr", "label", "0.5")
    put_group(tmp_path / "a.zarr/labels", 3, {"ome": {"version": "0.5", **listed}})
    (found,) = defects(verified(tmp_path / "a.zarr"))
    assert message in found.line


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text("{"), "is no JSON"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "is a pipe, a socket or a device"),
    ],
    ids=["cut", "pipe"],
)
def test_a_labels_group_that_cannot_be_read_is_a_defect(tmp_path, damage, message):
    make(tmp_path / "a.zarr", "label", "0.5")
    damage(tmp_path / "a.zarr/labels/zarr.json")
    (found,) = defects(verified(tmp_path / "a.zarr"))
    assert message in found.line


def test_labels_that_are_not_listed_get_listed_by_their_build(tmp_path):
    image = make(tmp_path / "a.zarr", "image", "0.5")
    group = zarr.open_group(image / "labels", mode="w").create_group("cells")
    group.create_array("0", data=np.ones((8, 8), "uint8"), chunks=(4, 4), dimension_names="yx")
    report = verified(image)
    assert report.code == 0
    (found,) = [each for each in report.findings if "no reader finds" in each.what]
    assert f"store={image} field=labels/NAME" in found.way_out
    build_pyramid(image, "labels/cells", levels=1)
    assert not [each for each in verified(image).findings if "no reader finds" in each.what]


@pytest.mark.parametrize("key", ["plate", "well", "labels", "bioformats2raw.layout"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_image_without_a_list_is_none_of_these(tmp_path, key, zarr_format):
    group = make(tmp_path / "a.zarr", "image", "0.4" if zarr_format == 2 else "0.5")
    put_group(group, zarr_format, {key: "a word of its own"})
    report = verified(group)
    assert report.code == 0
    assert "no list of levels" in next(c.figure for c in report.checks if c.name == "documents")


@pytest.mark.parametrize(
    ("version", "word"), [("0.5", "sound"), ("0.6.dev4", "sound"), ("0.9", "not proven")]
)
def test_what_a_later_version_says_is_not_proven(tmp_path, version, word):
    path = make(tmp_path / "a.zarr", "image", "0.6" if version > "0.5" else "0.5")
    document = json.loads((path / "zarr.json").read_bytes())
    document["attributes"]["ome"]["version"] = version
    (path / "zarr.json").write_text(json.dumps(document))
    report = verified(path)
    assert report.code == 0
    assert report.verdict.startswith(f"{path}: {word}")
