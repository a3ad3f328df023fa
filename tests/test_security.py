"""What a stranger's store may do to whoever opens it: nothing but be refused, in one line."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import os
import pickle
import re
import shutil
import signal
import struct
import threading
import tracemalloc
import zlib
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import yaml
import zarr
from numcodecs import Delta

from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config, image_configs
from zarrpyramid.errors import ConfigError, MetadataError, PyramidError, StoreError
from zarrpyramid.stores.local import LocalStore

REPOSITORY = Path(__file__).parents[1]


def make(path, zarr_format=2, **settings):
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    voxels = np.random.default_rng(1).integers(0, 99, (20, 20, 20)).astype("uint16")
    if zarr_format == 3:
        settings["dimension_names"] = ("z", "y", "x")
    group.create_array("0", data=voxels, chunks=(16, 16, 16), **settings)
    return path


def build(path, **settings):
    return build_pyramid(path, progress=False, n_workers=1, **{"levels": 1, **settings})


# Bombs

SIZE = 1 << 26  # far beyond the memory that a decoder may take


def deflated(wbits):
    stream = zlib.compressobj(9, wbits=wbits)
    return stream.compress(bytes(SIZE)) + stream.flush()


def lz4_bomb():
    return struct.pack("<I", 0x7E000000) + numcodecs.LZ4().encode(bytes(SIZE))[4:]


def streamed_zstd():
    """Return a frame that does not declare its size: one run of zeros a block."""
    block = (1 << 17 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (1 << 17 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x58" + block * (SIZE >> 17) + last


BOMBS = {
    "zstd": lambda: numcodecs.Zstd().encode(bytes(SIZE)),
    "zstd streamed": streamed_zstd,
    "zstd frames": lambda: b"".join(numcodecs.Zstd().encode(bytes(n)) for n in (512, SIZE)),
    "blosc": lambda: numcodecs.Blosc().encode(np.zeros(SIZE, "u1")),
    "gzip": lambda: deflated(31),
    "gzip members": lambda: gzip.compress(bytes(512)) + deflated(31),
    "zlib": lambda: deflated(15),
    "lz4": lz4_bomb,
    "bz2": lambda: bz2.compress(bytes(SIZE)),
    "lzma": lambda: lzma.compress(bytes(SIZE)),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("filters", [None, [Delta(dtype="u2")]], ids=["direct", "zarr-python"])
@pytest.mark.parametrize("name", BOMBS)
def test_no_more_is_decoded_than_a_chunk_has(tmp_path, name, filters):
    codec = numcodecs.get_codec({"id": name.split()[0]})
    path = make(tmp_path / "a.zarr", compressors=codec, filters=filters)
    (path / "0/0.0.0").write_bytes(BOMBS[name]())
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match=r"0/0\.0\.0 is damaged: .*restore it"):
            build(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6, peak
    assert not (path / "1/.zarray").exists()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_object_that_is_far_too_long_is_not_read(tmp_path, zarr_format):
    path = make(tmp_path / "a.zarr", zarr_format, compressors=None)
    os.truncate(path / "0" / {2: "0.0.0", 3: "c/0/0/0"}[zarr_format], 1 << 42)
    with pytest.raises(StoreError, match="is damaged: an uncompressed chunk has 8192 bytes"):
        build(path)


def test_a_shard_that_is_far_too_long_is_not_read(tmp_path):
    path = make(tmp_path / "a.zarr", 3, shards=(32, 32, 32))
    shard = path / "0/c/0/0/0"
    body = struct.pack("<QQ", 0, 1 << 41) + shard.read_bytes()[-132:-4][16:]
    checksum = numcodecs.checksum32.CRC32C.checksum(body).to_bytes(4, "little")
    with shard.open("r+b") as file:
        file.truncate(1 << 42)
        file.seek((1 << 42) - 132)
        file.write(body + checksum)
    with pytest.raises(StoreError, match="far more than its voxels"):
        build(path)


def test_compressed_twice_is_refused(tmp_path):
    path = make(tmp_path / "a.zarr", filters=[numcodecs.Zlib()], compressors=numcodecs.Zstd())
    with pytest.raises(StoreError, match="compressed by zstd and zlib, expected one"):
        build(path)


# Code in data


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "harm",
    [
        {"compressor": {"id": "pickle"}},
        {"filters": [{"id": "pickle"}], "compressor": None},
        {"filters": [{"id": "pickle"}], "compressor": None, "dtype": "|O"},
        {"filters": [{"id": "vlen-bytes"}]},
    ],
)
def test_no_object_is_made_of_bytes(tmp_path, harm, capsys):
    path = make(tmp_path / "a.zarr", compressors=None)
    document = json.loads((path / "0/.zarray").read_bytes())
    (path / "0/.zarray").write_text(json.dumps({**document, **harm}))
    for stored in (path / "0").glob("*.*.*"):
        stored.write_bytes(pickle.dumps(Touch(tmp_path / "pwned")))
    with pytest.raises(MetadataError, match=r"makes objects|has no mean"):
        build(path)
    for command in ("plan", "status", "verify", "lint", "info"):
        main([command, str(path)])
    assert not (tmp_path / "pwned").exists()
    capsys.readouterr()


# Links


def linked(tmp_path, what):
    """Return a store in which something is a link to something elsewhere."""
    path = make(tmp_path / "a.zarr", 3)
    place = path / what
    elsewhere = tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    return path


LINKS = ["0", "0/zarr.json", "0/c", "0/c/0/0", "0/c/0/1/0", "zarr.json"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("what", LINKS)
def test_links_out_of_a_store_are_not_followed(tmp_path, what, capsys):
    path = linked(tmp_path, what)
    with pytest.raises(StoreError, match=r"leads through a symbolic link .*follow_links: true"):
        build(path)
    assert not (path / "1").exists()
    assert main(["verify", str(path)]) != 0
    told = capsys.readouterr()
    assert "leads through a symbolic link" in told.out + told.err
    assert len(build(path, follow_links=True)) == 2
    assert main(["verify", "--follow-links", str(path)]) == 0


COMMANDS = ("status", "info", "verify", "plan", "build -q", "pack", "lint", "thumbnail")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("target", ["0", "1", "x/0", "absent"])
@pytest.mark.parametrize("place", ["0/c/0/0", "1/c/0/0", "1/c/0", "1/zarr.json"])
def test_links_that_lead_nowhere_are_no_traceback(tmp_path, capsys, monkeypatch, place, target):
    """One that leads back to itself, two that lead to each other, one through itself, one lost."""
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "a.zarr", 3)
    build(path)
    folder, name = (path / place).parent, (path / place).name
    (path / place).rename(tmp_path / "before")
    (path / place).symlink_to({"0": name, "x/0": f"{name}/0"}.get(target, target))
    if target == "1" and not (folder / "1").exists():
        (folder / "1").symlink_to(name)
    for command in COMMANDS:
        code = main([*command.split(), str(path)])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        assert code in (0, 1, 2)
        if target in ("0", "x/0") and command == "verify":
            assert code != 0
            assert f"{place} is a symbolic link that leads back to itself" in told.err + told.out


def test_links_inside_a_store_are_followed(tmp_path):
    path = make(tmp_path / "a.zarr", 3)
    (path / "0/c").rename(path / "chunks")
    (path / "0/c").symlink_to("../chunks")
    assert len(build(path)) == 2


def test_the_store_may_be_a_link_and_a_level_0_that_was_linked_here(tmp_path, capsys):
    path = make(tmp_path / "a.zarr", 3)
    (tmp_path / "b.zarr").symlink_to(path)
    assert len(build(tmp_path / "b.zarr")) == 2
    own = tmp_path / "own.zarr"
    assert len(build(own, source=path, link_base=True)) == 2
    assert (own / "0").is_symlink()
    assert main(["verify", str(own)]) == 0
    assert main(["status", str(own)]) == 0


def test_nothing_is_written_through_a_link(tmp_path):
    path = make(tmp_path / "a.zarr", 3)
    target = tmp_path / "precious"
    target.write_bytes(b"kept")
    store = LocalStore(path)
    name = f"{path}/object.{os.getpid()}"
    Path(f"{name}-{threading.get_ident()}.zarrpyramid-partial").symlink_to(target)
    with pytest.raises(StoreError, match="cannot write"):
        store.put("object", b"other")
    (path / "folder").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="leads through a symbolic link"):
        store.put("folder/precious", b"other")
    assert target.read_bytes() == b"kept"


# Names

OUTSIDE = ["..", "../../etc", "/etc", "a/../b", ".", "a\\b", "0\0", "\ud800"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", OUTSIDE)
def test_listed_paths_stay_inside(tmp_path, name, capsys):
    path = make(tmp_path / "a.zarr", 3)
    datasets = [{"path": name, "coordinateTransformations": []}]
    group = json.loads((path / "zarr.json").read_bytes())
    group["attributes"]["ome"] = {"version": "0.5", "multiscales": [{"datasets": datasets}]}
    (path / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(StoreError, match="expected the path of an array in the group"):
        build(path)
    with pytest.raises(PyramidError):
        build(tmp_path / "b.zarr", source=path)
    assert main(["verify", str(path)]) == 1
    assert "is no path inside the group" in capsys.readouterr().out
    assert main(["lint", str(path)]) == 1


@pytest.mark.parametrize("field", ["..", "a/../../b", "/a", "./a", "a\\b", "a\0b"])
def test_fields_stay_inside(field):
    with pytest.raises(ConfigError):
        image_config("image", {"store": "a.zarr", "field": field})


def test_a_nul_in_a_path_is_one_line(tmp_path, capsys):
    with pytest.raises(ConfigError, match="contains a NUL"):
        build(str(tmp_path / "a\0b.zarr"))
    assert main(["verify", "a\0b.zarr"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(StoreError, match="null"):
        LocalStore(tmp_path).get("a\0b")


def test_a_shell_starts_scripts_alone_and_gets_values_in_quotes():
    rules = [*(REPOSITORY / "workflow").rglob("*.smk"), REPOSITORY / "Snakefile"]
    code = [*rules, *(REPOSITORY / "scripts").rglob("*.py")]
    assert len(code) > 60
    for path in code:
        text = path.read_text(encoding="utf-8")
        # A list of words is no command line.
        text = text.replace("import subprocess\n", "").replace("subprocess.run([", "")
        found = re.search(r"os\.system|subprocess|popen|shell\(|\beval\(|\bexec\(", text)
        assert not found, (path, found)
        shells = re.findall(r"^ *shell:\s*(.*)$", text, re.MULTILINE)
        assert all(re.fullmatch(r'job_script\("[a-z_]+"\)', shell) for shell in shells), path
    common = (REPOSITORY / "workflow/rules/common.smk").read_text(encoding="utf-8")
    command = common.partition("def job_script(")[2].partition("\n\n")[0]
    values = re.findall(r"\{[a-z.]+[^}]*\}", command.partition(" return ")[2])
    assert len(values) == 3
    assert all(value.endswith(":q}") for value in values)


@pytest.mark.slow
def test_names_with_shell_characters_are_names_alone(workspace):
    name = "$(touch pwned); `touch pwned` & 'a\nb' | \"c\"> pwned {wildcards} %s"
    store = f"{name}.zarr"
    workspace.make(f"{store}/{name}", (9, 8, 7))
    config = workspace.write("own.yaml", json.dumps({
        "images": {"brain": {"store": store, "field": name, "levels": 1}}
    }))  # fmt: skip
    workspace.run("--configfile", str(config), cores=1)
    assert not list(workspace.folder.rglob("pwned"))
    assert workspace.array(f"{store}/{name}/1").shape == (5, 4, 4)


# What is no file, and what is too much of one

PLACES = {
    2: (".zgroup", ".zattrs", ".zmetadata", "0/.zarray", "0/.zattrs", "1/.zarray", "0/0.0.0"),
    3: ("zarr.json", "0/zarr.json", "1/zarr.json", "0", "1", "0/c/0/0/0", "1/c/0/0/0", "0/c"),
}
HOLD = ".zarrpyramid-hold"


@pytest.fixture
def alarm():
    """End a test that stands still, where a limit of the machine's time would say nothing."""

    def ring(number, frame):
        raise AssertionError("it stands still")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("zarr_format", "place"), [(n, place) for n in PLACES for place in (*PLACES[n], HOLD)]
)
def test_a_pipe_in_the_place_of_anything_keeps_nobody_waiting(
    tmp_path, zarr_format, place, capsys, alarm
):
    path = make(tmp_path / "a.zarr", zarr_format)
    build(path)
    where = path / place
    if where.is_dir():
        shutil.rmtree(where)
    where.unlink(missing_ok=True)
    os.mkfifo(where)
    commands = (
        "plan",
        "status",
        "lint",
        "info",
        "verify",
        "reproduce",
        "unlock",
        "verify --repair",
    )
    for command in (*commands, "clean"):
        name, *options = command.split()
        assert main([name, str(path), *options]) in (0, 1, 2)
        assert "Traceback" not in capsys.readouterr().err
    with contextlib.suppress(PyramidError):
        build(path)


@pytest.mark.parametrize("kind", ["bytes", "values"])
def test_documents_are_read_up_to_a_stated_size(tmp_path, kind, capsys):
    path = make(tmp_path / "a.zarr", 3)
    before = (path / "zarr.json").read_bytes()
    start = b'{"zarr_format":3,"node_type":"group","attributes":{"a":'
    most = {
        "bytes": start + b'"' + b"x" * (1 << 25) + b'"}}',
        "values": start + b"[" + b"{}," * (1 << 20) + b"{}]}}",
    }
    (path / "zarr.json").write_bytes(most[kind])
    for command in ("plan", "verify", "status", "lint", "info", "reproduce"):
        assert main([command, str(path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"zarrpyramid: error: {path}/zarr.json h")
        assert "expected at most" in line
    with pytest.raises(PyramidError, match="expected at most"):
        build(path)
    (path / "zarr.json").write_bytes(before)  # the way out
    assert len(build(path)) == 2


CONFIGURATIONS = {
    "deep": "store: " + "[" * 900 + "]" * 900,
    "deep mapping": "store: " + "{a: " * 3000 + "1" + "}" * 3000,
    "deep by lines": "".join(f"{' ' * depth}a:\n" for depth in range(3000)),
    "aliases of lists": "a0: &a0 [1, 2]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 100)}]\n" for n in range(1, 9))
    + "store: *a8\n",
    "aliases of mappings": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 99))
    + "images: *a98\n",
    "in itself": "store: &a [*a]\n",
    "in itself, twice": "images: &a {x: *a, y: *a}\n",
    "wide": "store: [" + "1, " * 3000 + "1]\n",
    "no mapping": "[" + "1, " * 3000 + "1]\n",
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("text", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_without_bounds_is_one_line(tmp_path, text, capsys):
    (tmp_path / "c.yaml").write_text(text)
    assert main(["plan", "--configfile", str(tmp_path / "c.yaml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zarrpyramid: error: ")
    assert len(line) < 5000
    with contextlib.suppress(RecursionError):  # as Snakemake hands it over
        config = yaml.safe_load(text)
        with pytest.raises(ConfigError) as refused:
            image_configs(config if isinstance(config, dict) else {"store": config})
        assert len(str(refused.value)) < 5000


def test_aliases_that_say_little_are_read():
    text = "images: {s: &s {store: a.zarr, levels: 1}, t: {<<: *s, store: b.zarr}}"
    assert [image.levels for image in image_configs(yaml.safe_load(text))] == [1, 1]
