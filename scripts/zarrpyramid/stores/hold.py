"""The hold of a run on an image: a small object beside its levels that says who builds them.

A run lasts for hours, and the next may be on another host. A lock of the system keeps processes of
one host apart alone (`files.locked`); the object is seen from every host, in every kind of store.
"""

from __future__ import annotations

import contextlib
import json
import logging
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
"""Name of the object in the image's group. The dot sets it apart from levels."""


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
    """The note that this process has written, and the folders it has made for it."""

    note: _Note
    data: bytes
    made: tuple[Path, ...]


def take_hold(store: Store, path: str, *, makes_group: bool = False) -> Hold | None:
    """Note that this process builds the image whose group is at a path.

    The hold of a process of this host that has ended is taken over.

    Parameters
    ----------
    makes_group
        Whether the run makes the group where it is absent. The folder is then made for the note;
        without this, an absent folder is not held.

    Returns
    -------
    Hold or None
        For `release_hold`. None where nothing can be written, so that nothing is built either, and
        in a store object of zarr-python, which one process has alone.

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
        logger.warning(
            "%s was held by process %s, which is gone", note.where, other.get("pid", "?")
        )


def release_hold(hold: Hold | None) -> None:
    """Release an image, and remove the folders that were made for the note if they are empty."""
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
    """Free the image at a path from a run that has ended; return a line that says what was done.

    It is "" where nobody holds what is at the path, whatever that is.

    Raises
    ------
    StoreError
        If that run is at work on this host, or images below the path are held.
    """
    note = _Note(store=store, path=path)
    data = note.read()
    if data is None:
        below = ", ".join(note.held_below())
        if below and not note.is_in_group():
            what = f"{note.where} is no group of a zarr store; held below it: {below}"
            raise StoreError(f"{what}; give STORE/FIELD")
        return ""
    other = holder.parsed(data)
    if holder.is_here(other) and not holder.is_gone(other):
        raise _refusal(other, note)
    store.delete_if(note.key, data)
    return f"{note.where} is free; it was held by {holder.named(other)}"


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
        """Make the absent folders on the way to the note in a local store, and return them."""
        folder = self.store.folder(self.path)
        if folder is None:
            return ()
        made = tuple(above for above in (folder, *folder.parents) if not above.exists())
        with contextlib.suppress(OSError):  # the jobs report it
            folder.mkdir(parents=True, exist_ok=True)
        return made

    def read(self) -> bytes | None:
        """Return its content, also where that is damaged or empty, or None where it is absent."""
        for _ in range(20):  # a file is empty for a moment before its writer fills it
            data = self.store.get(self.key)
            if data is None or holder.parsed(data):
                return data
            time.sleep(0.05)
        return data

    def is_in_group(self) -> bool:
        """Tell whether it stands in a group or an array of a zarr store."""
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
