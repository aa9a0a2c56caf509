"""The HTTP service: the control room's page, its API and its stream."""

from __future__ import annotations

from service.web.app import create_app
from service.web.main import main

__all__ = ["create_app", "main"]
