"""Who holds an image: a process, as it describes itself in a note; and whether it has ended."""

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
"""What a note says; nothing where it is damaged."""


def myself() -> Holder:
    """Return what this process notes of itself; the token tells one note of it from another."""
    return {
        "token": secrets.token_hex(8),
        "owner": _owner(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "start": _start(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def parsed(data: bytes) -> Holder:
    """Return what a note says; nothing where it is damaged."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def named(holder: Holder) -> str:
    """Return who holds, for messages."""
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


def is_here(holder: Holder) -> bool:
    """Tell whether it is a process of this host."""
    return holder.get("host") == socket.gethostname()


def is_gone(holder: Holder) -> bool:
    """Tell whether the process that holds has ended, which this host alone can know."""
    if not is_here(holder):
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
