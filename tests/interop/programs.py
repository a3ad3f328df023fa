"""The programs that are tried, what each writes, and where its images stand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program in an environment of its own.

    Attributes
    ----------
    script
        Name of the script in `peers` that asks it.
    package
        What its version is that of.
    requirements
        Its environment, each pinned; what it needs to be read besides.
    """

    script: str
    package: str
    requirements: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A store that a program writes.

    Attributes
    ----------
    program, kind
        The program, and what its script calls the layout.
    what
        The layout for people.
    fields
        Groups of images on which pyramids are built.
    readers
        Other programs that open the first of these groups afterwards.
    route
        "beside": levels of its own are replaced. "source": they are built in another store.
    refusal
        A pattern of the line that refuses to build, "" where it is built.
    """

    program: str
    kind: str
    what: str
    fields: tuple[str, ...] = ("",)
    readers: tuple[str, ...] = ()
    route: str = "beside"
    refusal: str = ""


PROGRAMS = {
    "ngff-zarr": Program(
        script="ngff_zarr_peer", package="ngff-zarr",
        requirements=("ngff-zarr[dask-image]==0.50.0", "dask[array]==2026.8.0"),
    ),
    "ome-zarr": Program(
        script="ome_zarr_peer", package="ome-zarr", requirements=("ome-zarr==0.21.0",)
    ),
    "bioio-ome-zarr": Program(
        script="bioio_peer", package="bioio-ome-zarr", requirements=("bioio-ome-zarr==3.8.1",)
    ),
    "iohub": Program(script="iohub_peer", package="iohub", requirements=("iohub==0.3.11",)),
    "ngio": Program(script="ngio_peer", package="ngio", requirements=("ngio==1.1.3",)),
    "spatialdata": Program(
        script="spatialdata_peer", package="spatialdata", requirements=("spatialdata==0.8.0",)
    ),
    "webknossos": Program(
        script="webknossos_peer", package="webknossos", requirements=("webknossos==4.3.3",)
    ),
    "acquire-zarr": Program(
        script="acquire_zarr_peer", package="acquire-zarr",
        requirements=("acquire-zarr==0.10.0", "zarr==3.4.2"),
    ),
    "xarray": Program(
        script="xarray_peer", package="xarray", requirements=("xarray==2026.9.0", "zarr==3.4.2")
    ),
    "bioformats2raw (by hand)": Program(
        script="hand_written", package="zarr", requirements=("zarr==3.4.2",)
    ),
    "COSEM (by hand)": Program(
        script="hand_written", package="zarr", requirements=("zarr==3.4.2",)
    ),
}  # fmt: skip

LAYOUTS = (
    Layout(program="ngff-zarr", kind="0.4", what="an image, OME-NGFF 0.4",
           readers=("ome-zarr",)),
    Layout(program="ngff-zarr", kind="0.5", what="an image, OME-NGFF 0.5",
           readers=("ome-zarr", "xarray")),
    Layout(program="ngff-zarr", kind="0.6", what="an image, OME-NGFF 0.6"),
    Layout(program="ome-zarr", kind="labels 0.4", what="an image with labels, OME-NGFF 0.4",
           fields=("", "labels/cells"), readers=("bioio-ome-zarr", "ngio")),
    Layout(program="ome-zarr", kind="labels 0.5", what="an image with labels, OME-NGFF 0.5",
           fields=("", "labels/cells"), readers=("bioio-ome-zarr", "ngff-zarr")),
    Layout(program="ome-zarr", kind="plate 0.5", what="wells of a plate, OME-NGFF 0.5",
           fields=("A/1/0",), readers=("ngio",)),
    Layout(program="ome-zarr", kind="0.6", what="an image, OME-NGFF 0.6"),
    Layout(program="bioio-ome-zarr", kind="0.4", what="an image, OME-NGFF 0.4",
           readers=("ome-zarr",)),
    Layout(program="bioio-ome-zarr", kind="0.5", what="an image, OME-NGFF 0.5",
           readers=("ome-zarr",)),
    Layout(program="iohub", kind="plate 0.4", what="positions of a plate, OME-NGFF 0.4",
           fields=("A/1/0",)),
    Layout(program="iohub", kind="plate 0.5", what="positions of a plate, OME-NGFF 0.5",
           fields=("A/1/0",), readers=("ome-zarr",)),
    Layout(program="ngio", kind="labels 0.4", what="an image with labels and a table, OME-NGFF 0.4",
           fields=("", "labels/cells"), readers=("iohub",)),
    Layout(program="ngio", kind="labels 0.5", what="an image with labels and a table, OME-NGFF 0.5",
           fields=("", "labels/cells")),
    Layout(program="ngio", kind="plate 0.5", what="wells of a plate, OME-NGFF 0.5",
           fields=("A/01/0",)),
    Layout(program="spatialdata", kind="elements", fields=("images/raw", "labels/cells"),
           what="an image and labels beside points, shapes and a table"),
    Layout(program="webknossos", kind="zarr", what="two layers, zarr v2", fields=("raw",),
           route="source", refusal="expected zarr_format 2, found '2'"),
    Layout(program="webknossos", kind="zarr3", what="two layers, zarr v3", fields=("raw",),
           route="source"),
    Layout(program="acquire-zarr", kind="stream", what="a stream with levels, OME-NGFF 0.5",
           fields=("raw",), readers=("ome-zarr",)),
    Layout(program="xarray", kind="dataset v2", what="a dataset, zarr v2"),
    Layout(program="xarray", kind="dataset v3", what="a dataset, zarr v3"),
    Layout(program="xarray", kind="tree v2", what="a tree of two datasets, zarr v2",
           fields=("raw",)),
    Layout(program="xarray", kind="tree v3", what="a tree of two datasets, zarr v3",
           fields=("raw",)),
    Layout(program="bioformats2raw (by hand)", kind="bioformats2raw", what="two series, layout 3",
           fields=("0", "1"), readers=("ome-zarr", "bioio-ome-zarr")),
    Layout(program="COSEM (by hand)", kind="cosem", what="s0, s1, s2 with `transform`",
           fields=("em",)),
)  # fmt: skip
