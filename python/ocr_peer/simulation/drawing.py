"""A trace as a message sequence: one column per oracle, as text and as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ocr_peer.simulation.run import Outcome
from ocr_peer.simulation.trace import Entry

__all__ = ["sequence_svg", "sequence_text"]

_SVG = "http://www.w3.org/2000/svg"
_TEXT_LINES = 60
_SVG_ENTRIES = 400
_COLUMN = 170
_ROW = 16
_MARGIN = 70
_COLOURS = {
    "NewEpoch": "#8250df",
    "ObserveReq": "#0969da",
    "Observe": "#1a7f37",
    "ReportReq": "#0969da",
    "Report": "#1a7f37",
    "Final": "#bc4c00",
    "FinalEcho": "#d4a72c",
}


_WORDS = {
    "ObservationMade": "has observed",
    "ChainRead": "has read the chain",
    "wakes": "timer",
}
"""What people read instead of the trace's own words."""


def sequence_text(outcome: Outcome, lines: int = _TEXT_LINES) -> str:
    """The last `lines` entries, each in its oracle's column; the column before the first is the chain's."""
    shown = outcome.entries[-lines:]
    width = max(14, min(26, 150 // (outcome.scenario.n + 1)))
    head = ["chain", *(f"oracle {oracle}{_mark(outcome, oracle)}" for oracle in range(outcome.scenario.n))]
    rows = ["seconds   " + "".join(name.ljust(width) for name in head)]
    if len(outcome.entries) > len(shown):
        rows.append(f"… {len(outcome.entries) - len(shown)} entries before")
    for entry in shown:
        indent = " " * (width * (entry.oracle + 1))
        rows.append(f"{entry.elapsed / 1e9:9.4f} {indent}{_said(entry)}".rstrip())
    if outcome.violation is not None:
        rows.append(str(outcome.violation))
    return "\n".join(rows)


def sequence_svg(outcome: Outcome) -> str:
    """The last entries: time runs downwards, arrows are messages that arrived, named where they arrive."""
    shown = [entry for entry in outcome.entries if entry.verb != "sends"][-_SVG_ENTRIES:]
    positions = {id(entry): _MARGIN + _ROW * (index + 1) for index, entry in enumerate(shown)}
    columns = outcome.scenario.n + 1
    width, height = _COLUMN * columns + 2 * _MARGIN, _MARGIN + _ROW * (len(shown) + 4)
    parts = [
        f'<svg xmlns="{_SVG}" width="{width}" height="{height}" font-family="monospace" font-size="11">',
        # A halo keeps words readable where arrows cross them.
        "<style>text { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }</style>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(_lane(outcome, oracle, height) for oracle in range(-1, outcome.scenario.n)),
    ]
    for entry in shown:
        if entry.verb == "hears":
            parts.append(_arrow(entry, positions[id(entry)], shown, positions))
    for entry in shown:
        parts.append(_words(entry, positions[id(entry)]))
    if outcome.violation is not None:
        text = escape(str(outcome.violation)[:200])
        parts.append(f'<text x="8" y="{height - 12}" fill="#cf222e" font-weight="bold">{text}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _lane(outcome: Outcome, oracle: int, height: int) -> str:
    x = _x(oracle)
    name = "chain" if oracle < 0 else f"oracle {oracle}{_mark(outcome, oracle)}"
    return (
        f'<text x="{x}" y="24" text-anchor="middle" font-weight="bold">{escape(name)}</text>'
        f'<line x1="{x}" y1="34" x2="{x}" y2="{height - 30}" stroke="#d0d7de"/>'
    )


def _arrow(entry: Entry, y: int, shown: Sequence[Entry], positions: dict[int, int]) -> str:
    x, colour = _x(entry.oracle), _colour(entry)
    from_x, from_y = _x(entry.peer), _sent_at(entry, y, shown, positions)
    return (
        f'<line x1="{from_x}" y1="{from_y}" x2="{x}" y2="{y}" stroke="{colour}"/>'
        f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
    )


def _words(entry: Entry, y: int) -> str:
    time = f'<text x="4" y="{y + 4}" fill="#8c959f">{entry.elapsed / 1e9:.3f}</text>'
    x, colour = _x(entry.oracle), _colour(entry)
    if entry.verb == "hears":
        # One entry a row: beside its arrowhead, no label meets another.
        return time + f'<text x="{x + 7}" y="{y + 4}" fill="{colour}">{escape(entry.text)}</text>'
    return (
        time + f'<text x="{x}" y="{y + 4}" text-anchor="middle" fill="{colour}">{escape(_said(entry))}</text>'
    )


def _colour(entry: Entry) -> str:
    if entry.verb == "hears":
        return _COLOURS.get(entry.text.partition(" ")[0], "#cf222e")
    return "#cf222e" if entry.verb in ("crashes", "breaks", "cannot write") else "#57606a"


def _sent_at(entry: Entry, y: int, shown: Sequence[Entry], positions: dict[int, int]) -> int:
    earlier = [positions[id(other)] for other in shown if other.elapsed <= entry.sent]
    return min(y, earlier[-1] + _ROW // 2 if earlier else _MARGIN)


def _x(oracle: int) -> int:
    return _MARGIN + _COLUMN * (oracle + 1) + _COLUMN // 2


def _said(entry: Entry) -> str:
    peer = f" {entry.peer}" if entry.peer >= 0 else ""
    match entry.verb:
        case "sends":
            return f"{peer or ' all'} ◀ {entry.text}".strip()
        case "hears":
            return f"▶{peer} {entry.text}"
        case _:
            return f"{_WORDS.get(entry.verb, entry.verb)}{peer} {entry.text}".strip()


def _mark(outcome: Outcome, oracle: int) -> str:
    return " (byz)" if oracle in outcome.plan.byzantine() else ""
