"""What became of the ids of a label image, where `label_report` asks for it.

Requires: the sentinels of all levels, and the levels that they speak of.
Makes: results/{image}/labels.json, a table of it, and a list of all vanished ids.
"""


rule report_labels:
    input:
        levels=made_before(RUN.level_sentinels),
    output:
        sentinel="<results>/{image}/labels.json",
        table=report(
            "<results>/{image}/labels.md",
            caption="../report/labels.rst",
            category="Labels",
            labels={"image": "{image}", "file": "counts"},
        ),
        vanished=report(
            "<results>/{image}/labels-vanished.tsv",
            caption="../report/vanished.rst",
            category="Labels",
            labels={"image": "{image}", "file": "ids that vanish"},
        ),
    log:
        text="<logs>/{image}/labels.log",
        timing="<logs>/{image}/labels.json",
    conda:
        "../../environment.yml"
    threads: of_job(RUN.threads)
    resources:
        **needed("report_labels"),
    params:
        given=handed(image=RUN.settings),
    message:
        "Counting the labels of {wildcards.image}"
    shell:
        job_script("report_labels")
