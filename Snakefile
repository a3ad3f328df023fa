"""Image pyramids for zarr arrays: one sentinel a level, each made from the one before."""

from snakemake.utils import min_version

min_version("9.27")


configfile: workflow.source_path("config.yaml")


report: "workflow/report/workflow.rst"


include: "workflow/rules/library.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/base.smk"
include: "workflow/rules/levels.smk"
include: "workflow/rules/multiscales.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/batches.smk"
include: "workflow/rules/verify.smk"


rule all:
    default_target: True
    input:
        after_all(RUN.targets),
    localrule: True


rule verify:
    input:
        lambda wildcards: START.verdicts(mode()),
    localrule: True
