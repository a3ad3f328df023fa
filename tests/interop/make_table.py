"""Make docs/interop.md: what other programs write, and what came of building on it.

    PYTHONPATH=tests uv run --group test python -m interop.make_table [--newest] [--check]

Needs the network once, for the programs' environments.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from interop.programs import LAYOUTS
from interop.trials import attempt

PAGE = Path(__file__).parents[2] / "docs" / "interop.md"
RULE = "|---|---|---|---|---|---|---|\n"
"""The line of the page below which the rows stand, up to an empty line."""


def row(outcome, day: str) -> str:
    """Return the row of an outcome."""
    layout = outcome.layout
    places = ", ".join(f"`{name}`" if name else "the root" for name in layout.fields)
    built = f"{places}, as `source`" if layout.route == "source" else places
    faults = "; ".join(dict.fromkeys(outcome.faults))
    result = f"{built}: {faults}" if faults else built
    cells = (
        layout.program,
        outcome.version,
        layout.what,
        outcome.verified,
        result,
        ", ".join(outcome.readers) or "-",
        day,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def without_changes(page: str) -> str:
    """Return a page without what differs from release to release: versions and dates."""
    return re.sub(r"\| [0-9][0-9.a-z]* \||\| \d{4}-\d\d-\d\d \|", "|", page)


def main() -> int:
    """Make the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--newest", action="store_true", help="take the newest releases")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if results differ")
    given = parser.parse_args()

    def tried(layout):
        with tempfile.TemporaryDirectory() as folder:
            outcome = attempt(layout, Path(folder), newest=given.newest)
        print(layout.program, layout.kind, outcome.version, outcome.faults or "as hoped")
        return outcome

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(tried, LAYOUTS))
    day = date.today().isoformat()
    before = PAGE.read_text(encoding="utf-8")
    head, _, below = before.partition(RULE)
    rest = below[below.index("\n\n") + 1 :]
    after = head + RULE + "".join(row(each, day) for each in outcomes) + rest
    if not given.check:
        PAGE.write_text(after, encoding="utf-8")
        return 0
    return without_changes(before) != without_changes(after)


if __name__ == "__main__":
    sys.exit(main())
