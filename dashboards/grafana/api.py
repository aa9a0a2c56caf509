"""Grafana's HTTP API as the push needs it; the one place that uses grafana-api.

The routes under /api are deprecated from Grafana 13 on and still answer; what replaces them changes this file alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from grafana_api.grafana_api import GrafanaClientError, GrafanaException, GrafanaUnauthorizedError
from grafana_api.grafana_face import GrafanaFace

from andon.config.loopback import is_loopback
from andon.errors import AndonError
from andon.secrets import Secret
from dashboards.grafana import Json

TIMEOUT_S = 10.0
NOT_FOUND, FORBIDDEN, CONFLICT, PRECONDITION = 404, 403, 409, 412


class GrafanaError(AndonError):
    """Grafana did not do one thing."""


class GrafanaAwayError(GrafanaError):
    """Grafana does nothing at all: it cannot be reached, or does not know the token."""


class Grafana:
    """A Grafana with a service account's token. Every call takes at most `timeout_s`; none is repeated.

    Raises GrafanaAwayError where going on makes no sense, GrafanaError otherwise.
    """

    def __init__(self, url: str, token: Secret, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._face = GrafanaFace(
            token.reveal(), host=host, port=parts.port, url_path_prefix=prefix, protocol=parts.scheme, timeout=timeout_s
        )
        # requests would follow a redirect and turn the POST into a GET, which looks like success.
        self._face.api.s.max_redirects = 0
        if is_loopback(parts.hostname or ""):
            self._face.api.s.trust_env = False  # no proxy of the environment leads to this machine's own Grafana

    def close(self) -> None:
        """Give up the connections."""
        self._face.api.s.close()

    def folder(self, uid: str) -> Json | None:
        """None: there is none."""
        return self._found(lambda: self._face.folder.get_folder(uid))

    def create_folder(self, uid: str, title: str) -> None:
        self._call(f"folder {uid}", lambda: self._face.folder.create_folder(title, uid))

    def rename_folder(self, uid: str, title: str, version: int) -> None:
        self._call(f"folder {uid}", lambda: self._face.folder.update_folder(uid, title, version))

    def datasource(self, uid: str) -> Json | None:
        """Without its secrets: Grafana never gives them back."""
        return self._found(lambda: self._face.api.GET(f"/datasources/uid/{uid}"))

    def create_datasource(self, body: Json) -> None:
        self._call(f"datasource {body['uid']}", lambda: self._face.datasource.create_datasource(body))

    def update_datasource(self, body: Json) -> None:
        self._call(
            f"datasource {body['uid']}", lambda: self._face.api.PUT(f"/datasources/uid/{body['uid']}", json=body)
        )

    def dashboard(self, uid: str) -> Json | None:
        """`dashboard` and `meta`."""
        return self._found(lambda: self._face.dashboard.get_dashboard(uid))

    def last_message(self, uid: str) -> str:
        """What was said when the dashboard was last saved; empty where nothing was or Grafana does not tell."""
        answer: Any = self._found(lambda: self._face.api.GET(f"/dashboards/uid/{uid}/versions?limit=1"))
        versions = answer.get("versions", []) if isinstance(answer, dict) else answer or []  # a list before Grafana 11
        return str(versions[0].get("message") or "") if versions else ""

    def save_dashboard(self, body: Json) -> None:
        uid = body["dashboard"]["uid"]
        self._call(f"dashboard {uid}", lambda: self._face.dashboard.update_dashboard(body))

    def rule(self, uid: str) -> Json | None:
        """An alert rule."""
        return self._found(lambda: self._face.api.GET(f"/v1/provisioning/alert-rules/{uid}"))

    def create_rule(self, body: Json) -> None:
        self._call(f"rule {body['uid']}", lambda: self._face.api.POST("/v1/provisioning/alert-rules", json=body))

    def update_rule(self, body: Json) -> None:
        path = f"/v1/provisioning/alert-rules/{body['uid']}"
        self._call(f"rule {body['uid']}", lambda: self._face.api.PUT(path, json=body))

    def _found(self, ask: Callable[[], Any]) -> Json | None:
        """The answer of a GET; None for 404."""
        try:
            answer: Json = self._call("", ask)
        except _MissingError:
            return None
        return answer

    def _call(self, what: str, ask: Callable[[], Any]) -> Any:
        """Every way a call can fail, as a sentence that says what to do."""
        try:
            return ask()
        except GrafanaUnauthorizedError:
            raise GrafanaAwayError("grafana.error.token", url=self.url) from None
        except GrafanaException as error:
            raise self._refusal(error, what) from None
        except requests.exceptions.SSLError as error:
            raise GrafanaAwayError("grafana.error.tls", url=self.url, detail=_cause(error)) from None
        except requests.exceptions.Timeout:
            raise GrafanaAwayError("grafana.error.slow", url=self.url) from None
        except requests.exceptions.TooManyRedirects as error:
            to = error.response.headers.get("Location", "?") if error.response is not None else "?"
            raise GrafanaAwayError("grafana.error.redirect", url=self.url, to=to) from None
        except requests.exceptions.JSONDecodeError:
            raise GrafanaAwayError("grafana.error.not_grafana", url=self.url) from None
        except requests.exceptions.RequestException as error:
            raise GrafanaAwayError("grafana.error.away", url=self.url, detail=_cause(error)) from None
        except TypeError:
            # grafana-api trips over an error page that is not JSON and holds the word "message".
            raise GrafanaAwayError("grafana.error.not_grafana", url=self.url) from None

    def _refusal(self, error: GrafanaException, what: str) -> GrafanaError:
        detail = error.response.get("message", "") if isinstance(error.response, dict) else str(error.response)[:200]
        if not isinstance(error, GrafanaClientError):
            return GrafanaAwayError("grafana.error.server", url=self.url, status=error.status_code, detail=detail)
        if error.status_code == NOT_FOUND:
            return _MissingError("grafana.error.missing", url=self.url, what=what)
        if error.status_code == FORBIDDEN:
            return GrafanaError("grafana.error.forbidden", what=what, detail=detail)
        if error.status_code == PRECONDITION:
            return GrafanaError("grafana.error.changed", what=what, detail=detail)
        if error.status_code == CONFLICT:
            return GrafanaError("grafana.error.conflict", what=what, detail=detail)
        return GrafanaError("grafana.error.refused", what=what, status=error.status_code, detail=detail)


class _MissingError(GrafanaError):
    """404."""


def _cause(error: BaseException) -> str:
    """The innermost reason; the outer ones repeat the address and the library's names."""
    inner: Any = error.args[0] if error.args else error
    inner = getattr(inner, "reason", inner)
    return str(inner).rsplit(": ", 1)[-1]
