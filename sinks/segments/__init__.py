"""A durable queue of lines on local disk: written by one process, read by another, safe under kill -9 of either.

SegmentWriter : in the flow; its position is part of the flow's recovery state.
SegmentReader : in the sender of the target; says what is delivered, and lets it go.

Delivery class: at least once. Lines come out in the order they went in. What a flow wrote after the state it resumes
from may come out too, before the same lines again; so every line must be harmless when it is delivered twice.
"""

from sinks.segments.files import SEGMENT_BYTES, Position
from sinks.segments.reader import Gap, SegmentReader
from sinks.segments.writer import SegmentWriter

__all__ = ["SEGMENT_BYTES", "Gap", "Position", "SegmentReader", "SegmentWriter"]
