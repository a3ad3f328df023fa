"""Sum up what was built, as a table and as a report with pictures."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.metadata import load_sentinel
    from zarrpyramid.plan import open_image
    from zarrpyramid.report import level_facts, report_pyramid, summarize_pyramid
    from zarrpyramid.stores import write_aside

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    records = [load_sentinel(Path(path)) for path in snakemake.input.levels]
    facts = level_facts(image, records, Path(snakemake.params.timings))
    report = report_pyramid(image, records, facts)
    write_aside(Path(snakemake.output.report), report.encode())
    write_aside(Path(snakemake.output.table), summarize_pyramid(image, facts).encode())
