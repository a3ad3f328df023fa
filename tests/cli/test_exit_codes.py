"""Exit codes: of every command on an image in every state, as its help says them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from zarrpyramid import build_pyramid
from zarrpyramid.cli import main
from zarrpyramid.cli.arguments import NO_ANSWER
from zarrpyramid.cli.program import make_parser

# With codes that other tests see.
ELSEWHERE = {"workflow": set(), "completion": set(), "digest": {1}, "unpack": set()}
STATES = (
    "complete",
    "level lost",
    "in level 2",
    "in level 1",
    "no level",
    "foreign",
    "tiny",
    "empty",
    "gone",
)
TABLE = {
    #         complete, lost, in level 2, in level 1, no level, foreign, tiny, empty, gone
    "build -q --set overwrite=true": (0, 0, 0, 0, 0, 0, 0, 2, 2),
    "plan": (0, 0, 0, 0, 0, 1, 0, 2, 2),
    "info": (0, 0, 0, 0, 0, 0, 0, 2, 2),
    "status": (0, 1, 1, 1, 1, 0, 0, 2, 2),
    "lint --viewer neuroglancer": (0, 1, 1, 1, 1, 0, 0, 2, 2),
    "verify": (0, 1, 1, 2, 2, 0, 0, 2, 2),
    "verify --full --json": (0, 1, 1, 2, 2, 0, 0, 2, 2),
    "thumbnail --output {picture}": (0, 0, 0, 0, 0, 0, 0, 2, 2),
    "reproduce": (0, 2, 0, 2, 2, 2, 2, 2, 2),
    "pack -q": (0, 2, 2, 2, 2, 0, 0, 2, 2),
    "view --no-browser": (0, 0, 2, 2, 2, 0, 0, 2, 2),
    "unlock": (0, 0, 0, 0, 0, 0, 0, 0, 2),
    "clean": (0, 0, 0, 0, 0, 0, 0, 2, 2),
}


def edit(path, change):
    document = json.loads(path.read_bytes())
    change(document["attributes"])
    path.write_text(json.dumps(document))


def make(store, state):
    """Bring an image into a state."""
    if state == "gone":
        return
    # Of a foreign one, so large that a run would make levels in the place of its own.
    shape = {"tiny": (4, 4), "foreign": (600, 600)}.get(state, (32, 32))
    if state == "empty":
        zarr.create_group(store)
        return
    voxels = np.random.default_rng(0).integers(0, 99, shape).astype("uint8")
    zarr.create_group(store).create_array(
        "0", data=voxels, chunks=(shape[0] // 4,) * 2, dimension_names="yx"
    )
    if state == "no level":
        return
    build_pyramid(store, levels="auto" if state == "tiny" else 2, progress=False)
    if state == "level lost":
        shutil.rmtree(store / "1")
    if state.startswith("in level"):  # its objects are there, its document and the list are not
        edit(store / "zarr.json", lambda attributes: attributes.pop("ome"))
        (store / state[-1] / "zarr.json").unlink()
    if state == "in level 1":
        shutil.rmtree(store / "2")
    if state == "foreign":
        edit(
            store / "zarr.json",
            lambda attributes: attributes["ome"]["multiscales"][0].pop("metadata"),
        )
        for level in "12":
            edit(store / f"{level}/zarr.json", lambda attributes: attributes.clear())


@pytest.fixture(scope="module", params=STATES)
def image(request, tmp_path_factory):
    store = tmp_path_factory.mktemp("states") / f"{request.param.replace(' ', '-')}.zarr"
    make(store, request.param)
    return store, STATES.index(request.param)


@pytest.fixture
def served(monkeypatch):
    """Let Ctrl-C end `view` at once, as if neuroglancer were there."""

    def interrupt(server):
        raise KeyboardInterrupt

    pytest.importorskip("tornado")
    monkeypatch.setattr("zarrpyramid.report.viewing._client", lambda: os.path)
    monkeypatch.setattr("zarrpyramid.report.serving.FolderServer.serve_forever", interrupt)


@pytest.mark.sampled(40)
@pytest.mark.parametrize("command", TABLE)
def test_codes(image, command, tmp_path, monkeypatch, capsys, request):
    store, state = image
    if command.startswith("view"):
        request.getfixturevalue("served")
        monkeypatch.setattr("zarrpyramid.report.viewing._client", lambda: tmp_path)
    if command.split()[0] in ("build", "clean") and store.exists():
        store = shutil.copytree(store, tmp_path / "copy.zarr")
    name, *options = command.format(picture=tmp_path / "a.png").split()
    code = main([name, str(store), *options])
    told = capsys.readouterr()
    assert code == TABLE[command][state], told
    if code:
        assert told.err or told.out
    assert "Traceback" not in told.err


def test_the_table_and_the_help_agree(capsys):
    parser = make_parser()
    commands = parser.commands
    assert commands.keys() == {line.split()[0] for line in TABLE} | ELSEWHERE.keys()
    for name, command in commands.items():
        codes = {code for line, row in TABLE.items() if line.split()[0] == name for code in row}
        codes |= ELSEWHERE.get(name, set())
        assert codes | {0, 2} == command.answers.keys(), name
        assert command.answers[2] == NO_ANSWER
        with pytest.raises(SystemExit):
            main([name, "--help"])
        told = capsys.readouterr().out
        assert all(f"  {code}  {words}" in told for code, words in command.answers.items())


@pytest.mark.parametrize("shape", [(8,), (4,)])
def test_an_image_that_cannot_be_listed_is_complete_with_all_that_a_run_makes(tmp_path, shape):
    voxels = np.arange(shape[0], dtype="uint8")
    zarr.create_group(tmp_path / "a.zarr").create_array("0", data=voxels, chunks=(4,))
    settings = {"levels": "auto"} if shape == (4,) else {"levels": 1}
    build_pyramid(tmp_path / "a.zarr", **settings, progress=False)
    assert main(["status", str(tmp_path / "a.zarr")]) == 0


def test_verify_names_the_command_that_makes_something_to_verify(tmp_path, capsys):
    make(tmp_path / "a.zarr", "no level")
    assert main(["verify", str(tmp_path / "a.zarr")]) == 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert "a.zarr: nothing to verify beside level 0, 1 note; build it, with the settings" in last
    assert last.endswith(f"snakemake --cores all --config store={tmp_path}/a.zarr")


def run(*words, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "zarrpyramid", *map(str, words)], text=True, **how
    )


GONE = ("stdout", "stderr", "stdout stderr")  # as in `| head`, `2>&1 >log | head`, `2>&1 | head`
CALLS = (
    *("plan {}", "status {}", "lint {}", "verify {}", "verify {} --json", "verify {} --repair"),
    *("info {}", "info {} --json", "build {} --set overwrite=true", "completion zsh"),
    *(
        "reproduce {}",
        "unlock {}",
        "clean {}",
        "digest {0}/0 {0}/2",
        "pack {}",
        "plan {}/absent",
        "workflow --copy {}/copy",
    ),
    *("--help", "--version", "verify --help", "pan"),
)


@pytest.fixture(scope="module")
def level_lost(tmp_path_factory):
    store = tmp_path_factory.mktemp("pipes") / "a.zarr"
    make(store, "level lost")
    return store


@pytest.mark.sampled(2)
@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("call", CALLS)
def test_a_reader_that_has_gone_is_no_traceback(level_lost, call, gone, tmp_path):
    store = shutil.copytree(level_lost, tmp_path / "a.zarr")
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | dict.fromkeys(
        gone.split(), writer
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    process = run(*call.format(store).split(), env=environment, **streams)
    os.close(writer)
    told = "".join(filter(None, process.communicate()))
    assert "Traceback" not in told
    assert "Exception ignored" not in told
    # All that is said of it.
    on_stderr = call in ("plan {}/absent", "pan", "reproduce {}", "pack {}")
    says = "stderr" if on_stderr else "stdout"
    codes = (128 + signal.SIGPIPE,) if says in gone else (0, 1, 2, 128 + signal.SIGPIPE)
    assert process.returncode in codes  # never 1 for no answer, nor Python's 120


def test_an_interrupt_and_a_bug_are_no_answer(tmp_path, monkeypatch, capsys):
    for error, code, line in (
        (KeyboardInterrupt(), 130, "zarrpyramid: interrupted"),
        (ZeroDivisionError("a bug"), 2, "ZeroDivisionError: a bug"),
    ):

        def fail(*given, error=error, **more):
            raise error

        monkeypatch.setattr("zarrpyramid.verify.pyramid_status", fail)
        assert main(["status", str(tmp_path)]) == code
        assert capsys.readouterr().err.splitlines()[-1] == line


def test_a_full_disk_is_told_in_one_line(tmp_path):
    make(tmp_path / "a.zarr", "complete")
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "zarrpyramid", "status", str(tmp_path / "a.zarr")]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "cannot write the output: No space left" in line) == (2, True)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--help", "status --help", "--version"])
def test_help_that_cannot_be_written_is_no_success(words, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        process = run(*words.split(), env=environment, stdout=full, stderr=subprocess.PIPE)
        (line,) = process.communicate()[1].splitlines()
    assert (process.returncode, "cannot write the output: No space left" in line) == (2, True)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("closed", "call", "code"),
    [
        (">&-", "status {}", 1),
        (">&-", "status /absent", 2),
        (">&-", "--help", 0),
        ("2>&-", "status {}", 1),
        ("2>&-", "status /absent", 2),
        ("<&- >&- 2>&-", "verify {}", 1),
        ("<&-", "status {}", 1),
    ],
)
def test_a_stream_that_the_shell_has_closed_changes_no_code(level_lost, closed, call, code):
    words = [sys.executable, "-m", "zarrpyramid", *call.format(level_lost).split()]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert (done.stdout == "", done.stderr == "") == (
        ">&-" in closed.replace("2>&-", "") or code == 2,
        "2>&-" in closed or call == "--help",
    )


@pytest.mark.parametrize("side", ["0", "100000"])
def test_a_picture_of_no_size_or_too_large_a_one_is_refused(tmp_path, capsys, side):
    make(tmp_path / "a.zarr", "complete")
    picture = tmp_path / "p.png"
    words = ["thumbnail", str(tmp_path / "a.zarr"), "--output", str(picture), "--side"]
    assert main([*words, side]) == 2
    assert f"side is {side}, expected 1 to 4096 pixels" in capsys.readouterr().err
    assert not picture.exists()
    assert main([*words, "1"]) == 0


@pytest.mark.sampled(2)
@pytest.mark.parametrize("denied", ["0", "0/c/0/0", "1", "1/c/0/0", "2/c"])
def test_what_may_not_be_read_is_no_defect(tmp_path, denied):
    """Nothing is said of what it holds, and nothing is changed; read again it is sound."""
    store, words = tmp_path / "a.zarr", ("verify --full", "verify --repair --full", "status")
    make(store, "complete")
    place = store / denied
    mode = place.stat().st_mode
    calls = f"from zarrpyramid.cli import main\nfor words in {words}:\n"
    calls += f"    print(main([*words.split(), {str(store)!r}]))\n"
    calls += f"from zarrpyramid import open_pyramid\npage = {str(tmp_path / 'report.html')!r}\n"
    calls += f"try:\n    open_pyramid({str(store)!r}).report(page)\n"
    calls += "except PermissionError as error:\n    print(f'no report: {error}')"
    # Permissions bind root too once it has laid down the right to pass over them.
    drop = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
    process = [*(drop if os.geteuid() == 0 else ()), sys.executable, "-c", calls]
    place.chmod(0)
    try:
        done = subprocess.run(process, capture_output=True, text=True, check=True)
    finally:
        place.chmod(mode)
    codes = [int(line) for line in done.stdout.splitlines() if line.isdecimal()]
    is_listed = denied in ("0", "1", "2/c")  # status reads no object
    assert codes == [2, 2, 2 if is_listed else 0]
    assert "DEFECT" not in done.stdout
    assert done.stdout.endswith("Permission denied; check its permissions\n")
    assert not (tmp_path / "report.html").exists()
    errors = [line for line in done.stderr.splitlines() if ": note: " not in line]
    assert len(errors) == 2 + is_listed
    assert all(line.endswith("Permission denied; check its permissions") for line in errors)
    assert main(["verify", "--full", str(store)]) == 0
