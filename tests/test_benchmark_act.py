"""What benchmarks.act makes of what it saw."""

from __future__ import annotations

import pytest

from benchmarks import act
from benchmarks.paced import LINGER_MS
from sinks.outbox import POLL_S
from sources.profile import PROFILES


def turn(*late_ms: float) -> tuple[act.Turn, dict[act.Crossing, int]]:
    """A turn, and when each of its alarms came."""
    sent = {(f"hall/m{number:03}", 1_000 + number): 10**9 for number in range(len(late_ms))}
    return act.Turn(sent), {place: 10**9 + round(ms * 1e6) for place, ms in zip(sent, late_ms, strict=True)}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_limit_to_the_erp_follows_the_profile_and_the_stub(profile: str) -> None:
    most = act.limits({"stub_p99_ms": 7.0}, profile)
    waits_ms = LINGER_MS + PROFILES[profile].idle_s * 1000
    assert most["reading_to_erp_p99_ms"] == pytest.approx(3 * waits_ms + POLL_S * 1000 + 7.0)
    assert most["reading_to_page_p99_ms"] == most["reading_to_page_erp_away_p99_ms"] == 1000.0


def test_an_alarm_that_never_came_is_no_delay_of_nothing() -> None:
    one, came = turn(5.0, 6.0)
    came.popitem()
    with pytest.raises(KeyError):
        act._told("reading_to_page", [one], came)


def test_all_turns_are_in_the_spread_and_one_stall_is_not_typical() -> None:
    turns = [turn(*[20.0] * 100), turn(*[30.0] * 100), turn(*[900.0] * 100)]
    came = turns[0][1]
    assert act._told("x", [turns[0][0]], came) == {"x_p50_ms": 20.0, "x_p99_ms": 20.0}
    apart = {}
    moved = []
    for number, (one, seen) in enumerate(turns):
        sent = {(asset, ms + 1_000 * number): at for (asset, ms), at in one.sent.items()}
        apart |= {(asset, ms + 1_000 * number): at for (asset, ms), at in seen.items()}
        moved.append(act.Turn(sent))
    assert act._told("x", moved, apart) == {"x_p50_ms": 30.0, "x_p99_ms": 900.0}
    assert act._typical(moved, apart) == 30.0
