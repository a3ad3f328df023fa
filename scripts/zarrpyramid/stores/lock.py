"""Locks: the run that alone builds an image, and the process that alone writes in a folder.

A run lasts for hours, and another may be on another host: `take_hold` notes in a small object
beside the image's levels who builds them, in folders and in object stores alike. Two processes of
one host are kept apart by a lock of the system on the folder, which `locked` takes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError

from . import holder
from .urls import as_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .store import Store

logger = logging.getLogger(__name__)

HOLD_FILE = ".zarrpyramid-hold"
"""Name of the object in the image's group; of zarr's keys, documents alone begin with a dot."""


@contextlib.contextmanager
def held(store: Store, path: str, *, makes_group: bool = False) -> Iterator[None]:
    """Hold the image whose group is at a path while a block runs; as `take_hold`."""
    hold = take_hold(store, path, makes_group=makes_group)
    try:
        yield
    finally:
        release_hold(hold)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """What says that this run holds an image, and the folders that were made for it."""

    note: _Note
    data: bytes
    made: tuple[Path, ...]


def take_hold(store: Store, path: str, *, makes_group: bool = False) -> Hold | None:
    """Note that this process builds the image whose group is at a path.

    What a process of this host has left that is gone is taken over.

    Parameters
    ----------
    makes_group
        Whether the run makes the group where it is absent. A folder is then made for the note;
        else a folder that is absent is not held.

    Returns
    -------
    Hold or None
        What `release_hold` takes. None where nothing can be written, so that nothing is built
        either, and in a store object, which one process has alone.

    Raises
    ------
    StoreError
        If another run holds it.
    """
    note = _Note(store=store, path=path)
    made = note.make_folders() if makes_group else ()
    me = holder.myself()
    data = json.dumps(me).encode() + b"\n"
    over: bytes | None = None
    while True:
        is_mine = store.create(note.key, data, over=over)
        if is_mine is None:
            return None
        if is_mine:
            return Hold(note=note, data=data, made=made)
        over = note.read()
        if over is None:
            continue  # released meanwhile
        other = holder.parsed(over)
        if not holder.is_gone(other):
            mine = (other.get("host"), other.get("start")) == (me["host"], me["start"])
            if mine and other.get("pid") == me["pid"]:  # as by two modules of one workflow
                told = f"is held by {holder.named(other)}, which is this one; build it once"
                raise StoreError(f"{note.where} {told}")
            raise _refusal(other, note)
        logger.warning("%s was held by process %s, which is gone", note.where, other["pid"])


def release_hold(hold: Hold | None) -> None:
    """Release an image, and remove the folders made for it where nothing was put into them."""
    if hold is None:
        return
    note = hold.note
    try:
        note.store.delete_if(note.key, hold.data)
    except StoreError as error:
        logger.warning("%s is still held (%s); %s frees it", note.where, error, note.command)
    with contextlib.suppress(OSError):
        for folder in hold.made:
            folder.rmdir()


def unlock(store: Store, path: str) -> str:
    """Free the image at a path, which a run holds that has ended; return what is to be said.

    Raises
    ------
    StoreError
        If that run is at work on this host, or there is no such image.
    """
    note = _Note(store=store, path=path)
    data = note.read()
    if data is None:
        if not note.is_in_group():
            below = ", ".join(note.held_below())
            hint = f"; held below it: {below}" if below else ""
            raise StoreError(f"{note.where} is no group of a zarr store{hint}; give STORE/FIELD")
        return f"{note.where} is held by nobody"
    other = holder.parsed(data)
    if holder.is_here(other) and not holder.is_gone(other):
        raise _refusal(other, note)
    store.delete_if(note.key, data)
    return f"{note.where} is free; it was held by {holder.named(other)}"


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, waits: bool = True) -> Iterator[None]:
    """Hold a lock on a file or a folder, which ends with the process and leaves nothing behind.

    Where a network file system refuses to lock a folder, nobody is held off, and the log says so.

    Raises
    ------
    StoreError
        If it cannot be opened, or another process holds it and this one does not wait.
    """
    descriptor = opened(path)
    try:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind if waits else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"another process is building the levels beside {path}, perhaps one that a "
                "killed run left; wait until it has ended, or stop it, and run again"
            ) from None
        except OSError as error:
            logger.warning("%s cannot be locked (%s)", path, error.strerror)
        yield
    finally:
        os.close(descriptor)


def opened(path: Path) -> int:
    """Return a descriptor of a file or a folder, which the caller closes."""
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        failure = StoreError(f"cannot open {path}: {error.strerror or error}")
        failure.errno = error.errno
        raise failure from error


@dataclass(frozen=True, kw_only=True, slots=True)
class _Note:
    """The object in an image's group that says who holds it."""

    store: Store
    path: str

    @property
    def key(self) -> str:
        return f"{self.path}/{HOLD_FILE}".lstrip("/")

    @property
    def where(self) -> str:
        """The group, for messages."""
        return f"{self.store.name}/{self.path}".rstrip("/")

    @property
    def command(self) -> str:
        """What frees the image."""
        return f"zarrpyramid unlock {self.where}{as_arguments(self.store.options)}"

    def make_folders(self) -> tuple[Path, ...]:
        """Make the local folders that the note needs to stand in, and return them."""
        folder = self.store.folder(self.path)
        if folder is None:
            return ()
        made = tuple(above for above in (folder, *folder.parents) if not above.exists())
        with contextlib.suppress(OSError):  # which jobs will say
            folder.mkdir(parents=True, exist_ok=True)
        return made

    def read(self) -> bytes | None:
        """Return what it says, ``b""`` where it says nothing, or None where it is absent."""
        for _ in range(20):  # a file is written just after it was made
            data = self.store.get(self.key)
            if data is None or holder.parsed(data):
                return data
            time.sleep(0.05)
        return data

    def is_in_group(self) -> bool:
        """Tell whether it stands in a node of a zarr store that may have levels in it."""
        beside = (self.key.replace(HOLD_FILE, name) for name in ("zarr.json", ".zgroup"))
        return any(self.store.size(key) is not None for key in beside)

    def held_below(self) -> list[str]:
        """Return the groups just below that are held."""
        names = self.store.children(self.path) if self.store.lists else []
        below = [_Note(store=self.store, path=f"{self.path}/{name}".lstrip("/")) for name in names]
        return [note.where for note in below if self.store.size(note.key) is not None]


def _refusal(other: holder.Holder, note: _Note) -> StoreError:
    ways = f"if that run has ended, {note.command} frees it"
    if holder.is_here(other):
        ways = "wait until it has ended, or stop it"
    return StoreError(f"{note.where} is held by {holder.named(other)}; {ways}")
