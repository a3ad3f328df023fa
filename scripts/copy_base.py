"""Take level 0 from its source, as a copy or a link, and write the sentinel of that."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from contextlib import ExitStack

    from zarrpyramid.config import restore
    from zarrpyramid.downsample import (
        Progress,
        copy_base,
        gather_level,
        withdraw_results,
        write_source,
    )
    from zarrpyramid.metadata import load_sentinel, part_sentinels, write_sentinel
    from zarrpyramid.plan import open_image, source_layout

with job_log(job.log, job.timing), ExitStack() as looks:
    image = open_image(restore(job.params.image), looks=looks)
    sentinel = Path(job.output.sentinel)
    layout, results = source_layout(image), sentinel.parent
    if job.n_parts:
        parts = [load_sentinel(Path(path)) for path in part_sentinels(results, 0, job.n_parts)]
        record = gather_level(image, 0, {}, parts, results=results, looks=looks)
    else:
        with Progress(image, 0, log=job.log) as progress:
            record = copy_base(
                image,
                n_workers=job.threads,
                results=results,
                on_block=progress.update,
                before_rebuild=lambda: withdraw_results(results),
                layout=layout,
                looks=looks,
            )
    write_source(image, results, layout)
    write_sentinel(sentinel, record)
