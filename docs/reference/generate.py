"""Write the pages and files that say what the code says.

    uv run python docs/reference/generate.py

A test compares the pages with what this makes. Nothing is explained here: words come from the
settings, the argument parser, the docstrings and the examples.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

import zarrpyramid.yt
from zarrpyramid.cli.arguments import NO_ANSWER
from zarrpyramid.cli.program import make_parser
from zarrpyramid.config.run import RUN
from zarrpyramid.config.schema import json_schema, keywords_stub
from zarrpyramid.config.settings import IMAGE

if TYPE_CHECKING:
    import argparse

HERE = Path(__file__).parent
RETURNED = ("Level", "Pyramid")
"""Classes that functions return and nobody calls."""
NOTE = "<!-- Made by generate.py in this folder; change the words in {} instead. -->"


def configuration() -> str:
    """Return the page of all settings, from their declarations."""
    lines = [
        *("# Configuration", "", NOTE.format("scripts/zarrpyramid/config"), ""),
        "This page describes every setting. Settings go on the command line after `--config`, or "
        "into a file that you name with `--configfile`. All except `images`, `container`, "
        "`select`, `samples`, `demo` and `pathvars` may also stand under an image's name in "
        "`images`; `test_image` may stand only there.",
    ]
    for key, known in RUN.items():
        lines += section(key, known.schema)
    for name in ("images.NAME.test_image", "base"):
        key = name.rpartition(".")[2]
        lines += section(name, IMAGE[key].schema) if key not in RUN else []
        for inner, known in IMAGE[key].form.settings.items():
            lines += section(f"{key}.{inner}", known.schema)
    return "\n".join(lines) + "\n"


def schema() -> str:
    """Return the JSON schema of a configuration as YAML."""
    note = "# Made by docs/reference/generate.py; change scripts/zarrpyramid/config instead.\n"
    plain = json.loads(json.dumps(json_schema()))  # where YAML sees no two objects as one
    return note + yaml.safe_dump(plain, sort_keys=False, width=100)


def section(key: str, known: dict) -> list[str]:
    """Return the lines of one key."""
    default = f"`{json.dumps(known['default'])}`" if "default" in known else "none"
    facts = [f"- Expected: {known['expected']}", f"- Default: {default}"]
    facts += [f"- Unit: {known['unit']}"] if "unit" in known else []
    described = known.get("description", "").replace("<", "&lt;").replace("`&lt;", "`<")
    return ["", f"## {key}", "", described, "", *facts]


EXIT_CODES = (
    "## Exit codes",
    "",
    f"For every command, 2 means that {NO_ANSWER}; a line on stderr says why. 130 means that "
    "Ctrl-C ended the command, and 141 that nobody reads its output any more.",
)
JSON = (
    "## JSON",
    "",
    "With `--json` a command prints one JSON object. Its keys are listed below with each command. "
    "A release may add keys; none is renamed or removed before the next major version.",
    "",
    "- Extents, factors and sizes are lists in the order of the axes; bytes and seconds are "
    "numbers; digests are strings.",
    "- What is not known, or does not apply, is `null`. NaN, infinity and integers beyond 2^53 are "
    "strings.",
    "- What is wrong is data, not text on stderr: `faults` and `findings`. The exit code is the "
    "same with and without `--json`.",
    "- With exit code 2 nothing is printed on stdout, except by `verify` if it found nothing to "
    "verify.",
)


def command_line() -> str:
    """Return the page of all commands, from the argument parser."""
    program = make_parser()
    lines = [
        *("# Command line", "", NOTE.format("scripts/zarrpyramid/cli"), ""),
        "This page describes every command. Run `zarrpyramid COMMAND`, or in a clone `uv run "
        "zarrpyramid COMMAND`. The [workflow](../tutorial.md) builds many pyramids, with reports "
        "and on clusters; `build` and [Python](../howto/python.md) build one.",
    ]
    for title, names in program.groups.items():
        lines += ["", f"{title[0].upper()}{title[1:]}:", ""]
        for name in names:
            lines.append(f"- [`{name}`](#zarrpyramid-{name}): {program.commands[name].purpose}")
    lines += ["", *EXIT_CODES, "", "| exit code | 0 | 1 |", "|---|---|---|"]
    for name, command in program.commands.items():
        answers = [command.answers.get(code, "-") for code in range(2)]
        lines.append(f"| `{name}` | {' | '.join(answers)} |")
    lines += ["", *JSON]
    for name, command in program.commands.items():
        lines += ["", f"## zarrpyramid {name}", "", command.description or "", ""]
        for action in command._actions:
            lines.append(f"- `{spelled(action)}`: {help_of(action)}")
        if command.keys:
            lines += ["", "JSON:", ""]
            lines += [f"- `{key}`: {means}" for key, means in command.keys.items()]
        examples = (command.epilog or "").partition("examples:")[2].strip()
        lines += ["", "Examples:", "", *(f"    {line.strip()}" for line in examples.splitlines())]
    return "\n".join(lines) + "\n"


def spelled(action: argparse.Action) -> str:
    """Return how an argument is written."""
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    if not action.option_strings:
        return f"[{value}]" if action.nargs == "?" else str(value)
    options = ", ".join(action.option_strings)
    return options if action.nargs == 0 else f"{options} {value}"


def help_of(action: argparse.Action) -> str:
    """Return what an argument is for."""
    return (action.help or "").replace("%%", "%").replace("%(default)s", str(action.default))


def python() -> str:
    """Return the page of all public names, from their docstrings."""
    lines = [
        *("# Python", "", NOTE.format("the docstrings"), ""),
        "This page describes the names of the packages `zarrpyramid` and `zarrpyramid.yt`. All "
        "other names are internal, and may change.",
    ]
    for name in sorted(zarrpyramid.__all__, key=str.lower):
        value = getattr(zarrpyramid, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            lines += described(name, value)
            members = inspect.getmembers(value) if inspect.isclass(value) else []
            own = {key: item for key, item in members if key in vars(value) and key[0] != "_"}
            lines += properties({key: item for key, item in own.items() if not callable(item)})
            for method, function in own.items():
                if callable(function):
                    lines += described(f"{name}.{method}", function)
    for name in zarrpyramid.yt.__all__:
        lines += described(f"yt.{name}", getattr(zarrpyramid.yt, name))
    constants = [
        f"- `VOXEL_REVISION`: {zarrpyramid.VOXEL_REVISION}. A release that changes any voxel has "
        "another one, so that levels of an older release are made again.",
        "- `__version__`: the package's version.",
    ]
    return "\n".join([*lines, "", "## Constants", "", *constants]) + "\n"


def properties(found: dict[str, object]) -> list[str]:
    """Return the lines of what a class has beside methods."""
    lines = []
    for key, item in found.items():
        kind = inspect.signature(getattr(item, "fget", None) or item.func).return_annotation
        paragraph = inspect.getdoc(item).partition("\n\n")[0].replace("``", "`")
        lines.append(f"- {key} (`{kind}`): {' '.join(paragraph.split())}")
    return ["", "**Properties**", "", *lines] if lines else []


def described(name: str, value: object) -> list[str]:
    """Return the lines of a function or class: signature and numpydoc sections as lists."""
    lines = ["", f"## {name}", ""]
    is_made = inspect.isclass(value) and (issubclass(value, Exception) or name in RETURNED)
    if not is_made:
        lines += ["```text", signature(name, value), "```", ""]
    paragraphs: list[str] = []
    in_section = False
    text, _, examples = inspect.getdoc(value).partition("\nExamples\n--------\n")
    for line in text.replace("``", "`").splitlines():
        if re.fullmatch("-{3,}", line):
            name = paragraphs.pop().removeprefix("- ").removesuffix(":")
            paragraphs.append(f"**{name}**\n")
            in_section = True
        elif in_section and line.startswith("    "):
            paragraphs[-1] += f" {line.strip()}"
        elif in_section and line:
            paragraphs.append(f"- {' '.join(line.split())}:")
        else:
            paragraphs.append(line)
    shown = ["", "```text", examples.rstrip(), "```"] if examples else []
    return [*lines, "\n".join(paragraphs).rstrip(), *shown]


def signature(name: str, value: object) -> str:
    """Return a signature with one argument a line."""
    found = inspect.signature(value)
    lines: list[str] = []
    for item in found.parameters.values():
        if item.name == "self":
            continue
        if item.kind is item.KEYWORD_ONLY and "    *," not in lines:
            lines.append("    *,")
        default = "" if item.default is item.empty else f" = {item.default!r}"
        stars = "**" if item.kind is item.VAR_KEYWORD else ""
        lines.append(f"    {stars}{item.name}: {item.annotation}{default},")
    result = "" if inspect.isclass(value) else f" -> {found.return_annotation}"
    return "\n".join([f"{name}(", *lines, f"){result}"])


def cookbook() -> str:
    """Return the page of complete configurations, from the files in `examples`."""
    lines = [
        *("# Cookbook", "", NOTE.format("examples"), ""),
        "This page has complete configurations for common tasks. Take the one that is nearest to "
        "yours, change the paths, look at the plan, and run it. In a clone they are the files in "
        "`examples`.",
        *("", "<!-- not run: my.yaml is yours; a test plans and runs every recipe -->"),
        *("```bash", "uv run zarrpyramid plan --configfile my.yaml"),
        *("uv run snakemake --cores all --configfile my.yaml", "```", ""),
        "Every key is in the [configuration](reference/configuration.md).",
    ]
    for group, names in RECIPES.items():
        lines += ["", f"## {group}"]
        for name in names:
            text = (ROOT / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
            title, words, body = text.split("\n", 2)
            lines += ["", f"### {title[2:]}", "", words[2:]]
            lines += ["", "```yaml", body.rstrip(), "```"]
    return "\n".join(lines) + "\n"


ROOT = HERE.parents[1]
RECIPES = {
    "From your files": ("tiff-stack", "hdf5", "original-apart"),
    "Many images": ("many-images", "plate", "image-with-labels"),
    "What a coarse voxel is": (
        *("labels", "anisotropic-em", "time-series", "padded-stack", "bright-spots"),
        "quantitative",
    ),
    "Storage and size": ("sharded", "cluster"),
}
"""The files in `examples`, as the cookbook orders them."""
PAGES = {
    ROOT / "docs" / "cookbook.md": cookbook,
    HERE / "configuration.md": configuration,
    HERE / "command-line.md": command_line,
    HERE / "python.md": python,
    ROOT / "workflow" / "schemas" / "config.schema.yaml": schema,
    ROOT / "scripts" / "zarrpyramid" / "config" / "keywords.py": keywords_stub,
}


def main() -> int:
    """Write all pages."""
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
