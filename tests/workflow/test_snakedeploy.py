"""What snakedeploy makes of this repository plans, and the page of its configuration is right."""

import os
import re
import subprocess

import pytest
import yaml

import pages
from zarrpyramid.config import image_configs

ROOT = pages.ROOT


def test_the_page_shows_configurations():
    texts = [block.body for block in pages.blocks(ROOT / "config/README.md")]
    assert texts
    for text in texts:
        assert image_configs(yaml.safe_load(text))


def test_the_configuration_is_the_one_of_the_top_level():
    assert (ROOT / "config/config.yaml").resolve() == ROOT / "config.yaml"


@pytest.mark.slow
def test_what_snakedeploy_deploys_plans(tmp_path):
    uv = os.environ.get("UV", "uv")
    clone, deployed = tmp_path / "zarrpyramid", tmp_path / "deployed"
    pages.checkout(clone)
    words = ("deploy-workflow", clone, deployed, "--branch", "main")
    subprocess.run([uv, "tool", "run", "snakedeploy", *words], check=True, capture_output=True)
    text = (ROOT / "config.yaml").read_text()
    assert (deployed / "config/config.yaml").read_text() == text
    assert (deployed / "config/README.md").exists()
    # Of a clone it names the deployed file itself; of github(...) it names the repository.
    snakefile = deployed / "workflow/Snakefile"
    named = re.sub('"Snakefile"', f'"{clone}/Snakefile"', snakefile.read_text())
    snakefile.write_text(named)
    done = subprocess.run(
        ["snakemake", "--cores", "1", "-n"],
        cwd=deployed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^downsample_level +3$", done.stdout + done.stderr, re.MULTILINE)
