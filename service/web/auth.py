"""Coming in and going out: the log-in page, one-time tokens, and the rule about what may be bound where."""

from __future__ import annotations

import html
from collections import deque
from importlib import resources
from urllib.parse import parse_qs

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from andon.clock import Clock
from andon.config.models import Web
from andon.errors import AccessError
from andon.i18n import translate
from andon.readings import NS_PER_S
from andon.records import Records
from service.web.errors import WebError, status_of
from service.web.gate import Access, is_loopback

FAILURES_A_MINUTE = 10  # of one address; the records lock a user after five failures on top


def check_binding(web: Web, records: Records) -> None:
    """Refuse to listen beyond this machine without users and TLS.

    Raises AccessError "page.bind_without_users", "page.bind_without_tls" or "page.tls_half".
    """
    if (web.tls_cert is None) != (web.tls_key is None):
        raise AccessError("page.tls_half")
    if is_loopback(web.host):
        return
    if web.tls_cert is None:
        raise AccessError("page.bind_without_tls", host=web.host)
    if not records.has_users():
        raise AccessError("page.bind_without_users", host=web.host)


class LoginLimit:
    """At most `FAILURES_A_MINUTE` failed attempts of an address a minute, by the machine's clock; memory is bounded."""

    def __init__(self, clock: Clock, addresses: int = 1000) -> None:
        self._clock, self._addresses = clock, addresses
        self._failures: dict[str, deque[int]] = {}

    def check(self, address: str) -> None:
        """Raises WebError "page.too_many_logins" when the address has to wait."""
        failures = self._failures.get(address)
        if failures and len(failures) == FAILURES_A_MINUTE and 0 <= self._clock.now_ns() - failures[0] < 60 * NS_PER_S:
            raise WebError("page.too_many_logins")

    def failed(self, address: str) -> None:
        """Count a failed attempt."""
        self._failures.setdefault(address, deque(maxlen=FAILURES_A_MINUTE)).append(self._clock.now_ns())
        if len(self._failures) > self._addresses:
            del self._failures[next(iter(self._failures))]


class Doors:
    """The handlers of /login, /logout and the one-time token."""

    def __init__(self, records: Records, access: Access, site_name: str) -> None:
        self.records, self.access, self.site_name = records, access, site_name
        self.limit = LoginLimit(records.clock)

    async def login_page(self, request: Request) -> Response:
        """The form; somebody already logged in goes to the page."""
        if request.state.session is not None:
            return RedirectResponse("/", 303)
        return self._form(request)

    async def login(self, request: Request) -> Response:
        """Check name and password, hand out the cookie."""
        form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=5)
        user, password = form.get("user", [""])[0], form.get("password", [""])[0]
        try:
            self.limit.check(terminal(request))
            token, _ = await to_thread.run_sync(self.records.login, user, password, terminal(request))
        except WebError as error:
            return self._form(request, error)
        except AccessError as error:
            self.limit.failed(terminal(request))
            return self._form(request, error)
        return self._in(token)

    async def redeem(self, request: Request) -> Response:
        """Spend the one-time token of the address and go on without it in the address."""
        given = request.query_params.get("token", "")
        if request.state.session is not None:
            return RedirectResponse("/", 303)  # a reload of the address that let them in spends nothing
        try:
            self.limit.check(terminal(request))
            token, _ = await to_thread.run_sync(self.records.redeem_one_time_token, given, terminal(request))
        except WebError as error:
            return self._form(request, error)
        except AccessError as error:
            self.limit.failed(terminal(request))
            return self._form(request, error)
        return self._in(token)

    async def logout(self, request: Request) -> Response:
        """End the session."""
        await to_thread.run_sync(self.records.logout, request.state.session_token)
        response = Response(status_code=204)
        response.delete_cookie(self.access.cookie, path="/", secure=self.access.tls, httponly=True, samesite="strict")
        return response

    def _in(self, token: str) -> Response:
        response = RedirectResponse("/", 303)
        response.set_cookie(
            self.access.cookie, token, path="/", secure=self.access.tls, httponly=True, samesite="strict"
        )
        return response

    def _form(self, request: Request, error: AccessError | WebError | None = None) -> Response:
        language = request.state.language
        template = resources.files("dashboards.control_room").joinpath("login.html").read_text(encoding="utf-8")
        texts = {
            "language": language, "site": self.site_name, "error": error.text(language) if error else "",
            **{name: translate(f"page.login.{name}", language) for name in ("title", "user", "password", "go", "hint")},
        }  # fmt: skip
        for name, text in texts.items():
            template = template.replace(f"{{{{{name}}}}}", html.escape(text))
        return Response(template, status_of(error) if error else 200, media_type="text/html; charset=utf-8")


def terminal(request: Request) -> str:
    """Where a request comes from, for the audit trail."""
    return request.client.host if request.client else "unknown"
