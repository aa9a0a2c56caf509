"""Mean times of failing and restoring, from totals of a window or a roll-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from operators.oee import ratio

Value = float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """Mean operating time between failures and mean time to restoration, in the unit of the times; None undefined.

    availability: MTBF/(MTBF+MTTR), inherent; MTTF is that of a unit that is repaired to as good as new, the MTBF.
    """

    mtbf: Value
    mttr: Value
    availability: Value

    @property
    def mttf(self) -> Value:
        """Mean operating time to a failure."""
        return self.mtbf


def reliability(operating: Value, failures: Value, repair: Value) -> Reliability:
    """operating: time producing and setting up, without delays; repair: time from failure to restoration.

    No failure: both means are None, not infinite or zero: nothing was observed. A lower bound of MTBF from no failures
    is a matter of confidence (machine health).

    >>> reliability(1000.0, 5.0, 50.0)
    Reliability(mtbf=200.0, mttr=10.0, availability=0.9523809523809523)
    """
    mtbf, mttr = ratio(operating, failures), ratio(repair, failures)
    both = None if mtbf is None or mttr is None else mtbf + mttr
    return Reliability(mtbf, mttr, ratio(mtbf, both))


def of_parts(parts: Mapping[str, Value]) -> Reliability:
    """From a figure of kind oee or a roll-up, s: a failure is a stop by the unit's own cause above micro_stop_s."""
    producing, setup = parts.get("apt_s"), parts.get("setup_s")
    operating = None if producing is None or setup is None else producing + setup
    return reliability(operating, parts.get("failures"), parts.get("breakdown_s"))


def maintenance_ratio(corrective: Value, preventive: Value) -> Value:
    """Corrective maintenance ratio CMT/(CMT+PMT); None where none was done."""
    whole = None if corrective is None or preventive is None else corrective + preventive
    return ratio(corrective, whole)
