"""What logs tell of jobs that did not end well, and which lines of a run say so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .log import FAILURE, INTERRUPTED, TOLD

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SILENT = re.compile(
    r"returned non-zero exit status (1|130|143)\.|died with <Signals\.SIG(INT|TERM): \d+>\."
)
_NAMED = 5


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
        return f"{FAILURE}{self.image}: {self.reason} (log: {log})"


def failures(folder: Path, *, since: float = 0.0) -> list[Failure]:
    """Return the jobs with logs below a folder that did not end well, newest log last.

    Logs that were last written before `since`, in seconds since 1970, belong to another run.
    """
    found = []
    for path in logs_since(folder, since):
        last = path.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
        is_interrupt = last == INTERRUPTED
        if last.startswith(FAILURE):
            reason = last.removeprefix(FAILURE)
        elif last.startswith(TOLD):
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
