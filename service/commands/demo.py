"""`andon demo`: a simulated plant in one command, and its own check."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from andon.errors import ConfigError
from andon.i18n import translate
from andon.process import stop_on_signals
from service.terminal import print_table, say

if TYPE_CHECKING:
    import threading

    from service.demo import Demo

PLAIN_EVERY_S = 5.0
LOOK_S = 1.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help="cli.demo.help", epilog="cli.demo.example")(demo)


def demo(
    speed: Annotated[float, typer.Option("--speed", min=0.1, max=600.0, help="cli.demo.speed")] = 60.0,
    seconds: Annotated[float | None, typer.Option("--seconds", min=1.0, help="cli.demo.seconds")] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="cli.demo.port")] = 8080,
    seed: Annotated[int, typer.Option("--seed", min=0, help="cli.demo.seed")] = 1,
    no_faults: Annotated[bool, typer.Option("--no-faults", help="cli.demo.no_faults")] = False,
    check: Annotated[bool, typer.Option("--check", help="cli.demo.check")] = False,
    data: Annotated[Path | None, typer.Option("--data", "-d", help="cli.demo.data")] = None,
    on: Annotated[Literal["embedded", "plant"], typer.Option("--on", help="cli.demo.on")] = "embedded",
    no_erp_key: Annotated[bool, typer.Option("--no-erp-key", hidden=True)] = False,
) -> None:
    """Run until Ctrl-C or for `seconds`; with --check compare with the simulators' truth and say so by exit status."""
    from service.demo import Settings, port_is_free  # takes a second: not for every command
    from service.servers.base import free_port

    kind = _shape(on)
    stop = stop_on_signals()
    temporary = check and data is None
    folder = Path(tempfile.mkdtemp(prefix="andon-demo-")) if temporary else data or Path("demo-data")
    if check and seconds is None:
        seconds = 90.0
    if check and temporary:
        port = free_port()
    elif not port_is_free(port):
        raise ConfigError("demo.port_taken", port=port)
    run = kind(Settings(folder, seed, speed, port, seconds, not no_faults, on, check, not no_erp_key))
    try:
        with run.data.lock():
            _run(run, stop)
        ok = _report(run) if check else True
    finally:
        run.close()
    if temporary and ok:
        shutil.rmtree(folder, ignore_errors=True)
    elif temporary:
        say("demo.kept", path=folder)
    if not ok:
        raise typer.Exit(1)


def _shape(on: str) -> type[Demo]:
    """The demo of a deployment shape; ServerMissingError when this machine has no servers for it."""
    if on == "plant":
        from service.demo_plant import PlantDemo, check_servers

        check_servers()
        return PlantDemo
    from service.demo import Demo

    return Demo


def _run(run: Demo, stop: threading.Event) -> None:
    say("demo.starting", speed=f"{run.settings.speed:g}", seed=run.settings.seed)
    run.start()
    say("demo.address", url=run.address())
    for code, address in run.servers().items():
        say(code, address=address)
    say("demo.ctrl_c")
    shown = _Shown(run)
    while not stop.is_set() and not run.finished():
        run.supervisor.poll()
        shown.show()
        stop.wait(LOOK_S)
    shown.close()
    run.finish(say)
    say("demo.stopped", path=run.settings.data)


class _Shown:
    """A progress line on a terminal, a plain line now and then elsewhere."""

    def __init__(self, run: Demo) -> None:
        self._run = run
        self._began = time.monotonic()
        self._last = float("-inf")
        console = Console()
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*(columns if run.settings.seconds else columns[:1]), console=console, transient=True)
            self._task = self._bar.add_task("", total=run.settings.seconds)
            self._bar.start()

    def show(self) -> None:
        """Say where the run stands."""
        now = time.monotonic()
        if self._bar is None and now - self._last < PLAIN_EVERY_S:
            return
        self._last = now
        at = self._run.progress()
        zone = self._run.zone
        text = translate(
            "demo.progress", plant=zone(at.plant_ns), readings=at.readings, alarms=at.alarms, delivered=at.delivered
        )
        if self._bar is None:
            typer.echo(text)
        else:
            self._bar.update(self._task, description=text, completed=now - self._began)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()


def _report(run: Demo) -> bool:
    """Print what happened; the last line is for programs."""
    report = run.report()
    print_table(
        ("demo.table.asset", "demo.table.kind", "demo.table.rule", "demo.table.start", "demo.table.result"),
        [
            (fault.asset, fault.kind, fault.rule_id, run.zone(fault.start_ns), translate(f"demo.result.{result}"))
            for result, faults in (("found", report.found), ("later", report.optional))
            for fault in faults
        ],
    )
    for finding in report.findings:
        typer.echo(finding.text())
    compared = run.compared()
    if compared is not None:
        for example in compared.examples:
            say("demo.window_differs", window=example)
        typer.echo(compared.line)
    typer.echo(report.final_line)
    return bool(report.ok) and (compared is None or compared.ok)
