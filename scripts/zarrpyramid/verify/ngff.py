"""The rules of OME-NGFF 0.4 and 0.5 for multiscales, each under the sentence that it enforces.

Pure functions of attributes and shapes. A MUST that is broken is a defect, a SHOULD a note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import CHANNEL, SPACE, TIME, numbers, ome_attributes, read_multiscales

from .findings import DEFECT, NOTE, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.metadata import ArrayMetadata

    Document = dict[str, Any]

VERSIONS = {"0.4": 2, "0.5": 3}
"""Versions that are checked, and the zarr format of each."""


def version_of(attributes: Document, zarr_format: int) -> str | None:
    """Return the version of a group's multiscales; of one that names none, its format's."""
    holder = ome_attributes(attributes)
    if holder is not attributes:
        version = holder.get("version", "0.5")
    else:
        listed = read_multiscales(attributes)
        if listed is None:
            return None
        version = listed.get("version", "0.4" if zarr_format == 2 else "0.5")
    return str(version)


def check_ngff(
    attributes: Document, zarr_format: int, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    """Yield every rule that a group's multiscales breaks.

    Parameters
    ----------
    attributes
        Of the group, which has a multiscales.
    arrays
        The levels that are there, by path.
    """
    version = version_of(attributes, zarr_format)
    described = read_multiscales(attributes) or {}
    if version not in VERSIONS:
        yield Finding(
            what=f"OME-NGFF {version} is not one whose rules are known here",
            grade=NOTE,
            expected=" or ".join(VERSIONS),
        )
        return
    yield from _check_version(attributes, version, zarr_format)
    axes = described.get("axes")
    names = [
        axis.get("name")
        for axis in (axes if isinstance(axes, list) else [])
        if isinstance(axis, dict)
    ]
    yield from _check_axes(axes)
    yield from _check_datasets(described, len(names), arrays)
    if version == "0.5":
        yield from _check_names(names, arrays)
    # 0.4, 0.5: Each "multiscales" dictionary SHOULD contain the field "name".
    # Each "multiscales" dictionary SHOULD contain the field "type", which gives the type of
    # downscaling method used to generate the multiscale image pyramid. It SHOULD contain the field
    # "metadata", which contains a dictionary with additional information about the downscaling
    # method.
    lacking = [key for key in ("name", "type", "metadata") if key not in described]
    if lacking:
        yield Finding(
            what=f"multiscales does not say its {', '.join(lacking)}",
            grade=NOTE,
            rule='Each "multiscales" dictionary SHOULD contain the field "name" [...] "type" [...] '
            '"metadata"',
        )


def _check_version(attributes: Document, version: str, zarr_format: int) -> Iterator[Finding]:
    # 0.4: Arrays MUST be defined and stored in a hierarchical organization as defined by the
    # version 2 of the Zarr specification. 0.5: OME-Zarr is implemented using the Zarr format as
    # defined by the version 3 of the Zarr specification.
    if VERSIONS[version] != zarr_format:
        yield Finding(
            what=f"OME-NGFF {version} is of zarr v{VERSIONS[version]}",
            found=f"a group of zarr v{zarr_format}",
        )
    ome = attributes.get("ome")
    # 0.5: The version of the OME-Zarr Metadata is denoted as a string in the `version` attribute
    # within the `ome` namespace. (Its schema requires it.)
    if version == "0.5" and isinstance(ome, dict) and not isinstance(ome.get("version"), str):
        yield Finding(
            what="ome has no version",
            rule="The version of the OME-Zarr Metadata is denoted as a string in the `version` "
            "attribute within the `ome` namespace",
        )


def _check_axes(axes: Any) -> Iterator[Finding]:
    # 0.4, 0.5: Each "multiscales" dictionary MUST contain the field "axes". The length of "axes"
    # must be between 2 and 5 and MUST be equal to the dimensionality of the zarr arrays storing the
    # image data.
    rule = 'The length of "axes" must be between 2 and 5'
    if not isinstance(axes, list) or not all(isinstance(axis, dict) for axis in axes):
        yield Finding(
            what="axes are not described",
            expected="a list of axes",
            rule='Each "multiscales" dictionary MUST contain the field "axes"',
        )
        return
    if not 2 <= len(axes) <= 5:
        yield Finding(what=f"there are {len(axes)} axes", rule=rule)
    # 0.4, 0.5: ("axes") MUST contain the field "name" that gives the name for this dimension. The
    # values MUST be unique across all "name" fields.
    names = [axis.get("name") for axis in axes]
    if not all(isinstance(name, str) and name for name in names) or len({*map(str, names)}) < len(
        names
    ):
        yield Finding(
            what="names of axes are not unique texts",
            found=str(names),
            rule='The values MUST be unique across all "name" fields',
        )
    # 0.4, 0.5: The "axes" MUST contain 2 or 3 entries of "type:space" and MAY contain one
    # additional entry of "type:time" and MAY contain one additional entry of "type:channel" or a
    # null / custom type.
    types = [axis.get("type") for axis in axes]
    counts = {kind: types.count(kind) for kind in (SPACE, TIME)}
    others = len(types) - sum(counts.values())
    if counts[SPACE] not in (2, 3) or counts[TIME] > 1 or others > 1:
        yield Finding(
            what="types of axes",
            found=str(types),
            rule='The "axes" MUST contain 2 or 3 entries of "type:space" and MAY contain one '
            'additional entry of "type:time" and one of "type:channel" or a null / custom type',
        )
    # 0.4, 0.5: the entries MUST be ordered by "type" where the "time" axis must come first (if
    # present), followed by the "channel" or custom axis (if present) and the axes of type "space".
    order = [{TIME: 0, SPACE: 2}.get(str(kind), 1) for kind in types]
    if order != sorted(order):
        yield Finding(
            what="order of axes",
            expected=f"{TIME}, {CHANNEL}, {SPACE}",
            found=str(types),
            rule='the entries MUST be ordered by "type"',
        )


def _check_datasets(
    described: Document, n_axes: int, arrays: Mapping[str, ArrayMetadata]
) -> Iterator[Finding]:
    # 0.4, 0.5: Each "multiscales" dictionary MUST contain the field "datasets", which is a list of
    # dictionaries describing the arrays storing the individual resolution levels. Each dictionary
    # in "datasets" MUST contain the field "path".
    datasets = described.get("datasets")
    if not isinstance(datasets, list) or not datasets:
        yield Finding(
            what="no datasets are listed",
            rule='Each "multiscales" dictionary MUST contain the field "datasets"',
        )
        return
    before: tuple[str, tuple[int, ...]] | None = None
    for level, dataset in enumerate(datasets):
        if not isinstance(dataset, dict) or not isinstance(dataset.get("path"), str):
            yield Finding(
                what="a dataset has no path",
                level=level,
                rule='Each dictionary in "datasets" MUST contain the field "path"',
            )
            continue
        path = dataset["path"]
        yield from _check_transformations(dataset, level, path, n_axes)
        array = arrays.get(path)
        if array is None:
            continue
        # 0.4, 0.5: Each "datasets" dictionary MUST have the same number of dimensions and MUST NOT
        # have more than 5 dimensions. The number of dimensions and order MUST correspond to number
        # and order of "axes".
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
        # 0.4, 0.5: The "path"s MUST be ordered from largest (i.e. highest resolution) to smallest.
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


def _check_transformations(
    dataset: Document, level: int, path: str, n_axes: int
) -> Iterator[Finding]:
    def broken(what: str, rule: str, found: object = "") -> Finding:
        return Finding(what=what, grade=DEFECT, level=level, key=path, found=str(found), rule=rule)

    # 0.4, 0.5: Each dictionary in "datasets" MUST contain the field "coordinateTransformations",
    # which contains a list of transformations that map the data coordinates to the physical
    # coordinates for this resolution level.
    steps = dataset.get("coordinateTransformations")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        yield broken(
            "has no transformations",
            'Each dictionary in "datasets" MUST contain the field "coordinateTransformations"',
        )
        return
    # 0.4, 0.5: The transformation MUST only be of type translation or scale.
    kinds = [step.get("type") for step in steps]
    if not {*map(str, kinds)} <= {"scale", "translation"}:
        yield broken(
            "kinds of transformations",
            "The transformation MUST only be of type `translation` or `scale`",
            kinds,
        )
    # 0.4, 0.5: They MUST contain exactly one scale transformation that specifies the pixel size in
    # physical units or time duration.
    if kinds.count("scale") != 1:
        yield broken(
            "number of scales", "They MUST contain exactly one `scale` transformation", kinds
        )
    # 0.4, 0.5: It MAY contain exactly one translation. If translation is given it MUST be listed
    # after scale to ensure that it is given in physical coordinates.
    if kinds.count("translation") > 1 or kinds[:1] == ["translation"]:
        yield broken(
            "place of the translation",
            "If `translation` is given it MUST be listed after `scale`",
            kinds,
        )
    # 0.4, 0.5: The length of the `scale` and `translation` array MUST be the same as the length of
    # "axes".
    for step in steps:
        values = step.get(str(step.get("type")))
        if not isinstance(values, list) or len(values) != n_axes:
            yield broken(
                f"length of the {step.get('type')}",
                "The length of the `scale` and `translation` array MUST be the same as the "
                'length of "axes"',
                values,
            )
        elif numbers(values) is None or (
            step["type"] == "scale" and any(value <= 0 for value in values)
        ):
            # Not said by the specification, but no reader can place such a level.
            yield broken(f"{step['type']} is not of numbers that place a voxel", "", values)


def _check_names(names: list[Any], arrays: Mapping[str, ArrayMetadata]) -> Iterator[Finding]:
    # 0.5: The "dimension_names" attribute in the `zarr.json` of the Zarr array of a multiscale
    # level MUST match the names in the "axes" metadata.
    for path, array in arrays.items():
        if array.zarr_format == 3 and list(array.dimension_names or ()) != names:
            yield Finding(
                what="dimension_names",
                key=path,
                expected=str(names),
                found=str(list(array.dimension_names or ()) or "none"),
                way_out="build by zarrpyramid with edit_base: true, which names those of level 0"
                if array.dimension_names is None
                else "",
                rule='The "dimension_names" attribute [...] MUST match the names in the "axes" '
                "metadata",
            )
