"""Images of the configuration and functions of wildcards; no rule.

A mistake of the user's ends the parse with one line and without a traceback.
"""

import atexit
import functools
import os
import re
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path


def scripts_folder():
    """Return the folder of scripts and library, fetched where the Snakefile is a hosted one."""
    library = workflow.current_basedir.join("../../scripts/zarrpyramid")
    if hasattr(library, "hosted_repo"):
        # Snakemake fetches what is named alone: scripts, but nothing that they import. Its cache
        # keeps the paths of a repository.
        tree = library.hosted_repo.repo.commit(library.ref).tree[library.path]
        for item in tree.traverse():
            if item.type == "blob":
                workflow.source_path(f"../../{item.path}")
        fetched = workflow.source_path("../../scripts/zarrpyramid/__init__.py")
        return Path(fetched).parents[1]
    return Path(library.get_path_or_uri(secret_free=True)).parent


SCRIPTS = str(scripts_folder())
sys.path.insert(0, SCRIPTS)
# Snakemake appends a script's folder to the path of its job: an installed package of the same name
# would win there, and jobs would follow another recipe than the plan made here.
searched = [SCRIPTS, *filter(None, os.getenv("PYTHONPATH", "").split(os.pathsep))]
os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys(searched)))
# No job does linear algebra: its threads only cost 0.1 CPU s at the start of each.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import zarrpyramid

LIBRARY = Path(SCRIPTS, "zarrpyramid")  # what an installed package lays out has none beside it
if LIBRARY.exists() and not LIBRARY.samefile(Path(zarrpyramid.__file__).parent):
    raise SystemExit(
        f"zarrpyramid: {SCRIPTS} cannot be used beside {Path(zarrpyramid.__file__).parents[1]} in one "
        "workflow; take all modules from the same place, at the same tag or commit"
    )

from zarrpyramid.config import image_configs
from zarrpyramid.errors import PyramidError, suggestion
from zarrpyramid.metadata import read_node
from zarrpyramid.plan import base_layout, open_image, source_layout
from zarrpyramid.downsample import failures, refusal_line
from zarrpyramid.plan import check_places, check_room, nested_images
from zarrpyramid.plan import describe_level, provenance
from zarrpyramid.plan import (PROCESS_BYTES, Need, base_need, documents_need, labels_need, level_need, measured_rate)
from zarrpyramid.downsample import set_aside, stale_sentinels
from zarrpyramid.report import success_lines, write_overview
from zarrpyramid.stores import release_hold, take_hold


@functools.cache
def base_layout_of(name):
    """Return what level 0's objects look like, at one stat an object."""
    return base_layout(IMAGES[name])


@functools.cache
def source_layout_of(name):
    """Return what the objects look like that level 0 is taken from, where it is."""
    return source_layout(IMAGES[name])


# To what functions return, Snakemake adds a module's prefix, but not its pathvars.
NAMED_RESULTS = workflow.pathvars.apply("<results>")
RESULTS = Path(workflow.modifier.modify_path(NAMED_RESULTS))
LOGS = Path(workflow.modifier.modify_path(workflow.pathvars.apply("<logs>")))
STARTED = time.time()

try:
    CONFIGS = {image.name: image for image in image_configs(config, RESULTS)}
except PyramidError as error:
    raise SystemExit(f"zarrpyramid: {error}") from None


wildcard_constraints:
    # In a module its own images alone, so that two modules can share a folder of results.
    image=(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
        if workflow.modifier.is_main_snakefile()
        else "|".join(map(re.escape, CONFIGS))
    ),
    level=r"\d+",


IMAGES, REFUSED = {}, {}
for name, image_config in CONFIGS.items():
    try:
        IMAGES[name] = open_image(image_config)
    except PyramidError as error:
        REFUSED[name] = str(error)
NESTED = nested_images(IMAGES)
# Images whose level 0 may be made by this run: it is not yet what jobs will find.
MADE = {
    name
    for name, image in IMAGES.items()
    if CONFIGS[name].base_ready or read_node(image.store, image.level_path(0)) is None
}


@functools.cache
def why_refused(name):
    """Return what keeps an image from being built, or nothing."""
    if name in NESTED:
        return NESTED[name]
    if name in IMAGES:
        try:
            check_places(IMAGES[name])
            from_source = IMAGES[name].source is not None
            check_room(
                IMAGES[name], source_layout_of(name) if from_source else base_layout_of(name)
            )
        except PyramidError as error:
            return str(error)
    return REFUSED.get(name, "")


if workflow.is_main_process:  # a job's process looks at its own image alone
    REFUSED = {name: reason for name in CONFIGS if (reason := why_refused(name))}


def going_on():
    """Tell whether a failed image shall not keep the others from being built."""
    # Asked for targets, since Snakemake parses before it knows how it shall execute.
    return workflow.execution_settings and workflow.execution_settings.keep_going


def refuse():
    """End the run where images are refused, unless it shall go on with the others."""
    if REFUSED and workflow.is_main_process and not going_on():
        raise SystemExit(refusal_line(REFUSED, len(CONFIGS)))


HELD = []


def let_go(number, _):
    """Release all images, and end by the signal that came."""
    for held in HELD:
        release_hold(held)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def hold(name):
    """Hold an image until this process ends; where another run holds it, refuse it or end."""
    # Those that nobody handles end a process without a word; Snakemake takes over later.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, let_go)
    try:
        image = IMAGES[name]
        HELD.append(take_hold(image.store, image.path, makes_group=image.makes_group))
        atexit.register(release_hold, HELD[-1])
    except PyramidError as error:
        # Jobs elsewhere parse anew, and would not know of it.
        if not going_on() or workflow.non_local_exec:
            raise SystemExit(f"zarrpyramid: {error}") from None
        REFUSED[name] = str(error)


@functools.cache
def settle(name):
    """Set aside sentinels that the store contradicts; a run that makes nothing only tells."""
    if workflow.executor_plugin is None or workflow.touch or not workflow.is_main_process:
        return
    if name not in REFUSED and not workflow.dryrun:
        hold(name)
    if name in REFUSED:
        sealed = RESULTS / name / "levels" / "0.json"
        stale = {sealed: REFUSED[name]} if sealed.exists() else {}
    else:
        source = source_layout_of(name) if IMAGES[name].source else None
        stale = stale_sentinels(IMAGES[name], RESULTS / name, base_layout_of(name), source)
    if not workflow.dryrun:
        set_aside(stale)
        return
    for path, reason in stale.items():
        print(f"zarrpyramid: {path} is stale: {reason}; a run makes it again", file=sys.stderr)


def all_targets(wildcards):
    """Return every sentinel: a deleted one in the middle is not missed by asking for the last."""
    refuse()
    for name in CONFIGS:
        settle(name)  # a run that another one stops here leaves no list
    list_at_end()
    targets = []
    for name, image_config in CONFIGS.items():
        # The first job of a refused image fails with what is wrong.
        levels = range(1 if name in REFUSED else len(IMAGES[name].plan.levels))
        targets += [f"{NAMED_RESULTS}/{name}/levels/{level}.json" for level in levels]
        if name in REFUSED:
            continue
        made = ("multiscales.json", "summary.md", "report.html")
        targets += [f"{NAMED_RESULTS}/{name}/{file}" for file in made]
        if image_config.label_report:
            targets.append(f"{NAMED_RESULTS}/{name}/labels.json")
    return targets


def verify_targets(wildcards):
    """Return the report of every image, none of which a run takes over from an earlier one."""
    refuse()
    targets = [f"{NAMED_RESULTS}/{name}/verify.json" for name in CONFIGS]
    executes = workflow.executor_plugin is not None and not workflow.dryrun
    if executes and workflow.is_main_process:
        for target in targets:
            Path(target).unlink(missing_ok=True)
    return targets


@functools.cache
def settings_of(name):
    """Return an image's settings as Snakemake hands them to jobs."""
    return asdict(CONFIGS[name])


def image_settings(wildcards, input):
    """Return an image's settings; taking `input` keeps them out of Snakemake's rerun triggers."""
    return settings_of(wildcards.image)


def refusal(wildcards, input):
    """Return what keeps an image from being built; `input` as above."""
    return REFUSED.get(wildcards.image) or why_refused(wildcards.image)


def level_recipe(wildcards):
    """Return what the level must be, so that a change of it makes the level again."""
    plan = IMAGES[wildcards.image].plan
    given = (plan.image.compressor, plan.image.checksum)
    codecs = {} if given == ("same", False) else dict(zip(("compressor", "checksum"), given))
    return {**plan.levels[int(wildcards.level)].expected, **codecs}


def level_step(wildcards, input):
    """Return a level's rung of the ladder, for its message; `input` as above."""
    return describe_level(IMAGES[wildcards.image].plan, int(wildcards.level))


def listed_settings(wildcards):
    """Return what the list of levels depends on beside the levels themselves."""
    plan = IMAGES[wildcards.image].plan
    axes = [[axis.name, axis.type, axis.size, axis.unit, axis.offset] for axis in plan.axes]
    return [axes, provenance(plan)]


def level_sentinels(wildcards):
    """Return the sentinels of all levels of an image."""
    check_wildcards(wildcards)
    settle(wildcards.image)
    levels = range(len(IMAGES[wildcards.image].plan.levels))
    return [f"{NAMED_RESULTS}/{wildcards.image}/levels/{level}.json" for level in levels]


def finer_sentinel(wildcards):
    """Return the sentinel of the level before."""
    check_wildcards(wildcards)
    settle(wildcards.image)
    return f"{NAMED_RESULTS}/{wildcards.image}/levels/{int(wildcards.level) - 1}.json"


def part_sentinels(wildcards):
    """Return the sentinels of a level's parts; none where the level is one job."""
    check_wildcards(wildcards)
    image, level = wildcards.image, int(wildcards.level)
    n_parts = IMAGES[image].plan.cut(level).n_parts
    if n_parts == 1:
        return []
    names = [f"{level}.{part}-of-{n_parts}.json" for part in range(1, n_parts + 1)]
    return [f"{NAMED_RESULTS}/{image}/parts/{name}" for name in names]


def base_sentinel(wildcards):
    """Return what level 0 waits for: the sentinel of one that is made or taken here, or a file."""
    if wildcards.image in REFUSED:
        refuse()
        settle(wildcards.image)
        return []
    check_wildcards(wildcards)
    settle(wildcards.image)
    image = IMAGES[wildcards.image]
    if image.source:
        return f"{NAMED_RESULTS}/{wildcards.image}/base_copy.json"
    if image.plan.image.test_image:
        return f"{NAMED_RESULTS}/{wildcards.image}/test_image.json"
    # `local` keeps a module's prefix away from a file that others make.
    return local(CONFIGS[wildcards.image].base_ready) if CONFIGS[wildcards.image].base_ready else []


def source_settings(wildcards):
    """Return what level 0 is taken from, and what changes with any object of that.

    A link needs no second look: level 0's objects are the source's.
    """
    image = IMAGES[wildcards.image]
    watch = source_layout_of(wildcards.image).watch if image.copies else None
    return [image.source.name if image.source else None, image.copies, watch]


def watch_base(wildcards):
    """Return what changes with any object of level 0, for the jobs that depend on its voxels."""
    name = wildcards.image
    if int(wildcards.get("level", 0)) > 1 or name in REFUSED:
        return None
    if IMAGES[name].source:
        # Of a copy that this run makes again, Snakemake would note what it was before.
        return source_layout_of(name).watch
    if name in MADE:
        # Planned again, since what was declared of it is not all of its form.
        return base_layout(open_image(CONFIGS[name])).watch
    return base_layout_of(name).watch


def block_threads(wildcards):
    """Return the number of blocks that can run side by side; --cores scales it down."""
    plan, level = IMAGES[wildcards.image].plan, int(wildcards.get("level", 0))
    n_parts = plan.cut(level).n_parts if level else 1
    if n_parts > 1 and "part" not in wildcards.keys():
        return 1  # what the parts have seen is gathered
    return min(-(-plan.levels[level].n_chunks // n_parts), 32)


def log_folder(wildcards):
    """Return where an image's jobs say how long they took."""
    return str(LOGS / wildcards.image)


def last_group(wildcards):
    """Return the submission of an image's last jobs; a dry run shows a group's in no order."""
    return None if workflow.dryrun else f"{wildcards.image}-levels"


def level_group(wildcards):
    """Return what a cluster gets in one submission: an image's jobs that only wait for each other.

    Levels in parts, and all before them, are submissions of their own.
    """
    name, level = wildcards.image, int(wildcards.get("level", 0))
    if name not in IMAGES:
        return None
    plan = IMAGES[name].plan
    later = range(max(level, 1), len(plan.levels))
    in_parts = any(plan.cut(number).n_parts > 1 for number in later)
    return None if in_parts else last_group(wildcards)


@functools.cache
def rate_of(name):
    """Return the voxels a second that a core takes, by what the last run has measured."""
    return measured_rate(IMAGES[name], LOGS / name)


@functools.cache
def need_of(job, name, level, threads):
    """Return what a job needs; those of a refused image end before they need anything."""
    if name in REFUSED or name not in IMAGES:
        return Need(memory=PROCESS_BYTES, seconds=1.0, disk=0)
    if job in ("downsample_level", "downsample_part"):
        in_parts = IMAGES[name].plan.cut(level).n_parts > 1
        if job == "downsample_part" or not in_parts:
            return level_need(IMAGES[name], level, threads, rate_of(name))
    if job in ("make_test_image", "copy_base"):
        return base_need(IMAGES[name], threads, rate_of(name))
    if job == "report_labels":
        return labels_need(IMAGES[name], threads, rate_of(name))
    return documents_need(IMAGES[name])


def needed(job):
    """Return a job's resources by name, from the plan; `job` is its rule. More at each attempt."""

    def resource(key):
        def amount(wildcards, threads, attempt):
            level = int(wildcards.get("level", 0))
            need = need_of(job, wildcards.image, level, threads)
            return attempt * need.resources[key]

        return amount

    return {key: resource(key) for key in ("mem_mb", "runtime", "disk_mb")}


def check_wildcards(wildcards):
    """Refuse a target of an image or a level that is not in the configuration."""
    image, level = wildcards.image, int(wildcards.get("level", 0))
    if image in REFUSED:
        raise SystemExit(f"zarrpyramid: {REFUSED[image]}")
    if image not in IMAGES:
        raise SystemExit(
            f"zarrpyramid: there is no image {image}{suggestion(image, list(CONFIGS))}"
        )
    if "part" in wildcards.keys() and level < len(IMAGES[image].plan.levels):
        n_parts = IMAGES[image].plan.cut(level).n_parts
        if int(wildcards.n_parts) != n_parts or int(wildcards.part) > n_parts:
            raise SystemExit(f"zarrpyramid: level {level} of {image} has {n_parts} parts")
    if level >= len(IMAGES[image].plan.levels):
        last = len(IMAGES[image].plan.levels) - 1
        raise SystemExit(f"zarrpyramid: image {image} has no level {level}; its last is {last}")


@functools.cache
def list_at_end():
    """Have all images listed when this process ends, however it does."""
    if workflow.executor_plugin is None or workflow.dryrun or workflow.touch:
        return
    if workflow.is_main_process:
        images = {name: IMAGES.get(name) for name in CONFIGS}
        # Snakemake leaves its working directory before the end.
        folders = RESULTS.absolute(), LOGS.absolute()
        atexit.register(write_overview, images, REFUSED, *folders, since=STARTED)


# Said when Snakemake has said all, so that these lines are the last.
onsuccess:
    built = [
        image
        for name, image in IMAGES.items()
        if (RESULTS / name / "multiscales.json").exists()
    ]
    for line in reversed(success_lines(built, RESULTS, LOGS)):
        atexit.register(print, line, file=sys.stderr)


onerror:
    for failure in reversed(failures(LOGS, since=STARTED)):
        atexit.register(print, failure.line, file=sys.stderr)
