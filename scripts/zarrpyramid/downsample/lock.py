"""Who holds an image: the one run that may build its levels, noted in a small object beside them.

For runs, which last for hours and may be on other hosts; jobs of a run never look. What two
processes of one host do to a level at the same moment is for `LocalFiles.hold`.
"""

from __future__ import annotations

import contextlib
import errno
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
from typing import TYPE_CHECKING, Any, Protocol

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import join, locate, read_node
from zarrpyramid.stores import LocalStore, ObjectStore, as_arguments, is_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zarrpyramid.plan import Image
    from zarrpyramid.stores import Store

logger = logging.getLogger(__name__)

HOLD_FILE = ".zarrpyramid-hold"
"""Name of the file in the image's group; no key of zarr's begins with a dot but documents."""

_Holder = dict[str, Any]


@contextlib.contextmanager
def held(image: Image) -> Iterator[None]:
    """Hold an image while a block runs; stores that one process has alone are not held.

    Raises
    ------
    StoreError
        If another run holds it.
    """
    hold = take_hold(image)
    try:
        yield
    finally:
        release_hold(hold)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A note that says that this run holds an image, its token, and the folders made for it."""

    note: _Note
    token: str
    made: tuple[Path, ...]


def take_hold(image: Image) -> Hold | None:
    """Note that this process builds an image, and return what releases it.

    A folder that is not there yet is not held unless it is made here, nor is a group that cannot be
    written to. What a process of this host has left that is gone is taken over.

    Raises
    ------
    StoreError
        If another run holds it.
    """
    if not isinstance(image.store, LocalStore | ObjectStore):
        return None
    note = _note(image.store, image.path)
    made: tuple[Path, ...] = ()
    if image.source is not None or image.plan.image.test_image is not None:
        made = note.make_folders()
    me = {
        "token": secrets.token_hex(8),
        "owner": _owner(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "start": _start(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    gone: _Holder | None = None
    while True:
        is_mine = note.write(json.dumps(me).encode() + b"\n", over=gone)
        if is_mine is None:
            return None
        if is_mine:
            return Hold(note=note, token=str(me["token"]), made=made)
        gone = note.read()
        if gone is None:
            continue  # released meanwhile
        if not _is_gone(gone):
            mine = (gone.get("host"), gone.get("start")) == (me["host"], me["start"])
            if mine and gone.get("pid") == me["pid"]:  # as by two modules of one workflow
                told = f"is held by {_named(gone)}, which is this one; build it once"
                raise StoreError(f"{note.where} {told}")
            raise StoreError(f"{note.where} {_told(gone, note)}")
        logger.warning("%s was held by process %s, which is gone", note.where, gone["pid"])


def release_hold(hold: Hold | None) -> None:
    """Release an image, and remove the folders made for it where nothing was put into them."""
    if hold is None:
        return
    hold.note.remove(hold.token)
    with contextlib.suppress(OSError):
        for folder in hold.made:
            folder.rmdir()


def unlock(path: str, *, storage_options: Mapping[str, Any] | None = None) -> str:
    """Free the image at a path or URL, which a run holds that has ended; return what is to be said.

    Raises
    ------
    StoreError
        If that run is at work on this host, or there is no such image.
    """
    note: _Note = _FileNote(Path(path).absolute())
    if is_url(path):
        note = _ObjectNote(*locate(path, "", options=storage_options))
    holder = note.read()
    if holder is None and not note.holds_documents():
        below = sorted(str(found.parent) for found in Path(path).absolute().glob(f"*/{HOLD_FILE}"))
        hint = f"; held below it: {', '.join(below)}" if below else ""
        raise StoreError(f"{note.where} is no group of a zarr store{hint}; give STORE/FIELD")
    if holder is None:
        return f"{note.where} is held by nobody"
    if _is_here(holder) and not _is_gone(holder):
        raise StoreError(f"{note.where} {_told(holder, note)}")
    note.remove(holder.get("token"))
    return f"{note.where} is free; it was held by {_named(holder)}"


class _Note(Protocol):
    """What says in an image's group who holds it."""

    where: str
    """The group, for messages."""

    arguments: str
    """Of commands, beside the group."""

    def make_folders(self) -> tuple[Path, ...]:
        """Make what the note needs to stand in, and return it."""

    def write(self, data: bytes, *, over: _Holder | None) -> bool | None:
        """Write it where there is none, or in the place of a holder's that is gone.

        Tell whether that was done; None where nothing can be written, and so nothing is built.
        """

    def read(self) -> _Holder | None:
        """Return who holds the image, nothing of him where it is empty, None without a note."""

    def remove(self, token: str | None) -> None:
        """Remove it if it is of the holder with this token, and no other's that has come after."""

    def holds_documents(self) -> bool:
        """Tell whether it stands in a node of a zarr store that may have levels in it."""


def _note(store: LocalStore | ObjectStore, path: str) -> _Note:
    if isinstance(store, LocalStore):
        return _FileNote(store.root / path)
    return _ObjectNote(store, path)


class _FileNote:
    """A file in a folder."""

    arguments = ""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.where = folder, folder / HOLD_FILE, str(folder)

    def make_folders(self) -> tuple[Path, ...]:
        made = tuple(above for above in (self.folder, *self.folder.parents) if not above.exists())
        with contextlib.suppress(OSError):  # which jobs will say
            self.folder.mkdir(parents=True, exist_ok=True)
        return made

    def write(self, data: bytes, *, over: _Holder | None) -> bool | None:
        if over is not None:
            self.remove(over.get("token"))
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        except (FileNotFoundError, NotADirectoryError):  # nothing is built in it
            return None
        except OSError as error:
            if not os.access(self.folder, os.W_OK):  # nothing is built in it, either
                return None
            raise StoreError(f"cannot write {self.path}: {error.strerror or error}") from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:  # on a full disk there is room for its name alone
            self.path.unlink(missing_ok=True)
            raise StoreError(f"cannot write {self.path}: {error.strerror or error}") from error
        return True

    def read(self) -> _Holder | None:
        for _ in range(20):  # it is written just after it was made
            try:
                holder = _parsed(self.path.read_bytes())
            except (FileNotFoundError, NotADirectoryError):
                return None
            if holder:
                return holder
            time.sleep(0.05)
        return {}

    def remove(self, token: str | None) -> None:
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            # Two that find the same one gone: the second must not remove what the first has put
            # there.
            with contextlib.suppress(OSError):
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            if ((self.read() or {}).get("token")) == token:
                self.path.unlink(missing_ok=True)

    def holds_documents(self) -> bool:
        return any((self.folder / name).is_file() for name in ("zarr.json", ".zgroup"))


class _ObjectNote:
    """An object below a URL, put there on the condition that none is, or still the same."""

    def __init__(self, store: Store, path: str) -> None:
        self.store, self.path, self.key = store, path, join(path, HOLD_FILE)
        self.where = f"{store.name}/{path}".rstrip("/")
        self.arguments = as_arguments(store.options) if isinstance(store, ObjectStore) else ""

    def make_folders(self) -> tuple[Path, ...]:
        return ()

    def write(self, data: bytes, *, over: _Holder | None) -> bool | None:
        is_mine = False

        def change(found: bytes | None) -> bytes | None:
            nonlocal is_mine
            is_gone = (
                found and over is not None and _parsed(found).get("token") == over.get("token")
            )
            is_mine = found in (None, data) or bool(is_gone)  # a request may be heard twice
            return data if is_mine else None

        try:
            self.store.replace(self.key, change)
        except StoreError as error:
            if error.errno == errno.EACCES:  # nothing is built in it
                return None
            raise
        return is_mine

    def read(self) -> _Holder | None:
        found = self.store.get(self.key)
        return None if found is None else _parsed(found)

    def remove(self, token: str | None) -> None:
        try:
            if (self.read() or {}).get("token") == token:
                self.store.delete(self.key)
        except StoreError as error:
            told = f"zarrpyramid unlock {self.where}{self.arguments}"
            logger.warning("%s is still held (%s); %s frees it", self.where, error, told)

    def holds_documents(self) -> bool:
        return read_node(self.store, self.path) is not None


def _parsed(data: bytes) -> _Holder:
    """Return what a note says, nothing where it is damaged."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _told(holder: _Holder, note: _Note) -> str:
    ways = f"if that run has ended, zarrpyramid unlock {note.where}{note.arguments} frees it"
    if _is_here(holder):
        ways = "wait until it has ended, or stop it"
    return f"is held by {_named(holder)}; {ways}"


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
