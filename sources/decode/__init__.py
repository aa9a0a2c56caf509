"""Decoders of wire formats: messages of a log to columns, with a reason for everything that is no reading."""

from __future__ import annotations

from pathlib import Path

from sources.decode.decoder import JsonDecoder
from sources.decode.framing import read_messages
from sources.decode.freshness import forget_stale
from sources.decode.log_decoder import LogDecoder

__all__ = ["JsonDecoder", "LogDecoder"]

forget_stale(Path(__file__).parent, Path(str(read_messages.stats.cache_path)))
