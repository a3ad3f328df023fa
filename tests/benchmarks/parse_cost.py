"""What our part of parsing the Snakefile costs a process that has Snakemake imported already.

Run by `startup.py` as a process of its own, in the working directory of a workflow that has run.
Executes the imports that `workflow/rules/common.smk` has, and plans the images as it does.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import snakemake.api
import snakemake.cli
import snakemake.workflow  # noqa: F401

_IMPORTS = re.compile(r"^from zarrpyramid\S* import (?:\([^)]*\)|[^\n(]+)", re.MULTILINE)


def main() -> None:
    """Import and plan; print the CPU seconds of both and the packages that came with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("repository", type=Path)
    given = parser.parse_args()
    config = json.loads(given.config.read_text(encoding="utf-8"))
    rules = (given.repository / "workflow" / "rules" / "common.smk").read_text(encoding="utf-8")
    statements = "\n".join(_IMPORTS.findall(rules))
    known = set(sys.modules)
    start = time.process_time()
    sys.path.insert(0, str(given.repository / "scripts"))
    names: dict[str, Any] = {}
    exec(statements, names)
    imported = time.process_time()
    results = Path("results")
    how = {"is_main": True, "executes": True, "touches": False, "is_dry": True}
    mode = names["Mode"](**how, goes_on=False, is_elsewhere=False)
    planned_run = names["Run"](config, results="results", folder=results, logs=Path("logs"))
    planned_run.check()
    names["Start"](planned_run, names["close_run"]).settle_all(mode)
    planned = time.process_time()
    packages = {name.partition(".")[0] for name in set(sys.modules) - known}
    report = {
        "imports": imported - start,
        "plan": planned - imported,
        "packages": sorted(
            name for name in packages if name not in sys.stdlib_module_names and name[0] != "_"
        ),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
