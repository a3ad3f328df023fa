"""What the program says of itself: groups, examples that run, completion, a fast start."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from plates import make_plate
from servers import ENVIRONMENT, s3_server, web_server
from zarrpyramid import build_pyramid
from zarrpyramid.cli import main
from zarrpyramid.cli.program import make_parser

PROGRAM = make_parser()


def _is_slow(line):
    return any(word in line for word in ("s3://", "--codecs", "--full", "source="))


EXAMPLES = [
    pytest.param(line.strip(), marks=[pytest.mark.slow] if _is_slow(line) else [])
    for command in PROGRAM.commands.values()
    for line in command.epilog.partition("examples:")[2].splitlines()
    if line.strip()
]
VOXELS = np.random.default_rng(0).integers(0, 99, (66, 64, 64)).astype("uint8")


def test_every_command_is_in_one_group(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert [name for names in PROGRAM.groups.values() for name in names] == [*PROGRAM.commands]
    places = [told.index(f"\n{title}:\n") for title in PROGRAM.groups]
    assert places == sorted(places)
    for name, command in PROGRAM.commands.items():
        assert f"\n  {name:<12}{command.purpose[:20]}" in told
    assert max(map(len, told.splitlines())) <= 100


def test_without_a_command_the_help_is_shown(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", PROGRAM.format_help())


def test_no_option_may_be_shortened(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["status", "--config", "a.yaml", "a.zarr"])
    assert ended.value.code == 2
    assert "status does not know '--config'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with all that examples speak of."""
    root = tmp_path_factory.mktemp("world")
    for place in ("data/brain.zarr/raw", "demo/demo.zarr/blobs"):
        group = zarr.open_group(root / place, mode="w")
        zarr.open_group((root / place).parent)  # the root of the store
        group.create_array("0", data=VOXELS, chunks=(33, 32, 32), dimension_names="zyx")
        cells = group.create_group("labels", attributes={"ome": {"labels": ["cells"]}})
        cells = cells.create_group("cells", attributes={"ome": {"image-label": {}}})
        cells.create_array("0", data=VOXELS, chunks=(33, 32, 32), dimension_names="zyx")
        build_pyramid(root / place, levels=1, progress=False)
        build_pyramid(root / place / "labels/cells", levels=1, progress=False)
    make_plate(root / "data/plate.zarr", rows="A", columns=("01",), n_fields=1)
    # It names the dimensions of level 0, which `pack` looks for.
    build_pyramid(root / "data/plate.zarr/A/01/0", levels=1, edit_base=True, progress=False)
    (root / "archive").mkdir()
    tifffile.imwrite(root / "archive/brain.tif", VOXELS)
    zarr.create_group(root / "archive/brain.zarr").create_array(
        "0", data=VOXELS, chunks=(22, 64, 64)
    )
    return root


@pytest.mark.sampled(14)
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(world, example, tmp_path, monkeypatch, request):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(f"store: {tmp_path}/data/brain.zarr\nfield: raw\n")
    line = example.replace("/data/", f"{tmp_path}/data/").replace("/archive", f"{tmp_path}/archive")
    if "https://images.org" in line:
        server = web_server(tmp_path / "data")
        line = line.replace("https://images.org", server.__enter__())
        request.addfinalizer(lambda: server.__exit__(None, None, None))
    if "s3://" in line:
        server = s3_server()
        url = server.__enter__()
        request.addfinalizer(lambda: server.__exit__(None, None, None))
        for key, value in ENVIRONMENT.items():
            monkeypatch.setenv(key, value)
        line = line.replace("http://minio.lab:9000", url)
        built = ["build", "s3://bucket/brain.zarr/raw", "-q", "--set"]
        source = [f"source={tmp_path}/data/brain.zarr/raw", "--storage-option", f"endpoint={url}"]
        assert main([*built, *source]) == 0
    if " unpack " in line:
        assert main(["pack", f"{tmp_path}/data/brain.zarr/raw", "brain.ozx", "-q"]) == 0
        shutil.rmtree(tmp_path / "data/brain.zarr")
    if " view " in line:
        pytest.importorskip("tornado")
        monkeypatch.setattr("zarrpyramid.report.viewing._client", lambda: tmp_path)
        monkeypatch.setattr("zarrpyramid.report.viewing.webbrowser.open", lambda url: None)
        monkeypatch.setattr("zarrpyramid.report.serving.FolderServer.serve_forever", interrupt)
    program, *words = shlex.split(line.partition(">")[0], comments=True)
    assert program == "zarrpyramid"
    assert main([word.replace("~", str(tmp_path)) for word in words]) in (0, 1)


def interrupt(server):
    raise KeyboardInterrupt


SHELLS = {"bash": ("bash", "--norc", "-i"), "zsh": ("zsh", "-f", "-i")}
BEFORE = {
    "bash": "source ./_zarrpyramid",
    "zsh": "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D",
}
TYPED = {
    "sta\t": "status",
    "lint --vie\tneu\t": "lint --viewer neuroglancer",
    "info ima\t": "info images.zarr",
    "plan --configfile my\t": "plan --configfile my.yaml",
    "build images.zarr --set meth\tmean": "build images.zarr --set method=mean",
    "plan --config sam\tmy.tsv": "plan --config samples=my.tsv",
}


MISTAKES = {
    "lint x --viewer napary": "expected neuroglancer, napari or vizarr, found 'napary'; did you "
    "mean 'napari'?",
    "view x --viewer neuroglncer": "; did you mean 'neuroglancer'?",
    "completion bsh": "; did you mean 'bash'?",
    "completion fish": "argument shell: expected bash or zsh, found 'fish'; see ",
    "lnt x": "; did you mean 'lint'?",
    "lint x --viewr napari": "; did you mean '--viewer'?",
    "--versoin": "; did you mean '--version'?",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_word_that_is_nearly_right_is_told_in_one_line(capsys, line):
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert MISTAKES[line] in told
    way_out = shlex.split(told.rpartition("; see ")[2])[1:]
    with pytest.raises(SystemExit) as ended:
        main(way_out)
    assert ended.value.code == 0


def empty_arguments():
    """Return a line for each argument of each command, where an empty word is given for it."""
    for name, command in make_parser().commands.items():
        for action in command._actions:
            option = action.option_strings[-1:] if action.nargs != 0 else []
            if not action.option_strings:
                yield [name, ""]
            elif option:
                yield [name, "x", *option, ""]
                yield [name, "x", f"{option[0]}="]


def test_an_empty_argument_is_one_line(tmp_path, monkeypatch, capsys):
    """It often is a variable that is not set, and does not mean the working directory."""
    zarr.create_group(tmp_path).create_array("0", data=VOXELS[:8])
    monkeypatch.chdir(tmp_path)
    lines = [*empty_arguments()]
    assert len(lines) > 80
    for words in lines:
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert re.fullmatch(
            "zarrpyramid: error: an argument is empty, perhaps a variable that is not set; give "
            f"what it names; see zarrpyramid {words[0]} --help\n",
            told.err,
        )


@pytest.mark.parametrize("shell", ["bash", pytest.param("zsh", marks=pytest.mark.system)])
def test_a_shell_completes(shell, tmp_path, capsys):
    assert main(["completion", shell]) == 0
    (tmp_path / "_zarrpyramid").write_text(capsys.readouterr().out)
    (tmp_path / "images.zarr").mkdir()
    (tmp_path / "my.yaml").touch()
    lines = f'{BEFORE[shell]}; zarrpyramid() {{ echo "[$*]" >> told; }}\n'
    lines += "".join(f"zarrpyramid {keys}\n" for keys in TYPED) + "exit\n"
    terminal, inner = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), inner)
    with subprocess.Popen(
        SHELLS[shell], cwd=tmp_path, env={**os.environ, "TERM": "xterm"}, **streams
    ) as run:
        os.close(inner)
        os.write(terminal, lines.encode())
        said = b""
        with contextlib.suppress(OSError):  # which a terminal gives at its end
            while more := os.read(terminal, 4096):
                said += more
    assert run.returncode == 0, said.decode()
    told = (tmp_path / "told").read_text().splitlines()
    assert [line.strip("[]/ ") for line in told] == list(TYPED.values()), said.decode()


def test_the_help_loads_no_array_library():
    code = (
        "import sys; from zarrpyramid.cli.program import make_parser; make_parser().format_help()"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert (
        loaded & {"numpy", "zarr", "dask", "numba", "numcodecs", "obstore", "yaml", "shtab"}
        == set()
    )
