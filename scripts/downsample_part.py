"""Build one part of a level that is open, and write its sentinel."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from contextlib import ExitStack

    from zarrpyramid.config import restore
    from zarrpyramid.downsample import Progress, build_part
    from zarrpyramid.metadata import load_sentinel, write_sentinel
    from zarrpyramid.plan import expectation, open_image

with job_log(job.log, job.timing) as told, ExitStack() as looks:
    image = open_image(restore(job.params.image), looks=looks)
    # A level 0 that is made of files has no level before it.
    finer = load_sentinel(Path(job.input.finer)) if job.input.finer else {}
    level, logs = job.level, Path(job.timing).parent
    told.update(expectation(image, level, job.threads, logs))
    sentinel = Path(job.output.sentinel)
    part = job.part
    with Progress(image, level, log=job.log, part=part) as progress:
        record = build_part(
            image,
            level,
            part,
            finer,
            load_sentinel(Path(job.input.opening)),
            n_workers=job.threads,
            results=sentinel.parents[1],
            on_block=progress.update,
            looks=looks,
        )
    told.update(voxels=progress.n_voxels)
    write_sentinel(sentinel, record)
