"""The web application: routes, gate and error texts put together."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from andon.errors import AndonError
from service.web import (
    actions,
    alarm_actions,
    alarm_figures,
    api,
    calibration_api,
    erp_inbound,
    evidence_api,
    figures_api,
    models_api,
    quality_api,
    report_api,
    stream,
)
from service.web.ack_link import AckPages
from service.web.auth import Doors
from service.web.errors import json_response, on_andon_error, on_http_error, on_invalid, on_unexpected
from service.web.gate import Access, Gate
from service.web.room import Room


def create_app(room: Room, access: Access) -> FastAPI:
    """The control room and its API over what `room` reads from. Nothing is opened or bound here."""
    site = room.plant.config.site
    folder = Path(str(resources.files("dashboards.control_room")))
    doors = Doors(room.records, access, site.name or site.id)
    links = AckPages(room)

    async def page(request: Request) -> Response:
        if "token" in request.query_params:
            return await doors.redeem(request)
        return FileResponse(folder / "static" / "index.html", media_type="text/html; charset=utf-8")

    app = FastAPI(
        title="Andon", docs_url=None, redoc_url=None, openapi_url=None,  # they load scripts from elsewhere
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/login", doors.login_page, methods=["GET"]),
            Route("/login", doors.login, methods=["POST"]),
            Route("/logout", doors.logout, methods=["POST"]),
            Route("/ack/{token}", links.page, methods=["GET"]),
            Route("/ack/{token}", links.acknowledge, methods=["POST"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/metrics", api.metrics, methods=["GET"]),
            Mount("/static", StaticFiles(directory=folder / "static")),
        ],
        exception_handlers={
            AndonError: on_andon_error, HTTPException: on_http_error, RequestValidationError: on_invalid,
            Exception: on_unexpected,
        },
    )  # fmt: skip
    for router in (
        api.router,
        actions.router,
        alarm_actions.router,
        alarm_figures.router,
        stream.router,
        evidence_api.router,
        quality_api.router,
        models_api.router,
        figures_api.router,
        calibration_api.router,
        report_api.router,
        erp_inbound.router,
    ):
        app.include_router(router)
    app.state.doors = doors
    app.state.room, app.state.access, app.state.pulse = room, access, stream.Pulse(room)
    app.add_middleware(Gate, records=room.records, access=access, language=site.language)
    return app


def healthz(_request: Request) -> Response:
    """That the process answers, and nothing else: it is open to everybody."""
    return json_response({"status": "ok"})


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of every route, HEAD left out; a mounted folder stands as GET of its path.

    Raises TypeError for a kind of route it does not know: the guards that use it must not overlook one.
    """
    found: list[tuple[str, str]] = []

    def walk(routes: list[Any]) -> None:
        for route in routes:
            if isinstance(route, Mount):
                found.append(("GET", route.path + "/"))
            elif hasattr(route, "methods"):
                found.extend((method, route.path) for method in sorted(route.methods - {"HEAD"}))
            elif hasattr(route, "original_router"):  # how FastAPI keeps an included router; ours have their own prefix
                walk(list(route.original_router.routes))
            else:
                raise TypeError(f"routes_of: unknown kind of route {type(route).__name__}")

    walk(list(app.routes))
    return found
