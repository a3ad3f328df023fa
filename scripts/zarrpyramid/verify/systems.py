"""The rules of OME-NGFF 0.6 for coordinate systems and the transformations between them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import datasets_of, first_transformation, mappings, name_of, system_of

from .axes import check_axes
from .datasets import broken_vectors
from .entries import FILLED, TEXT, Entry, are_mappings, check_entries, check_unique
from .findings import DEFECT, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zarrpyramid.metadata import Document

_STEPS = "coordinateTransformations"
_SYSTEMS = "Each `multiscales` object MUST contain the field `coordinateSystems`"
_NAME = "The value MUST be a non-empty string that is unique among all entries under "
_ONE = "The transformation MUST be one of the following: A single scale or identity "
_ONE += "transformation; A sequence transformation containing one scale and one translation"
_INPUT = "The value of `input` MUST equal the value of `path`"
_SAME = "coordinate system MUST be the same for every dataset in a single multiscales"
_OUTER = 'The value of `input` MUST equal the name of the "intrinsic" coordinate system'
_OUTPUT = "The value of `output` MUST be the name of the output coordinate System which is "
_OUTPUT += 'different from the "intrinsic" coordinate system'
_ENDS = 'coordinate_transformations.schema: "inputOutput": object'
_TYPE = Entry(key="type", form=TEXT, rule="MUST contain the field `type` (string)", needed=DEFECT)
_LENGTH = "length of `axes` [...] MUST be equal to the dimensionality of the Zarr arrays"
_ONCE = "MAY contain the field `name` (string). Its value MUST be unique across all `name` fields"
_FIELDS = {
    "identity": (),
    "mapAxis": ("mapAxis",),
    "projectAxis": ("droppedInputs", "createdOutputs"),
    "translation": ("translation", "path"),
    "scale": ("scale", "path"),
    "affine": ("affine", "path"),
    "rotation": ("rotation", "path"),
    "sequence": ("transformations",),
    "displacements": ("path",),
    "coordinates": ("path",),
    "bijection": ("forward",),
    "byDimension": ("transformations",),
}
"""Types of transformations, and of which fields each has to have one."""
_NAMES_ALONE = re.compile(r"0\.6\.?dev[1-3]")
"""Drafts in which `input` and `output` are names, not mappings."""


def check_systems(described: Document, version: str) -> Iterator[Finding]:
    """Yield every rule that coordinate systems of a multiscales break, and what leads on from them.

    Transformations of the datasets are looked at by `check_transformation`.
    """
    systems = described.get("coordinateSystems")
    if not are_mappings(systems) or not systems:
        yield Finding(what="coordinate systems are not described", rule=_SYSTEMS)
        return
    names = [system.get("name") for system in systems]
    if not all(isinstance(name, str) and name for name in names) or len({*names}) < len(names):
        what = "names of coordinate systems are not unique texts"
        yield Finding(what=what, found=str(names)[:80], rule=f"{_NAME}`coordinateSystems`")
        return
    own = axes_of(system_of(described))
    for system in systems:
        if len(axes := axes_of(system)) != len(own):
            what = f"number of axes of coordinate system {system['name']!r}"
            yield Finding(what=what, expected=str(len(own)), found=str(len(axes)), rule=_LENGTH)
        for found in check_axes(system.get("axes"), may_count=True):
            yield replace(found, what=f"coordinate system {system['name']!r}: {found.what}")
    leads = {
        str(name_of(step.get("output")))
        for dataset in datasets_of(described)
        if (step := first_transformation(dataset))
    }
    if len(leads) > 1:
        what = "datasets lead to several coordinate systems"
        yield Finding(what=what, found=", ".join(sorted(leads))[:80], rule=_SAME)
    if _STEPS in described:
        yield from _check_onward(described, names, version)
    # Whether all systems are connected, a scene above may tell too.


def axes_of(holder: Document) -> list[Document]:
    """Return the axes of a coordinate system, or of a multiscales before 0.6."""
    return mappings(holder.get("axes"))


def _check_onward(described: Document, names: list[str], version: str) -> Iterator[Finding]:
    """Yield what is wrong with what leads on to other coordinate systems."""
    steps = described["coordinateTransformations"]
    if not FILLED.fits(steps):
        what = "transformations of the whole multiscales are no list of mappings"
        rule = "The `coordinateTransformations` field MUST contain an array of valid "
        yield Finding(what=what, found=repr(steps)[:80], rule=f"{rule}transformations")
        return
    system = system_of(described)
    own = system.get("name")
    yield from check_unique(described, _STEPS, "name", "the whole multiscales", _ONCE)
    for number, step in enumerate(steps):
        where = f"transformation {number} of the whole multiscales"
        yield from check_entries(step, where, (_TYPE,))
        kind = step.get("type")
        fields = _FIELDS.get(kind) if isinstance(kind, str) else ()
        if fields is None:
            yield Finding(what=f"type of {where}", found=str(kind)[:80], rule=_TYPE.rule)
        elif fields and not step.keys() & fields:
            rule = "MUST contain any other fields required by the given `type`"
            yield Finding(what=f"{where} has no {' or '.join(fields)}", rule=rule)
        elif kind in ("scale", "translation") and kind in step:
            for what, rule, value in broken_vectors(step, len(axes_of(system))):
                yield Finding(what=f"{where}: {what}", found=str(value)[:80], rule=rule)
        found, output = name_of(step.get("input")), step.get("output")
        if found != own:
            what = f"{where} does not start from the datasets' coordinate system"
            yield Finding(what=what, expected=str(own), found=str(found)[:80], rule=_OUTER)
        leads = name_of(output)
        is_elsewhere = isinstance(output, dict) and bool(output.get("path"))
        if not is_elsewhere and (leads == own or leads not in names):
            what = f"{where} leads to no other coordinate system"
            yield Finding(what=what, found=str(leads)[:80], rule=_OUTPUT)
        if fault := _ends(step, version):
            yield Finding(what=f"{where}: {fault}", rule=_ENDS)


def transformation_checker(described: Document, version: str) -> Callable[..., Iterator[Finding]]:
    """Return what looks at the transformation of a dataset of a multiscales."""
    systems = described.get("coordinateSystems")
    listed = systems if isinstance(systems, list) and are_mappings(systems) else []
    names = [system.get("name") for system in listed]

    def check(dataset: Document, n_axes: int, *, level: int, key: str) -> Iterator[Finding]:
        def broken(what: str, rule: str, found: object = "") -> Finding:
            return Finding(what=what, level=level, key=key, found=str(found)[:80], rule=rule)

        steps = dataset["coordinateTransformations"]
        if not are_mappings(steps) or len(steps) != 1:
            yield broken("transformations are not a list of one", _ONE, repr(steps))
            return
        (step,) = steps
        inner = [step]
        if step.get("type") == "sequence":
            listed = step.get("transformations")
            inner = listed if isinstance(listed, list) and are_mappings(listed) else []
            if (kinds := [item.get("type") for item in inner]) != ["scale", "translation"]:
                yield broken("sequence is not of a scale and a translation", _ONE, kinds)
                return
        elif step.get("type") not in ("scale", "identity"):
            yield broken("kind of transformation", _ONE, step.get("type"))
            return
        for vector in inner:
            if vector.get("type") != "identity":
                yield from (broken(*fault) for fault in broken_vectors(vector, n_axes))
        place = step.get("input")
        if (place.get("path") if isinstance(place, dict) else place) != key:
            yield broken("input is another path", _INPUT, place)
        if name_of(step.get("output")) not in names:
            what = "output is none of the coordinate systems"
            yield broken(what, _SYSTEMS, name_of(step.get("output")))
        if fault := _ends(step, version):
            yield broken(fault, _ENDS)

    return check


def _ends(step: Document, version: str) -> str:
    """Return what is wrong with the form of a transformation's input and output, or ""."""
    texts: list[Any] = [end for end in ("input", "output") if isinstance(step.get(end), str)]
    if not texts or _NAMES_ALONE.match(version):
        return ""
    return f"{' and '.join(texts)} as a text, expected a mapping with a name or a path"
