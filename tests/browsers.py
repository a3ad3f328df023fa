"""Chromium, as tests of pages and viewers start it, and what they look for in a page."""

import contextlib
import shutil

FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run")
"""For pages that need no graphics."""
WIDTHS = (400, 1100, 1600)
A4 = 688
"""Pixels between the margins of a page on paper."""


@contextlib.contextmanager
def started_browser(flags=FLAGS):
    """Start the system's chromium without a window, and end it after the block."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


def reads_everywhere(browser, url, home=None):
    """Hold that a page fits all widths, is at home alone, and that axe finds nothing."""
    from axe_playwright_python.sync_playwright import Axe

    for scheme, axe_widths in (("light", (400, 1600)), ("dark", (1100,))):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(url)
        # What fades in has not its colours yet when axe looks.
        page.add_style_tag(content="* { transition: none !important; animation: none !important }")
        page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert overflow(page) <= 0, (scheme, width)
            if width not in axe_widths:
                continue
            found = Axe().run(page)
            assert found.violations_count == 0, (scheme, width, found.generate_report())
        assert said == []
        assert [other for other in asked if not other.startswith((home or url, "data:"))] == []
        context.close()


def overflow(page):
    """Return how many pixels of a page are beyond its window."""
    root = "document.documentElement"
    return page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
