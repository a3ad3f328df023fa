"""The process that holds an image: how it describes itself in a note, and whether it has ended."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Holder = dict[str, Any]
"""The content of a note; empty where the note is damaged."""


def myself() -> Holder:
    """Return the note of this process; the token tells two notes of one process apart."""
    return {
        "token": secrets.token_hex(8),
        "owner": _owner(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "start": _start(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def parsed(data: bytes) -> Holder:
    """Return the content of a note's bytes."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def named(holder: Holder) -> str:
    """Return the holder for messages."""
    if not holder:
        return "a run that has not left its name"
    try:
        since = datetime.fromisoformat(holder["since"])
        passed = (datetime.now(UTC) - since).total_seconds()
        age = f"{holder['since']} ({_ago(passed)})"
    except (KeyError, TypeError, ValueError):
        age = "an unknown time"
    who, host, pid = (holder.get(key, "?") for key in ("owner", "host", "pid"))
    return f"a run of {who} on host {host}, process {pid}, since {age}"


def _ago(seconds: float) -> str:
    """Return how long ago something was; a clock of another host may be ahead.

    >>> _ago(-1), _ago(120), _ago(90 * 60), _ago(49 * 3600)
    ('moments ago', '2 minutes ago', '90 minutes ago', '2 days ago')
    """
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit} ago"
    return "moments ago"


def is_here(holder: Holder) -> bool:
    """Tell whether the holder is a process of this host."""
    return holder.get("host") == socket.gethostname()


def is_gone(holder: Holder) -> bool:
    """Tell whether the holder is a process of this host that has ended."""
    if not is_here(holder):
        return False
    pid = holder.get("pid")
    if not isinstance(pid, int) or pid <= 0:  # damaged: no process writes such a note
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass  # it runs, and belongs to another user
    return bool(_start(pid) != holder.get("start"))


def _start(pid: int) -> str:
    """Return when a process began: a later process may have the same number."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""  # macOS: the number has to do
    return f"{boot} {fields[19]}"


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
