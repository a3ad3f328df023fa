"""Make terminal.svg: a run on a real terminal, while it runs and at its end.

uv run --group test python docs/images/terminal.py
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from terminals import Terminal  # noqa: E402

COLUMNS, ROWS = 96, 18
WIDE, HIGH, MARGIN = 8.4, 19, 18
PAPER, INK, FAINT = "#16191d", "#e6e8eb", "#868d96"
COLOURS = {"cyan": "#5bc8d8", "green": "#6fcf7f", "red": "#f27878", "brightblack": "#6b747e"}
SHAPE = "[512, 512, 512]"


def main() -> None:
    """Run the workflow on a larger demo, and draw two screens of it."""
    snakemake = ["uv", "run", "snakemake", "--cores", "all"]
    with tempfile.TemporaryDirectory() as folder:
        words = [*snakemake, "--directory", folder, "--config", f"demo={{shape: {SHAPE}}}"]
        environment = {**os.environ, "COLORTERM": "truecolor"}
        environment.pop("NO_COLOR", None)
        with Terminal(words, environment, columns=COLUMNS, rows=ROWS) as terminal:
            half = re.compile(r"level 1 .* [4-6]\d %.* left")
            terminal.read(lambda lines: any(map(half.search, lines)))
            running = screen(terminal, folder)
            assert terminal.finish() == 0
            done = screen(terminal, folder)
    prompt = [[("$ ", FAINT, ""), (" ".join(snakemake), INK, "")]]
    (HERE / "terminal.svg").write_text(drawn([*prompt, *running, [], *done]), encoding="utf-8")


def screen(terminal: Terminal, folder: str) -> list[list[tuple[str, str, str]]]:
    """Return what a screen shows, from the bars on, as runs of text with a colour and a weight."""
    lines = []
    for number, text in enumerate(terminal.screen.display):
        row, parts = terminal.screen.buffer[number], []
        for column in range(COLUMNS):
            cell = row[column]
            style = COLOURS.get(cell.fg, INK), "bold" if cell.bold else ""
            if parts and parts[-1][1:] == style:
                parts[-1] = (parts[-1][0] + cell.data, *style)
            else:
                parts.append((cell.data, *style))
        lines.append([(part.replace(f"{folder}/", ""), *style) for part, *style in parts])
        if not text.strip():
            lines.pop()
    texts = ["".join(part for part, *_ in parts).strip() for parts in lines]
    return lines[texts.index("demo") :]


def drawn(lines: list[list[tuple[str, str, str]]]) -> str:
    """Return lines as a picture that needs nothing else."""
    wide, high = COLUMNS * WIDE + 2 * MARGIN, len(lines) * HIGH + 2 * MARGIN
    texts = []
    for number, parts in enumerate(lines):
        y = MARGIN + (number + 0.75) * HIGH
        column = 0
        for part, colour, weight in parts:
            if text := part.strip():
                bold = ' font-weight="bold"' if weight else ""
                x = MARGIN + (column + len(part) - len(part.lstrip())) * WIDE
                texts.append(
                    f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{bold} '
                    f'textLength="{len(text) * WIDE:.1f}">{escape(text)}</text>'
                )
            column += len(part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" '
        f'font-size="14">\n<rect width="100%" height="100%" rx="8" '
        f'fill="{PAPER}"/>\n' + "\n".join(texts) + "\n</svg>\n"
    )


main()
