"""Every setting of an image, declared once. To add one: declare it here, and use it where it acts.

A setting needs a form, a meaning, a default unless it must be given, and `expected` where its form
does not say it. `docs/reference/generate.py` writes the rest: the schema, the page of the reference
and the keywords of `build_pyramid`. A change of its value makes levels again only if
`plan.run.Run.recipe` holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid.metadata import BLOSC, SHUFFLES
from zarrpyramid.reduce import ITEM_SIZES, METHODS

from .bases import EXTENTS, ONE_PER_AXIS, DeclaredBase, TestImage
from .declare import Settings, setting, settings_of
from .forms import (
    Choice,
    Either,
    Flag,
    Integer,
    ListOf,
    MappingOf,
    NotANumber,
    Nothing,
    Number,
    Place,
    Text,
)

if TYPE_CHECKING:
    from zarrpyramid.geometry import Shape

    Value = int | float | str
    Factors = int | Shape | dict[str, int]

_FACTORS = MappingOf(Integer(1))
_VALUE = NotANumber() | Number()
_ALSO = [name for name, method in METHODS.items() if method.keeps_dtype]
_OPTIONS = MappingOf(Either(Flag(), Number(), Text(), expected="a text, a number, true or false"))


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """The settings of one image as the code reads them: None stands for a setting's `absent`.

    Attributes
    ----------
    name
        Unique in a run; names the image's folder of results.
    companion
        The method of the image's companion that is meant; "" means the image itself.
    store, source
        As absolute paths or as URLs.
    """

    name: str
    companion: str = ""
    store: str = setting(
        Place(least=1),
        "Path of the zarr store that holds the image. A relative path starts at the working "
        "directory. For an object store give its URL: s3://BUCKET/PATH, gs://BUCKET/PATH or "
        "az://CONTAINER/PATH.",
        expected="a path or a URL",
        in_python=False,
    )
    field: str = setting(
        Text(),
        "Path of the image's group inside the store; \"\" is the store's root. Level 0 is the "
        "first array that the group's multiscales lists. If it lists none, level 0 is the array of "
        "`base_path`.",
        expected='a path inside the store, or "" for its root',
        default="",
        in_python=False,
    )
    base_path: str | None = setting(
        Text(),
        "Path of level 0 in a group that lists no multiscales. The names of the levels continue "
        'from it: `s0` is followed by `s1`, and a name without a number by `1`, `2` and so on. "" '
        "is the array `0`.",
        expected="the path of an array in the image's group, such as s0",
        absent="",
    )
    source: str | None = setting(
        Place(),
        "Where level 0 comes from; it is only read. A relative path starts at the working "
        "directory. A zarr group or array is copied as it is, with "
        "the name, channels, axes, scales and units of the group. URLs are s3://, gs://, az://, "
        "and http:// or https:// for a web server. Files in other formats (TIFF and folders or "
        "patterns of slices, HDF5, Imaris, N5, NIfTI, MRC, CZI, ND2, LIF, .npy) are read and "
        "written as zarr; `FILE::PATH` names an image inside a file. Level 0 becomes the array `0` "
        'in the image\'s group. "" means that level 0 is already in the store.',
        expected="the path or the URL of a zarr group or array, or the path of an image file",
        absent="",
    )
    series: int | str | None = setting(
        Choice("auto") | Integer(0) | Text(),
        "Which image to take from a source file that holds several: its number or its name. `auto` "
        "takes the only one.",
        expected="auto, a number from 0 on, or a name",
        absent="auto",
    )
    channel: int | str | tuple[int | str, ...] | None = setting(
        Choice("all") | Integer(0) | ListOf(Integer(0) | Text()) | Text(),
        "Which channels to take from a source file, by number (from 0) or by name. With a single "
        "channel the image has no axis of channels; with a list it keeps the axis.",
        expected="all, a number from 0 on, a name, or a list of these",
        absent="all",
    )
    crop: dict[str, tuple[int, ...]] = setting(
        MappingOf(ListOf(Integer(0), most=2)),
        "Which part of a source file to take. Give for each axis name the first voxel, and the "
        "voxel after the last. Axes that are not named are taken whole.",
        expected="a mapping of axis names to lists of a start and a stop, such as {z: [0, 100]}",
        unit="voxels of the source",
        default={},
    )
    transpose: tuple[int | str, ...] | None = setting(
        Choice("auto") | ListOf(Integer(0) | Text()),
        "The axes of level 0 in their order, by their names or numbers in a source file. `auto` is "
        "the order of OME-NGFF: time, channels, then z, y, x.",
        expected="auto or a list of all axes of the source, by name or by number from 0 on",
        absent="auto",
    )
    link_base: bool = setting(
        Flag(),
        "Whether level 0 becomes a symbolic link to the source's array instead of a copy.",
        default=False,
    )
    overwrite: bool = setting(
        Flag(),
        "Whether to remove arrays that this program did not make: those at the paths of the new "
        "levels, and those that the group lists as levels. They are removed without being read.",
        default=False,
    )
    test_image: TestImage | None = setting(
        Settings(settings_of(TestImage)),
        "The level 0 that the workflow makes, unless it is already there. It never replaces other "
        "data.",
        expected="a mapping with shape, chunks, dtype, pattern, seed",
        default=None,
        for_all=False,
        in_python=False,
    )
    base: DeclaredBase | None = setting(
        Settings(settings_of(DeclaredBase)),
        "The level 0 that other rules of the same workflow will make. With it, jobs can be planned "
        "before level 0 is there. The array that those rules make must have this form, and these "
        "axes: those of `axes`, or with `axes: auto` those of an array without any metadata.",
        expected="a mapping with shape, chunks, dtype, and shards if there are any",
        default=None,
        in_python=False,
    )
    base_ready: str = setting(
        Text(),
        "A file that other rules of the same workflow write when level 0 is complete. Level 0 is "
        'not read before. "" means that level 0 is there before the run.',
        expected='the path of a file, or ""',
        default="",
        in_python=False,
    )
    levels: int | None = setting(
        Choice("auto") | Integer(1),
        "How many levels to make besides level 0. `auto` makes levels until the space axes of the "
        "coarsest hold at most 2^18 voxels (64^3, 512^2), or nothing is left to scale. A number "
        "makes the first levels of `auto`, or more levels. If `scale_factors` has one entry per "
        "level, `auto` makes that many, and a smaller number makes the first of them.",
        absent="auto",
    )
    axes: tuple[str, ...] | None = setting(
        Choice("auto") | ListOf(Text(pattern=r"\D"), most=5),
        "Names of the axes in the order of the array. `auto` takes them from level 0's "
        "multiscales, or from its dimension_names (in zarr v2 from xarray's or NCZarr's), or else "
        "from the number of axes: x, yx, zyx, czyx or tczyx. For a source file they name the axes "
        "of the file, in its order; `auto` takes what the file says.",
        expected="auto or a list of different axis names such as [z, y, x]",
        absent="auto",
    )
    scale_factors: Factors | tuple[Factors, ...] | str = setting(
        Choice("auto", "isotropic")
        | Integer(1)
        | _FACTORS
        | ListOf(Either(Integer(1), EXTENTS, _FACTORS)),
        "How many voxels of the finer level make one voxel of the coarser level, along each axis. "
        "One integer is for all space axes, at every level. A list has one integer per axis. A "
        "mapping has integers by axis name; axes that it does not name get 1. If a list contains a "
        "list or a mapping, it has one entry per level. `isotropic` halves the space axes with the "
        "smallest voxels, by `voxel_size` (within a factor of sqrt(2) of the smallest), as long as "
        "this makes the voxels more cubic; then it halves all. `auto` is `isotropic` if voxel "
        "sizes are known, have one unit and differ by more than sqrt(2) among the space axes, "
        "otherwise 2. An axis of extent 1 is not scaled.",
        expected="auto, isotropic, an integer >= 1, a list of them (one for each axis), a mapping "
        "of axis names to them, or a list of lists and mappings (one for each level)",
        unit="voxels",
        default="auto",
    )
    method: str = setting(
        Choice("auto", *METHODS),
        "What a voxel of the coarser level is, computed from the window of voxels that it covers. "
        "`auto` is `mode` if level 0 holds labels (see `labels`), otherwise `mean`. The methods "
        "give the `mean`, `nanmean` (mean without NaN), `sum`, `min`, `max` (both without NaN), "
        "`median` (the lower of the middle two), `mode` (the most frequent, ties to the smallest), "
        "`mode_nonzero` (the same, with 0 as background), or the first voxel (`stride`). For "
        "labels, mean, nanmean, sum and median are refused. Complex numbers allow mean, sum or "
        "stride.",
        default="auto",
    )
    also: tuple[str, ...] | None = setting(
        Choice("none") | ListOf(Choice(*_ALSO)),
        "Further methods. Each makes a companion of the image: a pyramid of the same level 0, in a "
        "group inside the image's group that is named after the method, such as `max`. Level 0 is "
        "read once for all of them. A companion has its own sentinels, list and report, and all "
        "settings of the image except `rounding` and `weights`. Its group lists levels 1 to N, "
        "because level 0 is in the image's group. Labels have no companions.",
        expected="none, or a list of methods such as [max, min]",
        absent="none",
    )
    rounding: str = setting(
        Choice("each", "once"),
        "When means of integers are rounded. `each` rounds at every level, from the level before: "
        "a coarse voxel may differ by one from the mean of level 0. `once` makes every voxel of "
        "every level the mean of all the voxels of level 0 below it, rounded once, half to even. "
        "`once` is for the method mean, with integers and bool.",
        default="each",
    )
    weights: str | None = setting(
        Text(),
        "Path, in the same store, of the image that holds the weights: a mean is then sum(w x) / "
        "sum(w), or the plain mean if all weights of a window are 0. The levels of both images are "
        "made in the same run, and level n uses level n - 1 of the weights. Both have the same "
        "shape and `scale_factors`; no weight may be negative. For the method mean, with floats, "
        'complex numbers, bool and integers of up to 32 bits. "" gives all voxels the same weight.',
        expected='the path of an image in the same store, or ""',
        absent="",
    )
    nodata: Value | tuple[Value | None, ...] | None = setting(
        Choice("auto") | _VALUE | ListOf(Either(_VALUE, Nothing())),
        "The number that stands for no data in level 0, such as the 0 around a padded stack; `nan` "
        "is NaN. The mean, min, max or median of a window is taken only from the voxels that are "
        "data. If too few are data, the result is no data (see `nodata_share`). A list has one "
        "number per channel, with null for a channel that is all data. With `auto`, `nanmean`, "
        "`min` and `max` use what level 0's attributes declare.",
        expected="auto, a number, nan, or a list of these and null (one for each channel)",
        absent="auto",
    )
    nodata_share: float = setting(
        Number(above=0, most=1),
        "The share of a window's voxels, counting only those inside the image, that must be data; "
        "otherwise the coarser voxel is no data. Only used with `nodata`.",
        default=0.5,
    )
    labels: bool | None = setting(
        Choice("auto") | Flag(),
        "Whether level 0 holds labels, which are the ids of objects. `auto` means yes for integers "
        "and bool if the group has `image-label` or lies in a `labels` group, or if `label_report` "
        "counts the ids. `true` also writes `image-label` into the group.",
        expected="auto, true or false",
        absent="auto",
    )
    omero: bool = setting(
        Flag(),
        "Whether to write OME-NGFF's `omero` into a group that has none, so that viewers show the "
        "image well at once: for each channel a contrast window from the 0.1 % to the 99.9 % "
        "quantile of level 0, a label and a colour. Labels get none.",
        default=True,
    )
    ngff_version: str = setting(
        Choice("same", "0.4", "0.5", "0.6"),
        "Version of OME-NGFF in which the levels are listed. `same` is the version of the group, "
        "including drafts such as 0.6.dev4 and 0.5-dev-spatialdata. For a group that lists nothing "
        "it is 0.4 in zarr v2 and 0.5 in zarr v3, which released viewers read. 0.5 and 0.6 need "
        "zarr v3, and 0.4 needs v2. If you choose another version than the group's, the group "
        "describes its axes in another way.",
        default="same",
    )
    zarr_conventions: bool = setting(
        Flag(),
        "Whether to list the levels by the zarr convention `multiscales` too, which GeoZarr takes, "
        "beside OME-NGFF. A list that others wrote by it stays as it is. For zarr v3 alone: in v2, "
        "OME-NGFF's list has its name.",
        default=False,
    )
    dtype: str | None = setting(
        Choice("same", *(name for name in ITEM_SIZES if name not in ("bool", "float16"))),
        "Data type of the new levels, only for the method `sum`, whose sums need room. `same` is "
        "the type of level 0. A type that might be too small for the sums of the last level is "
        "refused.",
        expected="same, or an integer, float or complex type such as uint32",
        absent="same",
    )
    chunks: Shape | str = setting(
        Choice("auto", "same") | EXTENTS,
        "Size of the chunks of the new levels along each axis; `same` is that of level 0. `auto` "
        "is the same, unless level 0's chunks are extreme: an edge of 1 along a space axis beside "
        "an edge over 256, more than 2^25 voxels, or fewer than 2^12 in a larger image. Then the "
        "levels get near-cubes of about 2^18 voxels, with 1 along time and channels. Level 0 stays "
        "as it is.",
        expected=f"auto, same or {ONE_PER_AXIS}",
        unit="voxels",
        default="auto",
    )
    shards: Shape | str = setting(
        Choice("same", "none") | EXTENTS,
        "Size of the shards of the new levels along each axis, a multiple of the chunks. `same` is "
        "that of level 0, or one with about as many voxels if `chunks: auto` chose chunks that do "
        "not divide it. `none` stores every chunk in a file of its own. Only zarr v3 has shards. A "
        "level smaller than a shard gets a shard that just covers its chunks.",
        expected=f"same, none or {ONE_PER_AXIS}",
        unit="voxels",
        default="same",
    )
    compressor: str = setting(
        Choice("auto", "same", "none", "zstd", "gzip", *BLOSC)
        | Text(pattern=r"^zstd:(-[1-9][0-9]{0,4}|1?[0-9]|2[0-2])$")
        | Text(pattern=r"^gzip:[0-9]$")
        | Text(pattern=rf"^({'|'.join(BLOSC)})(:[0-9])?(:({'|'.join(SHUFFLES)}))?$"),
        "What compresses the chunks of the new levels. `same` takes the codecs of level 0; every "
        "other value replaces all of them except the filters and the byte order. `zstd:LEVEL`, "
        "`gzip:LEVEL` and `blosc-NAME:LEVEL:SHUFFLE`, as in blosc-zstd:1:bitshuffle, set the "
        "options. If you leave them out, zstd has its default level (as `zstd:0`), gzip and blosc "
        "have 5, and blosc shuffles the bytes of voxels (in zarr v3 the bits, if a voxel is one "
        "byte). `auto` is zstd for labels and bool, zstd:1 for other voxels of one byte, and "
        "blosc-zstd:1 for everything else. `zarrpyramid plan --codecs` tries codecs on the image.",
        expected="auto, same, none, zstd or zstd:LEVEL with a level from -99999 to 22, gzip or "
        f"gzip:LEVEL from 0 to 9, or {', '.join(BLOSC)}, each with :LEVEL from 0 to 9 and "
        f":SHUFFLE ({', '.join(SHUFFLES)}) or without",
        default="same",
    )
    checksum: bool = setting(
        Flag(),
        "Whether each chunk of the new levels ends with a checksum, which readers verify: zstd's "
        "own, or else crc32c of zarr v3. False adds none. In zarr v2 only zstd has one, and "
        "tensorstore does not open a v2 array whose document names it.",
        default=False,
    )
    write_empty_chunks: bool = setting(
        Flag(),
        "Whether to write chunks that hold only the fill value. If not, the record of a level says "
        "which chunks were written.",
        default=True,
    )
    voxel_size: dict[str, float] | tuple[float, ...] = setting(
        MappingOf(Number(above=0)) | ListOf(Number(above=0), most=5),
        "Physical size of a voxel of level 0: by axis name, or one number per axis in their order. "
        "An axis that is not named keeps the scale in level 0's multiscales, which is the product "
        "of the scale of level 0 and that of the whole multiscales. If there is none, it gets 1.",
        expected="a mapping of axis names to numbers > 0, or a list of them (one for each axis)",
        unit="that of the axis, see `unit`",
        default={},
    )
    unit: dict[str, str] | str = setting(
        MappingOf(Text(pattern=".")) | Text(pattern=r"^[^\[{]"),
        "Unit as OME-NGFF spells it (micrometer, second): by axis name, or one for all space axes. "
        "An axis that is not named keeps the unit in level 0's multiscales, or has none; `none` "
        "removes its unit.",
        expected="a unit name such as micrometer (none for no unit), or a mapping of axis names to "
        "unit names",
        default={},
    )
    edit_base: bool = setting(
        Flag(),
        "Whether level 0 may get dimension_names, which rewrites its metadata document. OME-NGFF "
        "0.5 requires them for every zarr v3 array. The voxels of level 0 are never written.",
        default=True,
    )
    durability: str = setting(
        Choice("flush", "none"),
        "When a level is safe on the disk. `flush` writes it to the disk before its metadata "
        "document and its sentinel say that it is there: one flush of the file system per job, or "
        "one per file if the system cannot do that. `none` leaves this to the system, and a power "
        "cut may then lose or damage a level.",
        default="flush",
    )
    label_report: bool = setting(
        Flag(),
        "Whether to count the ids of every level, and to list those that vanish from one level to "
        "the next, in results/<image>/labels.json, labels.md and labels-vanished.tsv. Only for "
        "integers and bool.",
        default=False,
        in_python=False,
    )
    dask_scheduler: str | None = setting(
        Text(pattern=r"^([a-z]+://.+)?$"),
        "Address of the scheduler of a dask cluster. Its workers then make the blocks of every "
        "level instead of the job's own threads. The workers need the same version of this "
        'package, and must see the store and the source under the same paths. "" takes the address '
        "in the environment's DASK_SCHEDULER_ADDRESS, if there is one.",
        expected='an address such as tcp://10.0.0.1:8786, or "" for none',
        absent="",
    )
    parts: int | None = setting(
        Choice("auto") | Integer(1),
        "Number of jobs for each level, at most one per stored object. `auto` decides by "
        "`part_size`. Any number gives the same digests and sentinels.",
        absent="auto",
        in_python=False,
    )
    part_size: int | None = setting(
        Choice("auto") | Integer(1),
        "How many voxels of the finer level one job reads at most. A larger level is split into "
        "parts, which a cluster makes side by side. `auto` is 2^33, or a 2048th of level 0 if that "
        "is more.",
        unit="voxels",
        absent="auto",
        in_python=False,
    )
    base_watch: str = setting(
        Choice("auto", "objects", "metadata", "none"),
        "How a change of level 0 is noticed: from its `objects` (size and time of each file, ETags "
        "in an object store), only from its `metadata` document, or not at all (`none`). `auto` "
        "looks at up to 2^17 objects, which takes 0.7 s at every start; if there are more, it "
        "looks at the metadata. On a web server, which is asked for each object, the limit is "
        "2^10. If a change is not noticed, no level is made again.",
        default="auto",
    )
    force_space: bool = setting(
        Flag(),
        "Whether to build levels even if the file system has less free space, or fewer free "
        "inodes, than they may need.",
        default=False,
    )
    missing_chunks: str = setting(
        Choice("fill", "error"),
        "What a missing chunk file of level 0 means. `fill` reads it as fill value, as zarr does, "
        "and the summary tells how many are missing. `error` stops before a level is built or "
        "level 0 is copied. A file that cannot be decoded always stops a run.",
        default="fill",
    )
    follow_links: bool = setting(
        Flag(),
        "Whether to follow symbolic links that lead out of the store or the source. The store "
        "itself may always be a link, and so may a level 0 that `link_base` made.",
        default=False,
    )
    storage_options: dict[str, str | int | float | bool] = setting(
        _OPTIONS,
        "Options for a store that is a URL: `endpoint`, `region` and others with obstore's names; "
        "the client's `timeout`, `connect_timeout` and `allow_http`; and for requests that fail "
        "`max_retries` and `retry_timeout` (seconds). Credentials come only from the environment.",
        expected="a mapping of option names to texts, numbers, true or false",
        default={},
    )
    source_options: dict[str, str | int | float | bool] = setting(
        _OPTIONS,
        "The same options for a source that is a URL. Options of the store do not apply to the "
        "source, nor the other way round.",
        expected="a mapping of option names to texts, numbers, true or false",
        default={},
    )


IMAGE = settings_of(ImageConfig)
"""The settings of an image, by name."""

KEYWORDS = {key: known for key, known in IMAGE.items() if known.in_python}
"""Those that are keywords of `build_pyramid`."""
