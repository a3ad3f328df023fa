"""The run that the configuration asks for, and how rules ask it; no rule.

A mistake of the user's ends the parse with one line and without a traceback.
"""

import re
import shlex
import sys
from pathlib import Path

from snakemake.logging import logger

from zarrpyramid.config import check_twice
from zarrpyramid.errors import PyramidError
from zarrpyramid.plan import Batch, Job, Run, doubts
from zarrpyramid.downsample import Mode, Start, hand_job, is_worth_saying
from zarrpyramid.report import close_run

# To what functions return, Snakemake adds a module's prefix, but not its pathvars.
RESULTS, LOGS = (workflow.pathvars.apply(name) for name in ("<results>", "<logs>"))
FOLDERS = [Path(workflow.modifier.modify_path(name)) for name in (RESULTS, LOGS)]

# With none of them, Snakemake divides by zero or waits for ever.
for option, n in (
    ("--cores", workflow.resource_settings.cores),
    ("--jobs", workflow.resource_settings.nodes),
):
    if isinstance(n, int) and n < 1:
        raise SystemExit(f"zarrpyramid: {option} {n}: expected a number >= 1; give {option} 1")

if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    for doubt in doubts(config, workflow.overwrite_configfiles, f"{workflow.basedir}/config.yaml"):
        logger.warning(f"zarrpyramid: warning: {doubt}")
try:
    if workflow.is_main_process and workflow.modifier.is_main_snakefile():
        check_twice(map(Path, workflow.configfiles))
    RUN = Run(config, results=RESULTS, folder=FOLDERS[0], logs=FOLDERS[1])
except PyramidError as error:
    raise SystemExit(f"zarrpyramid: {error}") from None
if workflow.is_main_process:  # a job's process looks at its own image alone
    RUN.check()
    for shown in workflow.logger_manager.get_log_handlers():
        if hasattr(shown, "expect"):  # our logger, which has a bar for each level
            shown.expect(RUN.shapes())
START = Start(RUN, close_run)

# Of an environment that Snakemake makes for a rule, else Snakemake's own, as with `script`.
ENVIRONMENTS = {method.name for method in workflow.deployment_settings.deployment_method}
PYTHON = "python" if ENVIRONMENTS & {"CONDA", "APPTAINER"} else sys.executable

RULES = workflow.current_basedir.get_path_or_uri(secret_free=True)


def is_shown(record):
    """Tell whether a record of Snakemake's is shown; for a run without jobs it has no hook."""
    START.has_succeeded |= record.getMessage().startswith("Nothing to be done")
    return is_worth_saying(record, RULES)


logger.addFilter(is_shown)


wildcard_constraints:
    # In a module its own images alone, so that two modules can share a folder of results.
    image=(
        rf"(?!{re.escape(RUN.title)}/)[A-Za-z0-9_][A-Za-z0-9_.-]*"
        if workflow.modifier.is_main_snakefile()
        else "|".join(map(re.escape, RUN.images))
    ),
    level=r"\d+",


def mode():
    """Return how Snakemake runs, which it does not know yet while it parses."""
    rate = getattr(workflow.scheduling_settings, "max_jobs_per_timespan", None)
    if rate is not None and not rate.timespan:  # none at all, as the default profile means it
        workflow.scheduling_settings.max_jobs_per_timespan = None
    return Mode(
        is_main=workflow.is_main_process,
        executes=workflow.executor_plugin is not None,
        touches=workflow.touch,
        is_dry=workflow.dryrun,
        goes_on=getattr(workflow.execution_settings, "keep_going", False),
        is_elsewhere=workflow.non_local_exec,
        is_quiet="ALL" in {what.name for what in workflow.output_settings.quiet or ()},
    )


def of_job(answer, kind=Job):
    """Return a function of wildcards that asks the run about a job."""
    return lambda wildcards: answer(kind.of(wildcards))


def unwatched(answer, kind=Job):
    """Return the same; taking `input` keeps what it returns out of Snakemake's rerun triggers."""
    return lambda wildcards, input: answer(kind.of(wildcards))


def handed(**answers):
    """Return a function of what a job's script reads: its files, and what the run answers of it."""

    def given(wildcards, input, output, threads):
        job, files = Job.of(wildcards), [dict(input.items()), dict(output.items())]
        return hand_job(job, *files, threads, {name: of(job) for name, of in answers.items()})

    return given


def job_script(name):
    """Return the command of a rule's script; by the directive `script` a job takes 0.1 s more."""
    script = shlex.join([PYTHON, f"{SCRIPTS}/{name}.py"]).replace("{", "{{").replace("}", "}}")
    return script + " {log.text:q} {log.timing:q} <<< {params.given:q}"


def in_run(answer):
    """Return the same for a submission; a dry run shows the jobs of one in no order."""
    return lambda wildcards: None if workflow.dryrun else answer(Job.of(wildcards))


def made_before(answer):
    """Return the same for inputs, before which the image is held and stale sentinels go."""
    return lambda wildcards: answer(START.ready(wildcards, mode()))


def base_inputs(wildcards):
    """Return what level 0 waits for; a module's prefix is not for the files of others."""
    sentinels, others = START.base_inputs(wildcards, mode())
    return [*sentinels, *map(local, others)]


def needed(rule, kind=Job):
    """Return the resources of a rule's jobs by name; more at each attempt."""

    def amount(key):
        return lambda wildcards, threads, attempt: (
            attempt * RUN.resources(rule, kind.of(wildcards), threads)[key]
        )

    return {key: amount(key) for key in ("mem_mb", "runtime", "disk_mb")}


def batch_inputs(wildcards):
    """Return nothing: level 0 is there; images of the batch are held and stale sentinels go."""
    START.batch_ready(wildcards, mode())
    return []


def after_all(answer):
    """Return a function of wildcards that asks the run when every image is settled."""

    def answered(wildcards):
        START.settle_all(mode())
        return answer()

    return answered


onsuccess:
    START.has_succeeded = True
