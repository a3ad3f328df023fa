"""What a job tells: its log, how long it took, and one line for the user when it fails."""

from __future__ import annotations

import contextlib
import json
import logging
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
    from collections.abc import Iterator, Mapping

_FAILURE = "zarrpyramid: error: "
_NAMED = 5
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@contextlib.contextmanager
def job_log(text: str, timing: str) -> Iterator[dict[str, Any]]:
    """Log a job to a file, its warnings to the terminal too, and its seconds to another file.

    An error that a user can act on ends the process with one line; its traceback is in the log.
    So does SIGTERM, as Ctrl-C does: what was made by then is noted. Where the log itself cannot be
    written to its end that is said once, and fails no job.

    Parameters
    ----------
    text
        Path of the log; its last line names the error, if there was one.
    timing
        Path of a JSON file with ``seconds`` of wall and of CPU time, ``peak_bytes`` of this process
        and ``worker_peak_bytes`` of the largest that it started, and whatever the job adds to the
        dict that this yields. Times stand here so that sentinels hold none.
    """
    try:
        handler = _LogFile(text, mode="w", encoding="utf-8")
    except OSError as error:
        line = f"{_FAILURE}{text}: {error.strerror}; mend that and run again"
        raise SystemExit(line) from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("zarrpyramid")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    terminal = warn_to_stderr()
    told: dict[str, Any] = {}
    before = signal.signal(signal.SIGTERM, _end)
    start, cpu = time.perf_counter(), time.process_time()
    try:
        yield told
    except Exception as error:
        line = " ".join(str(error).split()) or type(error).__name__
        is_known = isinstance(error, PyramidError)
        if isinstance(error, MemoryError):
            line = f"memory ran out ({line}); give the job more, or build with smaller chunks"
            is_known = True
        elif isinstance(error, OSError) and not is_known and error.filename is not None:
            line = f"{error.filename}: {error.strerror}; mend that and run again"
            is_known = True
        with contextlib.suppress(OSError), Path(text).open("a", encoding="utf-8") as log:
            log.write(f"{traceback.format_exc()}{_FAILURE}{line}\n")
        if is_known:
            raise SystemExit(f"{_FAILURE}{line}") from None
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
        signal.signal(signal.SIGTERM, before)
        logger.removeHandler(terminal)
        logger.removeHandler(handler)
        handler.close()


def _end(number: int, _frame: object) -> None:
    """End this process by an exception, and at once if it is asked once more."""
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(128 + number)


class _LogFile(logging.FileHandler):
    """A log that goes without what a full disk does not take."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Say on the terminal, once, that the log is not whole."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_told:
            self._is_told = True
            path, reason = self.baseFilename, error.strerror
            print(f"zarrpyramid: {path} cannot be written ({reason})", file=sys.stderr)

    def close(self) -> None:
        """Close the file, with or without what was not written yet."""
        with contextlib.suppress(OSError):
            super().close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A job that failed: of which image, why, and where its log is."""

    image: str
    reason: str
    log: Path

    @property
    def line(self) -> str:
        """What the user reads last."""
        return f"{_FAILURE}{self.image}: {self.reason} (log: {self.log})"


def failures(folder: Path, *, since: float = 0.0) -> list[Failure]:
    """Return the jobs whose logs below a folder end with an error, newest log last.

    Logs that were last written before `since`, in seconds since 1970, are of another run.
    """
    times = {path: path.stat().st_mtime for path in folder.glob("*/*.log")}
    found = []
    for path in sorted((path for path in times if times[path] >= since), key=times.__getitem__):
        last = path.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
        if last.startswith(_FAILURE):
            reason = last.removeprefix(_FAILURE)
            found.append(Failure(image=path.parent.name, reason=reason, log=path))
    return found


def refusal_line(refused: Mapping[str, str], n_images: int) -> str:
    """Return the line that refuses a run before it starts.

    Parameters
    ----------
    refused
        Why, by name of image; the first five are named.
    n_images
        All images of the run.
    """
    if n_images == 1:
        return f"zarrpyramid: {next(iter(refused.values()))}"
    reasons = [
        reason if reason.startswith(f"image {name}: ") else f"image {name}: {reason}"
        for name, reason in refused.items()
    ]
    more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    return (
        f"zarrpyramid: {len(reasons)} of {n_images} images cannot be built: "
        f"{'; '.join(reasons[:_NAMED])}{more}; mend them, or build the others with --keep-going"
    )


def _peak_bytes() -> int:
    """Return the peak of this process's resident set, without that of whoever started it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def warn_to_stderr() -> logging.Handler:
    """Show the library's warnings on the terminal; return what does so."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("zarrpyramid: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger("zarrpyramid").addHandler(handler)
    return handler
