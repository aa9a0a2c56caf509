"""Windows as lines of a segment queue: the flow's part of publishing them. No network.

A line is the message's id, a tab, and its value as JSON; the sender cuts it at the tab and parses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from andon.outputs import SpanRows, WindowRows
from andon.readings import NS_PER_MS, NS_PER_S

SEPARATOR = "|"  # no site, path, tag or size can hold it, nor the tab


def window_lines(site: str, rows: WindowRows, paths: Mapping[int, tuple[str, str]], units: Mapping[int, str]) -> bytes:
    """One line a window, in the order of the rows; empty for no rows.

    site  : the site's id.
    paths : series id -> (asset path, tag); units: series id -> UCUM code. Of every series in the rows.

    Numbers are the shortest decimal text that reads back as the same float64. NaN (a score that is not there) is
    null. Start and end are ms since the epoch, whole numbers unless the panes are finer than that.
    """
    columns = (
        rows.series, rows.size_ns, rows.start_ns, rows.revision, rows.count, rows.minimum, rows.maximum, rows.mean,
        rows.std, rows.first, rows.last, rows.score,
    )  # fmt: skip
    return b"".join(
        window_line(site, *paths[series], units[series], size_ns, start_ns, revision, count, *statistics)
        for series, size_ns, start_ns, revision, count, *statistics in zip(
            *(column.tolist() for column in columns), strict=True
        )
    )


def window_line(
    site: str, asset: str, tag: str, unit: str, size_ns: int, start_ns: int, revision: int, count: int,
    low: float | None, high: float | None, mean: float | None, std: float | None, first: float | None,
    last: float | None, score: float | None,
) -> bytes:  # fmt: skip
    """The line of one window; None and NaN are null."""
    value = {
        "site": site, "asset": asset, "series": tag, "unit": unit, "size_s": size_ns / NS_PER_S,
        "start": milliseconds(start_ns), "end": milliseconds(start_ns + size_ns), "revision": revision,
        "count": count, "min": low, "max": high, "mean": mean, "std": std, "first": first, "last": last,
        "score": score,
    }  # fmt: skip
    told = SEPARATOR.join((site, asset, tag, size_text(size_ns), str(start_ns), str(revision)))
    return b"%s\t%s\n" % (told.encode(), orjson.dumps(value))


def span_lines(site: str, rows: SpanRows, paths: Mapping[int, tuple[str, str]], units: Mapping[int, str]) -> bytes:
    """One line a declared window, in the order of the rows; see `window_lines`."""
    return b"".join(
        span_line(site, *paths[series], units[series], window, start_ns, end_ns, revision, count, told)
        for series, window, start_ns, end_ns, revision, count, told in rows.each()
    )


def span_line(
    site: str, asset: str, tag: str, unit: str, window: str, start_ns: int, end_ns: int, revision: int, count: int,
    statistics: Mapping[str, float],
) -> bytes:  # fmt: skip
    """The line of one declared window: its statistics as far as they are known, its id where others have a size."""
    value = {
        "site": site, "asset": asset, "series": tag, "unit": unit, "window": window,
        "start": milliseconds(start_ns), "end": milliseconds(end_ns), "revision": revision, "count": count,
        **statistics,
    }  # fmt: skip
    told = SEPARATOR.join((site, asset, tag, window, str(start_ns), str(revision)))
    return b"%s\t%s\n" % (told.encode(), orjson.dumps(value))


def milliseconds(time_ns: int) -> int | float:
    """A time as JSON shows it.

    >>> milliseconds(1_500_000_000), milliseconds(1_500_250_000)
    (1500, 1500.25)
    """
    whole, rest = divmod(time_ns, NS_PER_MS)
    return time_ns / NS_PER_MS if rest else whole


def size_text(size_ns: int) -> str:
    """A length as ids and tags show it.

    >>> size_text(10_000_000_000), size_text(500_000_000)
    ('10s', '0.5s')
    """
    whole, rest = divmod(size_ns, NS_PER_S)
    return f"{size_ns / NS_PER_S}s" if rest else f"{whole}s"
