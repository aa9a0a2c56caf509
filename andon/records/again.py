"""Another try for what the database undid for the sake of somebody else's transaction."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from andon.errors import RecordsError

WAITS_S = (0.02, 0.1, 0.4)
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
log = structlog.get_logger()


def repeated(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method that is one transaction, done again after a deadlock or a serialization failure, at most 3 times.

    PostgreSQL says of these that nothing of the transaction is left. Andon's own writers never meet one, they all
    take the site's lock first; somebody at the database may. Raises the last RecordsError, "records.busy".
    """

    @wraps(method)
    def tried(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        for wait_s in WAITS_S:
            try:
                return method(self, *args, **kwargs)
            except RecordsError as error:
                if not error.params.get("again"):
                    raise
                log.warning("records.again", call=method.__name__, cause=error.params.get("cause"))
            time.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - two that met shall not meet again
        return method(self, *args, **kwargs)

    return tried
