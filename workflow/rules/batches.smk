"""Small images, built one after the other by one job, and what people look at of all of them.

Requires: the groups and their level 0.
Makes: of each image the sentinels that the jobs of its levels would make, and after them
results/{title}/batches/{first}-{last}.json; at the end results/{title}/summary.md and report.html.
The title is the name of the container or of the table of samples, or `images`.
"""


rule build_batch:
    input:
        batch_inputs,
    output:
        sentinel=f"<results>/{RUN.title}/batches/{{first}}-{{last}}.json",
    log:
        text=f"<logs>/{RUN.title}/{{first}}-{{last}}.log",
        timing=f"<logs>/{RUN.title}/{{first}}-{{last}}.json",
    wildcard_constraints:
        first=r"[1-9]\d*",
        last=r"[1-9]\d*",
    conda:
        "../../environment.yml"
    resources:
        **needed("build_batch", Batch),
    params:
        images=unwatched(RUN.batches.settings, Batch),
        recipe=of_job(RUN.batches.recipe, Batch),
    message:
        f"Building images {{wildcards.first}} to {{wildcards.last}} of {RUN.title}"
    script:
        "../../scripts/build_batch.py"


rule summarize_images:
    input:
        after_all(RUN.summed_up),
    output:
        table=report(
            f"<results>/{RUN.title}/summary.md",
            caption="../report/images_table.rst",
            category="Pyramids",
            labels={"image": "all images", "file": "table"},
        ),
        report=report(
            f"<results>/{RUN.title}/report.html",
            caption="../report/images.rst",
            category="Pyramids",
            labels={"image": "all images", "file": "page"},
        ),
    log:
        text=f"<logs>/{RUN.title}/summary.log",
        timing=f"<logs>/{RUN.title}/summary.json",
    conda:
        "../../environment.yml"
    params:
        run=lambda wildcards, input: RUN.given(),
        images=lambda wildcards: RUN.names(),
    message:
        f"Summing up all images of {RUN.title}"
    script:
        "../../scripts/summarize_images.py"


rule verify_images:
    input:
        after_all(RUN.batches.sentinels),
    output:
        report=report(
            f"<results>/{RUN.title}/verify.json",
            caption="../report/verify.rst",
            category="Proof",
            labels={"image": "all images", "file": "proof"},
        ),
    log:
        text=f"<logs>/{RUN.title}/verify.log",
        timing=f"<logs>/{RUN.title}/verify.json",
    conda:
        "../../environment.yml"
    threads: 32
    params:
        run=lambda wildcards, input: RUN.given(),
    message:
        f"Verifying all images of {RUN.title}"
    script:
        "../../scripts/verify_images.py"
