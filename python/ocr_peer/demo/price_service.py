"""Three price sources on one loopback port, replaying a recorded price path, with faults on demand.

`/{source}/{oracle}` is what oracle number `oracle` sees of source `a`, `b` or `c`; each source has a JSON shape
of its own, as exchanges do. A committee's oracles ask the same sources in reality, but never get the very same
answer; here each view has its own small noise, a pure function of seed, source, oracle and step. The oracle in
the path is also what lets one oracle's view lie while the others' stay honest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import Framework
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ocr_peer.demo.price_data import recorded_prices
from ocr_peer.durations import MILLISECOND_NS, format_duration
from ocr_peer.errors import InputError

if TYPE_CHECKING:
    # libp2p brings stubs that hide trio\'s own annotations.
    from trio_typing import TaskStatus

__all__ = ["SOURCES", "Down", "Fault", "Lie", "PriceSources", "observation_source", "price_at"]

SOURCES = ("a", "b", "c")
"""`a` answers like a ticker, `b` like an exchange's array of texts, `c` with a bare JSON number."""

SCALE = 10**8
"""Observations are dollars times this, as dollar feeds have 8 decimals."""

MAX_ORACLES = 31
"""Most oracles of a committee."""

_NOISE_TENTHS = 30
_TENTH_OF_BASIS_POINT = Decimal("0.00001")
_TICK = Decimal("0.00001")
_ABSURD = Decimal(10) ** 12
_MAX_FACTOR = 1_000_000
_MAX_CONTROL_BYTES = 4_096
_GRACE_S = 0.2


@dataclass(frozen=True, slots=True)
class Lie:
    """The view answers with a wrong price."""

    factor: Decimal | None = Decimal("1.5")
    """What the honest price is multiplied with; `None` answers 10^12 dollars instead."""


@dataclass(frozen=True, slots=True)
class Down:
    """The view does not answer with a price."""

    how: Literal["503", "silent", "hang up"] = "503"
    """`503`: status 503; `silent`: never a word; `hang up`: the connection ends in the middle of the answer."""


Fault: TypeAlias = Lie | Down


def price_at(step: int, source: str, oracle: int, seed: int) -> Decimal:
    """Dollars per euro that one oracle sees at one source, five decimals.

    The recorded path is walked to its end and back again, so that it never jumps. The noise is uniform in
    whole tenths of a basis point, from -3 to +3 basis points.

    Args:
        step: position on the path, from 0.
        source: one of `SOURCES`.
        oracle: the oracle's number.
        seed: decides the noise.
    """
    path = recorded_prices()
    turn = 2 * (len(path) - 1)
    position = step % turn
    recorded = path[min(position, turn - position)].usd
    digest = hashlib.sha256(f"{seed}/{source}/{oracle}/{step}".encode()).digest()
    tenths = int.from_bytes(digest[:8], "big") % (2 * _NOISE_TENTHS + 1) - _NOISE_TENTHS
    return (recorded * (1 + tenths * _TENTH_OF_BASIS_POINT)).quantize(_TICK)


def observation_source(base_url: str, oracle: int, *, timeout_ns: int = 800 * MILLISECOND_NS) -> str:
    """The `observationSource` of one oracle: the median of three sources, of which one may fail.

    Args:
        base_url: where the sources listen, as `PriceSources.serve` reports it.
        oracle: the oracle's number.
        timeout_ns: limit of one question, which must leave the rest of a round its time.
    """
    timeout = format_duration(timeout_ns)
    paths = {"a": "price", "b": "result,EURUSD,c,0", "c": "data,rate"}
    lines: list[str] = []
    for source, path in paths.items():
        lines += [
            f'{source} [type="http" method=GET url="{base_url}/{source}/{oracle}" timeout="{timeout}"];',
            f'{source}_parse [type="jsonparse" path="{path}"];',
            f'{source}_scaled [type="multiply" times={SCALE}];',
            f"{source} -> {source}_parse -> {source}_scaled -> answer;",
        ]
    lines.append('answer [type="median" allowedFaults=1];')
    return "".join(f"{line}\n" for line in lines)


class PriceSources:
    """The three sources, their clock and their faults. One object serves any number of connections.

    Args:
        seed: decides the noise.
        step_seconds: how long one recorded price lasts.
        first_step: where on the recorded path the replay starts.
        clock: seconds, monotonic; read when prices are asked for.
    """

    def __init__(
        self,
        *,
        seed: int,
        step_seconds: float,
        first_step: int = 0,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        if not step_seconds > 0:
            raise InputError("step_seconds", step_seconds, "is not a positive time", "write seconds above 0")
        self._seed = seed
        self._step_seconds = step_seconds
        self._first_step = first_step
        self._clock = clock
        self._started: float | None = None
        self._faults: dict[tuple[str, int], Fault] = {}

    @property
    def step(self) -> int:
        """The current step; the first question starts the clock."""
        now = self._clock()
        if self._started is None:
            self._started = now
        return self._first_step + int((now - self._started) // self._step_seconds)

    @property
    def faults(self) -> dict[tuple[str, int], Fault]:
        """The faults in force, by source and oracle; a copy."""
        return dict(self._faults)

    def set_fault(self, fault: Fault, *, oracles: Iterable[int], sources: Iterable[str] = SOURCES) -> None:
        """Let these oracles' views of these sources lie or fail until `recover`.

        Raises:
            InputError: for an unknown source, an oracle outside 0 … 30, or a factor beyond ±10^6.
        """
        factor = fault.factor if isinstance(fault, Lie) else None
        if factor is not None and not -_MAX_FACTOR <= factor <= _MAX_FACTOR:
            raise InputError("factor", factor, "is out of range", f"write a factor up to {_MAX_FACTOR}")
        for view in _views(oracles, sources):
            self._faults[view] = fault

    def recover(self, *, oracles: Iterable[int], sources: Iterable[str] = SOURCES) -> None:
        """Make these views honest again."""
        for view in _views(oracles, sources):
            self._faults.pop(view, None)

    def quote(self, source: str, oracle: int) -> Decimal:
        """The price that the view shows now, lies included."""
        fault = self._faults.get((source, oracle))
        honest = price_at(self.step, source, oracle, self._seed)
        if not isinstance(fault, Lie):
            return honest
        return _ABSURD if fault.factor is None else (honest * fault.factor).quantize(_TICK)

    async def serve(self, *, port: int = 0, task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer on the loopback interface until cancelled; reports the base URL once connections are taken.

        Besides prices, `GET /control` shows the faults and `POST /control` changes them:
        `{"do": "lie", "oracles": [2], "sources": ["a"], "factor": "1.5"}` (factor `null` is absurd),
        `{"do": "die", "oracles": [0], "how": "503"}`, `{"do": "recover", "oracles": [0, 2]}`.

        Args:
            port: TCP port; 0 lets the system choose.
            task_status: receives `http://127.0.0.1:<port>`.
        """
        if self._started is None:
            self._started = self._clock()
        config = Config()
        config.bind = [f"127.0.0.1:{port}"]
        config.errorlog = None
        config.graceful_timeout = _GRACE_S
        async with trio.open_nursery() as nursery:
            bound: list[str] = await nursery.start(partial(serve, self._app(), config))
            task_status.started(bound[0])

    def _app(self) -> Framework:
        application = Starlette(
            routes=[
                Route("/control", self._control, methods=["GET", "POST"]),
                Route("/{source}/{oracle:int}", _View(self)),
            ]
        )
        return cast("Framework", application)  # hypercorn's ASGI types are narrower than Starlette's

    async def _control(self, request: Request) -> Response:
        if request.method == "POST":
            body = bytearray()
            async for chunk in request.stream():
                body += chunk[: _MAX_CONTROL_BYTES + 1 - len(body)]
            if len(body) > _MAX_CONTROL_BYTES:
                return JSONResponse({"error": "command is too long"}, status_code=413)
            try:
                _Command.model_validate_json(body).apply(self)
            except (ValidationError, InputError) as error:
                return JSONResponse({"error": str(error)}, status_code=400)
        faults = [
            {"source": source, "oracle": oracle, "fault": repr(fault)}
            for (source, oracle), fault in sorted(self._faults.items())
        ]
        return JSONResponse({"step": self.step, "faults": faults})


class _Command(BaseModel):
    """Body of `POST /control`."""

    model_config = ConfigDict(extra="forbid")

    do: Literal["lie", "die", "recover"]
    oracles: list[int]
    sources: list[str] = list(SOURCES)
    factor: Decimal | None = Lie().factor
    how: Literal["503", "silent", "hang up"] = "503"

    def apply(self, prices: PriceSources) -> None:
        match self.do:
            case "lie":
                prices.set_fault(Lie(self.factor), oracles=self.oracles, sources=self.sources)
            case "die":
                prices.set_fault(Down(self.how), oracles=self.oracles, sources=self.sources)
            case "recover":
                prices.recover(oracles=self.oracles, sources=self.sources)


@dataclass(frozen=True, slots=True)
class _View:
    """The ASGI endpoint of `/{source}/{oracle}`; a plain response could not fall silent or break off."""

    prices: PriceSources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source, oracle = scope["path_params"]["source"], scope["path_params"]["oracle"]
        if source not in SOURCES or oracle >= MAX_ORACLES:
            await JSONResponse({"error": "no such source or oracle"}, status_code=404)(scope, receive, send)
            return
        match self.prices.faults.get((source, oracle)):
            case Down("silent"):
                while (await receive())["type"] != "http.disconnect":
                    pass
            case Down("hang up"):
                headers = [(b"content-type", b"application/json"), (b"content-length", b"64")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": b'{"price":', "more_body": True})
            case Down():
                busy = JSONResponse({"error": "service unavailable"}, status_code=503)
                await busy(scope, receive, send)
            case _:
                text = _rendered(source, self.prices.quote(source, oracle))
                await Response(text, media_type="application/json")(scope, receive, send)


def _rendered(source: str, price: Decimal) -> str:
    """The answer's text; written out rather than encoded, so that numbers keep their digits."""
    match source:
        case "a":
            return f'{{"symbol":"EURUSD","price":"{price}"}}'
        case "b":
            return f'{{"error":[],"result":{{"EURUSD":{{"c":["{price}","1.00000000"]}}}}}}'
        case _:
            return f'{{"data":{{"base":"EUR","currency":"USD","rate":{price}}}}}'


def _views(oracles: Iterable[int], sources: Iterable[str]) -> list[tuple[str, int]]:
    names = list(sources)
    for name in names:
        if name not in SOURCES:
            raise InputError("sources", name, "is not a source", f"write {', '.join(SOURCES)}")
    numbers = list(oracles)
    for number in numbers:
        if not 0 <= number < MAX_ORACLES:
            raise InputError("oracles", number, "is not an oracle", f"write 0 to {MAX_ORACLES - 1}")
    return [(name, number) for number in numbers for name in names]
