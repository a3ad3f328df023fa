"""What a finished pyramid looks like, as one page that needs nothing but a browser.

Pictures and histograms come from coarse levels, all else from records, timings and documents.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import logging
import platform
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zarrpyramid import __version__, geometry
from zarrpyramid.metadata import CHANNEL, SPACE, SYMBOLS, TIME
from zarrpyramid.plan import times, voxel_size
from zarrpyramid.reduce import METHODS
from zarrpyramid.verify import NOTE, read_pyramid

from .page import box, element, page, picture, table
from .slices import MOST_CHANNELS, read_previews
from .summary import number
from .viewer_rules import lint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image
    from zarrpyramid.verify import Finding, Pyramid

    from .slices import Counts, Edges, Preview, Slice
    from .summary import LevelFacts

logger = logging.getLogger(__name__)

LARGEST = 2_000_000
"""Bytes of a report, at most."""

_SIDES = (448, 288, 176, 96, 48)
"""Pixels along the longer edge of a picture: the first whose report is small enough."""

_PACKAGES = ("numpy", "zarr", "numcodecs", "numba", "dask", "xxhash", "matplotlib", "snakemake")
_COARSE = 150
"""Pixels along the longer edge up to which each shows as a square."""
_BAR = 0.3
"""Share of a picture's width that a scale bar has at most."""


def report_pyramid(image: Image, records: Sequence[Record], facts: Sequence[LevelFacts]) -> str:
    """Return the report of a pyramid, an HTML page of at most `LARGEST` bytes.

    Parameters
    ----------
    records, facts
        Of all levels, level 0 first.
    """
    pyramid = read_pyramid(image.store, image.path)
    is_labels = pyramid.is_labels or image.plan.image.label_report
    is_labels = is_labels or image.plan.image.method.startswith("mode")
    with ThreadPoolExecutor(1) as pool:
        # Loading matplotlib takes as long as reading, which leaves the interpreter to others.
        loading = pool.submit(importlib.import_module, f"{__package__}.figures")
        previews, edges = read_previews(image, records, histograms=not is_labels)
    loading.result()
    findings = lint(pyramid)
    for finding in findings:
        logger.info("%s", finding.line)
    charts = [*_drift(image, facts, is_labels), *_histograms(previews, edges)]
    before = [*_header(image, facts, findings)]
    after = [
        *_levels(facts),
        *charts,
        *_speed(facts),
        *_viewers(findings),
        *_provenance(image),
    ]
    for side in _SIDES:
        pictures = _pictures(image, previews, pyramid, side, is_labels=is_labels)
        text = page(f"{image.plan.image.name}: pyramid", [*before, *pictures, *after])
        if len(text.encode()) <= LARGEST:
            return text
    return page(f"{image.plan.image.name}: pyramid", [*before, *after])


def _header(
    image: Image, facts: Sequence[LevelFacts], findings: Sequence[Finding]
) -> Iterator[str]:
    plan = image.plan
    faults = [f"level {level.plan.level} {level.fault}" for level in facts if level.fault]
    n_voxels = geometry.count(plan.levels[0].shape)
    last = len(facts) - 1
    if faults:
        verdict = f"{'; '.join(faults)}. Run the workflow again, which makes them again."
    else:
        made = f"levels 1 to {last}" if last > 1 else "level 1"
        verdict = (
            f"Every stored object of {made} is there, made from the level before, whose voxels "
            "were checked on the way."
            if last
            else "The image is small enough to stand alone: it needs no level beside level 0."
        )
        bad = sum(finding.grade != NOTE for finding in findings)
        if bad:
            verdict += f" Viewers: {bad} thing{'s' * (bad > 1)} to know before you open it, below."
    yield "<header>"
    yield element("h1", plan.image.name)
    yield box("p", (element("code", plan.where),), class_="soft")
    yield box(
        "p",
        (element("b", "Incomplete" if faults else "Complete"), element("span", verdict)),
        class_=f"verdict{' bad' * bool(faults)}",
    )
    added = _bytes(sum(level.stored_bytes or 0 for level in facts[1:]))
    n_files = sum(level.n_objects or 0 for level in facts[1:])
    seconds = [level.seconds for level in facts if level.seconds is not None]
    axes = "".join(axis.name for axis in plan.axes)
    shown = {
        "levels": str(len(facts)),
        "voxels of level 0": f"{n_voxels:,}",
        "voxels": f"{plan.base.dtype}, {axes}",
        "method": plan.image.method,
        "level 0 on disk": "-" if (size := facts[0].stored_bytes) is None else _bytes(size),
        "added by levels": f"{added}, {n_files:,} files",
        **({"seconds of jobs": f"{sum(seconds):.3g}"} if seconds else {}),
    }
    pairs = (box("div", (element("dt", key), element("dd", value))) for key, value in shown.items())
    yield box("dl", pairs, class_="figures")
    yield "</header>"


def _pictures(
    image: Image, previews: Sequence[Preview], pyramid: Pyramid, side: int, *, is_labels: bool
) -> Iterator[str]:
    from . import figures

    shown = [preview for preview in previews if preview.slices]
    if not shown:
        return
    is_labels = is_labels and not image.plan.base.dtype.startswith(("float", "complex"))
    yield element("h2", "Slices")
    yield element("p", _caption(image, shown, is_labels=is_labels), class_="soft")
    for preview in previews:
        if preview.absent:
            finest = shown[0].level
            yield element("p", f"{preview.absent} Level {finest} is the finest one here.")
    for channel in dict.fromkeys(part.channel for part in shown[0].slices):
        parts = [[part for part in each.slices if part.channel == channel] for each in shown]
        window = figures.contrast_window([part.pixels for part in parts[0]])
        if channel is not None:
            yield element("h3", _channel_name(pyramid, channel))
        if not is_labels:
            yield element(
                "p", f"Black is {window[0]:.4g}, white is {window[1]:.4g}.", class_="soft"
            )
        yield '<div class="cards">'
        for preview, own in zip(shown, parts, strict=True):
            drawn = [
                (part, figures.label_picture(part.pixels, side))
                if is_labels
                else (part, figures.slice_picture(part.pixels, window, side))
                for part in own
            ]
            yield _card(image, preview.level, drawn)
        yield "</div>"


def _caption(image: Image, shown: Sequence[Preview], *, is_labels: bool) -> str:
    parts = shown[0].slices
    said = ["The middle of the image" if len(parts) > 1 else "The image"]
    said.append("in the same window at every level" if not is_labels else "with a colour an id")
    text = ", ".join(said) + "."
    types = {axis.type: number for number, axis in enumerate(image.plan.axes)}
    shape = image.plan.levels[0].shape
    if TIME in types and shape[types[TIME]] > 1:
        text += " The first time point."
    if CHANNEL in types and shape[types[CHANNEL]] > MOST_CHANNELS:
        text += f" The first {MOST_CHANNELS} of {shape[types[CHANNEL]]} channels."
    if image.plan.base.dtype.startswith("complex"):
        text += " Magnitudes of complex voxels."
    if image.plan.base.dtype.startswith(("float", "complex")):
        text += " Magenta is NaN or infinite."
    return text


def _channel_name(pyramid: Pyramid, channel: int) -> str:
    known = pyramid.channels
    label = known[channel].get("label") if channel < len(known) else None
    return f"Channel {channel}: {label}" if label else f"Channel {channel}"


def _card(image: Image, level: int, drawn: Sequence[tuple[Slice, bytes]]) -> str:
    """Return the views of a level: side by side and one below the other they share axes."""
    plan = image.plan.levels[level]
    axes = image.plan.axes
    sizes = voxel_size(axes, plan.downsampling)
    extents = [size * voxels for size, voxels in zip(sizes, plan.shape, strict=True)]
    first = drawn[0][0]
    down, right = extents[first.rows], extents[first.columns]
    depth = extents[drawn[1][0].rows] if len(drawn) > 1 else 0.0
    columns = " ".join(f"minmax(4px, {share:.6g}fr)" for share in (right, depth) if share)
    width = 30 * (right + depth) / (down + depth)  # rem: no card is much higher than a screen
    # The third view, columns of which are the depth, stands to the right of the first.
    order = [drawn[0], *drawn[2:], *drawn[1:2]]
    views = [
        box(
            "div",
            (
                _view(level, part, data, axes[part.rows].name, axes[part.columns].name),
                _scale_bar(image, extents, part) if part is first else "",
            ),
            class_="view",
            style=f"aspect-ratio: {extents[part.columns]:.6g} / {extents[part.rows]:.6g}",
        )
        for part, data in order
    ]
    pairs = zip(axes, sizes, strict=True)
    size = _times([extent for axis, extent in pairs if axis.type == SPACE])
    caption = (
        element("b", f"Level {level}"),
        element("span", _times(plan.shape)),
        element("span", f"voxel {size}{_unit(image)}"),
    )
    style = f"grid-template-columns: {columns}; max-width: {width:.4g}rem"
    return box(
        "figure",
        (box("figcaption", caption), box("div", views, class_="views", style=style)),
        class_="card",
    )


def _view(level: int, part: Slice, data: bytes, rows: str, columns: str) -> str:
    channel = "" if part.channel is None else f", channel {part.channel}"
    alt = f"Middle {rows}{columns} slice of level {level}{channel}"
    # Browsers show larger ones smaller than they are, and better with smooth edges.
    coarse = {"class_": "coarse"} if max(part.pixels.shape) < _COARSE else {}
    return picture(data, "webp", alt, **coarse) + element("i", f"{rows}{columns}")


def _scale_bar(image: Image, extents: Sequence[float], part: Slice) -> str:
    width = extents[part.columns]
    length = _round_length(_BAR * width)
    axis = image.plan.axes[part.columns]
    named = SYMBOLS.get(axis.unit or "", axis.unit or "")
    unit = named or ("voxels of level 0" if axis.size == 1 else "units")
    style = f"width: {100 * length / width:.4g}%"
    return element("span", f"{length:.10g} {unit}", class_="bar", style=style)


def _round_length(most: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten up to a length.

    >>> _round_length(0.3), _round_length(99.0), _round_length(1.0)
    (0.2, 50.0, 1.0)
    """
    power = float(f"1e{f'{most:.9e}'.partition('e')[2]}")
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most * (1 + 1e-9))


def _unit(image: Image) -> str:
    units = {axis.unit for axis in image.plan.axes if axis.unit}
    return f" {SYMBOLS.get(name, name)}" if len(units) == 1 and (name := units.pop()) else ""


def _levels(facts: Sequence[LevelFacts]) -> Iterator[str]:
    columns = (
        *(
            "level",
            "factors",
            "shape",
            "voxel size",
            "chunks",
            "shards",
            "files",
            "bytes",
            "of raw",
        ),
        *("mean", "min", "max", "NaN", "seconds", "planned", "GB/s"),
        *("memory", "planned", "digest"),
    )
    rows = []
    for level in facts:
        plan = level.plan
        rows.append(
            (
                str(plan.level),
                _times(plan.factors) if plan.level else "-",
                _times(plan.shape),
                _times(level.voxel_size),
                _times(plan.chunks),
                _times(plan.shards) if plan.shards else "-",
                *_stored(level),
                *(_short(level.statistics.get(key)) for key in ("mean", "min", "max", "n_nan")),
                "-" if level.seconds is None else f"{level.seconds:.3g}",
                "-" if (planned := level.planned_seconds) is None else f"{planned:.3g}",
                "-" if (rate := _rate(facts, plan.level)) is None else f"{rate:.3g}",
                *("-" if n is None else _bytes(n) for n in (level.peak_bytes, level.planned_bytes)),
                str(level.statistics.get("digest", "-"))[:12],
            )
        )
    yield element("h2", "Levels")
    yield table("Levels", columns, rows)


def _stored(level: LevelFacts) -> tuple[str, str, str]:
    """Return files, bytes and their share of the raw bytes, where they were looked at."""
    if level.n_objects is None or level.stored_bytes is None:
        return ("-", "-", "-")
    share = level.stored_bytes / level.plan.raw_bytes
    return (f"{level.n_objects:,}", _bytes(level.stored_bytes), f"{share:.1%}")


def _drift(image: Image, facts: Sequence[LevelFacts], is_labels: bool) -> Iterator[str]:
    known = [level for level in facts if level.number("mean") is not None]
    if len(known) < 2 or is_labels:
        return
    found = {key: [level.number(key) or 0.0 for level in known] for key in ("min", "mean", "max")}
    if any(value in (float("inf"), float("-inf")) for values in found.values() for value in values):
        found = {"mean": found["mean"]}
    numbers = [level.plan.level for level in known]
    span = max(found.get("max", [0.0])) - min(found.get("min", [0.0]))
    drift = max(abs(mean - found["mean"][0]) for mean in found["mean"])
    said = f"The mean drifts by at most {drift:.3g}"
    said += f", {drift / span:.2g} of the range of values." if span else "."
    if image.plan.image.method in ("mean", "nanmean"):
        said += " Windows that stick out at an odd edge and rounding are what moves it."
    yield element("h2", "Drift")
    yield element("p", said, class_="soft")
    alt = f"Charts of {', '.join(found)} by level, from {numbers[0]} to {numbers[-1]}. {said}"
    from . import figures

    yield _chart(figures.drift_chart(numbers, found), alt)


def _histograms(previews: Sequence[Preview], edges: Edges) -> Iterator[str]:
    counts: dict[int, Counts] = {
        preview.level: preview.counts for preview in previews if preview.counts is not None
    }
    if not counts:
        return
    named = ", ".join(map(str, sorted(counts)))
    yield element("h2", "Values")
    said = "Shares of all voxels, of the finest level of at most 256³ voxels and of those below."
    yield element("p", said, class_="soft")
    alt = f"Histograms of levels {named}, from {edges[0]:.6g} to {edges[-1]:.6g}"
    from . import figures

    yield _chart(figures.histogram_chart(edges, counts), alt)


def _speed(facts: Sequence[LevelFacts]) -> Iterator[str]:
    timed = [(level, _rate(facts, level.plan.level)) for level in facts[1:] if level.seconds]
    known = [(level, rate) for level, rate in timed if rate is not None]
    if not known:
        return
    numbers = [level.plan.level for level, _ in known]
    seconds = [level.seconds or 0.0 for level, _ in known]
    rates = [rate for _, rate in known]
    yield element("h2", "Speed")
    yield element("p", "Wall time of each level's job, its start included.", class_="soft")
    told = "; ".join(
        f"level {level}: {wall:.3g} s, {rate:.3g} GB/s"
        for level, wall, rate in zip(numbers, seconds, rates, strict=True)
    )
    from . import figures

    yield _chart(figures.speed_chart(numbers, seconds, rates), f"Seconds and GB/s by level: {told}")


def _rate(facts: Sequence[LevelFacts], level: int) -> float | None:
    """Return the GB/s at which a level's job went through the voxels of the level before."""
    seconds = facts[level].seconds
    if not level or not seconds:
        return None
    return facts[level - 1].plan.raw_bytes / seconds / 1e9


def _viewers(findings: Sequence[Finding]) -> Iterator[str]:
    yield element("h2", "Viewers")
    if not findings:
        yield element("p", "neuroglancer, napari and vizarr: nothing known that goes wrong.")
        return
    yield element("p", "What is known to go wrong with this pyramid, and where it was seen.",
                  class_="soft")  # fmt: skip
    items = (
        box(
            "li",
            (
                element("span", finding.grade, class_=f"tag {finding.grade}"),
                *(element("span", viewer, class_="tag") for viewer in finding.viewers),
                element("span", f" {_sentence(finding.what)} {_sentence(finding.way_out)} "),
                element("a", "seen", href=finding.seen, rel="noreferrer"),
            ),
        )
        for finding in findings
    )
    yield box("ul", items, class_="findings")


def _provenance(image: Image) -> Iterator[str]:
    versions = {"zarrpyramid": __version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # only some are needed to build a level
    yield element("h2", "How it was made")
    equals = METHODS[image.plan.image.method].equals
    yield element("p", f"A voxel is, of the voxels in its window, {equals}.", class_="soft")
    rows = ((name, version) for name, version in versions.items())
    yield box(
        "details",
        (element("summary", "Versions"), table("Versions", ("package", "version"), rows)),
    )
    settings = (
        (key, json.dumps(value, ensure_ascii=False))
        for key, value in asdict(image.plan.image).items()
    )
    yield box(
        "details",
        (
            element("summary", "Configuration"),
            table("Configuration", ("key", "value"), settings, wrap=1),
        ),
    )


def _chart(data: bytes, alt: str) -> str:
    return box("div", (picture(data, "svg+xml", alt),), class_="chart")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _times(extents: Sequence[float]) -> str:
    return times(extents).replace(" x ", " \u00d7 ")


def _short(value: Any) -> str:
    """Return a statistic for people; of a complex one the real and the imaginary part."""
    if isinstance(value, list):
        return " + ".join(f"{float(part):.6g}{'i' * place}" for place, part in enumerate(value))
    return f"{value:.6g}" if isinstance(value, float) else number(value)


def _bytes(size: int) -> str:
    """Return bytes for people.

    >>> _bytes(999), _bytes(25_113_866)
    ('999 B', '25.1 MB')
    """
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"
