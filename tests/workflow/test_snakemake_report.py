"""`snakemake --report`: a landing text, captions and labels; and what the catalog is told of it."""

import json
import re

import pytest
import yaml

from workspaces import REPOSITORY


def given(text, name):
    """Return what the page gives its program under a name."""
    found = re.search(rf'^ +var {name} = ([{{"].+);$', text, re.MULTILINE)
    return json.loads(found[1])


@pytest.mark.slow
def test_a_report_of_labels_and_an_image(workspace):
    workspace.make("cells.zarr", (20, 18), dtype="uint8")
    workspace.make("raw.zarr", (20, 18))
    images = {
        "cells": {"store": "cells.zarr", "levels": 1, "label_report": True},
        "raw": {"store": "raw.zarr", "levels": 1},
    }
    run = ("--configfile", str(workspace.write("my.yaml", json.dumps({"images": images}))))
    workspace.run(*run)
    workspace.run(*run, "--report", "all.html")

    text = (workspace / "all.html").read_text(encoding="utf-8")
    results = given(text, "results")
    files = {
        (*result["labels"].values(), result["filename"]): result["caption"]
        for result in results.values()
    }
    assert sorted(files) == [
        ("cells", "counts", "labels.md"),
        ("cells", "ids that vanish", "labels-vanished.tsv"),
        ("cells", "page", "report.html"),
        ("cells", "table", "summary.md"),
        ("raw", "page", "report.html"),
        ("raw", "table", "summary.md"),
    ]
    assert all(name in caption for (name, *_), caption in files.items())
    landing = given(text, "workflow_desc")
    assert "Image pyramids" in landing
    assert [path in landing for path in results] == [
        path.endswith("report.html") for path in results
    ]


def test_the_catalog_is_told_what_is_there():
    text = (REPOSITORY / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8")
    usage = yaml.safe_load(text)["usage"]
    assert usage["software-stack-deployment"] == {
        "conda": True,
        "apptainer": False,
        "apptainer+conda": False,
        "report": usage["report"],
    }
    assert usage["report"] is True
