"""What viewers get wrong with a pyramid, as a table of rules over its metadata documents.

Each rule names where it was seen: the viewer's source or an issue thread. No voxel is read, and
what OME-NGFF itself asks for is left to its validators.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import MetadataError, StoreError
from zarrpyramid.metadata import (
    CHANNEL,
    SPACE,
    TIME,
    UNITS,
    axis_type,
    is_inside,
    join,
    listed_axes,
    listed_paths,
    ome_attributes,
    open_group,
    read_array,
    read_datasets,
    read_multiscales,
    read_transformations,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from zarrpyramid.metadata import ArrayMetadata, Document
    from zarrpyramid.stores import Store

    Says = Callable[["Pyramid"], str | None]

NEUROGLANCER, NAPARI, VIZARR = "neuroglancer", "napari", "vizarr"
VIEWERS = (NEUROGLANCER, NAPARI, VIZARR)
FAILS, WRONG, NOTE = "fails", "wrong", "note"
SEVERITIES = (FAILS, WRONG, NOTE)
"""Nothing is shown; something else is shown than what is there; it works, on a condition."""

LARGEST_CHUNK = 10 * 2**20
"""Bytes of a chunk's voxels, beyond which a browser neither fetches nor keeps it with ease."""
LARGEST_SINGLE = 2**30
"""Bytes of an image's voxels, up to which one level alone is no hardship."""
LARGEST_TEXTURE = 2048
"""Voxels along an axis that every graphics card takes in three dimensions."""

_GITHUB = "https://github.com"
_NG_ZARR = f"{_GITHUB}/google/neuroglancer/blob/master/src/datasource/zarr"
_VIZARR_SRC = f"{_GITHUB}/hms-dbmi/vizarr/blob/main/src"

_NG_DTYPES = {"uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float32"}
_NG_CODECS = {"blosc", "bytes", "crc32c", "gzip", "sharding_indexed", "transpose", "zstd"}
_NG_COMPRESSORS = {"blosc", "gzip", "zlib", "zstd"}
_VERSIONS = ("0.4", "0.5")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pyramid:
    """The documents of an image: all that a viewer knows before it reads a voxel.

    Attributes
    ----------
    attributes
        Of the image's group.
    zarr_format
        2 or 3.
    arrays
        Metadata of each listed level, finest first; None where no array that this package serves is
        at the listed path.
    """

    attributes: Document
    zarr_format: int
    arrays: Sequence[ArrayMetadata | None]

    @property
    def multiscales(self) -> Document:
        """The first multiscales, which is the one that viewers show; empty where there is none."""
        return read_multiscales(self.attributes) or {}

    @property
    def levels(self) -> list[ArrayMetadata]:
        """Metadata of the levels that are there and have the multiscales' axes."""
        return [array for array in self.arrays if array and len(array.shape) == len(self.axes)]

    @property
    def datasets(self) -> list[Document]:
        """What the multiscales says of each level."""
        return read_datasets(self.attributes)

    @property
    def axes(self) -> list[Document]:
        """Axes as dicts with a name."""
        axes = listed_axes(self.attributes)
        return [{**axis, "name": str(axis.get("name"))} for axis in axes]

    @property
    def types(self) -> list[str]:
        """Type of each axis, by its name where it says none."""
        return [str(axis.get("type", axis_type(axis["name"]))) for axis in self.axes]

    @property
    def voxel_sizes(self) -> list[float]:
        """Extents of a voxel of level 0 in the axes' units, 1 where none are said."""
        holders = (self.multiscales, *self.datasets[:1])
        sizes = [1.0] * len(self.axes)
        for holder in holders:
            scale = read_transformations(holder)[0] or []
            if len(scale) == len(sizes):
                sizes = [size * step for size, step in zip(sizes, scale, strict=True)]
        return sizes

    @property
    def version(self) -> str | None:
        """OME-NGFF's version, where the documents say one."""
        holder = ome_attributes(self.attributes)
        version = (self.multiscales if holder is self.attributes else holder).get("version")
        return version if isinstance(version, str) else None

    @property
    def is_labels(self) -> bool:
        """Whether the group says that it holds labels."""
        return self._keeps("image-label") is not None

    @property
    def channels(self) -> list[Document]:
        """What the group says of its channels for display."""
        omero = self._keeps("omero") or {}
        listed = omero.get("channels")
        found = listed if isinstance(listed, list) else []
        return [channel for channel in found if isinstance(channel, dict)]

    def _keeps(self, key: str) -> Document | None:
        ome = self.attributes.get("ome")
        for holder in (ome, self.attributes):
            if isinstance(holder, dict) and isinstance(holder.get(key), dict):
                kept: Document = holder[key]
                return kept
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One thing that viewers get wrong.

    Attributes
    ----------
    says
        Returns what goes wrong with a pyramid, or None.
    instead
        How to avoid it.
    seen
        Address of where it was seen.
    """

    name: str
    viewers: tuple[str, ...]
    severity: str
    says: Says
    instead: str
    seen: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A rule that a pyramid trips, and what it says of it."""

    rule: str
    viewers: tuple[str, ...]
    severity: str
    what: str
    instead: str
    seen: str

    @property
    def line(self) -> str:
        """The finding as one line."""
        return (
            f"{', '.join(self.viewers)} ({self.severity}): {self.what}; {self.instead} "
            f"[{self.rule}, {self.seen}]"
        )


def read_pyramid(store: Store, path: str) -> Pyramid:
    """Read the documents of the image at a path.

    Raises
    ------
    StoreError
        If no group is there.
    MetadataError
        If the group's document is damaged.
    """
    group = open_group(store, path)
    listed = listed_paths(group.attributes)
    return Pyramid(
        attributes=group.attributes,
        zarr_format=group.zarr_format,
        arrays=[_array(store, join(path, name)) if is_inside(name) else None for name in listed],
    )


def _array(store: Store, path: str) -> ArrayMetadata | None:
    try:
        return read_array(store, path)
    except (MetadataError, StoreError):
        return None  # a group, or an array of another kind, which viewers hardly read either


def lint(pyramid: Pyramid, viewers: Iterable[str] = VIEWERS) -> list[Finding]:
    """Return what some viewers get wrong with a pyramid, the worst first.

    A group that lists no level trips one rule alone: there is nothing to open.
    """
    wanted = set(viewers)
    rules = RULES if pyramid.arrays else RULES[:1]
    found = []
    for rule in rules:
        concerned = tuple(viewer for viewer in rule.viewers if viewer in wanted)
        what = rule.says(pyramid) if concerned else None
        if what is not None:
            found.append(
                Finding(
                    rule=rule.name,
                    viewers=concerned,
                    severity=rule.severity,
                    what=what,
                    instead=rule.instead,
                    seen=rule.seen,
                )
            )
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _unlisted(pyramid: Pyramid) -> str | None:
    return None if pyramid.arrays else "the group lists no level: there is nothing to open"


def _absent(pyramid: Pyramid) -> str | None:
    pairs = zip(listed_paths(pyramid.attributes), pyramid.arrays, strict=True)
    absent = [path for path, array in pairs if array is None]
    return f"no array of numbers is at the listed path {_all(absent)}" if absent else None


def _other_rank(pyramid: Pyramid) -> str | None:
    n_axes = len(pyramid.axes)
    others = [
        f"{path} has {len(array.shape)}"
        for path, array in zip(listed_paths(pyramid.attributes), pyramid.arrays, strict=True)
        if array is not None and len(array.shape) != n_axes
    ]
    return f"the multiscales has {n_axes} axes, the array {_all(others)}" if others else None


def _neuroglancer_dtype(pyramid: Pyramid) -> str | None:
    # Of v2 alone it reads int64, as if unsigned.
    known = _NG_DTYPES | ({"int64"} if pyramid.zarr_format == 2 else set())
    unknown = [dtype for dtype in _dtypes(pyramid) if dtype not in known]
    return f"it does not read {_all(unknown)}" if unknown else None


def _mixed_dtypes(pyramid: Pyramid) -> str | None:
    dtypes = _dtypes(pyramid)
    return f"levels are of {_all(dtypes)}: it wants one for all" if len(dtypes) > 1 else None


def _unit(pyramid: Pyramid) -> str | None:
    unknown = [
        f"{axis['unit']!r} of {axis['name']}"
        for axis in pyramid.axes
        if "unit" in axis and str(axis["unit"]) not in UNITS
    ]
    return f"it knows no unit {_all(unknown)}" if unknown else None


def _version(pyramid: Pyramid) -> str | None:
    version = pyramid.version
    if version is None:
        return "the multiscales says no version, so it is not taken for OME-Zarr"
    if version not in _VERSIONS:
        return f"OME-NGFF {version} is not read by releases that read 0.4 and 0.5"
    return "OME-NGFF 0.5 needs zarr v3" if (version, pyramid.zarr_format) == ("0.5", 2) else None


def _codec(pyramid: Pyramid) -> str | None:
    unknown: set[str] = set()
    for array in pyramid.levels:
        if array.zarr_format == 3:
            unknown |= {str(codec["name"]) for codec in array.codecs} - _NG_CODECS
            continue
        compressor = array.document.get("compressor") or {"id": "zstd"}
        unknown |= {*array.filters, *({str(compressor.get("id"))} - _NG_COMPRESSORS)}
    return f"it cannot decode {_all(sorted(unknown))}" if unknown else None


def _unplaced(pyramid: Pyramid) -> str | None:
    without = [
        str(dataset.get("path"))
        for dataset in pyramid.datasets
        if not dataset.get("coordinateTransformations")
    ]
    if not without:
        return None
    return f"{_all(without)} has no coordinateTransformations: it is drawn at one voxel a unit"


def _translation(pyramid: Pyramid) -> str | None:
    shifted = [
        str(dataset.get("path"))
        for dataset in pyramid.datasets
        if any(read_transformations(dataset)[1] or ())
    ]
    if not shifted:
        return None
    return f"the translation of {_all(shifted)} is not read: it is drawn by as much off its place"


def _outer_transform(pyramid: Pyramid) -> str | None:
    scale, translation = read_transformations(pyramid.multiscales)
    if any(translation or ()) or any(size != 1 for size in scale or ()):
        return "the transformation of the whole multiscales is not read: sizes are wrong by it"
    return None


def _old_reader(pyramid: Pyramid) -> str | None:
    if pyramid.zarr_format == 2:
        return None
    return "OME-NGFF 0.5 in zarr v3 opens from ome-zarr 0.12 on; older ones fail"


def _complex(pyramid: Pyramid) -> str | None:
    unknown = [dtype for dtype in _dtypes(pyramid) if dtype.startswith("complex")]
    return f"it cannot draw {_all(unknown)}" if unknown else None


def _coarsest(pyramid: Pyramid) -> str | None:
    spaces = [extent for extent, kind in _extents(pyramid, -1) if kind == SPACE]
    if len(spaces) < 3 or max(spaces) <= LARGEST_TEXTURE:
        return None
    return (
        f"in 3-D it draws the coarsest level, whose {max(spaces)} voxels along an axis are more "
        f"than the {LARGEST_TEXTURE} that graphics cards take"
    )


def _slices(pyramid: Pyramid) -> str | None:
    if not pyramid.levels:
        return None
    first, last = pyramid.levels[0].shape, pyramid.levels[-1].shape
    axes = zip(pyramid.axes, first, last, strict=False)
    scaled = [axis["name"] for axis, fine, coarse in axes if fine != coarse]
    others = [name for name in scaled if name not in ("y", "x")]
    if not others:
        return None
    return (
        f"coarse levels have fewer voxels along {_all(others)}: there it asks them for level 0's "
        "slice, gets another one or none, and ends in an error"
    )


def _other_factor(pyramid: Pyramid) -> str | None:
    names = [axis["name"] for axis in pyramid.axes]
    planar = [names.index(name) for name in ("y", "x") if name in names]
    shapes = [array.shape for array in pyramid.levels]
    for level, (fine, coarse) in enumerate(pairwise(shapes), start=1):
        for axis in planar:
            # Either rounding is in use.
            if coarse[axis] not in (fine[axis] // 2, -(-fine[axis] // 2)):
                return (
                    f"level {level} has {coarse[axis]} voxels along {names[axis]} after "
                    f"{fine[axis]}: it takes every level for half of the one before"
                )
    return None


def _vizarr_dtype(pyramid: Pyramid) -> str | None:
    unknown = [
        dtype for dtype in _dtypes(pyramid) if dtype.startswith(("bool", "float16", "complex"))
    ]
    return f"it refuses {_all(unknown)}" if unknown else None


def _wide_integers(pyramid: Pyramid) -> str | None:
    wide = [dtype for dtype in _dtypes(pyramid) if dtype in ("int64", "uint64")]
    if not wide:
        return None
    return f"it casts {_all(wide)} to uint32, which turns values beyond 4294967295 into others"


def _window(pyramid: Pyramid) -> str | None:
    without = [
        str(channel.get("label", number))
        for number, channel in enumerate(pyramid.channels)
        if not (isinstance(window := channel.get("window"), dict) and {"start", "end"} <= {*window})
    ]
    return f"channel {_all(without)} of omero has no window with start and end" if without else None


def _planar_axes(pyramid: Pyramid) -> str | None:
    names = [axis["name"] for axis in pyramid.axes]
    if "x" in names and "y" in names and names.index("y") < names.index("x"):
        return None
    return f"it wants an axis y and after it an axis x, and finds {_all(names)}"


def _large_chunks(pyramid: Pyramid) -> str | None:
    sizes = [geometry.count(array.chunks) * array.item_size for array in pyramid.levels]
    if not sizes or max(sizes) <= LARGEST_CHUNK:
        return None
    return (
        f"chunks hold up to {max(sizes) / 2**20:.0f} MiB of voxels, and one is fetched whole to "
        "show any part of it"
    )


def _thick_chunks(pyramid: Pyramid) -> str | None:
    thick = {
        pyramid.axes[axis]["name"]
        for array in pyramid.levels
        for axis, kind in enumerate(pyramid.types[: len(array.chunks)])
        if kind in (TIME, CHANNEL) and min(array.chunks[axis], array.shape[axis]) > 1
    }
    if not thick:
        return None
    return f"a chunk spans several steps of {_all(sorted(thick))}: all are fetched to show one"


def _one_level(pyramid: Pyramid) -> str | None:
    if len(pyramid.levels) != 1:
        return None
    size = geometry.count(pyramid.levels[0].shape) * pyramid.levels[0].item_size
    if size <= LARGEST_SINGLE:
        return None
    return f"the one level of {size / 2**30:.1f} GiB is read at full resolution at every zoom"


def _shards(pyramid: Pyramid) -> str | None:
    if all(array.shards is None for array in pyramid.levels):
        return None
    return "chunks in shards are read by ranges, which some web servers do not answer"


def _signed_labels(pyramid: Pyramid) -> str | None:
    signed = [dtype for dtype in _dtypes(pyramid) if dtype.startswith("int")]
    if not (pyramid.is_labels and signed):
        return None
    return f"labels of {_all(signed)} are a grey box in a segmentation layer"


def _labels_as_image(pyramid: Pyramid) -> str | None:
    if not pyramid.is_labels:
        return None
    return "image-label is not read: labels open as an image, their colours are lost"


def _label_dtype(pyramid: Pyramid) -> str | None:
    others = [dtype for dtype in _dtypes(pyramid) if not dtype.startswith(("int", "uint"))]
    if not (pyramid.is_labels and others):
        return None
    return f"labels are of {_all(others)}, and OME-NGFF's are integers"


def _dtypes(pyramid: Pyramid) -> list[str]:
    return list(dict.fromkeys(array.dtype for array in pyramid.levels))


def _extents(pyramid: Pyramid, level: int) -> Iterator[tuple[int, str]]:
    shape = pyramid.levels[level].shape if pyramid.levels else ()
    yield from zip(shape, pyramid.types, strict=False)


def _all(names: Iterable[str]) -> str:
    """Return names as a list in a sentence; of many the first and last."""
    given = list(names)
    return ", ".join(given) if len(given) <= 4 else f"{given[0]}, {given[1]}, ... {given[-1]}"


RULES = (
    Rule(
        name="no-levels",
        viewers=VIEWERS,
        severity=FAILS,
        says=_unlisted,
        instead="images need two or three space axes to be listed; open an array by its path",
        seen=f"{_GITHUB}/ome/ome2024-ngff-challenge/issues/60",
    ),
    Rule(
        name="absent-level",
        viewers=VIEWERS,
        severity=FAILS,
        says=_absent,
        instead="run the workflow again, or take the level out of the list",
        seen=f"{_NG_ZARR}/frontend.ts",
    ),
    Rule(
        name="neuroglancer-axes",
        viewers=(NEUROGLANCER,),
        severity=FAILS,
        says=_other_rank,
        instead="list arrays of the same axes alone",
        seen=f"{_NG_ZARR}/frontend.ts",
    ),
    Rule(
        name="neuroglancer-dtype",
        viewers=(NEUROGLANCER,),
        severity=FAILS,
        says=_neuroglancer_dtype,
        instead="take float32, uint8 or another integer type for level 0",
        seen=f"{_GITHUB}/google/neuroglancer/issues/875",
    ),
    Rule(
        name="neuroglancer-mixed-dtypes",
        viewers=(NEUROGLANCER,),
        severity=FAILS,
        says=_mixed_dtypes,
        instead="keep dtype: same, with a level 0 that has room for the sums",
        seen=f"{_NG_ZARR}/frontend.ts",
    ),
    Rule(
        name="neuroglancer-unit",
        viewers=(NEUROGLANCER,),
        severity=FAILS,
        says=_unit,
        instead="spell it as OME-NGFF does, such as unit: {x: micrometer}, or leave it out",
        seen=f"{_GITHUB}/google/neuroglancer/issues/780",
    ),
    Rule(
        name="neuroglancer-version",
        viewers=(NEUROGLANCER,),
        severity=FAILS,
        says=_version,
        instead="list the levels as 0.4 in zarr v2 or 0.5 in zarr v3",
        seen=f"{_NG_ZARR}/ome.ts",
    ),
    Rule(
        name="neuroglancer-codec",
        viewers=(NEUROGLANCER,),
        severity=FAILS,
        says=_codec,
        instead="compress with zstd, blosc or gzip and without filters",
        seen=f"{_NG_ZARR}/index.rst",
    ),
    Rule(
        name="neuroglancer-place",
        viewers=(NEUROGLANCER,),
        severity=WRONG,
        says=_unplaced,
        instead="give every dataset a scale",
        seen=f"{_NG_ZARR}/ome.ts",
    ),
    Rule(
        name="neuroglancer-signed-labels",
        viewers=(NEUROGLANCER,),
        severity=WRONG,
        says=_signed_labels,
        instead="store labels as unsigned integers",
        seen=f"{_GITHUB}/google/neuroglancer/issues/312",
    ),
    Rule(
        name="neuroglancer-labels",
        viewers=(NEUROGLANCER,),
        severity=NOTE,
        says=_labels_as_image,
        instead="set the layer's type to segmentation",
        seen=f"{_GITHUB}/google/neuroglancer/issues/869",
    ),
    Rule(
        name="napari-complex",
        viewers=(NAPARI,),
        severity=FAILS,
        says=_complex,
        instead="open the magnitude instead",
        seen=f"{_GITHUB}/napari/napari/pull/1853",
    ),
    Rule(
        name="napari-label-dtype",
        viewers=(NAPARI,),
        severity=FAILS,
        says=_label_dtype,
        instead="store labels as integers",
        seen=f"{_GITHUB}/ome-zarr-models/ome-zarr-models-py/issues/130",
    ),
    Rule(
        name="napari-coarsest",
        viewers=(NAPARI,),
        severity=WRONG,
        says=_coarsest,
        instead="make more levels (levels: auto)",
        seen=f"{_GITHUB}/napari/napari/issues/7149",
    ),
    Rule(
        name="napari-transformation",
        viewers=(NAPARI,),
        severity=WRONG,
        says=_outer_transform,
        instead="put the transformation into every dataset",
        seen=f"{_GITHUB}/ome/napari-ome-zarr/issues/73",
    ),
    Rule(
        name="napari-translation",
        viewers=(NAPARI,),
        severity=WRONG,
        says=_translation,
        instead="measure positions at level 0, or in a viewer that reads translations",
        seen=f"{_GITHUB}/napari/napari/issues/6320",
    ),
    Rule(
        name="napari-version",
        viewers=(NAPARI,),
        severity=NOTE,
        says=_old_reader,
        instead="upgrade ome-zarr and napari-ome-zarr together",
        seen=f"{_GITHUB}/ome/ome-zarr-py/issues/470",
    ),
    Rule(
        name="vizarr-slices",
        viewers=(VIZARR,),
        severity=WRONG,
        says=_slices,
        instead="scale y and x alone (scale_factors: {y: 2, x: 2}), or look at level 0's path",
        seen=f"{_GITHUB}/hms-dbmi/vizarr/issues/215",
    ),
    Rule(
        name="vizarr-factor",
        viewers=(VIZARR,),
        severity=WRONG,
        says=_other_factor,
        instead="scale y and x by 2 at every level",
        seen=f"{_GITHUB}/hms-dbmi/vizarr/issues/101",
    ),
    Rule(
        name="vizarr-dtype",
        viewers=(VIZARR,),
        severity=FAILS,
        says=_vizarr_dtype,
        instead="take float32, uint8 or another integer type for level 0",
        seen=f"{_VIZARR_SRC}/ZarrPixelSource.ts",
    ),
    Rule(
        name="vizarr-64-bit",
        viewers=(VIZARR,),
        severity=WRONG,
        says=_wide_integers,
        instead="store labels as uint32 where ids fit",
        seen=f"{_GITHUB}/hms-dbmi/vizarr/pull/242",
    ),
    Rule(
        name="vizarr-window",
        viewers=(VIZARR,),
        severity=FAILS,
        says=_window,
        instead="give the window, or take omero out of the group",
        seen=f"{_VIZARR_SRC}/ome.ts",
    ),
    Rule(
        name="vizarr-axes",
        viewers=(VIZARR,),
        severity=FAILS,
        says=_planar_axes,
        instead="name the last two axes y and x, in an array that is stored in this order",
        seen=f"{_VIZARR_SRC}/ZarrPixelSource.ts",
    ),
    Rule(
        name="large-chunks",
        viewers=(NEUROGLANCER, VIZARR),
        severity=NOTE,
        says=_large_chunks,
        instead="set chunks: [64, 64, 64] or so for the levels, inside shards if files get many",
        seen=f"{_GITHUB}/brainglobe/brainglobe-atlasapi/pull/925",
    ),
    Rule(
        name="thick-chunks",
        viewers=VIEWERS,
        severity=NOTE,
        says=_thick_chunks,
        instead="give chunks an extent of 1 along time and channels",
        seen=f"{_GITHUB}/mobie/mobie-viewer-fiji/issues/360",
    ),
    Rule(
        name="one-level",
        viewers=VIEWERS,
        severity=NOTE,
        says=_one_level,
        instead="make levels",
        seen=f"{_GITHUB}/JaneliaSciComp/fileglancer/pull/430",
    ),
    Rule(
        name="shards",
        viewers=(NEUROGLANCER, VIZARR),
        severity=NOTE,
        says=_shards,
        instead="serve them from a server that answers Range and HEAD requests, with CORS",
        seen=f"{_GITHUB}/ome/ome-zarr-py/pull/500",
    ),
)
"""All rules; the first is the only one that speaks of a group without levels."""
