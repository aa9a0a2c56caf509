"""`andon dashboards`: Grafana's dashboards, pushed to a Grafana or written to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from andon.i18n import LANGUAGES, translate
from service.terminal import (
    CONFIG,
    ConfigOption,
    JsonOption,
    complain,
    group,
    plant_of,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from dashboards.grafana.push import Change

MOST_LINES = 20  # of the differences of one dashboard; --json has them all
LanguageOption = Annotated[str, typer.Option("--language", help="cli.dashboards.language")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    dashboards = group("cli.dashboards.help")
    dashboards.command("push", help="cli.dashboards.push.help", epilog="cli.dashboards.push.example")(push)
    dashboards.command("export", help="cli.dashboards.export.help", epilog="cli.dashboards.export.example")(export)
    app.add_typer(dashboards, name="dashboards")


def push(
    config: ConfigOption = CONFIG,
    language: LanguageOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="cli.dashboards.dry_run")] = False,
    force: Annotated[bool, typer.Option("--force", help="cli.dashboards.force")] = False,
    renew_token: Annotated[bool, typer.Option("--renew-token", help="cli.dashboards.renew_token")] = False,
    as_json: JsonOption = False,
) -> None:
    """Exit status 0: Grafana has what it should, or with --dry-run would have it; 1: something was kept or refused."""
    from dashboards.grafana import push as pushing
    from dashboards.grafana.wanted import grafana_of, wanted_of

    plant = plant_of(config).config
    languages = _languages(language, plant.site.language)
    wanted = wanted_of(plant, config.parent, languages)
    grafana = grafana_of(plant, config.parent)
    try:
        changes = pushing.plan(grafana, wanted, force=force, renew_token=renew_token)
        done = changes if dry_run else list(pushing.push(changes))
    finally:
        grafana.close()
    settled = all(one.settled for one in done)
    if as_json:
        print_json({"ok": settled, "dry_run": dry_run, "url": grafana.url, "changes": [_row(one) for one in done]})
    else:
        _print(done)
        _end(done, dry_run=dry_run)
    raise typer.Exit(0 if settled else 1)


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="cli.dashboards.dir")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="cli.dashboards.config")] = None,
    language: LanguageOption = "all",
) -> None:
    """Writes dashboards/<language>/*.json and provisioning/<language>/ below DIR."""
    from dashboards.grafana.files import exported, write
    from dashboards.grafana.settings import Settings

    plant = None if config is None else plant_of(config).config
    settings = Settings() if plant is None else Settings.of(plant)
    own = LANGUAGES[0] if plant is None else plant.site.language
    texts = exported(settings, _languages(language, own))
    write({folder / path: text for path, text in texts.items()})
    say("cli.dashboards.exported", files=len(texts), folder=folder)


def _languages(asked: str, own: str) -> tuple[str, ...]:
    """all: every language, the site's own first, since the alert rules are in that one."""
    if asked == "all":
        return (own, *(one for one in LANGUAGES if one != own))
    language = asked or own
    if language not in LANGUAGES:
        raise typer.BadParameter(
            translate("cli.dashboards.unknown_language", found=language, allowed=", ".join(LANGUAGES))
        )
    return (language,)


def _row(change: Change) -> dict[str, object]:
    return {
        "kind": change.kind, "uid": change.uid, "title": change.title, "action": change.action,
        "differences": change.differences, "error": change.error,
    }  # fmt: skip


def _print(changes: Sequence[Change]) -> None:
    rows = [(translate(f"cli.dashboards.action.{one.action}"), translate(f"cli.dashboards.kind.{one.kind}"), one.title)
            for one in changes]  # fmt: skip
    print_table(("cli.dashboards.action", "cli.dashboards.kind", "cli.dashboards.title"), rows)
    for one in changes:
        if one.error:
            complain(f"{one.title}: {one.error}")
        if not one.differences:
            continue
        typer.echo(f"\n{one.title} ({one.uid})")
        for line in one.differences[:MOST_LINES]:
            typer.echo(f"  {line}")
        if len(one.differences) > MOST_LINES:
            more = translate("cli.dashboards.more", None, more=len(one.differences) - MOST_LINES)
            typer.echo(f"  {more}")


def _end(changes: Sequence[Change], *, dry_run: bool) -> None:
    count = {
        action: sum(one.action == action for one in changes) for action in ("create", "update", "edited", "failed")
    }
    say(
        "cli.dashboards.would" if dry_run else "cli.dashboards.done",
        created=count["create"], updated=count["update"], total=len(changes),
    )  # fmt: skip
    if count["edited"]:
        say("cli.dashboards.kept", edited=count["edited"])
    if any(one.action == "provisioned" and one.differences for one in changes):
        say("cli.dashboards.provisioned")
