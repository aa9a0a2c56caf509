"""Logs: event codes with fields, JSON lines for machines, readable lines on a terminal, no secrets in either.

Libraries that log through `logging` (uvicorn, alembic, httpx) come out the same way. ERROR means data was lost or a
person has to act; WARNING means it recovered by itself.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from andon.secrets import REDACTED, Secret, redact

SECRET_KEYS = re.compile(r"secret|passw|token|authorization|cookie|api_?key", re.IGNORECASE)
FILE_BYTES = 16 * 1024 * 1024
FILES_KEPT = 5
QUIET = {"httpx": "WARNING", "httpcore": "WARNING", "uvicorn.access": "WARNING", "alembic": "WARNING"}


def without_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Blank out fields named like secrets, and the value of every known `Secret` wherever it stands."""
    return {
        key: REDACTED if SECRET_KEYS.search(key) and value is not None else _clean(value)
        for key, value in event.items()
    }


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Secret):
        return REDACTED
    if isinstance(value, MutableMapping):
        return without_secrets(None, "", dict(value))
    if isinstance(value, (list, tuple)):
        return [_clean(one) for one in value]
    if isinstance(value, BaseException):
        return redact(repr(value))
    return value


def _named(component: str) -> Processor:
    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.setdefault("component", component)
        return event

    return add


def set_up_logs(component: str, *, level: str = "INFO", file: Path | None = None, stream: TextIO | None = None) -> None:
    """Send the logs of this process to `file` if given, else to `stream` (standard error).

    component : name of the process in each line, e.g. "flow-0".
    file      : JSON lines, 16 MB each, 5 old ones kept. Its folder must exist.
    stream    : readable where it is a terminal, JSON lines where it is piped.
    May be called again; the last call counts.
    """
    out = sys.stderr if stream is None else stream
    handler: logging.Handler
    if file is not None:
        handler = RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    else:
        handler = logging.StreamHandler(out)
    readable = file is None and out.isatty()
    handler.setFormatter(_formatter(component, readable=readable))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
    for name, quiet in QUIET.items():
        logging.getLogger(name).setLevel(max(logging.getLevelName(quiet), logging.getLevelName(level)))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,  # a second set_up_logs must reach loggers that are already in use
    )


def _formatter(component: str, *, readable: bool) -> logging.Formatter:
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if readable:
        last += [without_secrets, structlog.dev.ConsoleRenderer()]
    else:
        # Tracebacks become text first, so that the filter sees them.
        last += [
            _named(component),
            structlog.processors.format_exc_info,
            without_secrets,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)
