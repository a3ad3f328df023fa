"""The rules of what a multiscales lists: levels, and the transformations that place them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import numbers

from .entries import are_mappings
from .findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zarrpyramid.metadata import ArrayMetadata, Document

_ORDERED = 'The "path"s MUST be ordered from largest (i.e. highest resolution) to smallest'


def check_datasets(
    datasets: Any,
    n_axes: int,
    arrays: Mapping[str, ArrayMetadata],
    check: Callable[..., Iterator[Finding]],
) -> Iterator[Finding]:
    """Yield every rule that the list of levels breaks.

    Parameters
    ----------
    arrays
        The levels by path.
    check
        What looks at the transformations of a dataset, called as `check_transformations` is.
    """
    if not isinstance(datasets, list) or not datasets:
        rule = 'Each "multiscales" dictionary MUST contain the field "datasets"'
        yield Finding(what="no datasets are listed", rule=rule)
        return
    before: tuple[str, tuple[int, ...]] | None = None
    known: set[str] = set()
    for level, dataset in enumerate(datasets):
        if not isinstance(dataset, dict) or not isinstance(dataset.get("path"), str):
            rule = 'Each dictionary in "datasets" MUST contain the field "path"'
            yield Finding(what="a dataset has no path", level=level, rule=rule)
            continue
        path = dataset["path"]
        if path in known:
            yield Finding(what="is listed twice", level=level, key=path, rule=_ORDERED)
        known.add(path)
        if "coordinateTransformations" not in dataset:
            rule = 'Each dictionary in "datasets" MUST contain the field '
            rule += '"coordinateTransformations"'
            yield Finding(what="has no transformations", level=level, key=path, rule=rule)
        else:
            yield from check(dataset, n_axes, level=level, key=path)
        array = arrays.get(path)
        if array is None:
            continue
        if len(array.shape) != n_axes:
            yield Finding(
                what="number of dimensions",
                level=level,
                key=path,
                expected=f"{n_axes}, as there are axes",
                found=str(len(array.shape)),
                rule="The number of dimensions and order MUST correspond to number and order of "
                '"axes"',
            )
        elif before and any(a > b for a, b in zip(array.shape, before[1], strict=False)):
            yield Finding(
                what=f"is larger than {before[0]}, which is listed before it",
                level=level,
                key=path,
                expected=f"at most {list(before[1])}",
                found=str(list(array.shape)),
                rule=_ORDERED,
            )
        before = path, array.shape


def check_transformations(
    holder: Document, n_axes: int, *, level: int | None = None, key: str = ""
) -> Iterator[Finding]:
    """Yield every rule that the transformations of a dataset, or of a multiscales, break.

    Those of the whole multiscales follow the same rules about allowed types and order.
    """
    whole = "" if key else "of the whole multiscales: "

    def broken(what: str, rule: str, found: object = "") -> Finding:
        return Finding(what=f"{whole}{what}", level=level, key=key, found=str(found), rule=rule)

    steps = holder["coordinateTransformations"]
    if not are_mappings(steps):
        rule = '"coordinateTransformations" [...] is a list of dictionaries'
        yield broken("transformations are no list of mappings", rule, repr(steps)[:80])
        return
    kinds = [step.get("type") for step in steps]
    if not {*map(str, kinds)} <= {"scale", "translation"}:
        rule = "The transformation MUST only be of type `translation` or `scale`"
        yield broken("kinds of transformations", rule, kinds)
    if kinds.count("scale") != 1:
        rule = "They MUST contain exactly one `scale` transformation"
        yield broken("number of scales", rule, kinds)
    # It MAY contain exactly one translation.
    if kinds.count("translation") > 1 or kinds[:1] == ["translation"]:
        rule = "If `translation` is given it MUST be listed after `scale`"
        yield broken("place of the translation", rule, kinds)
    for step in steps:
        yield from (broken(*each) for each in broken_vectors(step, n_axes))


def broken_vectors(step: Document, n_axes: int) -> Iterator[tuple[str, str, object]]:
    """Yield what, rule and values of a scale or translation that places no voxel."""
    kind, values = step.get("type"), step.get(str(step.get("type")))
    if not isinstance(values, list) or len(values) != n_axes:
        rule = "The length of the `scale` and `translation` array MUST be the same as the length "
        yield f"length of the {kind}", f'{rule}of "axes"', values
    elif numbers(values) is None or (kind == "scale" and any(n <= 0 for n in values)):
        # The specification does not say so, but no reader can place such a level.
        yield f"{kind} is not of numbers that place a voxel", "", values
