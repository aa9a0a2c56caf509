"""`andon score`: anomaly scores of a CSV file."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.errors import ConfigError, SourceError
from andon.i18n import translate
from service.terminal import JsonOption, print_json

if TYPE_CHECKING:
    from service.score_file import Summary

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="cli.score.file")]
DetectorOption = Annotated[str, typer.Option("--detector", metavar="NAME", help="cli.score.detector")]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="cli.score.out")]
ReferenceOption = Annotated[int, typer.Option("--reference", metavar="N", min=0, help="cli.score.reference")]
DaysOption = Annotated[float | None, typer.Option("--false-alarm-days", metavar="D", help="cli.score.days")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score", help="cli.score.help", epilog="cli.score.example")(score)


def score(
    file: FileArgument, detector: DetectorOption = "", out: OutOption = None, reference: ReferenceOption = 0,
    days: DaysOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Exit status 0 whatever the rows hold; 1: the file cannot be scored; 2: an option is wrong."""
    from detectors import registry
    from service.score_file import score_file
    from service.score_judges import judge_maker

    if days is not None and not 0.0 < days < math.inf:
        raise ConfigError("score.days", found=days)
    if 0 < reference < registry.REFERENCE_LEAST:
        raise ConfigError("score.reference", found=reference, least=registry.REFERENCE_LEAST)
    if detector and detector not in registry.names():
        raise ConfigError("score.unknown_detector", found=detector, allowed=", ".join(registry.names()))
    begun_s = time.perf_counter()
    with _output(file, out, quiet=as_json) as write:
        summary = score_file(file, judge_maker(detector, reference, days), write)
    took_s = time.perf_counter() - begun_s
    _complain(file, summary)
    if as_json:
        print_json(_json(summary, took_s))
        return
    counts = {"rows": summary.rows, "scored": summary.scored, "alarms": summary.alarms, "episodes": summary.episodes}
    told = translate("cli.score.done", None, **counts, detector=summary.detector, seconds=f"{took_s:.1f}")
    typer.echo(told, err=True)


def _complain(file: Path, summary: Summary) -> None:
    """What a reader of the scores should know, on standard error."""
    if not summary.clocked:
        typer.echo(translate("cli.score.no_clock", file=file), err=True)
    if summary.unread:
        names = ", ".join(_printable(name) for name in summary.unread)
        typer.echo(translate("cli.score.unread", file=file, names=names), err=True)
    for reason, count in sorted(summary.bad.items()):
        typer.echo(translate("cli.score.bad", file=file, reason=reason, count=count), err=True)
    for name, count in sorted(summary.missing.items()):
        typer.echo(translate("cli.score.missing", file=file, channel=_printable(name), count=count), err=True)


def _json(summary: Summary, took_s: float) -> dict[str, Any]:
    from detectors.settings import MODULES, fingerprint

    return {
        "rows": summary.rows, "scored": summary.scored, "alarms": summary.alarms, "episodes": summary.episodes,
        "bad_rows": sum(summary.bad.values()), "bad": dict(sorted(summary.bad.items())), "detector": summary.detector,
        "channels": [_printable(name) for name in summary.channels],
        "missing": {_printable(name): count for name, count in sorted(summary.missing.items())},
        "setting": fingerprint(summary.detector) if summary.detector in MODULES else None, "seconds": round(took_s, 3),
    }  # fmt: skip


def _printable(name: str) -> str:
    """A name that may hold bytes which are no UTF-8."""
    return name.encode(errors="replace").decode()


@contextmanager
def _output(file: Path, out: Path | None, *, quiet: bool) -> Iterator[Callable[[str], object]]:
    """Where the lines go: a file that is there whole or not at all, or standard output; nowhere if quiet."""
    if out is None:
        yield (lambda _: None) if quiet else _print
        return
    if out.exists() and file.exists() and out.samefile(file):
        raise SourceError("score.same_file", file=str(out))
    if not out.parent.is_dir():
        raise SourceError("score.no_folder", file=str(out), folder=str(out.parent))
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines:
            yield lines.write
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _print(lines: str) -> None:
    """Write to standard output; who stops reading, as `head` does, wants no more."""
    stream = typer.get_binary_stream("stdout")
    try:
        stream.write(lines.encode(errors="surrogateescape"))
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
