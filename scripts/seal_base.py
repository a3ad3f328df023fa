"""Make level 0 fit to be listed, and write its sentinel."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from contextlib import ExitStack

    from zarrpyramid.config import restore
    from zarrpyramid.downsample import seal_base
    from zarrpyramid.errors import StoreError
    from zarrpyramid.metadata import write_sentinel
    from zarrpyramid.plan import open_image

with job_log(job.log, job.timing), ExitStack() as looks:
    if job.params.refused:
        raise StoreError(job.params.refused)
    image = open_image(restore(job.params.image), looks=looks)
    sentinel = Path(job.output.sentinel)
    write_sentinel(sentinel, seal_base(image, sentinel.parents[1]))
