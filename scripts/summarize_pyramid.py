"""Sum up what was built, as a table and as a report with pictures."""

from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from contextlib import ExitStack

    from zarrpyramid.config import restore
    from zarrpyramid.metadata import load_sentinel
    from zarrpyramid.plan import open_image
    from zarrpyramid.report import level_facts, report_pyramid, summarize_pyramid
    from zarrpyramid.stores import write_aside

with job_log(job.log, job.timing), ExitStack() as looks:
    image = open_image(restore(job.params.image), looks=looks)
    looks.enter_context(image.looked_at(*range(len(image.plan.levels))))
    records = [load_sentinel(Path(path)) for path in job.input.levels]
    facts = level_facts(image, records, Path(job.params.timings))
    report = report_pyramid(image, records, facts, n_workers=job.threads)
    write_aside(Path(job.output.report), report.encode())
    write_aside(Path(job.output.table), summarize_pyramid(image, facts).encode())
