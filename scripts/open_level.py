"""Clear a level's place for the jobs that make its parts."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from contextlib import ExitStack

    from zarrpyramid.config import restore
    from zarrpyramid.downsample import open_level, withdraw_results
    from zarrpyramid.metadata import load_sentinel, write_sentinel
    from zarrpyramid.plan import open_image

with job_log(job.log, job.timing), ExitStack() as looks:
    image = open_image(restore(job.params.image), looks=looks)
    # A level 0 that is made of files has no level before it.
    finer = load_sentinel(Path(job.input.finer)) if job.input.finer else {}
    sentinel = Path(job.output.sentinel)
    results = sentinel.parents[1]
    record = open_level(
        image,
        job.level,
        finer,
        results=results,
        before_rebuild=lambda: withdraw_results(results),
        looks=looks,
    )
    write_sentinel(sentinel, record)
