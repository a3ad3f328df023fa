"""What was built, as a table and as a page with pictures, for people.

Requires: the sentinels of all levels and of the list of them.
Makes: results/{image}/summary.md and results/{image}/report.html.
"""


rule summarize_pyramid:
    input:
        levels=level_sentinels,
        multiscales="<results>/{image}/multiscales.json",
    output:
        table=report(
            "<results>/{image}/summary.md",
            caption="../report/summary.rst",
            category="Pyramids",
        ),
        report=report(
            "<results>/{image}/report.html",
            caption="../report/report.rst",
            category="Pyramids",
        ),
    log:
        text="<logs>/{image}/summary.log",
        timing="<logs>/{image}/summary.json",
    group:
        last_group
    conda:
        "../../environment.yml"
    resources:
        **needed("summarize_pyramid"),
    params:
        image=image_settings,
        timings=log_folder,
    message:
        "Summing up {wildcards.image}"
    script:
        "../../scripts/summarize_pyramid.py"
