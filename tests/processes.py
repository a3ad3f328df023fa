"""Processes that tests run, wait for and kill: all of a session, as a terminal's are."""

from __future__ import annotations

import os
import signal
import subprocess
import time


def finish(words, folder, environment):
    """Run a program to its end, and return all that it printed; one that fails fails the test."""
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}"
    return done.stdout


def wait_for(condition, seconds=120):
    """Wait until something holds; a test that waits in vain fails."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def members(session):
    """Return the processes of a session that are not dead."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - names alone
        try:
            with open(f"/proc/{name}/stat") as file:  # noqa: PTH123
                state, _, _, sid = file.read().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(sid) == session and state != "Z":
            found.append(int(name))
    return found


def kill_all(session):
    """Kill every process of a session; new ones may be born meanwhile."""
    while found := members(session):
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
