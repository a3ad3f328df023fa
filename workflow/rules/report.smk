"""What was built, as a table and as a page with pictures, for people.

Requires: the sentinels of all levels and of the list of them.
Makes: results/{image}/summary.md and results/{image}/report.html.
"""


rule summarize_pyramid:
    input:
        levels=made_before(RUN.level_sentinels),
        multiscales="<results>/{image}/multiscales.json",
    output:
        table=report(
            "<results>/{image}/summary.md",
            caption="../report/summary.rst",
            category="Pyramids",
            labels={"image": "{image}", "file": "table"},
        ),
        report=report(
            "<results>/{image}/report.html",
            caption="../report/report.rst",
            category="Pyramids",
            labels={"image": "{image}", "file": "page"},
        ),
    log:
        text="<logs>/{image}/summary.log",
        timing="<logs>/{image}/summary.json",
    group:
        in_run(RUN.last_group)
    conda:
        "../../environment.yml"
    threads: 4 if len(RUN.images) == 1 else 1  # others run beside those of many images
    resources:
        **needed("summarize_pyramid"),
    params:
        given=handed(image=RUN.settings, timings=RUN.timings),
        timings=of_job(RUN.timings),
    message:
        "Summing up {wildcards.image}"
    shell:
        job_script("summarize_pyramid")
