"""A job's log, a file of its times, and the last line of the log, which says how a job failed."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import re
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import PyramidError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FAILURE = "zarrpyramid: error: "
_TOLD = "zarrpyramid: failed: "
_INTERRUPTED = "zarrpyramid: interrupted"
_SILENT = re.compile(
    r"returned non-zero exit status (1|130|143)\.|died with <Signals\.SIG(INT|TERM): \d+>\."
)
_NAMED = 5
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
        line = f"{_FAILURE}{text}: {error.strerror}; fix that and run again"
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
        _append(text, f"{_INTERRUPTED}\n")
        raise
    except ToldError as error:
        _append(text, f"{_TOLD}{error}\n")
        raise SystemExit(1) from None
    except Exception as error:
        line, is_known = _last_line(error)
        is_told = _append(text, f"{traceback.format_exc()}{_FAILURE}{line}\n")
        if is_known:
            raise SystemExit(1 if is_told else f"{_FAILURE}{line}") from None
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
    _append(str(path), f"{traceback.format_exc()}{_FAILURE}{line}\n")


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
        _append(text, f"{_INTERRUPTED}\n")
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A job that did not end well: its image, the reason, and its log.

    Attributes
    ----------
    is_interrupt
        Whether Ctrl-C, SIGTERM or SIGHUP ended it.
    """

    image: str
    reason: str
    log: Path
    is_interrupt: bool = False

    def line(self, log: str) -> str:
        """Return what the user reads last, with the path of the log."""
        return f"{_FAILURE}{self.image}: {self.reason} (log: {log})"


def failures(folder: Path, *, since: float = 0.0) -> list[Failure]:
    """Return the jobs with logs below a folder that did not end well, newest log last.

    Logs that were last written before `since`, in seconds since 1970, belong to another run.
    """
    found = []
    for path in logs_since(folder, since):
        last = path.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
        is_interrupt = last == _INTERRUPTED
        if last.startswith(_FAILURE):
            reason = last.removeprefix(_FAILURE)
        elif last.startswith(_TOLD):
            continue
        elif is_interrupt:
            reason = "interrupted"
        elif _has_ended(path, last):
            continue
        else:
            reason = "a job ended without a word: it was killed, or memory or the disk ran out"
        failure = Failure(
            image=path.parent.name, reason=reason, log=path, is_interrupt=is_interrupt
        )
        found.append(failure)
    return found


def logs_since(folder: Path, since: float) -> list[Path]:
    """Return the logs of jobs below a folder that were written since a time, newest last."""
    times = {path: path.stat().st_mtime for path in folder.glob("*/*.log")}
    return sorted((path for path in times if times[path] >= since), key=times.__getitem__)


def _has_ended(log: Path, last: str) -> bool:
    """Tell whether a job has ended well: its times, or the last line of its log, say so."""
    timing = log.with_suffix(".json")  # Snakemake makes an empty one of a job that failed
    is_timed = timing.exists() and timing.stat().st_size > 0
    is_timed = is_timed and timing.stat().st_mtime >= log.stat().st_mtime - 1
    return is_timed or re.search(r" INFO done in \S+ s$", last) is not None


def is_worth_saying(record: logging.LogRecord, rules: str) -> bool:
    """Tell whether a record of Snakemake's says more than the logs of jobs that ended silently.

    Parameters
    ----------
    rules
        The folder of this workflow's rules, as Snakemake names it.
    """
    text = record.getMessage()
    is_ours = getattr(record, "exception", None) == "RuleException" and f'in file "{rules}' in text
    return not (is_ours and _SILENT.search(text))


def refusal_line(refused: Mapping[str, str], n_images: int) -> str:
    """Return the line that refuses a run before it starts.

    Parameters
    ----------
    refused
        The reason by name of image; the line names the first five.
    n_images
        Number of all images of the run.
    """
    if n_images == 1:
        return f"zarrpyramid: {next(iter(refused.values()))}"
    named: dict[str, list[str]] = {}
    for name, reason in refused.items():
        named.setdefault(reason.removeprefix(f"image {name}: "), []).append(name)
    reasons = [f"{_images(names)}: {reason}" for reason, names in named.items()]
    left = len(refused) - sum(map(len, list(named.values())[:_NAMED]))
    more = f"; and {left} more" if left else ""
    return (
        f"zarrpyramid: {len(refused)} of {n_images} images cannot be built: "
        f"{'; '.join(reasons[:_NAMED])}{more}; fix them, or build the others with --keep-going"
    )


def _images(names: Sequence[str]) -> str:
    """Return some images as the begin of a sentence."""
    shown = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"image{'s' * (len(names) > 1)} {shown}{more}"


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
