"""How the SAP connector logs in: basic authentication, or OAuth 2.0 client credentials with a token that is kept."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode, urlsplit

from andon.clock import Clock
from andon.config.erp import Sap
from andon.readings import NS_PER_S
from andon.secrets import Secret
from sinks.erp.http import Answer, Caller, judged
from sinks.erp.port import BrokenError

EARLY_S = 60.0  # a token is renewed so long before it ends
USUAL_S = 600.0  # of a token that does not say how long it lasts


class SapLogin:
    """Gives the Authorization header. secret: password or client secret. clock: real time."""

    def __init__(self, sap: Sap, secret: str, timeout_s: float, clock: Clock) -> None:
        self._basic = _basic(sap.user or sap.client_id or "", secret)
        self._clock = clock
        self._token: Secret | None = None
        self._until_ns = 0
        self._caller: Caller | None = None
        if sap.token_url is not None:
            parts = urlsplit(sap.token_url)
            self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            self._caller = Caller(f"{parts.scheme}://{parts.netloc}", timeout_s=timeout_s, clock=clock)

    def close(self) -> None:
        """Let the connections go."""
        if self._caller is not None:
            self._caller.close()

    def forget(self) -> None:
        """The token was refused: ask for another one next time."""
        self._token = None

    def authorization(self) -> str:
        """The header's value. Raises SendError when the token cannot be had."""
        if self._caller is None:
            return self._basic
        now_ns = self._clock.now_ns()
        if self._token is None or now_ns >= self._until_ns:
            content = urlencode({"grant_type": "client_credentials"}).encode()
            headers = {
                "authorization": self._basic, "accept": "application/json",
                "content-type": "application/x-www-form-urlencoded",
            }  # fmt: skip
            told = judged(self._caller.ask("POST", self._path, content=content, headers=headers), _told).table()
            token, lasts_s = told.get("access_token"), told.get("expires_in", USUAL_S)
            if not isinstance(token, str) or not isinstance(lasts_s, (int, float)):
                raise BrokenError(200, "the answer has no access_token")
            self._token = Secret(token)
            self._until_ns = now_ns + round(max(lasts_s - EARLY_S, 1.0) * NS_PER_S)
        return f"Bearer {self._token.reveal()}"


def _basic(user: str, secret: str) -> str:
    encoded = base64.b64encode(f"{user}:{secret}".encode()).decode()
    Secret(encoded)  # the log filter must know it in this form too
    return f"Basic {encoded}"


def _told(answer: Answer) -> str:
    """What OAuth says, without a word of what was sent."""
    try:
        told = json.loads(answer.content)
        return f"{told['error']}: {told.get('error_description', '')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text()
