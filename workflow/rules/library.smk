"""The library in scripts/zarrpyramid, put before every other of its name; no rule."""

import os
import sys
from pathlib import Path


def scripts_folder():
    """Return the folder of scripts and library, fetched where the Snakefile is a hosted one."""
    scripts = workflow.current_basedir.join("../../scripts")
    if hasattr(scripts, "hosted_repo"):
        # Snakemake fetches what is named alone. Its cache keeps the paths of a repository.
        tree = scripts.hosted_repo.repo.commit(scripts.ref).tree[scripts.path]
        for item in tree.traverse():
            if item.type == "blob":
                workflow.source_path(f"../../{item.path}")
        fetched = workflow.source_path("../../scripts/zarrpyramid/__init__.py")
        return Path(fetched).parents[1]
    return Path(scripts.get_path_or_uri(secret_free=True))


SCRIPTS = str(scripts_folder().resolve())
sys.path.insert(0, SCRIPTS)
# Snakemake appends a script's folder to the path of its job: an installed package of the same name
# would win there, and jobs would follow another recipe than the plan made here.
searched = [SCRIPTS, *filter(None, os.getenv("PYTHONPATH", "").split(os.pathsep))]
os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys(searched)))
# No job does linear algebra: its threads only cost 0.1 CPU s at the start of each.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import zarrpyramid

LIBRARY = Path(SCRIPTS, "zarrpyramid")  # what an installed package lays out has none beside it
if LIBRARY.exists() and not LIBRARY.samefile(Path(zarrpyramid.__file__).parent):
    raise SystemExit(
        f"zarrpyramid: {SCRIPTS} cannot be used beside {Path(zarrpyramid.__file__).parents[1]} in one "
        "workflow; take all modules from the same place, at the same tag or commit"
    )
