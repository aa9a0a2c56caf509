"""A page that somebody has open in Chromium, with everything the browser complained about."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.page_fixture import PagePlant, Served

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT_MS = 15_000


@contextmanager
def chromium_at(path: str) -> Iterator[Any]:
    """A browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


class Visit:
    """A page somebody has open, with everything the browser complained about."""

    def __init__(self, browser: Any, served: Served, plant: PagePlant, role: str, **options: Any) -> None:
        self.address = served.address
        self.context = browser.new_context(timezone_id="America/New_York", locale="en-GB", **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda one: self.complaints.append(one.text) if one.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda one: self.note(one.url))
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
        )
        self.page.goto(f"{served.address}/?token={plant.token(role)}")
        self.page.wait_for_selector("main h1", state="attached")

    def note(self, url: str) -> None:
        if not url.startswith(self.address):
            self.elsewhere.append(url)

    def go(self, view: str) -> None:
        self.page.evaluate("view => { location.hash = '#/' + view }", view)
        self.page.wait_for_selector("main h1", state="attached")

    def until(self, expression: str, wanted: object = True) -> None:
        """Wait for a value; the driver's own waiting evaluates text, which the page's policy forbids."""
        deadline = time.monotonic() + WAIT_MS / 1000
        while (found := self.page.evaluate(expression)) != wanted:
            assert time.monotonic() < deadline, f"{expression}: {found!r}, not {wanted!r}"
            self.page.wait_for_timeout(50)

    def text(self, selector: str = "main") -> str:
        return re.sub(r"\s+", " ", self.page.inner_text(selector)).replace("\u202f", " ")
