"""Shifts that an earlier version told, with windows of other bounds: they stay as they were told."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from tests.evidence_world import EvidenceWorld
from tests.report_world import FILLER, HOUR, SHIFT_NS, log, report_plant
from tests.test_report_figures import SHIFT_KEY, reporter, told

S = 10**9


def shifted(figures):
    """The history of a version whose first window began half an hour before the shift."""

    def find(kind, start_ns, end_ns, asset="", *more, **named):
        found = figures(kind, start_ns, end_ns, asset, *more, **named)
        if kind != "oee":
            return found
        return [replace(one, start_ns=SHIFT_NS - HOUR // 2 * S) if one.start_ns == SHIFT_NS else one for one in found]

    return find


def test_what_was_told_is_not_corrected_by_windows_over_its_bounds(tmp_path):
    with closing(EvidenceWorld(tmp_path, report_plant())) as world:
        world.run(log(), cut=500)
        figures = world.room.history.figures
        assert reporter(world).report() == 3
        before = told(world)[SHIFT_KEY]
        world.room.history.figures = shifted(figures)
        again = reporter(world)
        assert [again.report(), again.report()] == [0, 0], "half an hour of it would be unknown"
        assert told(world)[SHIFT_KEY] == before
        world.room.history.figures = lambda *all_of, **named: [
            replace(one, revision=2, parts={**one.parts, "pq": 1.0}) if one.kind == "oee" else one
            for one in figures(*all_of, **named)
        ]
        assert again.report() == 1, "windows of its bounds correct it"
        assert told(world)[SHIFT_KEY]["figures"]["pq"] != before["figures"]["pq"]


def test_what_was_not_told_yet_is_told_with_what_is_known_of_it(tmp_path):
    with closing(EvidenceWorld(tmp_path, report_plant())) as world:
        world.run(log(), cut=500)
        world.room.history.figures = shifted(world.room.history.figures)
        assert reporter(world).report() == 3
        assert told(world)[SHIFT_KEY]["figures"]["unknown_s"] >= HOUR / 2
        assert SHIFT_KEY[1] == FILLER
