"""Locks: the run that alone builds an image, and the process that alone writes in a folder.

A run lasts for hours, and another may be on another host: `take_hold` notes in a small object
beside the image's levels who builds them, in folders and in object stores alike. Two processes of
one host are kept apart by a lock of the system on the folder, which `locked` takes.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import logging
import os
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import StoreError

from .urls import as_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .store import Store

logger = logging.getLogger(__name__)

HOLD_FILE = ".zarrpyramid-hold"
"""Name of the object in the image's group; of zarr's keys, documents alone begin with a dot."""

_Holder = dict[str, Any]


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
    me = {
        "token": secrets.token_hex(8),
        "owner": _owner(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "start": _start(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
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
        holder = _parsed(over)
        if not _is_gone(holder):
            mine = (holder.get("host"), holder.get("start")) == (me["host"], me["start"])
            if mine and holder.get("pid") == me["pid"]:  # as by two modules of one workflow
                told = f"is held by {_named(holder)}, which is this one; build it once"
                raise StoreError(f"{note.where} {told}")
            raise _refusal(holder, note)
        logger.warning("%s was held by process %s, which is gone", note.where, holder["pid"])


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
    holder = _parsed(data)
    if _is_here(holder) and not _is_gone(holder):
        raise _refusal(holder, note)
    store.delete_if(note.key, data)
    return f"{note.where} is free; it was held by {_named(holder)}"


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
            if data is None or _parsed(data):
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


def _parsed(data: bytes) -> _Holder:
    """Return what a note says; nothing where it is damaged."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(holder: _Holder, note: _Note) -> StoreError:
    ways = f"if that run has ended, {note.command} frees it"
    if _is_here(holder):
        ways = "wait until it has ended, or stop it"
    return StoreError(f"{note.where} is held by {_named(holder)}; {ways}")


def _named(holder: _Holder) -> str:
    if not holder:
        return "a run that has not left its name"
    try:
        since = datetime.fromisoformat(holder["since"])
        hours = (datetime.now(UTC) - since).total_seconds() / 3600
        age = f"{holder['since']} ({hours:.1f} hours ago)"
    except (KeyError, TypeError, ValueError):
        age = "an unknown time"
    who, host, pid = (holder.get(key, "?") for key in ("owner", "host", "pid"))
    return f"a run of {who} on host {host}, process {pid}, since {age}"


def _is_here(holder: _Holder) -> bool:
    return holder.get("host") == socket.gethostname()


def _is_gone(holder: _Holder) -> bool:
    """Tell whether the process that holds has ended, which this host alone can know."""
    if not _is_here(holder):
        return False
    pid = holder.get("pid")
    if not isinstance(pid, int) or pid <= 0:  # damaged: nobody is at work who says so
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass  # it is there, and another user's
    return bool(_start(pid) != holder.get("start"))


def _start(pid: int) -> str:
    """Return when a process began, so that another of the same number is known from it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""  # macOS: the number alone
    return f"{boot} {fields[19]}"


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
