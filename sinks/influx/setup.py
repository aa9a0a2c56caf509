"""What InfluxDB must have before it is written to: buckets with their retention, the tasks that downsample.

Everything is looked at first and only changed where it differs, so it may run at every start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from andon.config.deployment import Influx
from andon.secrets import Secret
from sinks.influx.client import DeniedError, InfluxClient
from sinks.influx.downsampling import TaskPlan
from sinks.influx.sdk import FAILURES, Bucket, RetentionRules, TaskCreateRequest, translated

DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that must be so. action: "as it is", "create" or "change"; `what` is a code of the catalogue."""

    what: str
    name: str
    action: str
    found: str = ""
    wanted: str = ""


class Setup:
    """Looks at, and makes, buckets and tasks. Raises InfluxError: AwayError, or DeniedError when the token may not."""

    def __init__(self, client: Any, influx: Influx, tasks: Sequence[TaskPlan]) -> None:
        self._client, self._influx, self._tasks = client, influx, tasks

    def run(self, *, dry: bool, change: bool = True) -> list[Step]:
        """Every step with what it needs. dry: only looked at. change: False makes what is missing and nothing else."""
        make, mend = not dry, change and not dry
        try:
            steps = [self._bucket(self._influx.bucket, self._influx.retention_d, make=make, mend=mend)]
            if self._influx.long_bucket is not None:
                steps.append(
                    self._bucket(self._influx.long_bucket, self._influx.long_retention_d, make=make, mend=mend)
                )
            return steps + [self._task(task, make=make, mend=mend) for task in self._tasks]
        except FAILURES as error:
            raise translated(error) from error

    def _bucket(self, name: str, days: float, *, make: bool, mend: bool) -> Step:
        api = self._client.buckets_api()
        found = api.find_bucket_by_name(name)
        seconds = round(days * DAY_S)
        rules = RetentionRules(type="expire", every_seconds=seconds)
        if found is None:
            if make:
                api.create_bucket(bucket_name=name, retention_rules=rules, org=self._influx.org)
            return Step("influx.setup.bucket", name, "create", wanted=f"{days:g} d")
        kept = next((int(rule.every_seconds) for rule in found.retention_rules or ()), 0)
        told = f"{kept / DAY_S:g} d" if kept else "-"
        if kept == seconds:
            return Step("influx.setup.bucket", name, "as it is", told, told)
        if mend:
            bucket = Bucket(id=found.id, name=name, org_id=found.org_id, retention_rules=[rules])
            api.update_bucket(bucket)
        return Step("influx.setup.bucket", name, "change", told, f"{days:g} d")

    def _task(self, plan: TaskPlan, *, make: bool, mend: bool) -> Step:
        api = self._client.tasks_api()
        found = next(iter(api.find_tasks(name=plan.name, org=self._influx.org)), None)
        if found is None:
            if make:
                request = TaskCreateRequest(flux=plan.flux, org=self._influx.org, status="active")
                api.create_task(task_create_request=request)
            return Step("influx.setup.task", plan.name, "create")
        if found.flux.strip() == plan.flux.strip() and found.status == "active":
            return Step("influx.setup.task", plan.name, "as it is")
        if mend:
            found.flux, found.status = plan.flux, "active"
            api.update_task(found)
        return Step("influx.setup.task", plan.name, "change")


def rights(client: Any, influx: Influx, token: Secret) -> dict[str, bool]:
    """What the token may do: read and write each bucket, manage tasks. By trying what changes nothing."""
    found = {}
    for bucket in filter(None, (influx.bucket, influx.long_bucket)):
        found[f"read:{bucket}"] = _may(partial(_read_nothing, client, bucket, influx.org))
        found[f"write:{bucket}"] = _may(partial(_write_nothing, influx, bucket, token))
    if influx.long_bucket is not None:
        found["tasks"] = _may(lambda: client.tasks_api().find_tasks(limit=1, org=influx.org))
    return found


def _read_nothing(client: Any, bucket: str, org: str) -> object:
    return client.query_api().query(f'from(bucket: "{bucket}") |> range(start: -1s) |> limit(n: 1)', org=org)


def _write_nothing(influx: Influx, bucket: str, token: Secret) -> None:
    """A comment is checked for its rights like any line."""
    with InfluxClient(influx.url, influx.org, bucket, token, timeout_s=influx.timeout_s) as writer:
        writer.write(b"# may this be written\n")


def _may(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except DeniedError:
        return False
    except FAILURES as error:
        told = translated(error)
        if isinstance(told, DeniedError):
            return False
        raise told from error
    return True
