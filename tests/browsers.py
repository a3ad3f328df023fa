"""Chromium, as tests of pages and viewers start it."""

import contextlib
import shutil


@contextlib.contextmanager
def started_browser(flags):
    """Start the system's chromium without a window, and end it after the block."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()
