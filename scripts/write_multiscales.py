"""List the levels in the group's attributes, after removing those beyond the plan."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from contextlib import ExitStack

    from zarrpyramid.config import restore
    from zarrpyramid.downsample import write_multiscales
    from zarrpyramid.metadata import remove_beyond, write_sentinel
    from zarrpyramid.plan import open_image

with job_log(job.log, job.timing), ExitStack() as looks:
    image = open_image(restore(job.params.image), looks=looks)
    sentinel = Path(job.output.sentinel)
    record = write_multiscales(image)
    remove_beyond(sentinel.parent / "levels", len(image.plan.levels) - 1)
    write_sentinel(sentinel, record)
