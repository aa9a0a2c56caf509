"""Elements of an SVG that browsers and Typst draw alike."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

INK, GREY, LINE, RED, AMBER, GREEN = "#1b1f24", "#5b6570", "#1f5fa8", "#b3261e", "#b26a00", "#2e7d32"


def cross(x: float, y: float) -> Iterable[str]:
    """A small cross around a point."""
    yield line(x - 4, y - 4, x + 4, y + 4, GREY, 2)
    yield line(x - 4, y + 4, x + 4, y - 4, GREY, 2)


def ring(x: float, y: float) -> str:
    """A ring around a point."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="#ffffff" stroke="{AMBER}" stroke-width="2"/>'


def box(x: float, y: float, width: float, height: float, colour: str, opacity: float) -> str:
    """A filled, see-through rectangle."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{colour}" opacity="{opacity:g}"/>'


def line(x: float, y: float, to_x: float, to_y: float, colour: str, width: float, dash: str = "") -> str:
    """A line; dash: as SVG's stroke-dasharray."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    place = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width:g}"{dashed}/>'


def text(
    x: float, y: float, text: str, *, size: int = 13, anchor: str = "start", fill: str = INK, weight: str = "normal"
) -> str:  # fmt: skip
    """A text; anything may stand in it."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
