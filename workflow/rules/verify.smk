"""A proof of every pyramid of the configuration, which no other target asks for.

Requires: the sentinels of all levels and of the list of them; looks at the store anew in each run.
Makes: results/{image}/verify.json, the report; the job of a pyramid that is not sound fails.
"""


rule verify_pyramid:
    input:
        levels=made_before(RUN.level_sentinels),
        multiscales="<results>/{image}/multiscales.json",
    output:
        report=report(
            "<results>/{image}/verify.json",
            caption="../report/verify.rst",
            category="Proof",
            labels={"image": "{image}", "file": "proof"},
        ),
    log:
        text="<logs>/{image}/verify.log",
        timing="<logs>/{image}/verify.json",
    conda:
        "../../environment.yml"
    threads: of_job(RUN.threads)
    params:
        given=handed(image=RUN.settings),
    message:
        "Verifying {wildcards.image}"
    shell:
        job_script("verify_pyramid")
