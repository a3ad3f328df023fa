"""Each rule of the viewer lint: a document that trips it, and one that does not."""

from __future__ import annotations

import copy
import dataclasses
import io
import json

import pytest
import zarr

from ngff_stores import in_systems
from zarrpyramid.cli.program import main
from zarrpyramid.metadata.group import locate
from zarrpyramid.metadata.multiscales import listed_paths
from zarrpyramid.metadata.nodes import Node
from zarrpyramid.metadata.parsing import parse_array
from zarrpyramid.report.viewer_rules import VIEWERS, lint, read_rules
from zarrpyramid.stores import Archive, ArchiveWriter, memory_store
from zarrpyramid.stores.archive_store import ArchiveStore
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.verify.findings import GRADES
from zarrpyramid.verify.pyramid import FoundLevel, Pyramid, read_pyramid

CLEAN_CODECS = [
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
]


def array(shape, *, dtype="uint16", chunks=None, codecs=CLEAN_CODECS, shards=None):
    chunks = list(chunks or [min(64, extent) for extent in shape])
    if shards:
        inner = {"chunk_shape": chunks, "codecs": codecs, "index_codecs": CLEAN_CODECS[:1]}
        codecs = [{"name": "sharding_indexed", "configuration": inner}]
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shards or chunks}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": codecs,
    }
    return parse_array({"zarr.json": document}, "array")


def array_v2(shape, *, dtype="<u2", compressor=None, filters=None):
    document = {
        "zarr_format": 2,
        "shape": list(shape),
        "chunks": [min(64, extent) for extent in shape],
        "dtype": dtype,
        "compressor": compressor,
        "fill_value": 0,
        "order": "C",
        "filters": filters,
    }
    return parse_array({".zarray": document}, "array")


def group(axes="yx", scales=((1.0, 1.0), (2.0, 2.0)), **more):
    kinds = {"t": "time", "c": "channel"}
    multiscales = {
        "axes": [{"name": name, "type": kinds.get(name, "space")} for name in axes],
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [{"type": "scale", "scale": list(scale)}],
            }
            for level, scale in enumerate(scales)
        ],
    }
    return {"ome": {"version": "0.5", "multiscales": [multiscales], **more}}


def group_v2(version="0.4", **more):
    (multiscales,) = group()["ome"]["multiscales"]
    return {"multiscales": [{**multiscales, "version": version}], **more}


def pyramid(attributes=None, arrays=None, zarr_format=3):
    arrays = [array((256, 256)), array((128, 128))] if arrays is None else arrays
    attributes = attributes or group()
    name = "zarr.json" if zarr_format == 3 else ".zattrs"
    document = {"attributes": attributes} if zarr_format == 3 else attributes
    paths = listed_paths(attributes)
    return Pyramid(
        store=LocalStore("/nowhere"),
        path="",
        group=Node(kind="group", zarr_format=zarr_format, documents={name: document}),
        levels=tuple(
            FoundLevel(number=number, path=path, metadata=metadata)
            for number, (path, metadata) in enumerate(zip(paths, arrays, strict=True))
        ),
    )


def in_file(n_entries=1):
    """Return a pyramid in a single file, of which nothing but its directory counts."""
    store, file = memory_store(), io.BytesIO()
    ArchiveWriter(file).finish({})
    store.put("a.ozx", file.getvalue())
    archive = Archive(store, "a.ozx")
    archive.entries = dict.fromkeys(range(n_entries))
    return dataclasses.replace(pyramid(), store=ArchiveStore(archive))


def changed(change, **more):
    attributes = copy.deepcopy(group(**more))
    change(attributes["ome"], attributes["ome"]["multiscales"][0])
    return pyramid(attributes)


def levels(**form):
    return pyramid(arrays=[array((256, 256), **form), array((128, 128), **form)])


def flat():
    """Return a v2 image of 0.4, which trips nothing."""
    shown = {"channels": [{"window": {"min": 0, "max": 9, "start": 0, "end": 9}}]}
    return pyramid(group_v2(omero=shown), [array_v2((256, 256)), array_v2((128, 128))], 2)


def labels(dtype):
    attributes = group(**{"image-label": {"version": "0.5"}})
    return pyramid(attributes, [array((256, 256), dtype=dtype)] * 2)


def volume(coarse, **form):
    scales = ((1.0,) * 3, (2.0,) * 3)
    return pyramid(group("zyx", scales), [array((64, 256, 256), **form), array(coarse, **form)])


def window(**given):
    return pyramid(group(omero={"channels": [{"label": "DAPI", **given}]}))


def shift(_, multiscales):
    steps = multiscales["datasets"][1]["coordinateTransformations"]
    steps.append({"type": "translation", "translation": [0.5, 0.5]})


def rescale(_, multiscales):
    multiscales["coordinateTransformations"] = [{"type": "scale", "scale": [0.1, 0.1]}]


def do_nothing(_, multiscales):
    multiscales["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1]}]


def unit(name):
    def change(_, multiscales):
        multiscales["axes"][1]["unit"] = name

    return changed(change)


def misspell(_, multiscales):
    multiscales["axes"][1]["units"] = "micrometer"


def sixth(axes):
    """Return an image of 0.6."""
    attributes = group(axes, [(1.0,) * len(axes), (2.0,) * len(axes)])
    (multiscales,) = attributes["ome"]["multiscales"]
    return pyramid(
        {"ome": {"version": "0.6", "multiscales": [in_systems(multiscales)]}},
        [array((8,) * len(axes)), array((4,) * len(axes))],
    )


def unplace(_, multiscales):
    del multiscales["datasets"][1]["coordinateTransformations"]


def version(number):
    def change(ome, _):
        ome.pop("version")
        ome.update({"version": number} if number else {})

    return changed(change)


def film(chunks):
    scales = ((1.0,) * 3, (1.0, 2.0, 2.0))
    arrays = [array((9, 256, 256), chunks=chunks), array((9, 128, 128), chunks=chunks)]
    return pyramid(group("tyx", scales), arrays)


def deep(extent):
    arrays = [array((extent, 2048, 2048)), array((extent, 1024, 1024))]
    return pyramid(group("zyx", ((1.0,) * 3, (1.0, 2.0, 2.0))), arrays)


def stack(chunks):
    arrays = [array((200, 512, 512), chunks=chunks), array((100, 256, 256), chunks=chunks)]
    return pyramid(group("zyx", ((1.0,) * 3, (2.0,) * 3)), arrays)


def single(extent):
    return pyramid(group("zyx", ((1.0,) * 3,)), [array((extent, 1024, 1024))])


# rule: (documents that trip it, words of what it says, documents that do not)
CASES = {
    "no-levels": (pyramid({"other": 1}, []), "nothing to open", pyramid()),
    "absent-level": (pyramid(arrays=[array((256, 256)), None]), "path 1", pyramid()),
    "neuroglancer-axes": (
        pyramid(arrays=[array((256, 256)), array((128, 128, 3))]),
        "has 2 axes, the array 1 has 3",
        pyramid(),
    ),
    "neuroglancer-dtype": (levels(dtype="float64"), "float64", levels(dtype="float32")),
    "neuroglancer-mixed-dtypes": (
        pyramid(arrays=[array((256, 256), dtype="uint8"), array((128, 128), dtype="uint32")]),
        "uint8, uint32",
        levels(dtype="uint32"),
    ),
    "neuroglancer-unit": (unit("um"), "'um' of x", unit("micrometer")),
    "neuroglancer-no-unit": (
        unit("micrometer"),
        "axis y has no unit",
        changed(lambda _, multiscales: [axis.update(unit="m") for axis in multiscales["axes"]]),
    ),
    "axis-keys": (changed(misspell), "units of x for unit", unit("micrometer")),
    "neuroglancer-version": (version(None), "no version", version("0.5")),
    "neuroglancer-codec": (
        levels(codecs=[*CLEAN_CODECS[:1], {"name": "numcodecs.lzma"}]),
        "numcodecs.lzma",
        levels(codecs=[*CLEAN_CODECS, {"name": "crc32c"}]),
    ),
    "neuroglancer-place": (changed(unplace), "1 has no coordinateTransformations", pyramid()),
    "neuroglancer-signed-labels": (labels("int32"), "int32", labels("uint32")),
    "neuroglancer-labels": (labels("uint32"), "open as an image", levels(dtype="uint32")),
    "napari-complex": (levels(dtype="complex64"), "complex64", levels(dtype="float64")),
    "napari-label-dtype": (labels("float32"), "float32", labels("uint8")),
    "napari-coarsest": (deep(2049), "2049 voxels", deep(2048)),
    "napari-transformation": (changed(rescale), "whole multiscales", changed(do_nothing)),
    "napari-translation": (changed(shift), "translation of 1", pyramid()),
    "napari-version": (pyramid(), "0.12", flat()),
    "napari-systems": (sixth("yx"), "OME-NGFF 0.6 opens from napari-ome-zarr 0.9", pyramid()),
    "vizarr-systems": (sixth("yx"), "does not read OME-NGFF 0.6", sixth("tczyx")),
    "vizarr-slices": (volume((32, 128, 128)), "along z", volume((64, 128, 128))),
    "vizarr-factor": (
        pyramid(arrays=[array((255, 256)), array((85, 128))]),
        "85 voxels along y after 255",
        pyramid(arrays=[array((255, 255)), array((128, 127))]),
    ),
    "vizarr-dtype": (levels(dtype="bool"), "bool", levels(dtype="float64")),
    "vizarr-64-bit": (levels(dtype="uint64"), "uint64", levels(dtype="uint32")),
    "napari-window": (pyramid(), "no omero", labels("uint16")),
    "vizarr-window": (
        window(window={"min": 0, "max": 9}),
        "DAPI",
        window(window={"min": 0, "max": 9, "start": 0, "end": 9}),
    ),
    "vizarr-axes": (pyramid(group("xy")), "finds x, y", pyramid(group("yx"))),
    "large-chunks": (
        volume((64, 128, 128), chunks=(64, 512, 256)),
        "16 MiB",
        volume((64, 128, 128), chunks=(64, 256, 256)),
    ),
    "costly-lines": (
        stack((1, 512, 512)),
        "1 x 512 x 512: a line of 200 voxels along z takes 104.9 MB",
        stack((8, 8, 8)),  # extreme too, but small
    ),
    "thick-chunks": (film((4, 64, 64)), "steps of t", film((1, 64, 64))),
    "one-level": (single(1024), "2.0 GiB", single(512)),
    "shards": (levels(shards=[128, 128]), "ranges", levels()),
    "napari-single-file": (in_file(), "a.ozx", pyramid()),
    "neuroglancer-large-file": (in_file(65_535), "65,535 objects", in_file(65_534)),
}


def names(found):
    return [finding.rule for finding in found]


def test_the_way_out_names_the_file():
    assert lint(in_file(), ["napari"])[0].way_out.endswith("/a.ozx NEW.zarr")


def test_every_rule_has_its_case():
    assert list(CASES) == [rule.name for rule in read_rules()]


@pytest.mark.parametrize("name", CASES)
def test_a_rule_says_what_goes_wrong_and_is_silent_else(name):
    tripping, words, fine = CASES[name]
    (finding,) = [finding for finding in lint(tripping) if finding.rule == name]
    assert words in finding.what
    assert finding.seen.startswith("https://github.com/")
    assert finding.way_out
    assert name not in names(lint(fine))


@pytest.mark.parametrize(
    ("given", "trips"),
    [
        ([array_v2((9, 9), dtype="<i8")], False),  # read as if unsigned, of v2 alone
        ([array((9, 9), dtype="int64")], True),
        ([array_v2((9, 9), dtype="<f8")], True),
        ([array((9, 9), dtype="float16")], True),
    ],
)
def test_data_types_by_format(given, trips):
    found = lint(pyramid(group_v2(), 2 * given, given[0].zarr_format))
    assert ("neuroglancer-dtype" in names(found)) is trips


@pytest.mark.parametrize(
    ("compressor", "filters", "trips"),
    [
        ({"id": "blosc"}, None, False),
        ({"id": "lz4"}, None, True),
        (None, [{"id": "delta", "dtype": "<u2"}], True),
    ],
)
def test_codecs_of_v2(compressor, filters, trips):
    given = array_v2((9, 9), compressor=compressor, filters=filters)
    found = lint(pyramid(group_v2(), [given, given], 2))
    assert ("neuroglancer-codec" in names(found)) is trips


@pytest.mark.parametrize(("number", "zarr_format"), [("0.6", 3), ("0.5", 2)])
def test_versions_that_viewers_refuse(number, zarr_format):
    assert "neuroglancer-version" in names(lint(pyramid(group_v2(number), zarr_format=zarr_format)))


def test_each_viewer_is_told_from_which_release_it_reads_a_version():
    told = {found.rule: found for found in lint(sixth("zyx"))}
    assert "0.6 is not read by this release" in told["neuroglancer-version"].what
    assert "main branch" in told["neuroglancer-version"].way_out
    assert "napari-ome-zarr 0.9" in told["napari-systems"].what
    assert "vizarr-systems" in told
    assert "napari-version" not in told


def test_a_unit_of_null_is_called_so():
    (found,) = [each for each in lint(unit(None)) if each.rule == "neuroglancer-unit"]
    assert "no unit null of x" in found.what


def test_a_plain_image_trips_nothing():
    assert lint(flat()) == []


def test_documents_may_hold_anything():
    attributes = {"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "0"}, 7]}], "ome": 3}
    found = lint(pyramid(attributes, [array((9, 9))]))
    assert {"neuroglancer-version", "neuroglancer-place"} <= set(names(found))


@pytest.mark.parametrize("value", [None, 7, "x", [], [7], {}, {"x": 7}, [{}], [[7]]])
@pytest.mark.parametrize(
    "place", ["axes", "datasets", "coordinateTransformations", "unit", "steps", "omero", "window"]
)
def test_damaged_documents_end_in_findings(place, value):
    attributes = copy.deepcopy(group(omero={"channels": [{"window": {}}]}))
    (multiscales,) = attributes["ome"]["multiscales"]
    holders = {
        "unit": (multiscales["axes"][0], "unit"),
        "steps": (multiscales["datasets"][1], "coordinateTransformations"),
        "omero": (attributes["ome"], "omero"),
        "window": (attributes["ome"]["omero"]["channels"][0], "window"),
    }
    holder, key = holders.get(place, (multiscales, place))
    holder[key] = value
    n_listed = len(listed_paths(attributes))
    arrays = [array((256, 256)), array((9, 9, 9)), None, None][:n_listed]
    lint(pyramid(attributes, arrays))


def test_the_worst_come_first_and_viewers_can_be_chosen():
    found = lint(labels("int64"))
    ranks = [GRADES.index(finding.grade) for finding in found]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 3
    for viewer in VIEWERS:
        assert all(finding.viewers == (viewer,) for finding in lint(labels("int64"), [viewer]))
    assert lint(labels("int64"), []) == []


@pytest.fixture
def store(tmp_path):
    attributes = group()
    image = zarr.create_group(tmp_path / "s", attributes=attributes)
    for path, extent in (("0", 64), ("1", 32)):
        image.create_array(path, shape=(extent, extent), chunks=(32, 32), dtype="float64")
    return tmp_path / "s"


def test_the_documents_of_a_store(store):
    found = read_pyramid(*locate(str(store), ""))
    assert [array.shape for array in found.arrays] == [(64, 64), (32, 32)]
    zarr.open_group(store).create_group("folder")
    attributes = group(scales=((1.0, 1.0),) * 3)
    for number, path in enumerate(("0", "folder", "nothing")):
        attributes["ome"]["multiscales"][0]["datasets"][number]["path"] = path
    zarr.open_group(store).attrs.update(attributes)
    listed = read_pyramid(*locate(str(store), "")).listed
    assert [level.metadata is None for level in listed] == [False, True, True]


def test_command_line(store, capsys):
    assert main(["lint", str(store)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("DEFECT neuroglancer: it does not read float64; take float32")
    assert lines[0].endswith("issues/875]")
    assert main(["lint", str(store), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["viewers"] == list(VIEWERS)
    assert [finding["rule"] for finding in found["findings"]] == [
        "neuroglancer-dtype",
        "napari-version",
        "napari-window",
    ]
    assert main(["lint", str(store), "--viewer", "vizarr"]) == 0
    assert capsys.readouterr().out == "nothing known goes wrong in vizarr\n"
    assert main(["lint", str(store), "--viewer", "vizarr", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    assert main(["lint", str(store / "0")]) == 2
    assert "is itself an array" in capsys.readouterr().err
