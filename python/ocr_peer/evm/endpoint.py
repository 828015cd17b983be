"""One endpoint of a chain, and how far it can be relied on at the moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

import structlog
import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.endpoint_settings import EndpointAddress, PoolSettings
from ocr_peer.evm.quantity import quantity_from_hex
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.rpc_errors import RateLimited, RpcError, RpcUnavailable, UnexpectedAnswer

__all__ = ["Endpoint", "EndpointSnapshot", "EndpointState", "WrongChain"]

_T = TypeVar("_T")
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_PAUSE_S: Final = 5.0
"""After a rate limit that names no time."""

_LONGEST_PAUSE_S: Final = 60.0
"""No endpoint is obeyed longer at a time: a pause is a way to silence it for good."""

_SET_ASIDE_S: Final = 120.0
"""After the first contradiction; twice as long after each further one."""

_FORGIVEN_S: Final = 6 * 3600.0
"""After so long without a contradiction the next one is the first again."""

_LONGEST_SET_ASIDE_S: Final = 3600.0

_LONGEST_BACKOFF_S: Final = 60.0
"""Between two probes of an endpoint that does not answer, or of another chain."""


_MAX_SENDING: Final = 8
"""Transactions that one endpoint is given at once."""


class EndpointState(StrEnum):
    """Where an endpoint stands; where Chainlink's node pool knows the state, by its name."""

    UNDIALED = "Undialed"
    ALIVE = "Alive"
    OUT_OF_SYNC = "OutOfSync"
    """Its head lags behind: not asked for anything that only one endpoint answers."""
    UNREACHABLE = "Unreachable"
    RATE_LIMITED = "RateLimited"
    """It asked for a pause."""
    INVALID_CHAIN_ID = "InvalidChainID"
    OUTVOTED = "Outvoted"
    """It contradicted the majority, and is not asked for a while."""


@dataclass(frozen=True, slots=True)
class EndpointSnapshot:
    """An endpoint's state and counters since start, as metrics want them (`evm_pool_rpc_node_…`)."""

    name: str
    state: EndpointState
    send_only: bool
    highest_seen_block: int | None
    heads_received: int
    """Rises of the head, polled and announced."""
    subscribed: bool
    """Whether it announces its heads at the moment."""
    calls_total: int
    calls_failed: int
    call_time_s: float
    """Sum over all calls that were answered."""
    latency_s: float | None
    """Of late: a moving average over about eight calls; `None` before the first answer."""
    rate_limited: int
    contradictions: int
    transitions: Mapping[EndpointState, int]
    """How often it came into each state."""


class WrongChain(RpcUnavailable):
    """The endpoint serves another chain than the one that it is configured for."""

    def __init__(self, url: str, served: int, wanted: int) -> None:
        self.served = served
        super().__init__(url, f"serves chain {served}, not {wanted}", retry=False)


class Endpoint:
    """An endpoint and its record. Times are `trio.current_time()`.

    Args:
        address: as configured.
        rpc: its client; repetition is the pool's.
        chain_id: what it is to serve; asked before its first use, and again after it was away.
        settings: of the pool.
    """

    def __init__(
        self, address: EndpointAddress, rpc: RpcClient, *, chain_id: int, settings: PoolSettings
    ) -> None:
        self.address = address
        self.name = address.name
        self.send_only = address.send_only
        self.rpc = rpc
        self.head: int | None = None
        self.head_changed_at = float("-inf")
        self.failures = 0
        """In a row."""
        self.subscribed = False
        self.state = EndpointState.UNDIALED
        self.sending = trio.CapacityLimiter(_MAX_SENDING)
        """For transactions: each endpoint its own, so that one that hangs holds up no other."""
        self._chain_id = chain_id
        self._settings = settings
        self._verified = self._lost = False
        self._served: int | None = None
        self._behind = False
        self._paused_until = self._aside_until = float("-inf")
        self._set_aside_s = 0.0
        self._calls = self._failed = self._limited = self._contradictions = self._heads = 0
        self._call_time_s = 0.0
        self._latency_s: float | None = None
        self._transitions: Counter[EndpointState] = Counter()
        self._log = _log.bind(endpoint=address.name, url=rpc.shown_url, chain_id=chain_id)

    def refresh(self, *, behind: bool) -> None:
        """Bring the state up to date; `behind` is what the pool finds by comparing heads."""
        self._behind = behind
        self._settle("its head lags behind the others'" if behind else "a pause is over, or it caught up")

    async def exchange(self, send: Callable[[RpcClient], Awaitable[_T]]) -> _T:
        """Let `send` ask the endpoint, and note how that went.

        Raises:
            RpcError: the endpoint's own error; it counts as an answer.
            WrongChain: it serves another chain.
            RpcUnavailable: no usable answer.
            UnexpectedAnswer: not JSON-RPC, or not what the method promises.
        """
        if not self._verified:
            await self.verify()
        return await self._noted(lambda: send(self.rpc))

    async def verify(self) -> None:
        """Ask for the chain id, whatever is known of it; raises as `exchange` does."""

        async def ask() -> int:
            try:
                return quantity_from_hex(await self.rpc.call("eth_chainId"), "eth_chainId")
            except RpcError as error:
                # Nobody is refused this: the endpoint does not serve this node at all.
                raise RpcUnavailable(self.rpc.shown_url, f"eth_chainId: {error}", retry=False) from None

        served = await self._noted(ask)
        self._verified = served == self._chain_id
        self._served = None if self._verified else served
        self._lost = self._lost and not self._verified
        self._settle(f"serves chain {served}")
        if not self._verified:
            raise WrongChain(self.rpc.shown_url, served, self._chain_id)

    def note_head(self, number: int) -> bool:
        """Note a head that the endpoint tells; returns whether it is a new one."""
        rose = self.head is None or number > self.head
        if number != self.head:
            self.head, self.head_changed_at = number, trio.current_time()
        if rose:
            self._heads += 1
        return rose

    def note_failure(self, error: OperatingError) -> None:
        """Note an answer that is of no use, or none at all."""
        self._failed += 1
        if isinstance(error, RateLimited):
            self._limited += 1
            pause_s = _PAUSE_S if error.pause_s is None else error.pause_s
            until = trio.current_time() + min(pause_s, _LONGEST_PAUSE_S)
            self._paused_until = max(self._paused_until, until)
        else:
            self.failures += 1
            if self.failures >= self._settings.poll_failure_threshold:
                self._verified, self._lost = False, True  # who knows what comes back at that address
        self._settle(str(error))

    def note_contradiction(self, words: str) -> None:
        """Set it aside: a majority says something else."""
        self._contradictions += 1
        now = trio.current_time()
        again = now - self._aside_until < _FORGIVEN_S
        self._set_aside_s = min(2 * self._set_aside_s, _LONGEST_SET_ASIDE_S) if again else _SET_ASIDE_S
        self._aside_until = now + self._set_aside_s
        self._log.warning("endpoint.outvoted", said=words, set_aside_s=self._set_aside_s)
        self._settle(f"outvoted: {words}")

    def resumes_at(self) -> float:
        """When the pause ends that it asked for."""
        return self._paused_until

    def next_probe_in(self) -> float:
        """Seconds until it deserves another look: rarer while there is nothing to see."""
        interval = self._settings.poll_interval_s
        beyond = self.failures - self._settings.poll_failure_threshold
        if self.state is EndpointState.INVALID_CHAIN_ID:
            return max(interval, _LONGEST_BACKOFF_S)
        if beyond >= 0:
            interval = max(interval, min(interval * 2 ** min(beyond, 10), _LONGEST_BACKOFF_S))
        return max(interval, self._paused_until - trio.current_time())

    def snapshot(self) -> EndpointSnapshot:
        """State and counters now."""
        return EndpointSnapshot(
            name=self.name,
            state=self.state,
            send_only=self.send_only,
            highest_seen_block=self.head,
            heads_received=self._heads,
            subscribed=self.subscribed,
            calls_total=self._calls,
            calls_failed=self._failed,
            call_time_s=self._call_time_s,
            latency_s=self._latency_s,
            rate_limited=self._limited,
            contradictions=self._contradictions,
            transitions=MappingProxyType(dict(self._transitions)),
        )

    async def _noted(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        self._calls += 1
        start = trio.current_time()
        try:
            answer = await ask()
        except RpcError:
            self._note_answer(trio.current_time() - start)
            raise
        except (RpcUnavailable, UnexpectedAnswer) as error:
            self.note_failure(error)
            raise
        self._note_answer(trio.current_time() - start)
        return answer

    def _note_answer(self, took_s: float) -> None:
        self._call_time_s += took_s
        self._latency_s = (
            took_s if self._latency_s is None else self._latency_s + (took_s - self._latency_s) / 8
        )
        self.failures = 0
        self._settle("answers")

    def _settle(self, reason: str) -> None:
        state = self._current()
        if state is self.state:
            return
        before, self.state = self.state, state
        self._transitions[state] += 1
        good = state is EndpointState.ALIVE
        log = self._log.info if good else self._log.warning
        if good and before is EndpointState.UNDIALED:
            log = self._log.debug
        log("endpoint.state", state=state.value, before=before.value, head=self.head, reason=reason)

    def _current(self) -> EndpointState:
        now = trio.current_time()
        if self._served is not None:
            return EndpointState.INVALID_CHAIN_ID
        if now < self._aside_until:
            return EndpointState.OUTVOTED
        if self.failures >= self._settings.poll_failure_threshold:
            return EndpointState.UNREACHABLE
        if now < self._paused_until:
            return EndpointState.RATE_LIMITED
        if not self._verified:
            return EndpointState.UNREACHABLE if self._lost else EndpointState.UNDIALED
        return EndpointState.OUT_OF_SYNC if self._behind else EndpointState.ALIVE
