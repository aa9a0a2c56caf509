"""The follow-up process: what a quality event leads to, what the ERP says and is told, models as the records have them.

python -m service.follow_up --config plant.toml --data data

It decides nothing that the records do not hold: killed at any instant and begun anew it comes to the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import structlog

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import AndonError
from andon.heartbeat import Heartbeat
from andon.logs import set_up_logs
from andon.process import exit_status_of, stop_on_signals
from andon.readings import NS_PER_S
from andon.records import open_site_records
from service.erp_poller import Poller
from service.inspections import Inspections
from service.models import ModelsWatch
from service.options import parser
from service.quality import QualityWatch
from service.reports import Reporter
from sinks.erp.connectors import connector
from sinks.history_reader import HistoryReader

NAME = "follow-up"
EVERY_S = 2.0
REPORTS_EVERY_S = 30.0
log = structlog.get_logger()


@dataclass
class Duty:
    """Something to do again and again, every `rest_s` seconds, or when `work` says, s."""

    name: str
    work: Callable[[], float | None]
    rest_s: float = EVERY_S
    due_s: float = 0.0
    told: str | None = None

    def do(self, now_s: float) -> None:
        """Do it where it is due; what cannot be done now (records away, disk full) is done later and told once."""
        if now_s < self.due_s:
            return
        try:
            said_s = self.work()
            rest_s, self.told = self.rest_s if said_s is None else said_s, None
        except AndonError as error:
            rest_s = EVERY_S
            if error.code != self.told:
                self.told = error.code
                log.warning("follow_up.waiting", duty=self.name, error=error.code, cause=str(error))
        self.due_s = now_s + rest_s


def work_until(stop: threading.Event, duties: Sequence[Duty], beat: Callable[[], None]) -> None:
    """Do the duties in turn until `stop` is set."""
    while not stop.is_set():
        for duty in duties:
            beat()
            duty.do(time.monotonic())
        stop.wait(0.2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    options = parser("service.follow_up").parse_args(argv)
    stop = stop_on_signals()
    set_up_logs(NAME)
    model = load_plant(options.config)
    plant = model.config
    data = DataFolder(options.data)
    data.open(plant.site.id)
    beat = Heartbeat(data, NAME)
    with open_site_records(plant, data, stop, beat=beat) as records, ExitStack() as opened:
        history = opened.enter_context(closing(HistoryReader(data.history_dbs(plant.transport.shards))))
        watch = QualityWatch(records, history, plant.quality, round(plant.time.correct_for_h * 3600 * NS_PER_S))
        duties = [Duty("quality", watch.step), Duty("models", ModelsWatch(records, data).step)]
        if plant.erp is not None:
            reporter = Reporter(records, model, history, plant.erp.reports)
            duties.append(Duty("reports", reporter.step, REPORTS_EVERY_S))
            if plant.erp.reports.inspections_d is not None:
                inspections = Inspections(records, model, history, plant.erp.reports.inspections_d)
                duties.append(Duty("inspections", inspections.step, REPORTS_EVERY_S))
            erp = opened.enter_context(closing(connector(plant.erp, options.config.parent)))
            if plant.erp.back.poll_s and "state" in erp.features:
                duties.append(Duty("poll", Poller(records, erp, plant.erp.back, SystemClock()).step))
        work_until(stop, duties, beat)
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
