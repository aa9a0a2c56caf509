"""What every suite shares: the search for Chromium, what CI must not leave out, seconds per file at the end."""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import database, databases  # noqa: F401 - the same
from tests.servers.fixtures import (  # noqa: F401 - pytest finds fixtures by their names
    influxd,
    kafka,
    kafka_broker_factory,
    plant_servers,
    postgres,
    postgres_server,
    server_folder,
    toxiproxy,
    tryton,
)

ROOT = Path(__file__).parent.parent
CI = os.environ.get("CI") == "true"
SLOWEST_FILES = 15

# The same examples in every run: a red suite is red again. ANDON_HYPOTHESIS=explore looks further.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("explore", parent=settings.get_profile("steady"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("ANDON_HYPOTHESIS", "steady"))


def find_chromium() -> str | None:
    """The browser's executable: ANDON_CHROMIUM, or the first of the usual names on PATH."""
    wanted = os.environ.get("ANDON_CHROMIUM")
    names = [wanted] if wanted else ["chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """A test that sets up logging leaves no handler behind: it would write to a stream that is closed by then."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) in (logging.StreamHandler, RotatingFileHandler):  # ours; pytest's own are of other types
            root.removeHandler(handler)
            root.setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium; use together with the marker `browser`, which sees to it that there is one."""
    found = find_chromium()
    if found is None:
        pytest.fail("the marker 'browser' is missing beside the fixture 'chromium'")
    return found


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and find_chromium() is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium fonts-wqy-microhei)"
        if CI:
            pytest.fail(f"{reason}; CI leaves nothing out", pytrace=False)
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints seconds per file, set-up and tear-down included, the longest first."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if len(seconds) < 2:
        return
    terminalreporter.section("seconds per file")
    for path, spent in seconds.most_common(SLOWEST_FILES):
        terminalreporter.line(f"{spent:8.1f}  {path}")
    rest = sum(seconds.values()) - sum(spent for _, spent in seconds.most_common(SLOWEST_FILES))
    terminalreporter.line(f"{rest:8.1f}  {max(0, len(seconds) - SLOWEST_FILES)} more files")
