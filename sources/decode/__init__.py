"""Decoders of wire formats: messages of a log to columns, with a reason for everything that is no reading."""

from __future__ import annotations

from sources.decode.decoder import JsonDecoder

__all__ = ["JsonDecoder"]
