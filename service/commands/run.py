"""`andon run`: the service of a site."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from andon.clock import SystemClock
from andon.errors import AndonError
from andon.process import stop_on_signals
from service.options import clock_arguments
from service.terminal import CONFIG, DATA, ConfigOption, DataOption, plant_of, say

if TYPE_CHECKING:
    from andon.records import Records

WorkersOption = Annotated[int | None, typer.Option("--workers", "-w", min=1, max=64, help="cli.run.workers")]
LOOK_S = 0.2
PORT_S = 10.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", help="cli.run.help", epilog="cli.run.example")(run)


def run(config: ConfigOption = CONFIG, data: DataOption = DATA, workers: WorkersOption = None) -> None:
    """Run until SIGTERM or Ctrl-C, then drain."""
    from andon.datafolder import DataFolder
    from andon.records import open_site_records
    from flows.workers import arrange, workers_for
    from service.clock_gate import await_clock
    from service.models import publish
    from service.rules import register_rules
    from service.supervisor import Supervisor, site_parts
    from service.ticker import newest_ns
    from service.web.auth import check_binding

    stop = stop_on_signals()
    plant = plant_of(config)
    site, transport, web = plant.config.site, plant.config.transport, plant.config.web
    number = workers_for(transport, workers)
    folder = DataFolder(data)
    folder.create(site.id, transport.shards)
    with folder.lock():
        await_clock(SystemClock(), newest_ns(plant, folder), stop, partial(say, "run.clock"))
        with open_site_records(plant.config, folder, stop) as records:
            check_binding(web, records)
            _await_port(web.host, web.port, stop)
            register_rules(plant, records)
            publish(records, folder)
            token = None if records.has_users() else _token(records)
        arrange(folder, number, transport)
        supervisor = Supervisor(folder, site_parts(config, data, plant.config, number, clock_arguments(0, 0, 0.0)))
        supervisor.start()
        say("run.started", url=f"http{'s' if web.tls_cert else ''}://{web.host}:{web.port}/{token or ''}")
        while not stop.wait(LOOK_S):
            supervisor.poll()
        say("run.draining")
        supervisor.stop()


def _await_port(host: str, port: int, stop: threading.Event) -> None:
    """Give the control room of a supervisor that was killed the time to end. AndonError when the port stays taken."""
    from service.demo import port_is_free

    deadline = time.monotonic() + PORT_S
    while not port_is_free(port, host):
        if time.monotonic() > deadline or stop.wait(LOOK_S):
            raise AndonError("run.port_taken", host=host, port=port)


def _token(records: Records) -> str:
    """A way in for a site without users, which may listen on loopback only."""
    from andon.records import SYSTEM_SUPERVISOR

    return f"?token={records.issue_one_time_token(SYSTEM_SUPERVISOR, name='First operator', user_id='first')}"
