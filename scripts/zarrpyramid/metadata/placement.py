"""Where voxels stand: scale and translation, in each of the spellings that documents have.

OME-NGFF up to 0.5 lists a scale and a translation for each dataset, and may list others for the
whole multiscales, which come after them. 0.6 has one transformation a dataset, perhaps a sequence,
which leads to a coordinate system; others lead on from there. COSEM's datasets have a `transform`.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Document = dict[str, Any]

_LARGEST = 1e200
"""Numbers from which products of scales and factors would be no numbers any more."""

Vectors: TypeAlias = tuple[list[float] | None, list[float] | None]
"""A scale and the translation after it; None for one that is not stated."""


def mappings(value: Any) -> list[Document]:
    """Return the mappings of a list; a document may hold anything in its place.

    >>> mappings([{"name": "x"}, 7]), mappings(7)
    ([{'name': 'x'}], [])
    """
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def numbers(values: Any) -> list[float] | None:
    """Return a list of finite numbers as floats, or None where it is anything else.

    >>> numbers([1, 2.5]), numbers([1, "2"]), numbers([float("nan")])
    ([1.0, 2.5], None, None)
    """
    if isinstance(values, list) and all(
        type(value) in (int, float) and abs(value) < _LARGEST for value in values
    ):
        return [float(value) for value in values]
    return None


def read_transformations(holder: Document) -> Vectors:
    """Return scale and translation of a dataset or a multiscales; None where it states none.

    Transformations that amount to no scale and translation count as none, see `unread`.

    >>> read_transformations({"coordinateTransformations": [{"type": "scale", "scale": [2, 1]}]})
    ([2.0, 1.0], None)
    """
    return _composed(_listed(holder))[0]


def fitting(vectors: Vectors, n_axes: int) -> Vectors:
    """Return a scale and a translation of as many axes; one of another number counts as none."""
    scale, translation = (
        vector if vector is not None and len(vector) == n_axes else None for vector in vectors
    )
    return scale, translation


def unread(holder: Document, n_axes: int) -> str:
    """Return what of a holder's transformations is no scale or translation of as many axes, or "".

    >>> unread({"coordinateTransformations": [{"type": "affine", "affine": [[1]]}]}, 2)
    "{'type': 'affine', 'affine': [[1]]}"
    """
    vectors, fault = _composed(_listed(holder))
    misfits = [str(vector) for vector in vectors if vector is not None and len(vector) != n_axes]
    return next(iter(misfits), fault)[:80]


def outer_transformations(multiscales: Document) -> Vectors:
    """Return scale and translation that come after those of every dataset of a multiscales.

    Transformations with an `output` lead to coordinate systems beside that of the datasets. They
    count where the datasets' own counts voxels, and so has no units.
    """
    return _composed(_outer(multiscales))[0]


def unread_outer(multiscales: Document, n_axes: int) -> str:
    """Return what `unread` does, of the transformations after those of the datasets.

    A scale by 0 is none: no scale of a dataset makes up for it.
    """
    scale, _ = outer_transformations(multiscales)
    if scale is not None and 0 in scale:
        return str(scale)[:80]
    return unread({"coordinateTransformations": _outer(multiscales)}, n_axes)


def axes_system(multiscales: Document) -> Document:
    """Return the coordinate system of 0.6 in which an image's axes are described; {} for none.

    It is that to which the datasets lead; or, where that one counts voxels, the first to which a
    scale or translation leads on.
    """
    own = system_of(multiscales)
    onward = _onward(multiscales, own)
    return _system(multiscales, onward[0].get("output")) if onward else own


def system_of(multiscales: Document) -> Document:
    """Return the coordinate system of 0.6 to which the datasets lead; {} for none.

    Where none is listed, it is that from which others are reached, or the first.
    """
    datasets = multiscales.get("datasets")
    first = datasets[0] if isinstance(datasets, list) and datasets else None
    onward = [step for step in _listed(multiscales) if isinstance(step, dict)]
    places = [first_transformation(first).get("output"), *(step.get("input") for step in onward)]
    named = filter(None, (_system(multiscales, place) for place in places))
    return next(named, next(iter(_systems(multiscales)), {}))


def first_transformation(dataset: Any) -> Document:
    """Return the first transformation that a dataset lists; {} for none."""
    first = next(iter(_listed(dataset)), None) if isinstance(dataset, dict) else None
    return first if isinstance(first, dict) else {}


def name_of(place: Any) -> Any:
    """Return the name of the coordinate system that an `input` or `output` names.

    Drafts of 0.6 have the name alone in its place.
    """
    return place.get("name") if isinstance(place, dict) else place


def _systems(multiscales: Document) -> list[Document]:
    return mappings(multiscales.get("coordinateSystems"))


def _system(multiscales: Document, place: Any) -> Document:
    name = name_of(place)
    named = (each for each in _systems(multiscales) if each.get("name") == name)
    return next(named, {}) if isinstance(name, str) else {}


def _outer(multiscales: Document) -> list[Any]:
    """Return the transformations that come after those of every dataset."""
    steps = _listed(multiscales)
    if any(isinstance(step, dict) and "output" in step for step in steps):
        return _onward(multiscales, system_of(multiscales))
    return steps


def _onward(multiscales: Document, system: Document) -> list[Document]:
    """Return the transformation that leads on from a system that counts voxels, as a list."""
    axes = _axes(system)
    if not axes or not all(axis.get("type") == "array" for axis in axes):
        return []
    for step in _listed(multiscales):
        if not isinstance(step, dict) or name_of(step.get("input")) != system.get("name"):
            continue
        leads = _system(multiscales, step.get("output"))
        if len(_axes(leads)) == len(axes) and not _composed([step])[1]:
            return [step]
    return []


def _axes(system: Document) -> list[Document]:
    return mappings(system.get("axes"))


def _listed(holder: Document) -> list[Any]:
    """Return the transformations that a dataset or a multiscales lists."""
    listed = holder.get("coordinateTransformations")
    transform = holder.get("transform")
    if listed is None and isinstance(transform, dict):  # COSEM
        spelled = {"scale": transform.get("scale"), "translation": transform.get("translate")}
        turned = -1 if transform.get("order") == "F" else 1
        listed = [
            {"type": kind, kind: values[::turned] if isinstance(values, list) else values}
            for kind, values in spelled.items()
            if values is not None
        ]
    if listed is None:
        return []
    if not isinstance(listed, list):
        return [listed]
    # Those of a dataset of 0.6 each lead to another coordinate system.
    leads = "path" in holder and listed and isinstance(listed[0], dict) and "output" in listed[0]
    return listed[:1] if leads else listed


def _composed(steps: list[Any]) -> tuple[Vectors, str]:
    """Return the scale and translation that steps amount to, and the step that is neither."""
    scale: list[float] | None = None
    translation: list[float] | None = None
    for step in _flat(steps):
        kind = step.get("type") if isinstance(step, dict) else None
        if kind == "identity":
            continue
        values = numbers(step.get(kind)) if kind in ("scale", "translation") else None
        before = scale or translation
        if values is None or (before is not None and len(before) != len(values)):
            return (None, None), str(step)
        if kind == "translation":
            translation = _each(operator.add, translation, values)
        else:
            scale = _each(operator.mul, scale, values)
            translation = translation and _each(operator.mul, translation, values)
    return (scale, translation), ""


def _flat(steps: list[Any]) -> Iterator[Any]:
    """Yield the steps of sequences in the place of these."""
    pending = steps[::-1]
    while pending:
        step = pending.pop()
        inner = step.get("transformations") if isinstance(step, dict) else None
        if isinstance(inner, list) and step.get("type") == "sequence":
            pending += inner[::-1]
        else:
            yield step


def _each(
    change: Callable[[float, float], float], before: list[float] | None, values: list[float]
) -> list[float]:
    return values if before is None else list(map(change, before, values))
