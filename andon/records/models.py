"""Models under control: versions of detectors, what was measured of them, and which series they judge since when.

A model comes into force like any other rule: registered as a candidate, tried beside the champion (challenge),
measured (evaluate), and promoted by a person of quality with a reason. It is taken back by a rollback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select

from andon import __version__
from andon.errors import RecordsError
from andon.readings import NS_PER_S
from andon.records.actors import Actor, require_actor, require_reason
from andon.records.again import repeated
from andon.records.base import RecordsBase, Tx
from andon.records.canonical import canonical_text, digest
from andon.records.model_rows import (
    NAME,
    PLANT,
    JudgedAlarm,
    ModelAssignment,
    ModelEvaluation,
    ModelVersion,
    TrainingData,
)
from andon.records.model_store import (
    add,
    assignments_of,
    champions,
    evaluations_of,
    existing_version,
    in_force,
    set_status,
    versions_of,
)
from andon.records.schema import alarm
from andon.records.schema_models import model_assignment, model_evaluation, model_version

LEAD_NS: Final = 5 * NS_PER_S
KIND: Final = "model"
ACTIONS: Final = {"challenge": "model.challenged", "promote": "model.promoted", "rollback": "model.rolled_back"}


class ModelRecords(RecordsBase):
    """The part of `Records` about models. Acts on a series need a reason and leave a row of the audit trail.

    An assignment holds for messages received `LEAD_NS` from now on, so that every flow has read the file that is made
    of it before the first message it is for: a replay of the log is then judged as it was live. from_ns: that time
    where messages are not stamped by the machine's clock (a simulated plant).
    """

    @repeated
    def register_model(
        self, name: str, detector: str, parameters: Mapping[str, object], fingerprint: str, actor: Actor, reason: str,
        *, trained: TrainingData | None = None,
    ) -> ModelVersion:  # fmt: skip
        """Keep a new version of a model, as a candidate; versions of a name count from 1.

        fingerprint: of the detector's frozen setting in this release.
        Raises AccessError without model.manage, RecordsError without a reason, for a name that cannot be one, or for
        what the newest version of the name already is.
        """
        require_actor(actor, "model.manage")
        reason = require_reason(reason)
        if not NAME.fullmatch(name) or name == PLANT:
            raise RecordsError("models.name", found=name)
        row = {
            "detector": detector, "parameters": canonical_text(parameters), "fingerprint": fingerprint,
            "release": __version__, "trained_on": trained.series if trained else "",
            "trained_from_ns": trained.from_ns if trained else None,
            "trained_until_ns": trained.until_ns if trained else None,
            "trained_hash": trained.sha256 if trained else "",
        }  # fmt: skip
        with self.writing() as tx:
            before = versions_of(tx.connection, tx.site, name)
            if before and _same(before[-1], row):
                raise RecordsError("models.known", model=before[-1].key)
            version = len(before) + 1
            add(tx, model_version, actor, reason, name=name, version=version, **row)
            model = f"{name}:{version}"
            set_status(tx, model, "candidate", actor, reason)
            told = {**row, "parameters": dict(parameters), "status": "candidate"}
            tx.audit(actor, "model.registered", KIND, model, version, new=told, reason=reason)
            return existing_version(tx.connection, tx.site, model)

    @repeated
    def evaluate_model(
        self, model: str, asset: str, tag: str, span_ns: tuple[int, int], content: Mapping[str, object], actor: Actor,
        reason: str,
    ) -> ModelEvaluation:  # fmt: skip
        """Keep what a version did on a series in [from, until), event time. Raises AccessError, RecordsError."""
        require_actor(actor, "model.manage")
        reason = require_reason(reason)
        with self.writing() as tx:
            one = _usable(tx, model)
            table = model_evaluation.c
            last = tx.connection.execute(
                select(func.max(table.seq)).where(
                    table.site == tx.site, table.name == one.name, table.version == one.version
                )
            ).scalar()
            hashed = digest(content)
            add(
                tx, model_evaluation, actor, reason, name=one.name, version=one.version, seq=(last or 0) + 1,
                asset=asset, tag=tag, from_ns=span_ns[0], until_ns=span_ns[1], content=canonical_text(content),
                hash=hashed,
            )  # fmt: skip
            told = {"asset": asset, "tag": tag, "from_ns": span_ns[0], "until_ns": span_ns[1], "hash": hashed}
            tx.audit(actor, "model.evaluated", KIND, model, one.version, new=told, reason=reason)
            return evaluations_of(tx.connection, tx.site, model)[-1]

    @repeated
    def challenge_model(
        self, asset: str, tag: str, model: str, actor: Actor, reason: str, *, from_ns: int | None = None
    ) -> ModelAssignment:
        """Let a version score a series beside its champion, in shadow; an empty `model` ends that.

        Raises AccessError without model.manage, RecordsError without a reason, for an unknown or retired version, or
        one that judges the series already.
        """
        require_actor(actor, "model.manage")
        reason = require_reason(reason)
        with self.writing() as tx:
            rows = assignments_of(tx.connection, tx.site, (asset, tag))
            champion, challenger = _judges(rows)
            if model:
                _usable(tx, model)
            if (model or None) == challenger or (model and model == champion):
                raise RecordsError("models.already", model=model or "-", series=f"{asset}/{tag}")
            return _assign(tx, rows, (asset, tag), "challenge", (champion, model or None), actor, reason, from_ns)

    @repeated
    def promote_model(
        self, asset: str, tag: str, actor: Actor, reason: str, *, model: str = "", from_ns: int | None = None
    ) -> ModelAssignment:
        """Make a version the champion of a series: the challenger, or the one that is named. It is approved by that.

        Raises AccessError without model.approve, RecordsError without a reason, where there is no challenger, for a
        version that is unknown, retired, champion already, or of which there is no evaluation on this series.
        """
        require_actor(actor, "model.approve")
        reason = require_reason(reason)
        with self.writing() as tx:
            rows = assignments_of(tx.connection, tx.site, (asset, tag))
            champion, challenger = _judges(rows)
            chosen = model or challenger
            if chosen is None:
                raise RecordsError("models.no_challenger", series=f"{asset}/{tag}")
            one = _usable(tx, chosen)
            if chosen == champion:
                raise RecordsError("models.already", model=chosen, series=f"{asset}/{tag}")
            on_file = evaluations_of(tx.connection, tx.site, chosen)
            if not any((found.asset, found.tag) == (asset, tag) for found in on_file):
                raise RecordsError("models.not_evaluated", model=chosen, series=f"{asset}/{tag}")
            if one.status != "approved":
                set_status(tx, chosen, "approved", actor, reason)
            beside = None if challenger == chosen else challenger
            return _assign(tx, rows, (asset, tag), "promote", (chosen, beside), actor, reason, from_ns)

    @repeated
    def roll_back_model(
        self, asset: str, tag: str, actor: Actor, reason: str, *, from_ns: int | None = None
    ) -> ModelAssignment:
        """Go back to the champion before this one, past retired ones; in the end to what plant.toml says.

        Again goes back further, never forth. A challenger stays. Raises AccessError without model.manage,
        RecordsError without a reason, or where plant.toml is in force already.
        """
        require_actor(actor, "model.manage")
        reason = require_reason(reason)
        with self.writing() as tx:
            rows = assignments_of(tx.connection, tx.site, (asset, tag))
            before = champions(rows)[:-1]
            if not before:
                raise RecordsError("models.nothing_before", series=f"{asset}/{tag}")
            retired = {one.key for one in versions_of(tx.connection, tx.site) if one.status == "retired"}
            now, challenger = _judges(rows)
            champion = next(one for one in reversed(before) if one != now and one not in retired)
            beside = None if challenger == champion else challenger
            return _assign(tx, rows, (asset, tag), "rollback", (champion, beside), actor, reason, from_ns)

    @repeated
    def retire_model(self, model: str, actor: Actor, reason: str) -> ModelVersion:
        """Nobody shall use a version any more.

        Raises AccessError without model.approve, RecordsError without a reason, for an unknown or retired version, or
        one that judges a series.
        """
        require_actor(actor, "model.approve")
        reason = require_reason(reason)
        with self.writing() as tx:
            one = _usable(tx, model)
            force = in_force(assignments_of(tx.connection, tx.site))
            used = sorted(f"{asset}/{tag}" for (asset, tag), row in force.items()
                          if model in (row.champion, row.challenger))  # fmt: skip
            if used:
                raise RecordsError("models.in_use", model=model, series=", ".join(used[:10]))
            set_status(tx, model, "retired", actor, reason)
            tx.audit(
                actor, "model.retired", KIND, model, one.version, old={"status": one.status},
                new={"status": "retired"}, reason=reason,
            )  # fmt: skip
            return existing_version(tx.connection, tx.site, model)

    def model_versions(self) -> list[ModelVersion]:
        """All versions, in order of name and number."""
        with self.reading() as connection:
            return versions_of(connection, self.site)

    def model_version(self, model: str) -> ModelVersion:
        """The version of a key. Raises RecordsError with those that there are."""
        with self.reading() as connection:
            return existing_version(connection, self.site, model)

    def model_evaluations(self, model: str | None = None) -> list[ModelEvaluation]:
        """Evaluations in the order they were made, of one version or of all."""
        with self.reading() as connection:
            return evaluations_of(connection, self.site, model)

    def judged_alarms(self, asset: str, tag: str, from_ns: int, until_ns: int) -> list[JudgedAlarm]:
        """Anomaly alarms of a series that began in [from, until) and that somebody has judged, in order of time."""
        table = alarm.c
        query = select(table.key, table.start_ns, table.begun_ns, table.cleared_ns, table.label).where(
            table.site == self.site, table.asset == asset, table.tag == tag, table.condition == "anomaly",
            table.start_ns >= from_ns, table.start_ns < until_ns, table.label.is_not(None),
        )  # fmt: skip
        with self.reading() as connection:
            return [
                JudgedAlarm(row.key, row.begun_ns or row.start_ns, row.cleared_ns or until_ns, row.label)
                for row in connection.execute(query.order_by(table.start_ns, table.key))
            ]

    def model_assignments(self) -> tuple[list[ModelAssignment], list[ModelVersion]]:
        """Every assignment in order of series and age, and all versions: both of one moment."""
        with self.reading() as connection:
            return assignments_of(connection, self.site), versions_of(connection, self.site)


def _same(one: ModelVersion, row: Mapping[str, Any]) -> bool:
    """Whether a version is what would be registered; another release with the same setting is no other model."""
    names = ("detector", "fingerprint", "trained_on", "trained_from_ns", "trained_until_ns", "trained_hash")
    return canonical_text(one.parameters) == row["parameters"] and all(
        getattr(one, name) == row[name] for name in names
    )


def _usable(tx: Tx, model: str) -> ModelVersion:
    """A version that is not retired."""
    one = existing_version(tx.connection, tx.site, model)
    if one.status == "retired":
        raise RecordsError("models.retired", model=model)
    return one


def _judges(rows: Sequence[ModelAssignment]) -> tuple[str | None, str | None]:
    """Champion and challenger of a series by its assignments."""
    return (rows[-1].champion, rows[-1].challenger) if rows else (None, None)


def _assign(
    tx: Tx, rows: Sequence[ModelAssignment], series: tuple[str, str], kind: str, judges: tuple[str | None, str | None],
    actor: Actor, reason: str, from_ns: int | None,
) -> ModelAssignment:  # fmt: skip
    """Another row of a series, never before the last one: a clock that was set back must not undo what was decided."""
    since_ns = tx.now_ns + LEAD_NS if from_ns is None else from_ns
    if rows:
        since_ns = max(since_ns, rows[-1].since_ns + 1)
    seq = rows[-1].seq + 1 if rows else 1
    champion, challenger = judges
    told = {"champion": champion, "challenger": challenger, "since_ns": since_ns}
    add(tx, model_assignment, actor, reason, asset=series[0], tag=series[1], seq=seq, kind=kind, **told)
    old = dict(zip(("champion", "challenger"), _judges(rows), strict=True))
    tx.audit(actor, ACTIONS[kind], "model_assignment", "/".join(series), seq, old=old, new=told, reason=reason)
    return ModelAssignment(
        *series, seq, since_ns, kind, champion, challenger, tx.now_ns, actor.id, actor.name, reason
    )  # fmt: skip
