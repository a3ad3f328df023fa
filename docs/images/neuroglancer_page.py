"""Save neuroglancer.png: what `zarrpyramid view` shows of the pyramid at a path."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
SIZE = {"width": 1280, "height": 800}


def main(path: str) -> None:
    """Open the pyramid, wait until all is drawn, and save the page."""
    command = [sys.executable, "-m", "zarrpyramid", "view", path, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = browser.new_page(viewport=SIZE)
            page.goto(url)
            page.wait_for_function("window.viewer !== undefined")
            page.wait_for_function("viewer.isReady()", polling=500, timeout=120_000)
            page.screenshot(path=Path(__file__).with_name("neuroglancer.png"))
            browser.close()
        server.terminate()


if __name__ == "__main__":
    main(sys.argv[1])
