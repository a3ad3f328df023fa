"""Make zoom.png, the README's picture, of a pyramid that is built for it.

    uv run python docs/images/zoom.py

A synthetic section of tissue of 16384 x 16384 pixels, with structures from 8 pixels to the whole
width. Four frames zoom in by 4 each; each is read from the level that has a pixel for each pixel of
the frame, and the files that it reads are counted.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numba
import numpy as np
import zarr
from PIL import Image, ImageDraw, ImageFont

import zarrpyramid

EDGE, CHUNK, FRAME, GAP, HEAD, FOOT = 16384, 256, 512, 64, 88, 124
CENTER = (9970, 6260)
"""The middle of the nearest frame, in pixels of level 0 from the top and from the left."""
PAPER, INK, MUTED, BOX = "#0d1117", "#f0f3f6", "#9ea7b3", "#ffd166"
COLORS = ((0, "#05060f"), (60, "#241a4a"), (120, "#7b2a6b"), (175, "#e0634a"), (255, "#fff3c9"))


@numba.njit
def noise(y, x, seed):
    """Return a smooth random number between 0 and 1, with structures of about 1."""
    top, left = math.floor(y), math.floor(x)
    v, u = y - top, x - left
    v, u = v * v * (3 - 2 * v), u * u * (3 - 2 * u)
    total = 0.0
    for row in range(2):
        for column in range(2):
            weight = (v if row else 1 - v) * (u if column else 1 - u)
            total += weight * random_at(top + row, left + column, seed)
    return total


@numba.njit
def random_at(row, column, seed):
    """Return a number between 0 and 1 that belongs to a place of a grid."""
    number = (row * 374761393 + column * 668265263 + seed * 974634777) & 0xFFFFFFFF
    number = ((number ^ (number >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((number ^ (number >> 16)) & 0xFFFF) / 65535


@numba.njit
def pixel(y, x):
    """Return the brightness of a place: cells of 28 pixels in folded layers of a round section."""
    bend = 900 * (noise(y / 2400, x / 2400, 1) - 0.5) + 260 * (noise(y / 500, x / 500, 2) - 0.5)
    radius = math.hypot(y - 8192, (x - 8192) * 0.88) + 2.2 * bend
    inside = 1 / (1 + math.exp((radius - 6900) / 60))
    layer = 0.5 + 0.5 * math.sin(radius / 330 + 2.5 * noise(y / 1300, x / 1300, 3))
    nearest, second, own = 9.0, 9.0, 0.0
    row, column = math.floor(y / 28), math.floor(x / 28)
    for i in range(row - 1, row + 2):
        for j in range(column - 1, column + 2):
            away = math.hypot(y / 28 - i - random_at(i, j, 4), x / 28 - j - random_at(i, j, 5))
            if away < nearest:
                nearest, second, own = away, nearest, random_at(i, j, 6)
            elif away < second:
                second = away
    nucleus = max(0.0, 1 - nearest * 2.6) ** 0.6 * (0.35 + 0.65 * own)
    grain = 0.75 + 0.5 * noise(y / 3, x / 3, 7)
    wall = max(0.0, 1 - (second - nearest) * 7)
    bright = nucleus * grain * (0.25 + 0.9 * layer**2) + 0.35 * wall * (1 - 0.7 * layer)
    return 255 * min(1.0, 0.015 + inside * (0.06 + 0.22 * layer + bright))


@numba.njit(parallel=True)
def section(edge):
    """Return the picture."""
    found = np.empty((edge, edge), np.uint8)
    for y in numba.prange(edge):
        for x in range(edge):
            found[y, x] = int(pixel(float(y), float(x)))
    return found


def build(path: Path) -> zarr.Group:
    """Write the picture and its levels below a path."""
    group = zarr.create_group(path)
    group.create_array("0", data=section(EDGE), chunks=(CHUNK, CHUNK))
    zarrpyramid.build_pyramid(path)
    return zarr.open_group(path, mode="r")


def frame(group: zarr.Group, path: Path, width: int) -> tuple[Image.Image, str]:
    """Return a frame that shows `width` pixels of level 0, and the words below it."""
    level = max(0, (width // FRAME).bit_length() - 1)
    start = [min(max(0, middle - width // 2), EDGE - width) >> level for middle in CENTER]
    stop = [first + (width >> level) for first in start]
    shown = group[str(level)][start[0] : stop[0], start[1] : stop[1]]
    lines = [range(a // CHUNK, -(-b // CHUNK)) for a, b in zip(start, stop, strict=True)]
    files = [path / f"{level}/c/{row}/{column}" for row in lines[0] for column in lines[1]]
    size = sum(file.stat().st_size for file in files)
    picture = colored(shown).resize((FRAME, FRAME), Image.Resampling.NEAREST)
    return picture, f"level {level}: {len(files)} files, {size / 1e6:.2f} MB"


def colored(values: np.ndarray) -> Image.Image:
    """Return grey values as colours."""
    steps = [step for step, _ in COLORS]
    parts = [[int(color[i : i + 2], 16) for _, color in COLORS] for i in (1, 3, 5)]
    table = np.stack([np.interp(range(256), steps, part) for part in parts], axis=1)
    return Image.fromarray(table.astype("uint8")[values])


def main() -> None:
    """Build the pyramid, and draw its frames side by side."""
    widths = [EDGE >> 2 * step for step in range(4)]
    sheet = Image.new("RGB", (4 * FRAME + 5 * GAP, HEAD + FRAME + FOOT), PAPER)
    pen = ImageDraw.Draw(sheet)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "section.zarr"
        group = build(path)
        whole = [file.stat().st_size for file in (path / "0/c").rglob("*") if file.is_file()]
        for number, width in enumerate(widths):
            picture, words = frame(group, path, width)
            left = GAP + number * (FRAME + GAP)
            sheet.paste(picture, (left, HEAD))
            title = "the whole image" if not number else f"{4**number} x"
            pen.text((left, HEAD + FRAME + 14), title, INK, ImageFont.load_default(38))
            pen.text((left, HEAD + FRAME + 66), words, MUTED, ImageFont.load_default(34))
            if number:
                lead(pen, box_of_next(left - FRAME - GAP, widths[number - 1]), left)
    said = (
        f"{EDGE:,} x {EDGE:,} pixels. At every zoom a viewer reads a few files of the level that "
        f"fits the screen; the first view of level 0 would take {len(whole):,} files, "
        f"{sum(whole) / 1e6:.0f} MB."
    )
    pen.text((GAP, 20), said, MUTED, ImageFont.load_default(34))
    sheet.quantize(128).save(Path(__file__).with_name("zoom.png"), optimize=True)


def box_of_next(left: int, width: int) -> tuple[float, ...]:
    """Return where the next frame lies in the one whose left edge and width are given."""
    corner = [min(max(0, middle - width // 2), EDGE - width) for middle in CENTER]
    inner = [min(max(0, middle - width // 8), EDGE - width // 4) for middle in CENTER]
    y, x = ((a - b) * FRAME / width for a, b in zip(inner, corner, strict=True))
    return left + x, HEAD + y, left + x + FRAME / 4, HEAD + y + FRAME / 4


def lead(pen: ImageDraw.ImageDraw, box: tuple[float, ...], left: int) -> None:
    """Draw a box, and lines from it to the frame that shows what is in it."""
    pen.rectangle(box, outline=BOX, width=4)
    pen.rectangle((left - 2, HEAD - 2, left + FRAME + 1, HEAD + FRAME + 1), outline=BOX, width=2)
    for y, end in ((box[1], HEAD), (box[3], HEAD + FRAME)):
        pen.line((box[2], y, left, end), fill=BOX, width=2)


if __name__ == "__main__":
    main()
