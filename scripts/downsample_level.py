"""Build one level from the one before it, or gather its parts, and write its sentinel."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from contextlib import ExitStack

    from zarrpyramid.config import restore
    from zarrpyramid.downsample import Progress, build_level, gather_level, withdraw_results
    from zarrpyramid.metadata import load_sentinel, part_sentinels, write_sentinel
    from zarrpyramid.plan import expectation, open_image

with job_log(job.log, job.timing) as told, ExitStack() as looks:
    image = open_image(restore(job.params.image), looks=looks)
    sentinel = Path(job.output.sentinel)
    results = sentinel.parents[1]
    level = job.level
    finer = load_sentinel(Path(job.input.finer))
    if job.n_parts:
        parts = [load_sentinel(Path(path)) for path in part_sentinels(results, level, job.n_parts)]
        record = gather_level(image, level, finer, parts, results=results, looks=looks)
    else:
        logs = Path(job.timing).parent
        told.update(expectation(image, level, job.threads, logs))
        with Progress(image, level, log=job.log) as progress:
            record = build_level(
                image,
                level,
                finer,
                n_workers=job.threads,
                results=results,
                on_block=progress.update,
                before_rebuild=lambda: withdraw_results(results),
                looks=looks,
            )
        told.update(voxels=progress.n_voxels)
    write_sentinel(sentinel, record)
