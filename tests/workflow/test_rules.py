"""What holds for the rules as they are written."""

from __future__ import annotations

import re

import pytest


def test_lint_is_silent(workspace):
    outcome = workspace.run("--lint")
    assert "Congratulations, your workflow is in a good condition!" in outcome.lines
    assert "Lints for" not in outcome.text


@pytest.fixture(scope="module")
def rules(new_workspace):
    """Directives of each rule that runs a job, by the rule's name."""
    texts = [
        path.read_text(encoding="utf-8")
        for path in (new_workspace().checkout / "workflow/rules").glob("*.smk")
    ]
    return dict(re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", "\n".join(texts), re.MULTILINE))


def test_rules_are_those_of_the_plan(rules):
    assert sorted(rules) == [
        "build_batch",
        "copy_base",
        "downsample_level",
        "downsample_part",
        "make_test_image",
        "open_level",
        "report_labels",
        "seal_base",
        "summarize_images",
        "summarize_pyramid",
        "verify_images",
        "verify_pyramid",
        "write_multiscales",
    ]


@pytest.mark.parametrize("directive", ["message", "log", "conda", "output"])
def test_every_rule_has(rules, directive):
    for name, body in rules.items():
        assert re.search(rf"^    {directive}:$", body, re.MULTILINE), name


def test_rule_script_and_environment_go_together(rules, new_workspace):
    for name, body in rules.items():
        by_directive = f'    script:\n        "../../scripts/{name}.py"\n'
        assert by_directive in body or f'    shell:\n        job_script("{name}")\n' in body
        assert '"../../environment.yml"' in body
    assert (new_workspace().checkout / "environment.yml").is_file()
