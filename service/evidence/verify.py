"""Is an evidence file what Andon wrote, and do journal and records still say the same?

Faults are what nothing but a change of the file, the journal or the records explains. What happened since the file was
written (a later revision, more audit records, late rows) is a note.
"""

from __future__ import annotations

from service.evidence.bundle import read_bundle
from service.evidence.verdict import Finding, Verdict
from service.evidence.verify_readings import check_readings
from service.evidence.verify_records import check_records
from service.web.room import Room

__all__ = ["Finding", "Verdict", "verify"]


def verify(room: Room, data: bytes) -> Verdict:
    """Check an evidence file against itself, the journal and the records. Raises EvidenceError: it is none."""
    bundle, wrong = read_bundle(data)
    verdict = Verdict(bundle.key, bundle.sha256)
    for name in wrong:
        verdict.fault("hash", section=name)
    try:
        alarm = check_records(room, bundle, verdict, whole=not wrong)
        if alarm is not None:
            check_readings(room, bundle, alarm, verdict)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        verdict.fault("shape", detail=f"{type(error).__name__}: {error}"[:100])  # a section that is none of ours
    return verdict
