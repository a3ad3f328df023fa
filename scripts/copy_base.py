"""Take level 0 from its source, as a copy or a link, and write the sentinel of that."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import Progress, copy_base, gather_level, write_source
    from zarrpyramid.metadata import load_sentinel, write_sentinel
    from zarrpyramid.plan import open_image, source_layout

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    sentinel = Path(snakemake.output.sentinel)
    layout, results = source_layout(image), sentinel.parent
    if snakemake.input.parts:
        parts = [load_sentinel(Path(path)) for path in snakemake.input.parts]
        record = gather_level(image, 0, {}, parts, results=results)
    else:
        with Progress(image, 0) as progress:
            record = copy_base(
                image,
                n_workers=snakemake.threads,
                results=results,
                on_block=progress.update,
                # The list loses the levels, so the list's sentinel must go first.
                before_rebuild=lambda: (results / "multiscales.json").unlink(missing_ok=True),
            )
    write_source(image, results, layout)
    write_sentinel(sentinel, record)
