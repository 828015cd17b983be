"""The live terminal view: one row per oracle, the feed's answer above, happenings below."""

from __future__ import annotations

import time
from collections.abc import Callable

import trio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ocr_peer.demo.state import CommitteeState, OracleState, percentile

__all__ = ["render", "run_view"]

_REFRESH_S = 0.2
_DECIMALS = 8
_SPARKS = "▁▂▃▄▅▆▇█"


async def run_view(state: CommitteeState, title: str, console: Console, goal: Callable[[], str]) -> None:
    """Draw until cancelled.

    Args:
        state: what to draw; folded elsewhere.
        title: names the feed.
        console: a terminal.
        goal: how far the run is, such as "3 of 10 answers".
    """
    with Live(render(state, title, goal()), console=console, auto_refresh=False, transient=False) as live:
        try:
            while True:
                live.update(render(state, title, goal()), refresh=True)
                await trio.sleep(_REFRESH_S)
        finally:
            live.update(render(state, title, goal()), refresh=True)


def render(state: CommitteeState, title: str, goal: str) -> RenderableType:
    """The whole picture, as of now."""
    return Panel(
        Group(_feed(state, goal), _oracles(state), _notes(state)),
        title=f"[bold]ocr-peer demo[/bold] · {title}",
        subtitle="Ctrl-C stops everything",
        border_style="cyan",
    )


def _feed(state: CommitteeState, goal: str) -> RenderableType:
    table = Table.grid(padding=(0, 3))
    if not state.answers:
        table.add_row(
            Text("waiting for the first answer on chain …", style="yellow"), Text(goal, style="dim")
        )
        return table
    latest = state.answers[-1]
    age = max(0.0, time.time() - latest.audit.updated_at)
    latencies = state.latencies_ms()
    middle = percentile(latencies, 0.5)
    table.add_row(
        Text.assemble(("answer ", "dim"), (f"{latest.audit.answer / 10**_DECIMALS:.8f}", "bold green")),
        Text.assemble(("age ", "dim"), f"{age:4.0f} s"),
        Text.assemble(("round id ", "dim"), str(latest.audit.round_id)),
        Text.assemble(("gas ", "dim"), f"{latest.audit.gas_used:,}"),
        Text.assemble(("latency ", "dim"), "–" if middle is None else f"{middle:.0f} ms"),
        Text.assemble(("mismatches ", "dim"), str(state.median_mismatches)),
        Text(goal, style="dim"),
    )
    history = [answer.audit.answer for answer in list(state.answers)[-60:]]
    return Group(table, Text(_sparkline(history), style="green"))


def _oracles(state: CommitteeState) -> Table:
    table = Table(expand=True, header_style="bold", border_style="dim")
    for column in ("oracle", "peers", "epoch", "leader", "round", "phase"):
        table.add_column(column, justify="right" if column != "phase" else "left")
    for column in ("last observation", "included", "transmissions"):
        table.add_column(column, justify="right")
    for index, oracle in enumerate(state.oracles):
        table.add_row(*_row(index, oracle, state.answer_count))
    return table


def _row(index: int, oracle: OracleState, answers: int) -> list[RenderableType]:
    if not oracle.up:
        unknown = [Text("–", style="dim")] * 4
        return [Text(str(index), style="red"), *unknown, Text("down", style="bold red"), "", "", ""]
    leads = oracle.leader == index
    observation = oracle.last_observation
    return [
        Text(f"★ {index}" if leads else str(index), style="bold yellow" if leads else ""),
        str(oracle.peers),
        str(oracle.epoch),
        "–" if oracle.leader is None else str(oracle.leader),
        str(oracle.round),
        oracle.phase,
        "–" if observation is None else f"{observation / 10**_DECIMALS:.8f}",
        f"{oracle.included}/{answers}",
        str(oracle.transmissions),
    ]


def _notes(state: CommitteeState) -> RenderableType:
    return Text("\n".join(state.notes), style="dim") if state.notes else Text("")


def _sparkline(values: list[int]) -> str:
    low, high = min(values), max(values)
    if high == low:
        return _SPARKS[0] * len(values)
    return "".join(_SPARKS[(value - low) * (len(_SPARKS) - 1) // (high - low)] for value in values)
