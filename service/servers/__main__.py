"""Prepares the broker that has been fetched, so that each of its starts is quick: python -m service.servers."""

from __future__ import annotations

from andon.process import exit_status_of
from service.servers.kafka import make_class_archive


def main() -> int:
    """Keep the classes of Kafka; exit status 1 when it is missing."""
    make_class_archive()
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
