"""What the machines of figures take of memory, by kind: printed, and against the table of docs/figures/index.md."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from andon.readings import NS_PER_S
from benchmarks.figures import Site
from flows.figure_pages import PAGE, Pages
from flows.figure_snapshots import Snapshots
from tests.engine_world import IN_MEMORY

LINE = re.compile(r"^\| `(\w+)` \| ([\d,]+) \|$", re.MULTILINE)
RECORDS = re.compile(r"about (\d+) of them")
ASSETS, PANES = 8, 60  # two fillers, two rooms ..., ten minutes at 10 Hz
MINUTE_NS = 60 * NS_PER_S
WEEK_NS = 168 * 3600 * NS_PER_S  # time.correct_for_h as it comes


@pytest.fixture(scope="module")
def measured():
    """Bytes of the largest packed machine of each kind while it runs."""
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        site = Site(ASSETS, Path(folder))
        for _ in range(PANES // 6):
            site.run(6)
            for one in site.board.runners:
                found[one.spec.kind] = max(found.get(one.spec.kind, 0), one.state_bytes)
    return found


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "figures" / "index.md").read_text(encoding="utf-8")


def test_each_machine_takes_what_the_page_says(measured, page):
    documented = {kind: int(size.replace(",", "")) for kind, size in LINE.findall(page)}
    assert documented.keys() == measured.keys()
    print()
    for kind, size in sorted(measured.items(), key=lambda one: -one[1]):
        print(f"{kind:20}{size:7,} bytes, {size / documented[kind]:.2f} of the documented")
    ratios = {kind: size / documented[kind] for kind, size in measured.items()}
    assert {kind: ratio for kind, ratio in ratios.items() if not 0.6 <= ratio <= 1.4} == {}


def test_a_machine_of_a_week_has_no_more_snapshots_than_the_page_says(page):
    """One a minute for ten days, kept and let go of as a runner does."""
    pages = Pages()
    snapshots = Snapshots(pages)
    snapshots.begin(0)
    record, most = b"x" * 500, 0
    for minute in range(1, 10 * 24 * 60):
        snapshots.keep(minute * MINUTE_NS, record, (), (), ())
        snapshots.thin(minute * MINUTE_NS, minute * MINUTE_NS - WEEK_NS)
        most = max(most, len(snapshots.kept))
    (documented,) = map(int, RECORDS.findall(page))
    print(f"\nat most {most} snapshots of a machine, {pages.nbytes:,} bytes in pages")
    assert 0.8 <= most / documented <= 1.2
    assert pages.nbytes < 8 * PAGE  # one that fills for each rung, and no more: what is let go of leaves its page
