"""Keeps a copy of every script that Snakemake runs, with its environment; see `startup.py`.

Imported by every Python that starts with this folder on PYTHONPATH.
"""

import os
import sys

_folder = os.environ.get("ZARRPYRAMID_CAPTURE")
_script = sys.orig_argv[-1]
if _folder and f"{os.sep}.snakemake{os.sep}scripts{os.sep}" in _script:
    import json
    import shutil
    from pathlib import Path

    _kept = Path(_folder) / f"{len(os.listdir(_folder)):03}"  # noqa: PTH208
    _kept.mkdir()
    shutil.copy(_script, _kept / Path(_script).name)
    (_kept / "environment.json").write_text(json.dumps(dict(os.environ)), encoding="utf-8")
