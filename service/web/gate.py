"""The gate every request passes: host, origin, size, session, CSRF token; and the headers every answer carries.

Deny by default: what is not in `PUBLIC` needs a session, whatever routes are added later. It is plain ASGI and not a
dependency of the routes, so that a route cannot forget it and a stream is not wrapped.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from anyio import to_thread
from prometheus_client import Counter
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from andon.errors import AccessError, AndonError
from andon.records import Records, Session, require_csrf
from andon.secrets import Secret
from service.web.errors import WebError, error_response, language_of

PUBLIC = {
    ("GET", "/login"), ("POST", "/login"), ("GET", "/healthz"), ("GET", "/ack/{token}"), ("POST", "/ack/{token}"),
    ("POST", "/api/v1/erp/states"),  # signed
}  # fmt: skip
PUBLIC_FOLDER = "/static/"
SIGNED_FOLDER = "/ack/"  # the address itself says who it is: signed, bound to a person, good once
SAFE = {"GET", "HEAD", "OPTIONS"}
LARGEST_BODY = 65_536
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: a form would then be sent with "Origin: null", which says nothing of where it came from.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

_answers = Counter("andon_web_answers_total", "Answers of the web service.", ["status"])


@dataclass(frozen=True)
class Access:
    """How people get in. hosts: names this service answers to; cookie: name of the session's cookie."""

    hosts: frozenset[str]
    cookie: str = "andon_session"
    origins: frozenset[str] = frozenset()  # more than the one this service is reached at: of a proxy before it
    tls: bool = False
    idle_lock: bool = True  # an open page without input ends its session after the records' idle time
    metrics_token: Secret | None = None
    inbound_keys: tuple[bytes, ...] = ()  # of webhooks that come in; none: none is taken


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def known_hosts(host: str, more: Iterable[str] = ()) -> frozenset[str]:
    """The names answered to: the bound one, `more`, and on loopback its usual names.

    A page of another origin that has its name resolve to this machine (DNS rebinding) sends its own name.
    """
    names = {host.strip("[]").lower(), *(name.lower() for name in more)}
    if is_loopback(host):
        names |= {"localhost", "127.0.0.1", "::1"}
    return frozenset(names)


class Gate:
    """ASGI middleware; puts language and session into scope["state"]."""

    def __init__(self, app: ASGIApp, records: Records, access: Access, language: str) -> None:
        self.app, self.records, self.access, self.language = app, records, access, language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)  # lifespan; there are no web sockets
            return
        headers = Headers(scope=scope)
        cookies = _cookies(headers)
        state = scope.setdefault("state", {})
        state["language"] = language_of(headers, cookies, self.language)
        state["session"] = None
        send = _with_headers(send, tls=self.access.tls, cacheable=scope["path"].startswith(PUBLIC_FOLDER))
        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            body = _limited(headers, receive)
            await self._check_session(scope, headers, cookies)
        except AndonError as error:
            await self._refusal(scope, headers, error)(scope, receive, send)
            return
        await self.app(scope, body, send)

    def _check_host(self, headers: Headers) -> None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if host not in self.access.hosts:
            raise WebError("page.unknown_host", host=host[:100])

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Changes come from our own page only; a browser names the page's origin with every one of them."""
        if scope["method"] in SAFE:
            return
        origin = headers.get("origin")
        expected = f"{'https' if self.access.tls else 'http'}://{headers.get('host', '')}"
        if (
            origin != expected
            and origin not in self.access.origins
            and not (origin is None and headers.get("sec-fetch-site") in {None, "same-origin"})
        ):
            raise AccessError("page.other_origin")

    async def _check_session(self, scope: Scope, headers: Headers, cookies: dict[str, str]) -> None:
        method, path = scope["method"], scope["path"]
        state = scope["state"]
        token = cookies.get(self.access.cookie)
        touch = not (self.access.idle_lock and headers.get("x-andon-background") == "1") and path != "/api/v1/stream"
        try:
            state["session"] = await to_thread.run_sync(lambda: self.records.session(token, touch=touch))
            state["session_token"] = token
        except AccessError as error:
            public = (method, path) in PUBLIC or path.startswith((PUBLIC_FOLDER, SIGNED_FOLDER))
            redeeming = method == "GET" and path == "/" and b"token=" in scope["query_string"]
            if not (public or redeeming or self._is_monitor(path, headers)):
                raise
            if error.code not in {"access.anonymous", "access.session_ended"}:
                raise
        session: Session | None = state["session"]
        if session is not None and method not in SAFE and path != "/login" and not path.startswith(SIGNED_FOLDER):
            require_csrf(session, headers.get("x-csrf-token"))

    def _is_monitor(self, path: str, headers: Headers) -> bool:
        token = self.access.metrics_token
        given = headers.get("authorization", "").removeprefix("Bearer ")
        return path == "/metrics" and token is not None and hmac.compare_digest(given.encode(), token.reveal().encode())

    def _refusal(self, scope: Scope, headers: Headers, error: AndonError) -> Response:
        page = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
        if page and isinstance(error, AccessError) and not scope["path"].startswith("/api/"):
            return RedirectResponse("/login", 303)
        return error_response(error, scope["state"]["language"])


def _cookies(headers: Headers) -> dict[str, str]:
    try:
        return {name: one.value for name, one in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def _with_headers(send: Send, *, tls: bool, cacheable: bool) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            _answers.labels(f"{message['status'] // 100}xx").inc()
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if tls:
                headers["strict-transport-security"] = "max-age=31536000"
            # Files of the page are asked for again each time (304 when unchanged), data is never kept.
            headers["cache-control"] = "no-cache" if cacheable else "no-store"
        await send(message)

    return sending


def _limited(headers: Headers, receive: Receive) -> Receive:
    """A body of more than `LARGEST_BODY` bytes is refused, announced or not."""
    announced = headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > LARGEST_BODY:
        raise WebError("page.too_large", most=LARGEST_BODY)
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_BODY:
            raise WebError("page.too_large", most=LARGEST_BODY)
        return message

    return receiving
