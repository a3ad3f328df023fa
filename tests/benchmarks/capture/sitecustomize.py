"""Keeps a copy of every script that a job runs, with all that it is given; see `startup.py`.

Imported by every Python that starts with this folder on PYTHONPATH.
"""

import os
import sys

_folder = os.environ.get("ZARRPYRAMID_CAPTURE")
_script, *_words = [*sys.orig_argv[1:], ""]
if _folder and os.path.basename(os.path.dirname(_script)) == "scripts":  # noqa: PTH119, PTH120
    import io
    import json
    import shutil
    from pathlib import Path

    _kept = Path(_folder) / f"{len(os.listdir(_folder)):03}"  # noqa: PTH208
    _kept.mkdir()
    shutil.copy(_script, _kept / Path(_script).name)
    (_kept / "environment.json").write_text(json.dumps(dict(os.environ)), encoding="utf-8")
    _text = sys.stdin.read() if _words[:-1] else ""  # a script by the directive is given nothing
    (_kept / "given.json").write_text(json.dumps([_words[:-1], _text]), encoding="utf-8")
    sys.stdin = io.StringIO(_text)
