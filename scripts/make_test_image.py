"""Make level 0 of an image that asks for a test image."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import Note, make_test_image
    from zarrpyramid.geometry import count
    from zarrpyramid.metadata import write_sentinel
    from zarrpyramid.plan import open_image

with job_log(job.log, job.timing):
    image = open_image(restore(job.params.image))
    with Note(job.log, count(image.plan.levels[0].shape)) as note:
        record = make_test_image(image, n_workers=job.threads, on_block=note.update)
    write_sentinel(Path(job.output.sentinel), record)
