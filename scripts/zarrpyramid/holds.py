"""Who holds an image: the one run that may build its levels, noted in a small file beside them.

For runs, which last for hours and may be on other hosts; jobs of a run never look. What two
processes of one host do to a level at the same moment is for `LocalFiles.hold`.
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

from .errors import StoreError
from .files import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .images import Image

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
    """A file that says that this run holds an image, its token, and the folders made for it."""

    path: Path
    token: str
    made: tuple[Path, ...]


def take_hold(image: Image) -> Hold | None:
    """Note that this process builds an image, and return what releases it.

    A group that is not there yet is not held unless it is made here, nor is one that cannot be
    written to. What a process of this host has left that is gone is taken over.

    Raises
    ------
    StoreError
        If another run holds it.
    """
    if not isinstance(image.files, LocalFiles):
        return None
    folder = image.files.root / image.path
    made: tuple[Path, ...] = ()
    if image.source is not None or image.plan.image.test_image is not None:
        made = tuple(above for above in (folder, *folder.parents) if not above.exists())
        with contextlib.suppress(OSError):  # which jobs will say
            folder.mkdir(parents=True, exist_ok=True)
    path, token = folder / HOLD_FILE, secrets.token_hex(8)
    me = {
        "token": token,
        "owner": _owner(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "start": _start(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            holder = read_hold(path)
            if holder is None:
                continue  # released meanwhile
            if not _is_gone(holder):
                mine = (holder.get("host"), holder.get("start")) == (me["host"], me["start"])
                told = f"{folder} {_told(holder, folder)}"
                if mine and holder.get("pid") == me["pid"]:  # as by two modules of one workflow
                    told = f"{folder} is held by {_named(holder)}, which is this one; build it once"
                raise StoreError(told) from None
            logger.warning("%s was held by process %s, which is gone", folder, holder["pid"])
            _remove(path, holder.get("token"))
            continue
        except (FileNotFoundError, NotADirectoryError):  # nothing is built in it
            return None
        except OSError as error:
            if not os.access(folder, os.W_OK):  # nothing is built in it, either
                return None
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(me).encode() + b"\n")
        except OSError as error:  # on a full disk there is room for its name alone
            path.unlink(missing_ok=True)
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
        return Hold(path=path, token=token, made=made)


def release_hold(hold: Hold | None) -> None:
    """Release an image, and remove the folders made for it where nothing was put into them."""
    if hold is None:
        return
    _remove(hold.path, hold.token)
    with contextlib.suppress(OSError):
        for folder in hold.made:
            folder.rmdir()


def unlock(path: str) -> str:
    """Free the image at a path, which a run holds that has ended; return what is to be said.

    Raises
    ------
    StoreError
        If that run is at work on this host, or there is no such image.
    """
    folder = Path(path).absolute()
    holder = read_hold(folder / HOLD_FILE)
    if holder is None and not holds_documents(folder):
        below = sorted(str(found.parent) for found in folder.glob(f"*/{HOLD_FILE}"))
        hint = f"; held below it: {', '.join(below)}" if below else ""
        raise StoreError(f"{folder} is no group of a zarr store{hint}; give STORE/FIELD")
    if holder is None:
        return f"{folder} is held by nobody"
    if _is_here(holder) and not _is_gone(holder):
        raise StoreError(f"{folder} {_told(holder, folder)}")
    _remove(folder / HOLD_FILE, holder.get("token"))
    return f"{folder} is free; it was held by {_named(holder)}"


def holds_documents(folder: Path) -> bool:
    """Tell whether a folder is a node of a zarr store that may have levels in it."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup"))


def read_hold(path: Path) -> _Holder | None:
    """Return who holds an image by its file, nothing of him where it is empty, None without one."""
    for _ in range(20):  # it is written just after it was made
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        with contextlib.suppress(ValueError):
            found = json.loads(text)
            if isinstance(found, dict):
                return found
        time.sleep(0.05)
    return {}


def _remove(path: Path, token: str | None) -> None:
    """Remove a file of the holder with this token, and no other's that has come after it."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        # Two that find the same one gone: the second must not remove what the first has put there.
        with contextlib.suppress(OSError):
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        if ((read_hold(path) or {}).get("token")) == token:
            path.unlink(missing_ok=True)


def _told(holder: _Holder, folder: Path) -> str:
    ways = f"if that run has ended, zarrpyramid unlock {folder} frees it"
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
