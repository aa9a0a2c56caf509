"""Groups of series that are judged together (operators/group_machine.py)."""

from __future__ import annotations

from andon.figures.base import Kind, Part

#: Channels that a figure names, the one that says most first.
RANKS = 5

GROUPS = (
    Kind(
        "group",
        (
            Part("score"), Part("alarm"), Part("unusual"), Part("learned", "{items}"), Part("channels", "{items}"),
            *(Part(f"contribution_{rank}") for rank in range(1, RANKS + 1)),
        ),
        about=("statistic", "product", *(f"channel_{rank}" for rank in range(1, RANKS + 1))),
    ),
)  # fmt: skip
