"""The rules of OME-NGFF 0.4 and 0.5 for multiscales; each finding quotes the sentence it enforces.

The rules look at attributes and shapes alone. A broken MUST is a defect, a broken SHOULD a note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import CHANNEL, SPACE, TIME, numbers, ome_attributes, read_multiscales

from .findings import NOTE, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.metadata import ArrayMetadata, Document

VERSIONS = {"0.4": 2, "0.5": 3}
"""Versions whose rules are known here, and the zarr format of each."""


def version_of(attributes: Document, zarr_format: int) -> str | None:
    """Return the version of a group's multiscales; of one that states none, its format's."""
    holder = ome_attributes(attributes)
    if holder is not attributes:
        return str(holder.get("version", "0.5"))
    listed = read_multiscales(attributes)
    if listed is None:
        return None
    return str(listed.get("version", "0.4" if zarr_format == 2 else "0.5"))


def check_ngff(
    attributes: Document, zarr_format: int, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    """Yield every rule that a group's multiscales breaks; `arrays` are the levels by path."""
    version = version_of(attributes, zarr_format)
    described = read_multiscales(attributes) or {}
    if version not in VERSIONS:
        what = f"OME-NGFF {version} is not one whose rules are known here"
        yield Finding(what=what, grade=NOTE, expected=" or ".join(VERSIONS))
        return
    axes = described.get("axes")
    listed = axes if isinstance(axes, list) else []
    names = [axis.get("name") for axis in listed if isinstance(axis, dict)]
    yield from _check_version(attributes, version, zarr_format)
    yield from _check_axes(axes)
    yield from _check_datasets(described.get("datasets"), len(names), arrays)
    if version == "0.5":
        yield from _check_dimension_names(names, arrays)
    lacking = [key for key in ("name", "type", "metadata") if key not in described]
    if lacking:
        rule = 'Each "multiscales" dictionary SHOULD contain the field "name" [...] "type" [...] '
        what = f"multiscales does not say its {', '.join(lacking)}"
        yield Finding(what=what, grade=NOTE, rule=f'{rule}"metadata"')


def _check_version(attributes: Document, version: str, zarr_format: int) -> Iterator[Finding]:
    # 0.4: Arrays MUST be defined and stored in a hierarchical organization as defined by the
    # version 2 of the Zarr specification. 0.5: OME-Zarr is implemented using the Zarr format as
    # defined by the version 3 of the Zarr specification.
    if VERSIONS[version] != zarr_format:
        what = f"OME-NGFF {version} is of zarr v{VERSIONS[version]}"
        yield Finding(what=what, found=f"a group of zarr v{zarr_format}")
    ome = attributes.get("ome")
    # The schema of 0.5 requires the version.
    if version == "0.5" and isinstance(ome, dict) and not isinstance(ome.get("version"), str):
        rule = "The version of the OME-Zarr Metadata is denoted as a string in the `version` "
        rule += "attribute within the `ome` namespace"
        yield Finding(what="ome has no version", rule=rule)


def _check_axes(axes: Any) -> Iterator[Finding]:
    if not isinstance(axes, list) or not all(isinstance(axis, dict) for axis in axes):
        rule = 'Each "multiscales" dictionary MUST contain the field "axes"'
        yield Finding(what="axes are not described", expected="a list of axes", rule=rule)
        return
    if not 2 <= len(axes) <= 5:
        rule = 'The length of "axes" must be between 2 and 5'
        yield Finding(what=f"there are {len(axes)} axes", rule=rule)
    names = [axis.get("name") for axis in axes]
    is_named = all(isinstance(name, str) and name for name in names)
    if not is_named or len({*map(str, names)}) < len(names):
        rule = 'The values MUST be unique across all "name" fields'
        yield Finding(what="names of axes are not unique texts", found=str(names), rule=rule)
    types = [axis.get("type") for axis in axes]
    n_space, n_time = types.count(SPACE), types.count(TIME)
    if n_space not in (2, 3) or n_time > 1 or len(types) - n_space - n_time > 1:
        yield Finding(
            what="types of axes",
            found=str(types),
            rule='The "axes" MUST contain 2 or 3 entries of "type:space" and MAY contain one '
            'additional entry of "type:time" and one of "type:channel" or a null / custom type',
        )
    order = [{TIME: 0, SPACE: 2}.get(str(kind), 1) for kind in types]
    if order != sorted(order):
        yield Finding(
            what="order of axes",
            expected=f"{TIME}, {CHANNEL}, {SPACE}",
            found=str(types),
            rule='the entries MUST be ordered by "type"',
        )


def _check_datasets(
    datasets: Any, n_axes: int, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    if not isinstance(datasets, list) or not datasets:
        rule = 'Each "multiscales" dictionary MUST contain the field "datasets"'
        yield Finding(what="no datasets are listed", rule=rule)
        return
    before: tuple[str, tuple[int, ...]] | None = None
    for level, dataset in enumerate(datasets):
        if not isinstance(dataset, dict) or not isinstance(dataset.get("path"), str):
            rule = 'Each dictionary in "datasets" MUST contain the field "path"'
            yield Finding(what="a dataset has no path", level=level, rule=rule)
            continue
        path = dataset["path"]
        yield from _check_transformations(dataset, level, n_axes)
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
                rule='The "path"s MUST be ordered from largest (i.e. highest resolution) to '
                "smallest",
            )
        before = path, array.shape


def _check_transformations(dataset: Document, level: int, n_axes: int) -> Iterator[Finding]:
    def broken(what: str, rule: str, found: object = "") -> Finding:
        return Finding(what=what, level=level, key=dataset["path"], found=str(found), rule=rule)

    steps = dataset.get("coordinateTransformations")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        rule = 'Each dictionary in "datasets" MUST contain the field "coordinateTransformations"'
        yield broken("has no transformations", rule)
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
        kind, values = step.get("type"), step.get(str(step.get("type")))
        if not isinstance(values, list) or len(values) != n_axes:
            rule = "The length of the `scale` and `translation` array MUST be the same as the "
            yield broken(f"length of the {kind}", f'{rule}length of "axes"', values)
        elif numbers(values) is None or (kind == "scale" and any(n <= 0 for n in values)):
            # The specification does not say so, but no reader can place such a level.
            yield broken(f"{kind} is not of numbers that place a voxel", "", values)


def _check_dimension_names(
    names: list[Any], arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    for path, array in arrays.items():
        if array.zarr_format == 3 and list(array.dimension_names or ()) != names:
            way_out = "build by zarrpyramid with edit_base: true, which names those of level 0"
            yield Finding(
                what="dimension_names",
                key=path,
                expected=str(names),
                found=str(list(array.dimension_names or ()) or "none"),
                way_out=way_out if array.dimension_names is None else "",
                rule='The "dimension_names" attribute [...] MUST match the names in the "axes" '
                "metadata",
            )
