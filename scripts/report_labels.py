"""Count the ids of a label image's levels, and name those that vanished."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import Note
    from zarrpyramid.geometry import count
    from zarrpyramid.metadata import load_sentinel, write_sentinel
    from zarrpyramid.plan import open_image
    from zarrpyramid.report import label_table, report_labels

with job_log(job.log, job.timing):
    image = open_image(restore(job.params.image))
    records = [load_sentinel(Path(path)) for path in job.input.levels]
    sentinel = Path(job.output.sentinel)
    n_voxels = sum(count(level.shape) for level in image.plan.levels)
    with Note(job.log, n_voxels) as note:
        report = report_labels(
            image,
            records,
            Path(job.output.vanished),
            n_workers=job.threads,
            on_block=note.update,
        )
    Path(job.output.table).write_text(label_table(image, report), encoding="utf-8")
    write_sentinel(sentinel, report)
