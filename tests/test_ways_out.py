"""Messages that name a way out: it is taken, and the fault is gone.

Each row makes a fault, and has for each way out that its message names what a user does then: other
settings, a change of the store, or the command that stands in the message.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest
import zarr
from PIL import Image

from servers import web_server
from zarrpyramid import build_pyramid, open_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import check_config, image_config
from zarrpyramid.errors import PyramidError, StoreError
from zarrpyramid.verify.findings import build_command

VOXELS = np.random.default_rng(0).integers(0, 99, (8, 12, 16)).astype("uint8")
NAMES = ("z", "y", "x")


def image(path, *levels, voxels=VOXELS, zarr_format=3, names=NAMES, unit="micrometer", **more):
    """Write a group with levels that it lists, and return its path."""
    levels = levels or ("0",)
    group = zarr.create_group(path, zarr_format=zarr_format)
    for level, name in enumerate(levels):
        array(path / name, voxels[(slice(None, None, 2**level),) * voxels.ndim], zarr_format, names)
    axes = [{"name": name, "type": "space", "unit": unit} for name in names]
    scale = more.pop("scale", [1.0] * len(names))
    datasets = [
        {
            "path": name,
            "coordinateTransformations": [{"type": "scale", "scale": [s * 2**n for s in scale]}],
        }
        for n, name in enumerate(levels)
    ]
    listed = {"name": "theirs", "axes": axes, "datasets": datasets}
    if zarr_format == 2:
        group.attrs["multiscales"] = [{"version": "0.4", **listed}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [listed]}
    return path


def array(path, voxels=VOXELS, zarr_format=3, names=None, **more):
    """Write an array, and return its path."""
    if zarr_format == 3:
        more |= {"dimension_names": names}
    chunks = more.pop("chunks", (4,) * voxels.ndim)
    zarr.create_array(str(path), data=voxels, chunks=chunks, zarr_format=zarr_format, **more)
    return path


def bare(path, voxels=VOXELS, **more):
    """Write a group with an array 0 and no list, and return its path."""
    zarr.create_group(path, zarr_format=more.get("zarr_format", 3))
    array(path / "0", voxels, **more)
    return path


def group_of(path, *children, zarr_format=3):
    """Write a group, and images in it."""
    zarr.create_group(path, zarr_format=zarr_format)
    for child in children:
        image(path / child, zarr_format=zarr_format)
    return path


def text(path):
    path.write_text("no image")
    return path


def folder(path, *files):
    path.mkdir()
    for name in files:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("mine")
    return path


def with_file(path, name):
    """Write an image, and a file of its owner in it."""
    image(path)
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_text("mine")
    return path


def with_link(path, name, target="elsewhere"):
    """Write an image, and a link in it to an array beside it."""
    if not path.exists():
        image(path)
    array(path.with_name(target), names=NAMES)
    if (path / name).exists():
        shutil.rmtree(path / name)
    (path / name).symlink_to(path.with_name(target))
    return path


def small_link(path):
    """Link a smaller array into a group as s1."""
    array(path / "small", VOXELS[::2, ::2, ::2])
    (path / "s1").symlink_to("small")
    return path


def changed(**settings):
    """Return a way out: other settings; None leaves a setting out."""

    def way(given, message):
        merged = {**given, **settings}
        return {key: item for key, item in merged.items() if item is not None}

    return way


def moved(name):
    """Return a way out: what stands at a path of the store is moved away."""

    def way(given, message):
        (given["store"] / name).rename(given["store"].with_name("away"))
        return given

    return way


def linked_away(name):
    """Return a way out: a link is removed."""

    def way(given, message):
        (given["store"] / name).unlink()
        return given

    return way


def elsewhere(given, message):
    """The store is the source of another one."""
    field = given.get("field", "")
    kept = {key: item for key, item in given.items() if key not in ("field", "source")}
    return {**kept, "store": given["store"].with_name("own"), "source": given["store"] / field}


def another_store(given, message):
    """The image is made in another store."""
    return {**given, "store": given["store"].with_name("another")}


def image_there(given, message):
    """An image is written where none was found."""
    place = given["store"]
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    image(place)
    return {key: item for key, item in given.items() if key != "field"}


def image_as_source(given, message):
    return {**given, "source": image(given["store"].with_name("given"))}


def said(pattern):
    """Return a way out: the setting that the message spells out."""

    def way(given, message):
        key, value = re.search(pattern, message).groups()
        return {**given, key: json.loads(value) if value[0] in "[{" else value}

    return way


def meant(key):
    """Return a way out: the word that the message asks whether it was meant."""

    def way(given, message):
        return {**given, key: re.search(r"did you mean '([^']+)'\?", message)[1]}

    return way


def commanded(start):
    """Return a way out: the command that the message ends with is run by a shell."""

    def way(given, message):
        line = message[re.search(start, message).start() :]
        here = given["store"].parent
        subprocess.run(line, shell=True, check=True, cwd=here, capture_output=True)
        made = here / "NEW.zarr"
        return {**given, "store": made} if made.exists() else given

    return way


def configured(given, message):
    """Return the settings that the message spells out for a shell."""
    words = shlex.split(message.partition("--config ")[2].partition(", or ")[0])
    own = dict(word.split("=", 1) for word in words)
    return {**given, **own, "store": given["store"].with_name(own["store"])}


def renamed(given, message):
    return commanded("mv ")(given, message)


def relisted(change):
    """Return a way out: the multiscales is mended."""

    def way(given, message):
        path = given["store"] / "zarr.json"
        document = json.loads(path.read_text())
        change(document["attributes"])
        path.write_text(json.dumps(document))
        return given

    return way


def with_list(path, change):
    """Write an image, and change its attributes."""
    image(path)
    relisted(change)({"store": path}, "")
    return path


def multiscales(attributes):
    return attributes["ome"]["multiscales"][0]


def with_path(path):
    def change(attributes):
        multiscales(attributes)["datasets"][0]["path"] = path

    return change


def with_scale(*scale):
    def change(attributes):
        steps = multiscales(attributes)["datasets"][0]["coordinateTransformations"]
        steps[0]["scale"] = list(scale)

    return change


def with_units(*units):
    def change(attributes):
        for axis, unit in zip(multiscales(attributes)["axes"], units, strict=True):
            axis["unit"] = unit

    return change


LABELS = {"labels": True}
PYTHON = r"\S*python -c "
FLOATS = VOXELS.astype("float32")
# name: (what makes the store, settings, a pattern of the message, the ways out)
FAULTS = {
    # What stands in the place of the group, or of level 0.
    "an empty folder": (folder, {}, "there is no zarr group", [image_there, image_as_source]),
    "a folder of texts": (lambda p: folder(p, "a.txt"), {}, "no zarr group", [image_there]),
    "a text file": (text, {}, r"is a file, .*; give the folder", [image_there]),
    "a misspelled field": (
        lambda p: group_of(p, "cells"), {"field": "cels"}, "did you mean 'cells'", [meant("field")],
    ),
    "misspelled weights": (
        lambda p: group_of(p, "raw", "density"),
        {"field": "raw", "weights": "densty", "levels": 1}, "did you mean 'density'",
        [meant("weights")],
    ),
    "an array": (array, {}, "is itself an array", [elsewhere, configured]),
    "an array as field": (
        image, {"field": "0"}, "level 0 of the image", [changed(field=None)],
    ),
    "arrays in no group": (
        lambda p: array(p / "0").parent, {}, "is no zarr group; make it one",
        [commanded(PYTHON)],
    ),
    "bioformats2raw": (
        lambda p: group_of(p, "0", "1", zarr_format=2), {},
        "is a group, expected the array of level 0; groups that have one: '0', '1'; give one as",
        [changed(field="0"), changed(field="1")],
    ),
    "a plate": (
        lambda p: group_of(p, "A/1/0", zarr_format=2), {}, "'A/1/0'; give one as field",
        [changed(field="A/1/0")],
    ),
    "a group of an array": (
        lambda p: array(group_of(group_of(p) / "0") / "raw").parents[1], {},
        "its arrays are raw: give base_path: 0/raw",
        [said("(base_path): (.+)$"), changed(base_path="0/raw")],
    ),
    "a group of nothing": (
        lambda p: group_of(group_of(p) / "0").parent, {}, "it holds no array",
        [image_there, lambda given, message: image_as_source(
            another_store(given, message), message)],
    ),
    "another name": (
        lambda p: array(group_of(p) / "raw").parent, {}, "its one array is raw",
        [said("(base_path): ([^,]+)"), renamed],
    ),
    "another name beside a link": (
        lambda p: small_link(array(group_of(p) / "s0").parent), {},
        "give base_path: s0 after the link s1 is removed",
        [lambda given, message: changed(base_path="s0")(linked_away("s1")(given, message), "")],
    ),
    "a listed level 0 that is absent": (
        lambda p: with_list(p, with_path("s0")), {}, "lists s0 first, as level 0, but has no such",
        [relisted(with_path("0"))],
    ),
    "a listed level 0 outside": (
        lambda p: with_list(p, with_path("../0")), {}, "fix its multiscales",
        [relisted(with_path("0"))],
    ),
    "another level 0 than is listed": (
        lambda p: array(image(p) / "raw").parent, {"base_path": "raw"}, "leave base_path out",
        [changed(base_path=None), relisted(lambda attributes: attributes.clear())],
    ),
    "no extent": (
        lambda p: with_list(p, with_scale(1, 0, 1)), {}, "expected > 0; fix its scale, or give",
        [relisted(with_scale(1, 2, 1)), changed(voxel_size={"y": 2})],
    ),
    "a link out of the store": (
        lambda p: with_link(p, "0"), {}, "followed with follow_links", [changed(follow_links=True)],
    ),
    # What stands in the place of the levels.
    "levels of others": (
        lambda p: image(p, "0", "1"), {}, "1 is there already and was not made by this workflow",
        [changed(overwrite=True), moved("1"), elsewhere],
    ),
    "a linked level": (
        lambda p: with_link(p, "1"), {}, "remove the link", [linked_away("1")],
    ),
    "a file where a group is to be": (
        lambda p: text(image(p, "scale0/image") / "scale1").parent, {}, "move it away",
        [moved("scale1")],
    ),
    "a file where a level is to be": (
        lambda p: text(image(p) / "1").parent, {"overwrite": True}, r"1 is a file, .*move it away",
        [moved("1")],
    ),
    "a group where a level is to be": (
        lambda p: group_of(image(p) / "1").parent, {"overwrite": True}, "1 is a group, .*move it",
        [moved("1")],
    ),
    "files in the place of a level": (
        lambda p: with_file(p, "1/notes.txt"), {}, "which is not ours to remove; move it away",
        [moved("1")],
    ),
    "level 0 where the copy is to be": (
        image, {"source": "given"}, "none is ever put over other data",
        [another_store, changed(source=None)],
    ),
    "a linked level 0 where the copy is to be": (
        lambda p: with_link(p, "0"), {"source": "given", "follow_links": True},
        "none is ever put over other data", [another_store, changed(source=None)],
    ),
    # The source.
    "a source that is a text": (
        folder, {"source": "text"}, "give the folder of a zarr store", [changed(source="given")],
    ),
    "a source of two images": (
        folder, {"source": "two"}, "such as .*two/a", [changed(source="two/a")],
    ),
    "a source of bioformats2raw": (
        folder, {"source": "series"}, "such as .*series/0", [changed(source="series/0")],
    ),
    "a source around the store": (
        lambda p: folder(image(p) / "sub"), {"source": "image"}, "choose a store elsewhere",
        [lambda given, message: {**given, "store": given["store"].parent.with_name("own")}],
    ),
    # Settings.
    "a method that others name": (
        image, {"method": "averge"}, "did you mean 'mean'", [meant("method")],
    ),
    "a method of others": (image, {"method": "nearst"}, "mean 'stride'", [meant("method")]),
    "a method of another type": (
        lambda p: image(p, voxels=FLOATS), {"method": "mode"}, "; choose ",
        [lambda given, message: {**given, "method": re.search("choose ([a-z_]+)", message)[1]}],
    ),
    "a dtype of means": (
        image, {"method": "mean", "dtype": "uint16"}, "leave dtype out, or choose method sum",
        [changed(dtype=None), changed(method="sum")],
    ),
    "a sum that overflows": (
        image, {"method": "sum"}, "give dtype: uint16", [said("(dtype): (.+)$")],
    ),
    "a narrow sum": (
        lambda p: image(p, voxels=VOXELS.astype("float64")), {"method": "sum", "dtype": "float32"},
        "give dtype", [said("(dtype): (.+)$")],
    ),
    "a sum that nothing holds": (
        lambda p: image(p, voxels=VOXELS.astype("int64")), {"method": "sum", "dtype": "int64"},
        "which no dtype holds; choose mean", [changed(method="mean", dtype=None)],
    ),
    "nodata of a method that takes none": (
        image, {"nodata": 0, "method": "nanmean"}, "choose mean, .*, or give nodata: auto",
        [changed(method="mean"), changed(nodata="auto")],
    ),
    "nodata of labels": (
        image, {**LABELS, "nodata": 0}, "give nodata: auto; of labels, method: mode_nonzero",
        [changed(nodata="auto"), changed(nodata="auto", method="mode_nonzero")],
    ),
    "nodata that no voxel has": (
        image, {"nodata": -1}, "give the number that stands for no data", [changed(nodata=1)],
    ),
    "nodata of other channels": (
        image, {"nodata": [0, 0]}, "give one for each, or one number for all",
        [changed(nodata=[0]), changed(nodata=0)],
    ),
    "a share of nothing": (
        image, {"nodata_share": 0.9}, "give nodata: NUMBER, or leave nodata_share out",
        [changed(nodata=0), changed(nodata_share=None)],
    ),
    "factors that scale nothing": (
        image, {"scale_factors": 1}, "leave it out", [changed(scale_factors=None)],
    ),
    "too few factors": (
        image, {"scale_factors": [2, 2]}, "give one per axis, such as",
        [lambda given, message: {
            **given, "scale_factors": json.loads(re.search(r"as (\[[2, ]+\])", message)[1])
        }, lambda given, message: {
            **given, "scale_factors": json.loads(message[message.rindex("[["):]), "levels": None}],
    ),
    "more levels than entries": (
        image, {"scale_factors": [[2, 2, 2]], "levels": 3}, "add entries, or leave levels out",
        [changed(levels=None), changed(scale_factors=[[2, 2, 2]] * 3)],
    ),
    "isotropic without sizes": (
        bare, {"scale_factors": "isotropic"}, "give voxel_size, such as",
        [changed(voxel_size={"z": 40, "y": 8, "x": 8})],
    ),
    "isotropic of two units": (
        lambda p: with_list(p, with_units("nanometer", "micrometer", "micrometer")),
        {"scale_factors": "isotropic"}, "give voxel_size and unit in one unit",
        [changed(voxel_size={"z": 0.04}, unit={"z": "micrometer"})],
    ),
    "a level equal to the one before": (
        image, {"levels": 9}, "ask for at most",
        [lambda given, message: {**given, "levels": int(re.search(r"at most (\d+)", message)[1])}],
    ),
    "chunks of another number": (
        image, {"chunks": [4, 4]}, "give one per axis", [changed(chunks=[4, 4, 4])],
    ),
    "shards of v2": (
        lambda p: image(p, zarr_format=2), {"shards": [8, 8, 8]}, "leave shards out",
        [changed(shards=None, chunks=[8, 8, 8])],
    ),
    "shards that are not divided": (
        image, {"shards": [8, 8, 8], "chunks": [3, 3, 3]}, "choose divisors of them, or other",
        [changed(chunks=[4, 4, 4]), changed(shards="none"), changed(shards=[9, 9, 9])],
    ),
    "too large chunks": (
        image, {"chunks": [2**11] * 3}, "give smaller chunks", [changed(chunks=[4, 4, 4])],
    ),
    "a checksum of v2": (
        lambda p: image(p, zarr_format=2), {"checksum": True, "compressor": "gzip"},
        "give compressor: zstd, or leave checksum out",
        [changed(compressor="zstd"), changed(checksum=None)],
    ),
    "labels that are averaged": (
        image, {**LABELS, "method": "mean"}, "give method: mode, or labels: false",
        [changed(method="mode"), changed(labels=False)],
    ),
    "labels that are floats": (
        lambda p: image(p, voxels=FLOATS), LABELS, "leave labels out", [changed(labels=None)],
    ),
    "too few axes": (
        bare, {"axes": ["y", "x"]}, "name all of them, or leave axes out",
        [changed(axes=["z", "y", "x"]), changed(axes=None)],
    ),
    "axes of another name": (
        lambda p: bare(p, names=NAMES), {"axes": ["a", "b", "d"], "edit_base": False},
        "give axes: .* or other axes with edit_base: true",
        [changed(axes=list(NAMES)), changed(edit_base=True)],
    ),
    "axes in another order": (
        bare, {"axes": ["z", "y", "c"]}, r"--config source=.* 'axes=\[z,y,c\]' store=NEW.zarr",
        [lambda given, message: {
            **given, "source": given["store"], "store": given["store"].with_name("new")}],
    ),
    "colours that stand last": (
        lambda p: bare(p, np.zeros((64, 64, 3), "uint8")), {},
        r"looks like channels or colours.* 'axes=\[y,x,c\]' store=NEW.zarr",
        [changed(axes=["z", "y", "x"]), lambda given, message: {
            **given, "axes": ["y", "x", "c"], "source": given["store"],
            "store": given["store"].with_name("new")}],
    ),
    "too few sizes": (
        image, {"voxel_size": [1, 2]}, "give one for each axis, or a mapping",
        [changed(voxel_size=[1, 2, 3]), changed(voxel_size={"y": 1, "x": 2})],
    ),
    "a misspelled axis": (image, {"voxel_size": {"Z": 2}}, "Z", [changed(voxel_size={"z": 2})]),
    "a misspelled unit": (
        image, {"unit": {"x": "um"}}, "did you mean 'micrometer'",
        [lambda given, message: {**given, "unit": {"x": re.search("mean '(.+)'", message)[1]}}],
    ),
    "no unit": (
        image, {"unit": ""}, r"\(none for no unit\)",
        [changed(unit="none"), changed(unit={"x": "none"}), changed(unit=None)],
    ),
    "an empty unit of an axis": (
        image, {"unit": {"x": ""}}, r"\(none for no unit\)", [changed(unit={"x": "none"})],
    ),
    "missing chunks": (
        lambda p: (shutil.rmtree(image(p) / "0/c/0"), p)[1], {"missing_chunks": "error"},
        "set missing_chunks: fill", [changed(missing_chunks="fill")],
    ),
    "a link without a source": (
        image, {"link_base": True}, "give source: PATH, or leave it out",
        [lambda given, message: {**another_store(given, message), "source": given["store"]},
         changed(link_base=None)],
    ),
    "base_path beside a source": (
        folder, {"source": "given", "base_path": "0"}, "keep one of them",
        [changed(base_path=None)],
    ),
    "axes twice": (
        bare, {"axes": ["y", "y", "x"]}, "give each its own name", [changed(axes=list(NAMES))],
    ),
}  # fmt: skip


def placed(folder, settings):
    """Return settings whose source is made in a folder."""
    source = settings.get("source")
    if source is None:
        return settings
    place = folder / source
    if source == "given" and not place.exists():
        image(place)
    elif source == "text" and not place.exists():
        text(place)
    elif source.partition("/")[0] == "two" and not (folder / "two").exists():
        group_of(folder / "two", "a", "b")
    elif source.partition("/")[0] == "series" and not (folder / "series").exists():
        group_of(folder / "series", "0", zarr_format=2)
    return {**settings, "source": place}


WAYS = [(name, number) for name, row in FAULTS.items() for number in range(len(row[3]))]


@pytest.mark.sampled(15)
@pytest.mark.parametrize(
    ("name", "number"), WAYS, ids=[f"{name}-{number}" for name, number in WAYS]
)
def test_a_way_out_of_a_run_that_is_refused(tmp_path, monkeypatch, name, number):
    monkeypatch.chdir(tmp_path)  # commands are those that work there
    make, settings, pattern, ways = FAULTS[name]
    store = make(tmp_path / "image")
    given = {"store": store, "levels": 1, **placed(tmp_path, settings)}
    before = contents(tmp_path)
    with pytest.raises(PyramidError, match=pattern) as error:
        build_pyramid(**given, progress=False)
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == before
    after = ways[number](given, str(error.value))
    if isinstance(after.get("source"), str):
        after = placed(tmp_path, after)
    assert len(build_pyramid(**{"levels": 1, **after}, progress=False)) >= 2


def contents(folder):
    found = [item for item in sorted(folder.rglob("*")) if item.is_file()]
    return {item: item.read_bytes() for item in found}


# Of commands.


def run_line(line):
    """Run a command of ours as a message has it; that of snakemake in this process."""
    words = shlex.split(line)
    if "--config" in words:
        from snakemake.cli import parse_config

        given = parse_config(words[words.index("--config") + 1 :])
        return len(build_pyramid(**{"levels": 1, **given}, progress=False)) - 2
    return main(words[words.index(next(w for w in words if w.endswith("zarrpyramid"))) + 1 :])


def told(*words):
    """Return the exit code of a command, and what it says."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(out):
        code = main([*map(str, words)])
    return code, out.getvalue()


def without(path, *names):
    for name in names:
        (path / name).unlink()
    return path


def built(path, **settings):
    build_pyramid(
        path if path.exists() else image(path), **{"levels": 1, **settings}, progress=False
    )
    return path


def foreign_link(path):
    """Write a pyramid of others whose level 0 is a link out of the store, and which lost one."""
    image(path, "0", "1")
    (path / "0").rename(path.with_name("full"))
    (path / "0").symlink_to(path.with_name("full"))
    return without(path, "1/zarr.json")


# name: (what makes it, the command, options of verify afterwards, pattern of the way out)
COMMANDS = {
    "a listed level of others that is absent": (
        lambda p: without(image(p, "0", "1"), "1/zarr.json"), ["verify"], [],
        r"build the levels again: (.+)",
    ),
    "one of a pyramid whose level 0 is a link": (
        foreign_link, ["verify", "--follow-links"], ["--follow-links"],
        r"build the levels again: (.+)",
    ),
    "one of ours": (
        lambda p: without(built(p), "1/zarr.json"), ["verify"], [], r"build the levels again: (.+)",
    ),
    "one of ours whose level 0 is a link": (
        lambda p: without(built(with_link(p, "0"), follow_links=True), "1/zarr.json"),
        ["verify", "--follow-links"], ["--follow-links"], r"build the levels again: (.+)",
    ),
    "none beside level 0": (image, ["verify"], [], r"that it is to have: (.+)"),
    "a list of ours that is gone": (
        lambda p: with_gone_list(built(p)), ["verify"], [], r"list only what is there: (.+)",
    ),
}  # fmt: skip


def with_gone_list(path):
    relisted(lambda attributes: attributes.pop("ome"))({"store": path}, "")
    return path


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_that_verify_names_leaves_nothing_to_say(tmp_path, monkeypatch, name):
    make, words, options, pattern = COMMANDS[name]
    monkeypatch.chdir(tmp_path)
    place = make(tmp_path / "image")
    code, text = told(*words, place)
    assert code
    line = re.search(pattern, text)[1]
    assert run_line(line) == 0, text
    code, text = told("verify", *options, "--full", place)
    assert code == 0, text


def linked(path):
    """Make an image whose level 0 was a link before it was built."""
    image(path, names=NAMES)
    shutil.rmtree(path / "0")
    (path / "0").symlink_to(array(path.parent / "full"))
    return path, {"follow_links": True}


# How a level 0 is left without names of dimensions, and what names them.
COPY = r"build in another store with this group as source, which copies level 0"
NAME = r"build by zarrpyramid with edit_base: true, which names those of level 0"
UNNAMED = {
    "a link": (linked, COPY),
    "link_base": (lambda p: (p, {"source": array(p.parent / "full"), "link_base": True}), COPY),
    "edit_base: false": (lambda p: (bare(p), {"edit_base": False}), NAME),
    "some named": (lambda p: (bare(p, names=[None, "y", "x"]), {"edit_base": False}), NAME),
}


def named_alone(path):
    """Write a group whose one array has another name."""
    return array(group_of(path) / "volume").parent


def colours(path):
    """Write an image whose colours stand last."""
    return bare(path, np.zeros((64, 64, 3), "uint8"))


def slices(path):
    path.mkdir()
    for number in range(3):
        Image.fromarray(VOXELS[number]).save(path / f"z{number}.tif")
    return path


# What makes a thing that is no pyramid yet, the commands that say so, and what they say then.
NOT_BUILT = {
    "another name": (
        named_alone, ("info", "status", "verify", "lint"), "build its pyramid first: ",
    ),
    "two of another name": (
        lambda p: array(named_alone(p) / "other").parent, ("info", "verify"), "pyramid first: ",
    ),
    "a smaller one, too": (
        lambda p: array(array(group_of(p) / "s0").parent / "s1", VOXELS[:4, :4, :4]).parent,
        ("info",), "pyramid first: ",
    ),
    "a TIFF": (
        lambda p: slices(p) / "z0.tif", ("build", "info", "verify", "clean"), "NEW.zarr, or ",
    ),
    "slices": (slices, ("build", "status"), "store=NEW.zarr, or "),
    "an array": (array, ("build", "info"), "store=NEW.zarr, or "),
    "colours last": (colours, ("build",), "store=NEW.zarr, or "),
}  # fmt: skip


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", NOT_BUILT)
def test_the_build_that_a_command_names_is_one_that_it_takes(tmp_path, monkeypatch, name):
    """Whatever command is asked: `--config` is for snakemake alone."""
    make, commands, pattern = NOT_BUILT[name]
    monkeypatch.chdir(tmp_path)
    place = make(tmp_path / "a b")
    lines = set()
    for words in commands:
        code, text = told(words, place)
        assert code == 2, text
        line = text.strip().partition(pattern)[2].partition(", or ")[0]
        lines.add(line)
    (line,) = lines
    assert run_line(line) == 0, line
    built = tmp_path / "NEW.zarr"
    assert told("verify", built if built.exists() else place)[0] == 0


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", UNNAMED)
def test_a_build_of_an_unnamed_level_0_is_complete_with_a_warning_and_a_way_out(tmp_path, name):
    make, way_out = UNNAMED[name]
    path, settings = make(tmp_path / "a")
    pyramid = build_pyramid(path, levels=1, progress=False, **settings)
    follows = "follow_links" in settings
    code, text = told("verify", path, "--full", *["--follow-links"] * follows)
    assert (code, text.count("WARNING")) == (0, 1)
    assert re.search(f"WARNING level 0, 0: names no dimensions.*; {way_out}", text)
    assert text.endswith(": sound, 1 warning\n")
    if not follows:  # other commands follow no link that they did not make
        code, text = told("status", path)
        assert code == 0
        assert len(re.findall(f"warning: level 0, 0: names no dimensions.*; {way_out}", text)) == 1
        assert told("info", path)[1].count("\ncomplete, ") == 1
        page = pyramid.report(tmp_path / "report.html").read_text()
        assert "<b>Complete</b>" in page
        assert re.search(f"Level 0, 0: names no dimensions.*; {way_out}", page)
    again = tmp_path / "own"
    if way_out == COPY:
        build_pyramid(again, source=path, levels=1, progress=False, follow_links=True)
    else:
        again = path
        build_pyramid(again, levels=1, progress=False, edit_base=True)
    assert told("status", again)[1].count("warning") == 0
    assert told("verify", again)[1].endswith(": sound\n")


def test_names_that_no_build_of_ours_leaves_are_a_defect(tmp_path):
    path = image(tmp_path / "a")
    build_pyramid(path, levels=1, progress=False)
    document = json.loads((path / "0/zarr.json").read_text())
    document["dimension_names"] = ["z", "x", "y"]
    (path / "0/zarr.json").write_text(json.dumps(document))
    code, text = told("status", path)
    assert code == 1
    assert "0: dimension_names; expected ['z', 'y', 'x']" in text


def test_commands_reach_a_store_by_its_options():
    from snakemake.cli import parse_config

    options = {"endpoint": "http://minio:9000", "allow_http": True}
    more = ("overwrite=true", "follow_links=true")
    words = shlex.split(build_command("s3://bucket/a", options, *more))
    given = parse_config(words[words.index("--config") + 1 :])
    found = image_config("a", check_config(given))
    assert (found.overwrite, found.follow_links, found.store) == (True, True, "s3://bucket/a")
    assert found.storage_options["endpoint"] == "http://minio:9000"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("make", [array, lambda p: array(group_of(p) / "raw"), folder, text])
def test_unlock_of_what_is_no_group_says_what_it_is(tmp_path, make):
    place = make(tmp_path / "a")
    assert told("unlock", place)[0] == told("clean", place)[0] == 2
    assert told("unlock", place)[1] == told("clean", place)[1]
    assert told("unlock", image(tmp_path / "b")) == (0, f"{tmp_path}/b is held by nobody\n")


# A server that answers 403 for what is absent, as S3 does to those who may not list.


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_server_that_refuses_what_is_absent(tmp_path, zarr_format):
    """Documents of v2 are found where that of v3 is refused; a chunk is never taken for absent."""
    image(tmp_path / "theirs", zarr_format=zarr_format)
    is_shut = False

    def refused(path):
        return is_shut or not (tmp_path / path.lstrip("/")).exists()

    with web_server(tmp_path, refused=refused) as url:
        place = f"{url}/theirs"
        build_pyramid(tmp_path / "own", source=place, levels=1, progress=False)
        assert told("verify", tmp_path / "own", "--full")[0] == 0
        assert told("status", place)[0] == 1
        chunk = tmp_path / "theirs/0" / ("0.0.0" if zarr_format == 2 else "c/0/0/0")
        data = chunk.read_bytes()
        chunk.unlink()
        with pytest.raises(StoreError, match="answer 404 for what is absent, or copy it"):
            build_pyramid(tmp_path / "second", source=place, levels=1, progress=False)
        chunk.write_bytes(data)
        is_shut = True
        with pytest.raises(StoreError, match=r"server refuses it to everybody .*; open it to"):
            build_pyramid(tmp_path / "second", source=place, levels=1, progress=False)
        is_shut = False
        assert len(build_pyramid(tmp_path / "second", source=place, levels=1, progress=False)) == 2
    shutil.rmtree(tmp_path / "own")
    copy = shutil.copytree(tmp_path / "theirs", tmp_path / "copy")
    assert len(build_pyramid(tmp_path / "own", source=copy, levels=1, progress=False)) == 2


@pytest.mark.parametrize("shut", ["/0/zarr.json", "/1/zarr.json", "/0/c/0/0/0", "/1/c/0/0/0"])
def test_what_a_server_refuses_is_no_defect_as_on_a_disk(tmp_path, shut):
    build_pyramid(image(tmp_path / "theirs"), levels=1, progress=False)
    is_shut = True
    with web_server(tmp_path, refused=lambda path: is_shut and path.endswith(shut)) as url:
        code, text = told("verify", f"{url}/theirs", "--full")
        assert code == 2
        assert "DEFECT" not in text
        assert "the server refuses it to everybody (over http no credentials are sent)" in text
        assert "; open it to everybody, and answer 404 for what is absent, or copy it" in text
        with pytest.raises(PermissionError):
            open_pyramid(f"{url}/theirs").report(tmp_path / "report.html")
        is_shut = False
        assert told("verify", f"{url}/theirs", "--full")[0] == 0


def test_series_end_where_a_server_refuses_the_next_one(tmp_path):
    layout = {"ome": {"version": "0.5", "bioformats2raw.layout": 3}}
    root = group_of(tmp_path / "root", "0", "1")
    zarr.open_group(root).attrs.update(layout)
    for name in ("0", "1"):
        build_pyramid(root, name, levels=1, progress=False)
    with web_server(tmp_path, refused=lambda path: not (tmp_path / path.lstrip("/")).exists()) as u:
        code, text = told("verify", f"{u}/root")
    assert code == 0, text
    assert text.splitlines()[-1].startswith(f"{u}/root: sound")


def changed_omero(path, change):
    """Change the omero of a group of v3."""
    document = json.loads((path / "zarr.json").read_text())
    change(document["attributes"]["ome"])
    (path / "zarr.json").write_text(json.dumps(document))
    return path


def with_color(ome):
    ome["omero"]["channels"][0]["color"] = "zz"


def repaired(text):
    """Take the repair that a message names."""
    call = re.search(r"(zarrpyramid verify \S+ --repair)", text)[1]
    return told(*shlex.split(call)[1:])


def test_a_wrong_omero_of_ours_is_written_again_and_one_of_others_removed(tmp_path):
    path = image(tmp_path / "a")
    build_pyramid(path, levels=1, progress=False)
    before = (path / "zarr.json").read_text()
    code, text = told("status", changed_omero(path, with_color))
    assert code == 1
    assert repaired(text)[0] == 0
    assert json.loads((path / "zarr.json").read_text()) == json.loads(before)
    theirs = {"channels": [{"color": "zz", "window": dict.fromkeys(("min", "start"), 0)}]}
    path = image(tmp_path / "b")
    build_pyramid(changed_omero(path, lambda ome: ome.update(omero=theirs)), levels=1)
    code, text = told("status", path)
    assert code == 1
    assert "zz" in text
    assert "correct it, or remove omero from the group's attributes" in text
    changed_omero(path, lambda ome: ome.pop("omero"))
    assert told("status", path)[0] == 0


DAMAGED = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "no mapping": lambda text: "[]",
    "no array": lambda text: '{"node_type": "x"}',
    "no shape": lambda text: text.replace('"shape"', '"form"', 1),
    "no zarr codec": lambda text: text.replace('"chunk_grid"', '"grid"', 1),
}


@pytest.mark.sampled(8)
@pytest.mark.parametrize("how", ["build", "with notes", "after status", "repair"])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_level_whose_document_is_damaged_is_made_again(tmp_path, name, number, how):
    """The level is ours and its source is there: nobody needs a copy of the document."""
    path = image(tmp_path / "a")
    notes = {"notes": tmp_path / "notes"} if how == "with notes" else {}
    build_pyramid(path, levels=2, progress=False, **notes)
    before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    document = path / str(number) / "zarr.json"
    damaged = DAMAGED[name](document.read_text())
    assert damaged != document.read_text()
    document.write_text(damaged)
    code, text = told("status", path)
    assert code == 1
    if how == "repair":
        assert repaired(text)[0] == 0
    else:
        build_pyramid(path, levels=2, progress=False, **notes)
    assert {each: each.read_bytes() for each in path.rglob("*") if each.is_file()} == before
    assert told("status", path)[0] == 0


def test_a_level_that_may_be_all_that_is_left_is_not_made_of_fill_value(tmp_path):
    path = image(tmp_path / "a")
    build_pyramid(path, levels=1, progress=False)
    shutil.rmtree(path / "0/c")
    (path / "1/zarr.json").write_text("{")
    with pytest.raises(PyramidError, match=r"document is damaged; level 1 may be all that") as said:
        build_pyramid(path, levels=1, progress=False)
    words = shlex.split(str(said.value).rpartition("remove them: ")[2])
    assert main(words[words.index("clean") :]) == 0
    assert len(build_pyramid(path, levels=1, progress=False)) == 2


def test_a_damaged_document_that_our_list_does_not_name_is_nobodys_to_make_again(tmp_path):
    path = image(tmp_path / "a")
    folder(path / "1", "zarr.json")
    with pytest.raises(PyramidError, match=r"is no JSON .*; restore it from a copy$"):
        build_pyramid(path, levels=1, progress=False)
