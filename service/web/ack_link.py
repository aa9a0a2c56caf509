"""The page behind the link of a message: it shows the alarms, and a button acknowledges them. No session is needed.

Looking changes nothing, because mail servers and chats open links to look for malware; only the button acts, on the
alarms that the page has shown: what came since then waits. The link
is spent before the alarms are acknowledged: a crash between the two leaves them waiting, and the next is called.
"""

from __future__ import annotations

import html
from importlib import resources
from urllib.parse import parse_qs

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from andon.errors import AccessError, AndonError, RecordsError
from andon.i18n import translate
from andon.records import Actor, AlarmRecord
from andon.records.actors import require_actor
from andon.records.incidents import TOLD, WAITING
from service.ack_links import Claim, Links, link_key
from service.notify_words import Wording
from service.web.auth import LoginLimit, terminal
from service.web.errors import WebError, status_of
from service.web.room import Room

MOST_SHOWN = 20
MOST_FIELDS = 5


class AckPages:
    """The handlers of /ack/{token}."""

    def __init__(self, room: Room) -> None:
        self.room, self.records, self.wording = room, room.records, Wording(room.plant)
        self.people = {one.id: one for one in room.plant.config.person}
        self.limit = LoginLimit(room.records.clock)

    async def page(self, request: Request) -> Response:
        """What waits for an answer. Changes nothing."""
        try:
            claim = self._claim(request)
            name = (await to_thread.run_sync(self._actor, claim, terminal(request))).name
            waiting = await to_thread.run_sync(self._waiting, claim)
        except AndonError as error:
            return self._answer(request, error=error)
        return self._answer(request, waiting=waiting, name=name)

    async def acknowledge(self, request: Request) -> Response:
        """Spend the link and acknowledge the alarms that the page has shown, as far as they still wait."""
        body = await request.body()
        waiting: list[AlarmRecord] = []
        name = ""
        try:
            claim = self._claim(request)
            comment, shown = _given(body)
            actor = await to_thread.run_sync(self._actor, claim, terminal(request))
            name, waiting = actor.name, await to_thread.run_sync(self._waiting, claim)
            chosen = [one for one in waiting if one.key in shown]
            done = await to_thread.run_sync(self._act, claim, actor, waiting, chosen, comment)
        except AndonError as error:
            keep = waiting if error.code in ("records.reason_missing", "page.ack_link.changed") else []
            return self._answer(request, error=error, waiting=keep, name=name)
        language, left = request.state.language, len(waiting) - len(chosen)
        told = translate("page.ack_link.done", language, count=done, name=actor.name)
        if left:
            told += " " + translate("page.ack_link.left", language, count=left)
        return self._answer(request, told=told)

    def _claim(self, request: Request) -> Claim:
        self.limit.check(terminal(request))
        if self.room.data is None:
            raise AccessError("people.link_forged")
        told = self.room.plant.config.notify
        links = Links(link_key(self.room.data), told.public_url, told.link_h)
        try:
            return links.check(str(request.path_params["token"]), self.records.clock.now_ns())
        except AccessError as error:
            if error.code == "people.link_forged":
                self.limit.failed(terminal(request))
            raise

    def _actor(self, claim: Claim, where: str) -> Actor:
        """The person, as plant.toml has them now; with a user of the control room, that user's rights."""
        person = self.people.get(claim.person)
        if person is None:
            raise AccessError("people.link_nobody")
        role = person.role if person.user is None else self.records.link_role(person.user)
        if role is None:
            raise AccessError("people.link_nobody")
        return require_actor(
            Actor(person.user or f"person:{person.id}", person.name, role, f"link {where}"), "alarm.acknowledge"
        )

    def _waiting(self, claim: Claim) -> list[AlarmRecord]:
        found = self.records.incident(claim.incident)
        if found is None:
            raise AccessError("people.link_forged")
        return [one for one in found[1] if one.state in WAITING and one.quiet in TOLD]

    def _act(
        self, claim: Claim, actor: Actor, waiting: list[AlarmRecord], chosen: list[AlarmRecord], comment: str
    ) -> int:
        if waiting and not chosen:
            raise WebError("page.ack_link.changed")
        if not comment and any(one.priority == "critical" for one in chosen):
            raise RecordsError("records.reason_missing")
        if not self.records.redeem_link(claim.nonce, claim.incident, actor):
            raise AccessError("people.link_spent")
        done = 0
        for one in chosen:
            try:
                self.records.acknowledge(one.key, actor, comment)
                done += 1
            except RecordsError as error:
                if error.code != "records.move_refused":  # somebody else was quicker
                    raise
        return done

    def _answer(
        self, request: Request, *, error: AndonError | WebError | None = None, told: str = "", name: str = "",
        waiting: list[AlarmRecord] | None = None,
    ) -> Response:  # fmt: skip
        language = request.state.language
        first = (waiting or [])[:MOST_SHOWN]
        shown = [self.wording.why(one, language) for one in first]
        if waiting and not told:
            scope = waiting[0].asset
            told = translate("page.ack_link.waiting", language, count=len(waiting), scope=scope)
            if len(waiting) > MOST_SHOWN:
                told += " " + translate("page.ack_link.part", language, count=MOST_SHOWN)
        elif not told and error is None:
            told = translate("page.ack_link.nothing", language)
        texts = {
            "language": language, "title": translate("page.ack_link.title", language), "site": self.wording.site,
            "error": error.text(language) if error else "", "told": told,
        }  # fmt: skip
        page = resources.files("dashboards.control_room").joinpath("ack.html").read_text(encoding="utf-8")
        for key, text in texts.items():
            page = page.replace(f"{{{{{key}}}}}", html.escape(text))
        alarms = "".join(f"<p>{html.escape(one)}</p>" for one in shown)
        page = page.replace("{{form}}", _form(language, name, first) if waiting else "").replace("{{alarms}}", alarms)
        return Response(page, status_of(error) if error else 200, media_type="text/html; charset=utf-8")


def _given(body: bytes) -> tuple[str, set[str]]:
    """The comment and the keys of the alarms that the page had shown; a form that is none raises WebError."""
    try:
        form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        raise WebError("page.ack_link.form") from None
    return form.get("comment", [""])[0].strip()[:2000], set(form.get("shown", [""])[0].split())


def _form(language: str, name: str, alarms: list[AlarmRecord]) -> str:
    texts = {key: html.escape(translate(f"page.ack_link.{key}", language)) for key in ("comment", "go")}
    who = html.escape(translate("page.ack_link.as", language, name=name))
    return (
        f'<input type="hidden" name="shown" value="{html.escape(" ".join(one.key for one in alarms))}">'
        f'<p class="hint">{who}</p><label>{texts["comment"]}<input name="comment" maxlength="2000"></label>'
        f'<button class="primary">{texts["go"]}</button>'
    )
