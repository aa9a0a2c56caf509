"""What every process does with an error that a user can mend, and when it is asked to end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

from andon.errors import AndonError

DRAIN_S: Final = 20  # a part that has not ended so long after SIGTERM is killed; nothing is lost by it


def stop_on_signals() -> threading.Event:
    """Set by SIGTERM and SIGINT.

    A process whose supervisor is gone ends itself when it has not drained in `DRAIN_S`: nobody else is left to do it.
    """
    stop, supervisor = threading.Event(), os.getppid()

    def asked(*_: object) -> None:
        stop.set()
        if os.getppid() != supervisor:
            signal.alarm(DRAIN_S)  # ends the process, also one that waits in a library

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    return stop


def exit_status_of(main: Callable[[], int]) -> int:
    """Run `main`; an `AndonError` becomes one sentence on standard error and its exit status, not a traceback."""
    try:
        return main()
    except AndonError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_status
