"""A job's log, a file of its times, and the last line of the log, which says how a job failed."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import PyramidError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FAILURE = "zarrpyramid: error: "
TOLD = "zarrpyramid: failed: "
INTERRUPTED = "zarrpyramid: interrupted"
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class ToldError(PyramidError, RuntimeError):
    """A job has failed for reasons that stand in other logs, which the run names in its place."""


@contextlib.contextmanager
def job_log(text: str, timing: str) -> Iterator[dict[str, Any]]:
    """Log a job to a file, show its warnings on the terminal too, and write its times to a file.

    An error that a user can act on ends the process without a word: its traceback and then one
    line that names it are in the log, and the run says that line last. Only where the log cannot
    be written is the line on the terminal. SIGTERM and Ctrl-C end the process by an exception, so
    that notes of what was made are written. A full disk that cuts the log short is reported once,
    and the job goes on.

    Parameters
    ----------
    text
        Path of the log; its last line names the error or the interrupt that ended the job.
    timing
        Path of a JSON file with ``seconds`` of wall time, ``cpu_seconds``, ``peak_bytes`` of this
        process, ``worker_peak_bytes`` of the largest process that it started, and what the job adds
        to the dict that this yields. Sentinels hold no times, so that equal levels have equal ones.
    """
    try:
        handler = _LogFile(text, mode="w", encoding="utf-8")
    except OSError as error:
        line = f"{FAILURE}{text}: {error.strerror}; fix that and run again"
        raise SystemExit(line) from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("zarrpyramid")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    terminal = warn_to_stderr()
    told: dict[str, Any] = {}
    before = _catch_signals()
    start, cpu = time.perf_counter(), time.process_time()
    try:
        yield told
    except SystemExit:
        _append(text, f"{INTERRUPTED}\n")
        raise
    except ToldError as error:
        _append(text, f"{TOLD}{error}\n")
        raise SystemExit(1) from None
    except Exception as error:
        line, is_known = _last_line(error)
        is_told = _append(text, f"{traceback.format_exc()}{FAILURE}{line}\n")
        if is_known:
            raise SystemExit(1 if is_told else f"{FAILURE}{line}") from None
        raise
    else:
        told["seconds"] = round(time.perf_counter() - start, 3)
        told["cpu_seconds"] = round(time.process_time() - cpu, 3)
        told["peak_bytes"] = _peak_bytes()
        started = resource.getrusage(resource.RUSAGE_CHILDREN)
        told["worker_peak_bytes"] = started.ru_maxrss * _MAXRSS_UNIT
        try:
            Path(timing).write_text(json.dumps(told) + "\n", encoding="utf-8")
        except OSError as error:  # the job is done; the next plan takes its default figures
            logger.warning("%s cannot be written (%s)", timing, error.strerror)
        logger.info("done in %s s", told["seconds"])
    finally:
        _restore_signals(before)
        logger.removeHandler(terminal)
        logger.removeHandler(handler)
        handler.close()


def write_failure(path: Path, error: Exception) -> None:
    """Write the log of an image that a job of many could not build, as `job_log` ends it."""
    line, _ = _last_line(error)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    _append(str(path), f"{traceback.format_exc()}{FAILURE}{line}\n")


@contextlib.contextmanager
def ends_quietly(text: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a job that is still importing without a traceback.

    Imports belong to no job's time, so they stand before `job_log`. What they bring stays, so it is
    not searched for garbage: neither now nor later, which would take 5 % of a small job.

    Parameters
    ----------
    text
        Path of the job's log; its last line then names the interrupt.
    """
    before = _catch_signals()
    gc.disable()
    try:
        yield
    except SystemExit:
        _append(text, f"{INTERRUPTED}\n")
        raise
    else:
        gc.freeze()
    finally:
        gc.enable()
        _restore_signals(before)


def _catch_signals() -> dict[signal.Signals, Any]:
    """Let SIGTERM and Ctrl-C end this process by an exception, and return what they did before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number, handler_before in before.items():
        if handler_before is not signal.SIG_IGN:  # as in the background of a script
            signal.signal(number, _end)
    return before


def _restore_signals(before: Mapping[signal.Signals, Any]) -> None:
    for number, handler_before in before.items():
        signal.signal(number, handler_before)


def _append(log: str, text: str) -> bool:
    """Write the last words of a job to its log, and tell whether they are there."""
    try:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return False
    return True


def _last_line(error: Exception) -> tuple[str, bool]:
    """Return what the user reads of an error, and whether the user can act on it."""
    line = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, PyramidError):
        return line, True
    if isinstance(error, MemoryError):
        return f"memory ran out ({line}); give the job more, or build with smaller chunks", True
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; fix that and run again", True
    return line, False


def _end(number: int, _frame: object) -> None:
    """End this process by an exception; a second signal ends it at once."""
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(128 + number)


class _LogFile(logging.FileHandler):
    """A log that goes on when the disk is full."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Report on the terminal, once, that the log cannot be written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_told:
            self._is_told = True
            path, reason = self.baseFilename, error.strerror
            print(f"zarrpyramid: {path} cannot be written ({reason})", file=sys.stderr)

    def close(self) -> None:
        """Close the file, even if its last lines cannot be written."""
        with contextlib.suppress(OSError):
            super().close()


def _peak_bytes() -> int:
    """Return the peak of this process's resident set; `getrusage` counts its parent's too."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def warn_to_stderr() -> logging.Handler:
    """Show the library's warnings on the terminal, and return the handler that does."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("zarrpyramid: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger("zarrpyramid").addHandler(handler)
    return handler
