"""Lay out in build/pages what the site is made of.

    uv run python docs/stage.py
    uv run --group docs zensical build --strict

The folder has the layout of the repository, so that a link that leads somewhere there leads
somewhere in the site too: README.md is its first page, and what pages link to outside of `docs` is
copied. Its navigation is docs/README.md: a heading is a section, a link in a list is a page, under
the page's own title.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "build" / "pages"
PARTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs", "examples")
HOME = (
    "- Home",
    "    - [zarrpyramid](README.md)",
    "    - [All pages](docs/README.md)",
    "    - [Changelog](CHANGELOG.md)",
    "    - [Contributing](CONTRIBUTING.md)",
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def main() -> None:
    """Copy the pages and what they link to, and write the navigation."""
    shutil.rmtree(TARGET, ignore_errors=True)
    for part in PARTS:
        copy(ROOT / part)
    for page in [*TARGET.rglob("*.md")]:
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            place = (ROOT / page.relative_to(TARGET)).parent / link
            if place.is_file():
                copy(place.resolve())
    lines = ["---", "search: {exclude: true}", "---", *navigation()]
    (TARGET / "SUMMARY.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def copy(path: Path) -> None:
    """Copy a file or a folder of the repository to its place in the site."""
    place = TARGET / path.relative_to(ROOT)
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(path, place)


def navigation() -> list[str]:
    """Return the lines of the navigation, a list in lists."""
    index = ROOT / "docs" / "README.md"
    lines, depth = [*HOME], 0
    for line in index.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"#(#+) (.+)", line):
            depth = len(heading[1])
            lines.append(f"{'    ' * (depth - 1)}- {heading[2]}")
        for link in LINK.findall(line) if line.startswith("- ") else ():
            entry = f"{'    ' * depth}- [{title(index.parent / link)}](docs/{link})"
            lines += [entry] if entry not in lines else []
    return [*lines, "    - docs/design/*.md"]


def title(page: Path) -> str:
    """Return a page's heading."""
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


if __name__ == "__main__":
    main()
