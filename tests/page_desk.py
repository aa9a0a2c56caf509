"""Fixtures of the tests that open the page: a browser, the service in front of the module's `plant`, and a person.

A test module gives `plant` (scope module) and imports these; for `visit` also `person`, role and width of the screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.page_fixture import PagePlant, Served
from tests.page_visit import Visit, chromium_at

HEIGHT = 900


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A Chromium for the module."""
    with chromium_at(chromium) as launched:
        yield launched


@pytest.fixture(scope="module")
def served(plant: PagePlant) -> Iterator[Served]:
    """The control room in front of the module's plant."""
    one = Served(plant.room)
    yield one
    one.close()


@pytest.fixture
def visit(browser: Any, served: Served, plant: PagePlant, person: tuple[str, int]) -> Iterator[Visit]:
    """A page that somebody has open. In the end the browser has nothing to complain of, and asked nobody else."""
    role, width = person
    one = Visit(browser, served, plant, role, viewport={"width": width, "height": HEIGHT})
    yield one
    complaints, elsewhere = list(one.complaints), list(one.elsewhere)
    one.context.close()
    assert complaints == []
    assert elsewhere == []
