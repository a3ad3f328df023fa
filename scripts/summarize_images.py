"""Sum up all images of a run, as a table and as a page with a picture of each."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.plan import Run
    from zarrpyramid.report import image_rows, report_images, summarize_images
    from zarrpyramid.stores import write_aside

with job_log(snakemake.log.text, snakemake.log.timing):
    run = Run.again(snakemake.params.run)
    table, report = Path(snakemake.output.table), Path(snakemake.output.report)
    rows = image_rows(run, table.parents[1])
    write_aside(report, report_images(run, rows).encode())
    write_aside(table, summarize_images(run, rows).encode())
