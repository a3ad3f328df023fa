"""Tables of what was built, of one image and of all images of a run, and the lines that say so.

They come from records and timings; no voxel is read.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import reported_faults
from zarrpyramid.geometry import count
from zarrpyramid.plan import (
    DECISION_COLUMNS,
    decision_rows,
    level_timings,
    missing_line,
    read_timing,
    times,
)
from zarrpyramid.programs import command, napari_command, view_command
from zarrpyramid.stores import as_arguments, write_aside
from zarrpyramid.tables import markdown_table

from .facts import number

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from zarrpyramid.downsample import Failure
    from zarrpyramid.plan import Image

    from .facts import LevelFacts

_COLUMNS = (
    "level", "factors", "shape", "voxel size", "chunks", "objects", "bytes",
    "mean", "min", "max", "jobs", "seconds", "planned", "MB a job", "planned MB", "digest",
)  # fmt: skip
_IMAGE_COLUMNS = ("image", "state", "levels", "shape", "voxels", "seconds", "where, or why not")


def summarize_pyramid(image: Image, facts: Sequence[LevelFacts]) -> str:
    """Return a table of the levels, level 0 first, and a table of what was decided."""
    plan = image.plan
    levels = markdown_table(_COLUMNS, map(_row, facts)) + _missing(facts[0])
    decisions = markdown_table(DECISION_COLUMNS, decision_rows(plan.decisions))
    return f"# {plan.image.name}\n\n`{plan.where}`\n\n{levels}\n{decisions}"


def _missing(base: LevelFacts) -> str:
    """Return a line about the objects that level 0 lacks, where they were counted."""
    missing = missing_line(base.n_objects, base.plan.n_objects)
    return f"\n{missing} (`missing_chunks: error` refuses that).\n" if missing else ""


def write_overview(
    images: Mapping[str, Image | None],
    refused: Mapping[str, str],
    failed: Sequence[Failure],
    results: Path,
    logs: Path,
    *,
    batched: Collection[str] = (),
) -> None:
    """Write a table of all images of a run into the folder of results, whatever became of them.

    Parameters
    ----------
    images
        By name; None where not even a plan could be made.
    refused
        Why images were refused before the run, by name.
    failed
        The jobs that did not end well; those that were interrupted failed not.
    batched
        Names of the images that are built in batches.

    Raises
    ------
    StoreError
        If the table cannot be written.
    """
    reasons = {**refused, **{job.image: job.reason for job in failed if not job.is_interrupt}}
    rows = [
        _image_row(name, image, reasons, results, logs, in_batch=name in batched)
        for name, image in images.items()
    ]
    n_done = sum(row[1] == "done" for row in rows)
    table = markdown_table(_IMAGE_COLUMNS, rows)
    text = f"# Images\n\n{n_done_text(n_done, len(rows))}.\n\n{table}".encode()
    path = results / "summary.md"
    if not path.exists() or path.read_bytes() != text:  # a run that does nothing writes nothing
        write_aside(path, text)


def success_lines(
    images: Sequence[Image], results: Path, logs: Path, *, title: str = ""
) -> list[str]:
    """Return the lines that end a run: what is there, the report, and how to look at an image.

    Parameters
    ----------
    images
        Those that are complete; of more than one, the first is named as what can be looked at.
    results, logs
        Folders of all images. In the logs the jobs' seconds are. GB/s are of voxels read, by
        the seconds of all jobs of levels, which may have run side by side.
    title
        Name of the summary that all images have together, or "".
    """
    first = images[0]
    if len(images) == 1 and not title:
        name = first.plan.image.name
        lines, report = [_success_line(first, logs / name)], results / name / "report.html"
    else:
        n_levels = sum(len(image.plan.levels) - 1 for image in images)
        whose = f"{title}: " if title else ""
        n_images = f"{len(images)} image{'s' * (len(images) != 1)}"
        lines = [
            f"zarrpyramid: {whose}the pyramids of {n_images} are complete ({n_levels} levels "
            f"made); all of them: {near(results / 'summary.md')}"
        ]
        report = results / title / "report.html" if title else results / "index.html"
    if len(images) == 1 and first.source:
        lines.append(f"  source: {first.source.name}")
    ways = (f"  {way}" for way in _ways_to_look(first))
    return [
        *lines,
        f"  report: {near(report)}",
        *ways,
        *(f"  {line}" for line in sizes_to_give(images)),
    ]


def sizes_to_give(images: Sequence[Image]) -> list[str]:
    """Return a line that says of which image nobody has said how large voxels are."""
    unsized = [image for image in images if image.plan.unsized]
    if not unsized:
        return []
    more = f" and {len(unsized) - 1} more" if len(unsized) > 1 else ""
    whose = f"{unsized[0].plan.image.name}{more}: " if len(images) > 1 else ""
    return [f"{whose}{size_to_give(unsized[0])}"]


def size_to_give(image: Image, option: str = "--config") -> str:
    """Return along which axes nothing says how large voxels are, and how to say it, or "".

    `option` gives settings to the command that is named: `--config`, or `--set`, once for each.
    """
    plan = image.plan
    if not plan.unsized:
        return ""
    given = plan.asked.voxel_size
    known = {**given} if isinstance(given, dict) else {}
    wanted = {**known, **dict.fromkeys(plan.unsized, "SIZE")}
    sizes = ", ".join(f"{name}: {size}" for name, size in wanted.items())
    unit = "unit=micrometer" if option == "--config" else f"{option} unit=micrometer"
    words = [f'{option} "voxel_size={{{sizes}}}"']
    words += [] if any(axis.unit for axis in plan.axes) else [unit]
    return (
        f"voxel size unknown along {', '.join(plan.unsized)}: voxels count as cubes; give "
        f"{' '.join(words)}"
    )


def _success_line(image: Image, logs: Path) -> str:
    plan = image.plan
    name, last, where = plan.image.name, len(plan.levels) - 1, shlex.quote(_where(image))
    seconds = n_bytes = 0.0
    for level in plan.levels[1:]:
        # A level that was up to date has read nothing.
        told = [job for job in level_timings(image, level.level, logs) if job.get("voxels")]
        seconds += sum(job["seconds"] for job in told)
        n_bytes += sum(job["voxels"] for job in told) * plan.levels[level.level - 1].item_size
    speed = f", {seconds:.3g} s of jobs, {n_bytes / seconds / 1e9:.2g} GB/s" if n_bytes else ""
    first = int(image.is_companion)  # whose level 0 is another image's
    if not last:
        built = "level 0 is small enough to stand alone"
    elif first == last:
        built = f"level {last} is complete"
    else:
        built = f"levels {first} to {last} are complete"
    n_voxels = count(plan.levels[0].shape)
    return f"zarrpyramid: {name}: {built} in {where} ({n_voxels:,} voxels{speed})"


def _ways_to_look(image: Image) -> list[str]:
    """Return the commands that show an image where this process runs."""
    where, plan = _where(image), image.plan
    ways = []
    if plan.lists_levels and not image.store.is_remote:
        ways = list(filter(None, (view_command(where), napari_command(where))))
    return ways or [_command("status", image)]


def _command(word: str, image: Image) -> str:
    """Return a command that looks at an image."""
    options = as_arguments(image.store.options)
    return command("zarrpyramid", word, _where(image)) + options


def _where(image: Image) -> str:
    """Return the path of an image's group as a user types it."""
    where = image.plan.where
    return where if image.store.is_remote else near(Path(where))


def is_built(image: Image, results: Path) -> bool:
    """Tell whether all levels of an image are there, and are listed."""
    listed = results / image.plan.image.name / "multiscales.json"
    return all(_levels_there(image, results)) and listed.exists()


def is_done(image: Image, results: Path, *, in_batch: bool = False) -> bool:
    """Tell whether all that a run makes of an image is there; of one in a batch, no report."""
    made = [] if in_batch else ["summary.md", "report.html"]
    made += ["labels.json"] * image.plan.image.label_report
    folder = results / image.plan.image.name
    return is_built(image, results) and all((folder / file).exists() for file in made)


def reported_fault(image: Image, results: Path) -> str:
    """Return why the report of an image that is built says Incomplete, and what mends it, or ""."""
    faults = reported_faults(results / image.plan.image.name) if is_built(image, results) else []
    if not faults:
        return ""
    first, n_more = faults[0].removesuffix("."), len(faults) - 1
    if ";" not in first:  # it names no way out
        first += f"; {_command('verify', image)} tells more"
    return f"the first of {n_more + 1} reasons: {first}" if n_more else first


def levels_done(image: Image, results: Path) -> str:
    """Return which levels of an image that is not done are complete."""
    there = _levels_there(image, results)
    if all(there):
        return "all levels are complete, and the list of them or the report is not"
    done = [level for level, is_there in enumerate(there) if is_there]
    left = [level for level, is_there in enumerate(there) if not is_there]
    if not done:
        return (
            f"none of {level_names(left)} is complete"
            if len(left) > 1
            else "level 0 is not complete"
        )
    return f"{level_names(done)} {_are(done)} complete, {level_names(left)} {_are(left)} not"


def level_names(numbers: Sequence[int]) -> str:
    """Return levels as a person names them.

    >>> level_names([0]), level_names([1, 2]), level_names([0, 1, 2, 3, 5])
    ('level 0', 'levels 1 and 2', 'levels 0 to 3 and 5')
    """
    runs: list[list[int]] = []
    for level in numbers:
        if runs and level == runs[-1][-1] + 1:
            runs[-1].append(level)
        else:
            runs.append([level])
    words: list[str] = []
    for run in runs:
        words += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)
    *first, last = words
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"level{'s' * (len(numbers) > 1)} {listed}"


def _are(things: Sequence[object]) -> str:
    return "is" if len(things) == 1 else "are"


def n_done_text(n_done: int, n_all: int) -> str:
    """Return how many images are done.

    >>> n_done_text(1, 3), n_done_text(0, 1), n_done_text(2, 2)
    ('1 of 3 images is done', '0 of 1 image is done', '2 of 2 images are done')
    """
    verb = "is" if 1 in (n_done, n_all) else "are"
    return f"{n_done} of {n_all} image{'s' * (n_all != 1)} {verb} done"


def near(path: Path) -> str:
    """Return a path as a user types it who stands in the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if here in path.parents else path)


def _levels_there(image: Image, results: Path) -> list[bool]:
    folder = results / image.plan.image.name / "levels"
    return [(folder / f"{level.level}.json").exists() for level in image.plan.levels]


def _image_row(
    name: str,
    image: Image | None,
    failed: Mapping[str, str],
    results: Path,
    logs: Path,
    *,
    in_batch: bool,
) -> Sequence[str]:
    """Return the row of an image: done, failed, incomplete by its report, or absent.

    An image is absent where the run ended before its turn.
    """
    if image is None:
        return (name, "failed", "-", "-", "-", "-", failed[name])
    plan, there = image.plan, _levels_there(image, results)
    wrong = "" if in_batch else reported_fault(image, results)
    if name in failed:
        state = "failed"
    elif is_done(image, results, in_batch=in_batch):
        state = "incomplete" if wrong else "done"
    else:
        state = "absent"
    seconds = [read_timing(path).get("seconds") for path in (logs / name).glob("*.json")]
    return (
        name,
        state,
        f"{sum(there)} of {len(there)}",
        times(plan.levels[0].shape),
        str(count(plan.levels[0].shape)),
        f"{sum(filter(None, seconds)):.3f}" if any(seconds) else "-",
        failed.get(name) or wrong or plan.where,
    )


def _row(facts: LevelFacts) -> Sequence[str]:
    plan = facts.plan
    planned, peak, room = facts.planned_seconds, facts.peak_bytes, facts.planned_bytes
    return (
        str(plan.level),
        times(plan.factors) if plan.level else "-",
        times(plan.shape),
        times(facts.voxel_size),
        times(plan.write_shape),
        number(facts.n_objects),
        number(facts.stored_bytes),
        *(number(facts.statistics.get(key)) for key in ("mean", "min", "max")),
        number(facts.n_jobs or None),
        number(facts.seconds),
        "-" if planned is None else f"{planned:.1f}",
        "-" if peak is None else f"{peak / 1e6:.0f}",
        "-" if room is None else f"{room / 1e6:.0f}",
        f"`{facts.statistics.get('digest', '-')}`",
    )
