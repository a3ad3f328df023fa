"""Notes of objects: what is read is what was written, or nothing, whatever happened to the file."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import sqlite3
from types import SimpleNamespace

import pytest

from zarrpyramid.downsample import leftovers
from zarrpyramid.downsample.notes import Note, Notes, remove_notes
from zarrpyramid.downsample.result import BlockResult
from zarrpyramid.metadata.digests import Tally

IDENTITY, SHAPE = b"a recipe", (7, 8)


def note(number, **values):
    target = Tally(digest_sum=2**127 + number, n_chunks=1, n_voxels=8, units=number, **values)
    source = Tally(digest_sum=number, payload_sum=2**100 + number, n_voxels=64, minimum=-number)
    seen = BlockResult(source=source, target=target)
    return Note(version=(100, 10**18 + number), made_from=bytes([number % 256] * 16), seen=seen)


def key(number):
    return f"c/{number:05}"


def write(path, numbers, **keys):
    notes = Notes(path, IDENTITY, SHAPE)
    notes.write((notes.row(key(number), note(number)) for number in numbers), **keys)
    notes.close()


@contextlib.contextmanager
def opened(path, identity=IDENTITY, shape=SHAPE):
    with contextlib.closing(Notes(path, identity, shape)) as notes:
        yield notes


VALUES = {
    "nothing": {},
    "floats": {"units": 3 << 1074, "minimum": -0.0, "maximum": 1.7e308, "n_nan": 1},
    "a sum of many": {"units": -((1 << 2000) + 1), "imaginary_units": 5 << 70},
    "overflow": {"overflow": math.inf, "imaginary_overflow": -math.inf, "n_inf": 2},
    "large": {"units": 2**130, "minimum": 0, "maximum": 2**64 - 1},
    "negative": {"units": -(2**80), "minimum": -(2**63), "maximum": -1},
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("version", [None, (0, 0), (2**40, 2**62)])
def test_a_note_is_read_as_it_was_written(tmp_path, name, version):
    seen = BlockResult(source=Tally(**VALUES[name]), target=Tally(digest_sum=7, **VALUES[name]))
    expected = Note(version=version, made_from=bytes(range(16)), seen=seen)
    with opened(tmp_path / "of # 100 %/1.sqlite") as notes:
        assert notes.is_empty
        assert notes.read(key(3)) is None
        notes.write([notes.row(key(3), expected)], digest="aa")
        assert notes.read(key(3)) == expected
    with opened(tmp_path / "of # 100 %/1.sqlite") as notes:
        assert (notes.is_empty, notes.digest) == (False, "aa")
        assert repr(notes.read(key(3))) == repr(expected)  # -0.0 is not 0.0
        assert notes.voxels(key(3)) == (7).to_bytes(16, "little")
        assert notes.read(key(4)) is None


def test_a_digest_goes_with_the_first_change(tmp_path):
    path = tmp_path / "1.sqlite"
    write(path, range(9), digest="aa")
    write(path, [3])
    with opened(path) as notes:
        assert notes.digest == ""
        assert [row[0] for row in notes.rows()] == list(map(key, range(9)))
        assert [row[0] for row in notes.rows(map(key, [4, 44, 2]))] == [key(4), key(2)]


def test_notes_of_another_recipe_are_none(tmp_path):
    path = tmp_path / "1.sqlite"
    write(path, range(9))
    with opened(path, b"another") as notes:
        assert notes.is_empty
        assert notes.read(key(1)) is None
        notes.write([notes.row(key(2), note(2))])
        assert (notes.read(key(1)), notes.read(key(2))) == (None, note(2))


def check_damaged(path, data):
    """Hold what damaged notes say, and say after they were written to, against what is true."""
    path.write_bytes(data)
    with opened(path) as notes:
        assert notes.digest in ("", "aa")
        for number in range(4):
            assert notes.read(key(number)) in (None, note(number))
            assert notes.voxels(key(number)) in (None, (2**127 + number).to_bytes(16, "little"))
        copied = list(notes.rows())
        assert copied in (
            [],
            *([notes.row(key(n), note(n)) for n in range(m)] for m in range(1, 5)),
        ) or {row[0] for row in copied} <= set(map(key, range(4)))
        for _ in range(2):  # the first may find the damage, and then the file is given up
            notes.write(
                [notes.row(key(number), note(number)) for number in (2, 4)], is_flushed=False
            )
        assert notes.read(key(2)) in (None, note(2))
        assert notes.read(key(3)) in (None, note(3))
    remove_notes(path)


@pytest.fixture
def small(tmp_path):
    """Notes in pages of 512 bytes, as few bytes as there can be."""
    path = tmp_path / "1.sqlite"
    write(path, range(4), digest="aa")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("VACUUM")
    with opened(path) as notes:
        assert notes.read(key(3)) == note(3)
    return path


@pytest.mark.parametrize("step", [31, pytest.param(5, marks=pytest.mark.slow)])
def test_notes_that_are_cut_short(small, step):
    data = small.read_bytes()
    for n in range(0, len(data), step):
        check_damaged(small, data[:n])


@pytest.mark.slow
def test_notes_with_a_flipped_bit(small):
    data = small.read_bytes()
    for n in range(0, len(data), 5):
        check_damaged(small, data[:n] + bytes([data[n] ^ (1 << n % 8)]) + data[n + 1 :])


def die_while_writing(path):
    """End as by `kill -9` when so much is written that some of it is in the file."""
    notes = Notes(path, IDENTITY, SHAPE)

    def rows():
        for number in range(20_000):
            yield notes.row(key(number), note(number + 7))
        os.kill(os.getpid(), signal.SIGKILL)

    notes.write(rows())


def test_a_kill_within_a_transaction(tmp_path):
    path, journal = tmp_path / "1.sqlite", tmp_path / "1.sqlite-journal"
    write(path, range(10_000), digest="aa")
    process = multiprocessing.get_context("fork").Process(target=die_while_writing, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert journal.stat().st_size
    with opened(path) as notes:
        assert notes.digest == "aa"
        assert [row[0] for row in notes.rows()] == list(map(key, range(10_000)))
        assert notes.read(key(0)) == note(0)
    assert not journal.exists()


def test_what_cannot_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "levels").write_bytes(b"")
    path = tmp_path / "levels/1.sqlite"
    with opened(path) as notes:
        for _ in range(2):
            notes.write([notes.row(key(1), note(1))])
        assert notes.read(key(1)) is None
        assert len(caplog.messages) == 1
        assert f"{path} cannot be written (" in caplog.text
        (tmp_path / "levels").unlink()
        notes.write([notes.row(key(1), note(1))])
        assert notes.read(key(1)) == note(1)


def test_a_file_that_somebody_removes_is_made_anew(tmp_path):
    path = tmp_path / "1.sqlite"
    with opened(path) as notes:
        notes.write([notes.row(key(0), note(0))])
        path.unlink()
        notes.write([notes.row(key(1), note(1))])  # fails or not: what comes after it is noted
        notes.write([notes.row(key(2), note(2))], digest="aa")
    with opened(path) as notes:
        assert notes.read(key(0)) is None
        assert notes.read(key(2)) == note(2)
        # A write has failed, so that the notes are not those of the whole level.
        assert notes.digest == ""


def test_notes_of_another_layout_are_of_another_recipe(monkeypatch):
    plan = SimpleNamespace(levels=[SimpleNamespace(downsampling=(1, 2))])
    level = SimpleNamespace(name="a", number=1, form={}, image=SimpleNamespace(plan=plan))
    mine = leftovers.identity(level, {})
    monkeypatch.setattr(leftovers, "LAYOUT", [1, *reversed(Tally.__slots__)])
    assert leftovers.identity(level, {}) != mine


def test_notes_of_a_level_that_has_grown_hold(tmp_path):
    path = tmp_path / "1.sqlite"
    write(path, range(9), digest="aa")
    with opened(path, shape=(9, 8)) as notes:
        assert (notes.is_empty, notes.read(key(3))) == (False, note(3))
        notes.write([notes.row(key(9), note(9))])
    for shape in (SHAPE, (9, 7)):  # it has shrunk
        with opened(path, shape=shape) as notes:
            assert (notes.is_empty, notes.read(key(3))) == (True, None)
    with opened(path, shape=(9, 8)) as notes:
        assert (notes.read(key(3)), notes.read(key(9))) == (note(3), note(9))


def test_a_file_of_no_bytes_is_of_no_other_recipe(tmp_path):
    path = tmp_path / "1.sqlite"
    path.touch()
    assert not leftovers._is_foreign(path, IDENTITY, SHAPE)
    path.write_bytes(b"others")
    assert leftovers._is_foreign(path, IDENTITY, SHAPE)
