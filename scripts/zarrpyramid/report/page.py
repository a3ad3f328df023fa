"""What a finished pyramid looks like, as one page that needs nothing but a browser.

Pictures and histograms come from coarse levels, all else from records, timings and documents. The
page itself is `templates/page.html.jinja`, its style `templates/page.css`.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from zarrpyramid import __version__, geometry
from zarrpyramid.plan import DECISION_COLUMNS, decision_rows
from zarrpyramid.reduce import METHODS
from zarrpyramid.verify import NOTE, read_pyramid

from .cards import caption, channel_cards, crosses
from .charts import drift_chart, histogram_chart, speed_chart
from .facts import holds_labels, number
from .slices import read_previews
from .viewer_rules import lint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image
    from zarrpyramid.reduce import NoData
    from zarrpyramid.verify import Finding

    from .facts import LevelFacts
    from .slices import Edges, Preview

logger = logging.getLogger(__name__)

LARGEST = 2_000_000
"""Bytes of a report, at most."""

_SIDES = (448, 288, 176, 96, 48)
"""Pixels along the longer edge of a picture: the first whose report is small enough."""

_PACKAGES = (
    *("numpy", "zarr", "numcodecs", "numba", "dask", "xxhash", "jinja2", "pillow", "snakemake"),
)
_LEVEL_COLUMNS = (
    *("level", "factors", "shape", "voxel size", "chunks", "shards", "files", "bytes", "of raw"),
    *("mean", "min", "max", "NaN", "seconds", "planned", "GB/s", "memory", "planned", "digest"),
)


def report_pyramid(image: Image, records: Sequence[Record], facts: Sequence[LevelFacts]) -> str:
    """Return the report of a pyramid, an HTML page of at most `LARGEST` bytes.

    Parameters
    ----------
    records, facts
        Of all levels, level 0 first.
    """
    pyramid = read_pyramid(image.store, image.path)
    is_labels = holds_labels(pyramid, image.plan.image.method) or bool(image.plan.image.labels)
    previews, edges = read_previews(image, records, histograms=not is_labels)
    findings = lint(pyramid)
    for finding in findings:
        logger.info("%s", finding.line)
    content = {
        **_header(image, facts, findings),
        "level_columns": _LEVEL_COLUMNS,
        "level_rows": [_level_row(facts, level) for level in facts],
        **_drift(image, facts, is_labels),
        "histogram": _histogram(previews, edges),
        "speed": _speed(facts),
        "findings": findings,
        "window": _window(image.plan.levels[-1].no_data),
        "equals": _equals(image),
        "decision_columns": DECISION_COLUMNS,
        "decision_rows": decision_rows(image.plan.decisions),
        "versions": _versions(),
        "settings": [
            (key, json.dumps(value, ensure_ascii=False))
            for key, value in asdict(image.plan.image).items()
        ],
    }
    shown = [preview for preview in previews if preview.slices]
    absent = [
        f"{preview.absent} Level {shown[0].level} is the finest one here."
        for preview in previews
        if preview.absent and shown
    ]
    has_ids = is_labels and not image.plan.base.dtype.startswith(("float", "complex"))
    template = page_template("page.html.jinja")
    for side in _SIDES if shown else ():
        text = template.render(
            content,
            caption=caption(image, shown, is_labels=has_ids),
            absent=absent,
            channels=channel_cards(image, shown, pyramid, side, is_labels=has_ids),
        )
        if len(text.encode()) <= LARGEST:
            return text
    return template.render(content, channels=())


def page_template(name: str) -> jinja2.Template:
    """Return a template of a page, in which names cannot become markup."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:]}."
    return environment.get_template(name)


def _header(
    image: Image, facts: Sequence[LevelFacts], findings: Sequence[Finding]
) -> dict[str, Any]:
    plan = image.plan
    faults = [f"level {level.plan.level} {level.fault}" for level in facts if level.fault]
    n_files = sum(level.n_objects or 0 for level in facts[1:])
    added = as_bytes(sum(level.stored_bytes or 0 for level in facts[1:]))
    seconds = [level.seconds for level in facts if level.seconds is not None]
    axes = "".join(axis.name for axis in plan.axes)
    return {
        "name": plan.image.name,
        "where": plan.where,
        "is_complete": not faults,
        "verdict": _verdict(len(facts) - 1, faults, findings),
        "figures": {
            "levels": str(len(facts)),
            "voxels of level 0": f"{geometry.count(plan.levels[0].shape):,}",
            "voxels": f"{plan.base.dtype}, {axes}",
            "method": plan.image.method
            + (f", weighed by {by}" if (by := plan.image.weights) else ""),
            "level 0 on disk": "-" if (size := facts[0].stored_bytes) is None else as_bytes(size),
            "added by levels": f"{added}, {n_files:,} files",
            **({"seconds of jobs": f"{sum(seconds):.3g}"} if seconds else {}),
        },
    }


def _verdict(last: int, faults: Sequence[str], findings: Sequence[Finding]) -> str:
    """Return what is to know first; `last` is the number of the coarsest level."""
    if faults:
        return f"{'; '.join(faults)}. Run the workflow again, which makes them again."
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
    return verdict


def _equals(image: Image) -> str:
    """Return what a voxel of a level is of those voxels."""
    weights = image.plan.image.weights
    if weights:
        return f"their mean, each weighed by its voxel of {weights}; the plain mean where all are 0"
    return METHODS[image.plan.image.method].equals


def _window(no_data: NoData) -> str:
    """Return what the voxels of a window are of which a voxel is made."""
    if not no_data.is_given:
        return "the voxels in its window"
    return f"the data in its window (no data where that is less than {no_data.share:g} of it)"


def _level_row(facts: Sequence[LevelFacts], level: LevelFacts) -> Sequence[str]:
    plan, rate = level.plan, _rate(facts, level.plan.level)
    size = level.stored_bytes
    return (
        str(plan.level),
        crosses(plan.factors) if plan.level else "-",
        crosses(plan.shape),
        crosses(level.voxel_size),
        crosses(plan.chunks),
        crosses(plan.shards) if plan.shards else "-",
        "-" if level.n_objects is None else f"{level.n_objects:,}",
        "-" if size is None else as_bytes(size),
        "-" if size is None else f"{size / plan.raw_bytes:.1%}",
        *(_short(level.statistics.get(key)) for key in ("mean", "min", "max", "n_nan")),
        *("-" if n is None else f"{n:.3g}" for n in (level.seconds, level.planned_seconds, rate)),
        *("-" if n is None else as_bytes(n) for n in (level.peak_bytes, level.planned_bytes)),
        str(level.statistics.get("digest", "-"))[:12],
    )


def _drift(image: Image, facts: Sequence[LevelFacts], is_labels: bool) -> dict[str, Any]:
    """Return how statistics move from level to level: a chart and a sentence, where there are."""
    known = [level for level in facts if level.number("mean") is not None]
    if len(known) < 2 or is_labels:
        return {"drift": None}
    found = {key: [level.number(key) or 0.0 for level in known] for key in ("min", "mean", "max")}
    # Where means are rounded once, each voxel counts as often as it stands for one of level 0.
    weighted = [level.number("weighted_mean") for level in known[1:]]
    is_weighted = None not in weighted
    if is_weighted:
        found["mean"][1:] = [mean or 0.0 for mean in weighted]
    if any(value in (float("inf"), float("-inf")) for values in found.values() for value in values):
        found = {"mean": found["mean"]}
    numbers = [level.plan.level for level in known]
    span = max(found.get("max", [0.0])) - min(found.get("min", [0.0]))
    drift = max(abs(mean - found["mean"][0]) for mean in found["mean"])
    said = f"The mean drifts by at most {drift:.3g}"
    said += f", {drift / span:.2g} of the range of values." if span else "."
    if is_weighted:
        said += " Each voxel counts as often as it has voxels of level 0 below it: rounding alone"
        said += " moves the mean, by half a unit at most."
    elif METHODS[image.plan.image.method].rounds:
        said += " Windows that stick out at an odd edge and rounding are what moves it."
    if image.plan.image.weights:
        said += " The weights move it too."
    if image.plan.levels[-1].no_data.is_given:
        said += " No data counts as the number that stands for it, and moves it too."
    alt = f"Charts of {', '.join(found)} by level, from {numbers[0]} to {numbers[-1]}. {said}"
    return {"drift": drift_chart(numbers, found, alt), "drift_text": said}


def _histogram(previews: Sequence[Preview], edges: Edges) -> Any:
    counts = {
        preview.level: preview.counts.tolist() for preview in previews if preview.counts is not None
    }
    if not counts:
        return None
    named = ", ".join(map(str, sorted(counts)))
    alt = f"Histograms of levels {named}, from {edges[0]:.6g} to {edges[-1]:.6g}"
    return histogram_chart(edges.tolist(), counts, alt)


def _speed(facts: Sequence[LevelFacts]) -> Any:
    timed = [(level, _rate(facts, level.plan.level)) for level in facts[1:] if level.seconds]
    known = [(level.plan.level, level.seconds or 0.0, rate) for level, rate in timed if rate]
    if not known:
        return None
    numbers, seconds, rates = zip(*known, strict=True)
    told = (f"level {level}: {wall:.3g} s, {rate:.3g} GB/s" for level, wall, rate in known)
    return speed_chart(numbers, seconds, rates, f"Seconds and GB/s by level: {'; '.join(told)}")


def _rate(facts: Sequence[LevelFacts], level: int) -> float | None:
    """Return the GB/s at which a level's job went through the voxels of the level before."""
    seconds = facts[level].seconds
    if not level or not seconds:
        return None
    return facts[level - 1].plan.raw_bytes / seconds / 1e9


def _versions() -> dict[str, str]:
    versions = {"zarrpyramid": __version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # only some are needed to build a level
    return versions


def _short(value: Any) -> str:
    """Return a statistic for people; of a complex one the real and the imaginary part."""
    if isinstance(value, list):
        return " + ".join(f"{float(part):.6g}{'i' * place}" for place, part in enumerate(value))
    return f"{value:.6g}" if isinstance(value, float) else number(value)


def as_bytes(size: int) -> str:
    """Return bytes for people.

    >>> as_bytes(999), as_bytes(25_113_866)
    ('999 B', '25.1 MB')
    """
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"
