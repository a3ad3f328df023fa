"""Count the ids of a label image's levels, and name those that vanished."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.metadata import load_sentinel, write_sentinel
    from zarrpyramid.plan import open_image
    from zarrpyramid.report import label_table, report_labels

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    records = [load_sentinel(Path(path)) for path in snakemake.input.levels]
    sentinel = Path(snakemake.output.sentinel)
    report = report_labels(
        image,
        records,
        Path(snakemake.output.vanished),
        n_workers=snakemake.threads,
    )
    Path(snakemake.output.table).write_text(label_table(image, report), encoding="utf-8")
    write_sentinel(sentinel, report)
