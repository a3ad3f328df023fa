"""What the report of an image says of its levels, and how that is taken back before they go."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zarrpyramid.stores import write_aside

if TYPE_CHECKING:
    from pathlib import Path

_VERDICT = re.compile(r'<p class="verdict.*?</p>', re.DOTALL)
_BAD = re.compile(r'<p class="verdict bad"><b>Incomplete</b> <span>(.*?)</span></p>', re.DOTALL)
_HEAD = 1 << 15
"""Characters of a report in which its verdict stands, unless that is very long."""


def reported_faults(folder: Path) -> list[str]:
    """Return why the report in a folder of results says Incomplete; [] where it does not.

    A report without a table beside it is of a run before (`outdate_report`), and says nothing.
    """
    path = folder / "report.html"
    if not ((folder / "summary.md").exists() and path.exists()):
        return []
    from html import unescape

    with path.open(encoding="utf-8") as page:
        text = page.read(_HEAD)
        if not _VERDICT.search(text):
            text += page.read()
    said = _BAD.search(text)
    return unescape(said[1]).splitlines() if said else []


def withdraw_results(folder: Path) -> None:
    """Take back what says that levels are listed and complete, before they are made again.

    The list loses the levels next, so its sentinel goes here: a killed run leaves none without it.
    """
    (folder / "multiscales.json").unlink(missing_ok=True)
    outdate_report(folder, "it has not come to its end", "It took levels back at")


def outdate_report(folder: Path, why: str, what: str = "It ended at") -> None:
    """Have the report of a run before say why the newest one has not made the image, and when.

    It is not removed: the store may be gone, and then it is all that is left. Its table goes, so
    that the next run makes both again, whichever job has failed.
    """
    path = folder / "report.html"
    if not path.exists():
        return
    from html import escape  # 2 ms, which most jobs do not need

    said = (
        f"The newest run has not made it: {why}. {what} {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. "
        "All else on this page is of a run before."
    )
    verdict = f'<p class="verdict bad"><b>Incomplete</b> <span>{escape(said)}</span></p>'
    page = path.read_text(encoding="utf-8")
    write_aside(path, _VERDICT.sub(lambda _: verdict, page, count=1).encode())
    (folder / "summary.md").unlink(missing_ok=True)
