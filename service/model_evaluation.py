"""The evaluation of a version on a series: readings with their hash, alarms against verdicts, scores run again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from andon import __version__
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.records import Actor, Records
from andon.records.model_rows import ModelEvaluation
from service.model_compare import compare
from service.model_replay import check_fingerprint, journal_rows, reproduce, training_data
from service.models import champion_key, judged_series
from sinks.history_reader import HistoryReader


def evaluated(
    plant: PlantModel, data: DataFolder, records: Records, history: HistoryReader, model: str,
    series: tuple[str, str], span_ns: tuple[int, int],
) -> dict[str, Any]:  # fmt: skip
    """What a version did on a series in [from, until), event time, as it is kept. Changes nothing.

    Raises ConfigError for a series that no detector judges, one without readings there, or a version whose setting
    this release does not have; RecordsError for an unknown version.
    """
    judged_series(plant, *series)
    version = records.model_version(model)
    check_fingerprint(version)
    rows = [one for one in records.model_assignments()[0] if (one.asset, one.tag) == series]
    champion = champion_key(plant, *series, rows[-1].champion if rows else None)
    read = training_data(plant, data, series, span_ns)
    found = journal_rows(plant, data, series)[1]
    detectors = {one.key: one.detector for one in records.model_versions()}
    again = reproduce(plant, data, history, version, rows, detectors, series, span_ns)
    beside = compare(records, history, series, span_ns, champion, None if model == champion else model)
    return {
        "model": model, "detector": version.detector, "fingerprint": version.fingerprint, "release": __version__,
        "readings": {"rows": again.rows, "sha256": read.sha256,
                     "segments": [one.sha256 for one in found.segments if one.sha256]},
        "scores": {**asdict(again), "bit_for_bit": again.bit_for_bit},
        "comparison": asdict(beside),
    }  # fmt: skip


def evaluate(
    plant: PlantModel, data: DataFolder, records: Records, history: HistoryReader, model: str,
    series: tuple[str, str], span_ns: tuple[int, int], actor: Actor, reason: str,
) -> ModelEvaluation:  # fmt: skip
    """`evaluated`, kept with its hash and its row of the audit trail."""
    content = evaluated(plant, data, records, history, model, series, span_ns)
    return records.evaluate_model(model, *series, span_ns, content, actor, reason)
