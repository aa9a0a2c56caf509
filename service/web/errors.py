"""Errors as the API tells them: a status, a code and a sentence in the reader's language. Nothing about the inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from andon.errors import AccessError, AndonError
from andon.i18n import LANGUAGES, catalogue, translate
from service.ack_links import PATH as SIGNED

log = structlog.get_logger()

STATUS = {
    "access.anonymous": 401, "access.session_ended": 401, "access.login_failed": 401, "access.token_invalid": 401,
    "access.locked": 429, "page.too_many_logins": 429, "page.too_many_streams": 429, "page.too_large": 413,
    "page.unknown_host": 421, "page.not_found": 404, "records.unknown_alarm": 404, "records.unknown_order": 404,
    "page.unknown_asset": 404, "page.unknown_series": 404, "page.unknown_dead_letter": 404,
    "records.busy": 503, "records.disk_full": 503, "records.disk_failed": 503, "records.away": 503,
    "records.login": 503, "records.no_database": 503, "records.tls": 503, "records.no_right": 503,
    "records.read_only": 503, "records.encoding": 503,
    "kafka.not_delivered": 503, "evidence.no_font": 503, "evidence.no_report": 503,
    "report.no_lot": 404, "report.no_shift": 404, "report.no_asset": 404, "report.no_day": 422, "report.too_many": 422,
    "report.not_printed": 503,
    "records.arrival": 422, "records.shelf_end": 422, "records.second_person": 422, "records.verdict": 422,
    "records.unknown_user": 404, "records.unknown_hold": 404, "records.unknown_capa": 404,
    "records.hold_over": 409, "records.capa_decided": 409, "records.message_reused": 409, "page.webhook_refused": 401,
    "records.move_refused": 409, "records.nothing_to_shelve": 409, "records.not_parked": 409,
    "models.already": 409, "models.no_challenger": 409, "models.not_evaluated": 409, "models.nothing_before": 409,
    "models.retired": 409, "models.unknown": 404, "models.name": 422, "cli.models.series": 404,
    "records.reason_missing": 422, "page.invalid": 422,
}  # fmt: skip


class WebError(AndonError):
    """The web service refuses a request."""


def language_of(headers: Any, cookies: Any, default: str) -> str:
    """The reader's language: the page's own choice (a cookie), else what the browser asks for, else the site's."""
    chosen = cookies.get("andon_language")
    if chosen in LANGUAGES:
        return str(chosen)
    for wanted in headers.get("accept-language", "").split(","):
        code = wanted.split(";")[0].strip().lower()
        if code.startswith("zh"):
            return "zh-CN"
        if code.startswith("en"):
            return "en"
    return default


def status_of(error: AndonError) -> int:
    """HTTP status of an error."""
    if error.code in STATUS:
        return STATUS[error.code]
    return 403 if isinstance(error, AccessError) else 400


def json_response(content: object, status: int = 200) -> Response:
    """JSON; numbers that JSON does not have (NaN) become null."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    return Response(body, status, media_type="application/json")


def error_response(error: AndonError, language: str) -> Response:
    """{"error": {"code", "message"}} with its status."""
    return json_response({"error": {"code": error.code, "message": error.text(language)}}, status_of(error))


async def on_andon_error(request: Request, error: Exception) -> Response:
    """An error with a sentence of its own."""
    if not isinstance(error, AndonError):
        return await on_unexpected(request, error)
    return error_response(error, request.state.language)


async def on_http_error(request: Request, error: Exception) -> Response:
    """An error of the framework: no such route, wrong method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = "page.not_found" if status == 404 else "page.method" if status == 405 else "page.invalid"
    return json_response({"error": {"code": code, "message": translate(code, request.state.language, what="")}}, status)


async def on_invalid(request: Request, error: Exception) -> Response:
    """A parameter or body that is not what the route takes; names the fields."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    language = request.state.language
    what = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {_wrong(one, language)}" for one in problems[:5])
    message = translate("page.invalid", language, what=what)
    return json_response({"error": {"code": "page.invalid", "message": message}}, 422)


def _wrong(problem: Mapping[str, Any], language: str) -> str:
    """What is wrong with a value in the reader's language; as the validator says it where we have no words."""
    code = f"page.wrong.{problem['type']}"
    if code not in catalogue(language):
        return str(problem["msg"])
    found = "" if problem["type"] == "missing" else f"{str(problem.get('input'))[:60]!r} "
    return found + translate(code, language, **problem.get("ctx", {}))


async def on_unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: logged, and told without details."""
    path = request.url.path  # that of a link is the right to use it, so the log does not get it
    log.error("web.failed", path=SIGNED if path.startswith(SIGNED) else path, exc_info=error)
    message = translate("page.failed", getattr(request.state, "language", None))
    return json_response({"error": {"code": "page.failed", "message": message}}, 500)
