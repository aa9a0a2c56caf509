"""What a server means by Retry-After."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from andon.readings import NS_PER_S

LONGEST_S = 24 * 3600.0


def retry_after_s(header: str | None, now_ns: int) -> float | None:
    """Seconds to wait, from seconds or an HTTP date, at most a day; None where it is missing or unreadable.

    >>> retry_after_s("120", 0), retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", 0), retry_after_s("soon", 0)
    (120.0, 60.0, None)
    """
    if header is None:
        return None
    try:
        wait_s = float(header)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(header).timestamp() - now_ns / NS_PER_S
        except ValueError:
            return None
    return min(max(wait_s, 0.0), LONGEST_S) if wait_s == wait_s else None
