"""The site of the documentation: strict, at home in a folder, read at all widths, searched."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading

import pytest

from browsers import A4, overflow, reads_everywhere, started_browser
from pages import PAGES, ROOT
from zarrpyramid.report.serving import FolderServer

pytestmark = pytest.mark.system

MAIN = (
    *("index.html", "docs/index.html", "docs/tutorial.html", "docs/gallery.html"),
    *("docs/cookbook.html", "docs/faq.html", "docs/comparison.html", "docs/howto/view.html"),
    *(
        "docs/reference/configuration.html",
        "docs/benchmarks.html",
        "docs/design/0036-the-site.html",
        "CHANGELOG.html",
    ),
)


@pytest.fixture(scope="module")
def browser():
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site, built as .ci/run builds it, away from where it was built."""
    subprocess.run([sys.executable, ROOT / "docs" / "stage.py"], check=True)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "arning" not in built.stdout + built.stderr
    folder = shutil.copytree(ROOT / "build" / "site", tmp_path_factory.mktemp("site") / "0.1")
    versions = [{"version": name, "title": name, "aliases": []} for name in ("0.2", "0.1")]
    (folder.parent / "versions.json").write_text(json.dumps(versions))
    return folder


@pytest.fixture(scope="module")
def url(site):
    """Return the address of the site on a server, as one version of two."""
    with FolderServer({"docs": (site.parent,)}) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"{server.url('docs')}0.1/"
        server.shutdown()
        thread.join()


def test_every_page_is_in_the_navigation(site):
    linked = set(
        re.findall(r'<a href="./([^"#:]+)" class="md-nav__link', (site / "index.html").read_text())
    )
    pages = {
        str(page.relative_to(ROOT)).replace("README.md", "index.md").replace(".md", ".html")
        for page in PAGES
        if page.is_relative_to(ROOT / "docs")
    }
    assert pages <= linked


@pytest.mark.parametrize("page", MAIN)
def test_a_page_reads_everywhere(url, browser, page):
    reads_everywhere(browser, url + page, home=url.removesuffix("0.1/"))


@pytest.mark.parametrize("page", MAIN)
def test_a_page_prints(url, browser, page):
    paper = browser.new_page(viewport={"width": A4, "height": 1000}, color_scheme="dark")
    paper.emulate_media(media="print")
    paper.goto(url + page)
    assert overflow(paper) <= 0
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert paper.eval_on_selector_all(".md-typeset__scrollwrap", wide) == 0
    paper.close()


def test_search_finds_a_page_in_a_folder(site, browser):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Control+k")
    page.keyboard.type("half-voxel shift", delay=20)
    page.wait_for_timeout(2000)  # results stand where no selector reaches
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/explanation.html*")
    assert {url.partition(":")[0] for url in asked} <= {"file", "about", "data"}
    page.close()


def test_versions_are_offered_side_by_side(url, browser):
    """As CONTRIBUTING says: a folder a version, and a list beside them."""
    page = browser.new_page()
    page.goto(f"{url}index.html")
    offered = page.locator(".md-version__link")
    offered.first.wait_for(state="attached")
    assert [text.strip() for text in offered.all_text_contents()] == ["0.2", "0.1"]
    page.close()
