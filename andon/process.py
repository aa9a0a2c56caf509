"""What the main function of every process does with an error that a user can mend."""

from __future__ import annotations

import sys
from collections.abc import Callable

from andon.errors import AndonError


def exit_status_of(main: Callable[[], int]) -> int:
    """Run `main`; an `AndonError` becomes one sentence on standard error and its exit status, not a traceback."""
    try:
        return main()
    except AndonError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_status
