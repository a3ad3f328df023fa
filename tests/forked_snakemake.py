"""Snakemake, loaded once and forked for each run: `python -m snakemake` without its imports.

A run has the words, variables, folder and output of a process that is started for it. Nothing of
this library is loaded before a fork: each checkout brings its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading

LOADED = ("snakemake.cli", "snakemake.report.html_reporter", "smart_open", "yte", "jinja2")
_servers = []


def run(words, environment, seconds):
    """Run snakemake to its end; return its exit code and all that it printed."""
    if not _servers or _servers[0].poll() is not None:
        end()
        _servers.append(_start())
    (server,) = _servers
    with tempfile.TemporaryFile() as output:
        given = {
            "words": words,
            "environment": environment,
            "folder": os.getcwd(),  # noqa: PTH109 - as a process inherits it
            "output": f"/proc/{os.getpid()}/fd/{output.fileno()}",
        }
        late = threading.Timer(seconds, os.killpg, (server.pid, signal.SIGKILL))
        late.start()
        server.stdin.write(json.dumps(given) + "\n")
        server.stdin.flush()
        code = server.stdout.readline()
        late.cancel()
        late.join()
        output.seek(0)
        text = output.read().decode()
    assert code, f"no end after {seconds} s: {words}\n{text}"
    return int(code), text


def _start():
    return subprocess.Popen(
        [sys.executable, "-c", f"import runpy; runpy.run_path({__file__!r})['serve']()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # threads do not survive a fork
        start_new_session=True,
    )


def end():
    """End the process that forks, if there is one."""
    while _servers:
        with _servers.pop() as server:
            server.stdin.close()


def serve():
    """Fork for each line of the standard input, and answer with the exit code."""
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            _become(**json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(words, environment, folder, output):
    nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_APPEND)
    for source, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(written)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv = ["snakemake", *words]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
