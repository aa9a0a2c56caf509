"""`andon forward`: an edge hands its spool on to the site's topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.terminal import CONFIG, ConfigOption, plant_of, say

LOOK_S = 0.2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("forward", help="cli.forward.help", epilog="cli.forward.example")(forward)


def forward(
    edge: Annotated[Path, typer.Option("--from", help="cli.forward.from")],
    keep_days: Annotated[float, typer.Option("--keep-days", min=0.0, help="cli.forward.keep_days")] = 30.0,
    config: ConfigOption = CONFIG,
) -> None:
    """Forward until SIGTERM or Ctrl-C. Holds the edge's data folder: no `andon run` on the same one."""
    from andon.datafolder import DataFolder
    from andon.process import stop_on_signals
    from service.forwarder import NAME
    from service.supervisor import Part, Supervisor, python
    from service.topics import kafka_of

    stop = stop_on_signals()
    plant = plant_of(config)
    kafka, folder = kafka_of(plant), DataFolder(edge)
    folder.create(plant.config.site.id, plant.config.transport.shards)
    with folder.lock():
        arguments = ("--config", config, "--data", edge, "--from", edge, "--keep-days", keep_days)
        supervisor = Supervisor(folder, [Part(NAME, python("service.forwarder", *arguments), watched=True)])
        supervisor.start()
        say("cli.forward.started", folder=edge, topic=kafka.topic, brokers=kafka.brokers)
        while not stop.wait(LOOK_S):
            supervisor.poll()
        supervisor.stop()
