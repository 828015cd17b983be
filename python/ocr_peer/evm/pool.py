"""Several endpoints of one chain behind one interface.

Whatever a single endpoint answers comes from the preferred one that is well; what must not be decided by a
single one is asked of all (`agreed`); a transaction goes to all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil
from typing import Final

import httpx
import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import Call
from ocr_peer.evm.agreement import Poll, common_head
from ocr_peer.evm.endpoint import Endpoint, EndpointSnapshot, EndpointState
from ocr_peer.evm.endpoint_settings import EndpointAddress, PoolSettings
from ocr_peer.evm.failover import USABLE, Failover, others_may_know
from ocr_peer.evm.head_subscription import HeadSubscription
from ocr_peer.evm.heads import HeadSignal, stale_endpoints
from ocr_peer.evm.quantity import quantity_from_hex
from ocr_peer.evm.quorum import canonical, needed_votes
from ocr_peer.evm.rpc import RpcClient, is_read
from ocr_peer.evm.rpc_errors import METHOD_NOT_FOUND, RpcError
from ocr_peer.evm.send_to_all import send_to_all

__all__ = ["EndpointPool", "endpoint_pool"]

_NO_VOTE: Final = frozenset(
    {EndpointState.INVALID_CHAIN_ID, EndpointState.OUTVOTED, EndpointState.UNREACHABLE}
)


def endpoint_pool(
    addresses: Sequence[EndpointAddress],
    *,
    chain_id: int,
    settings: PoolSettings | None = None,
    timeout_s: float = 10.0,
    max_response_bytes: int = 16 * 1024 * 1024,
    client: httpx.AsyncClient | None = None,
) -> EndpointPool:
    """A pool over endpoints as configured; the caller closes it.

    Args:
        addresses: at least one that is not `send_only`.
        chain_id: what all of them are to serve.
        settings: `None` for the defaults.
        timeout_s: most seconds that one attempt at one endpoint may take.
        max_response_bytes: longer answers are refused.
        client: the HTTP client for all of them; `None` gives each its own.
    """
    settings = settings or PoolSettings()
    return EndpointPool(
        [
            Endpoint(
                address,
                RpcClient(
                    address.http_url,
                    timeout_s=timeout_s,
                    max_response_bytes=max_response_bytes,
                    repeats=False,
                    client=client,
                ),
                chain_id=chain_id,
                settings=settings,
            )
            for address in sorted(addresses, key=lambda address: address.order)
        ],
        chain_id=chain_id,
        settings=settings,
    )


class EndpointPool:
    """Implements `ChainAccess`. Calls may run concurrently.

    Args:
        endpoints: in order of preference.
        chain_id: of all of them.
        settings: bounds of health and agreement.
    """

    def __init__(self, endpoints: Sequence[Endpoint], *, chain_id: int, settings: PoolSettings) -> None:
        self.endpoints = tuple(endpoints)
        self.readers = tuple(endpoint for endpoint in endpoints if not endpoint.send_only)
        self.settings = settings
        self._chain_id = chain_id
        self._signal = HeadSignal()
        self._stale: frozenset[str] = frozenset()
        self._failover = Failover(self.readers, self._refresh)

    @property
    def shown_url(self) -> str:
        """The endpoint's URL without secrets; of several, their names."""
        if len(self.endpoints) == 1:
            return self.endpoints[0].rpc.shown_url
        return ", ".join(endpoint.name for endpoint in self.endpoints)

    async def aclose(self) -> None:
        """Close the connections."""
        for endpoint in self.endpoints:
            await endpoint.rpc.aclose()

    async def run(self) -> None:
        """Probe the endpoints and follow their announcements, until cancelled. The pool works without it, but
        does not notice an endpoint that comes back or falls behind.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_probing)
            for endpoint in self.readers:
                if endpoint.address.ws_url is not None:
                    subscription = HeadSubscription(
                        endpoint.address.ws_url,
                        name=endpoint.name,
                        chain_id=self._chain_id,
                        silence_s=self.settings.no_new_heads_threshold_s,
                        on_head=partial(self.announce, endpoint),
                        on_change=partial(setattr, endpoint, "subscribed"),
                    )
                    nursery.start_soon(subscription.run)

    async def call(self, method: str, params: Sequence[object] = ()) -> object:
        """The method's result: a read from the first endpoint that gives one, a transaction sent to all.

        Raises:
            RpcError: the endpoint's own error.
            RpcUnavailable: no usable answer; the reason names each endpoint's.
            UnexpectedAnswer: the only endpoint answered with something else.
        """
        if method == "eth_sendRawTransaction":
            return await send_to_all(self._takers(), params)
        call = (method, params)

        async def ask(endpoint: Endpoint) -> object:
            async def exchange(rpc: RpcClient) -> object:
                result = await rpc.call(method, params)
                canonical(call, result)
                return result

            result = await endpoint.exchange(exchange)
            self._heard(endpoint, [call], [result])
            return result

        return await self._failover.first_answer(ask, repeatable=is_read(method))

    async def batch(self, calls: Sequence[Call]) -> list[object | RpcError]:
        """For each call its result or error, all of the first endpoint that answers; raises as `call` does."""
        if not calls:
            return []

        async def ask(endpoint: Endpoint) -> list[object | RpcError]:
            async def exchange(rpc: RpcClient) -> list[object | RpcError]:
                outcomes = await rpc.batch(calls)
                for call, outcome in zip(calls, outcomes, strict=True):
                    canonical(call, outcome)
                return outcomes

            outcomes = await endpoint.exchange(exchange)
            self._heard(endpoint, calls, outcomes)
            return outcomes

        def incomplete(outcomes: list[object | RpcError]) -> bool:
            errors = [outcome for outcome in outcomes if isinstance(outcome, RpcError)]
            return any(error.code != METHOD_NOT_FOUND and others_may_know(error) for error in errors)

        repeatable = all(is_read(method) for method, _ in calls)
        return await self._failover.first_answer(ask, repeatable=repeatable, incomplete=incomplete)

    async def agreed(self, calls: Sequence[Call]) -> list[object | RpcError]:
        """The answers of more than half of the endpoints that can be reached, and of `quorum` at least.

        An endpoint that is behind or asked for a pause counts as one that can be reached, and so is none
        that makes others be believed alone. With one endpoint configured it is itself.

        Raises:
            RpcUnavailable: no majority; the reason names who said what.
        """
        if not calls:
            return []
        if len(self.readers) == 1:
            return await self.batch(calls)
        voters = self._voters()
        return await Poll(voters, calls, needed_votes(len(voters), self.settings.quorum)).result()

    async def agreed_head(self) -> int:
        """The newest block of as many endpoints as must agree, which are within `sync_threshold` of each other.

        Raises:
            RpcUnavailable: too few endpoints answered, or they are too far apart.
        """
        if len(self.readers) == 1:
            return quantity_from_hex(await self.call("eth_blockNumber"), "eth_blockNumber")
        voters = self._voters()
        needed = needed_votes(len(voters), self.settings.quorum)
        return await common_head(voters, needed, self.settings.sync_threshold)

    async def wait_for_head(self, timeout_s: float) -> None:
        """Return at the next new head of any endpoint, or after `timeout_s`."""
        await self._signal.wait(timeout_s)

    def announce(self, endpoint: Endpoint, number: int) -> None:
        """Note a head that an endpoint tells by itself."""
        if endpoint.note_head(number):
            self._signal.rise()

    async def probe(self, endpoints: Sequence[Endpoint] | None = None) -> dict[str, OperatingError]:
        """Ask for chain id and head, of all at once, and find out who is behind.

        Args:
            endpoints: `None` for all.

        Returns:
            By name, what kept an endpoint from answering.
        """
        failures: dict[str, OperatingError] = {}
        heads: dict[str, int] = {}

        async def look(endpoint: Endpoint) -> None:
            try:
                await endpoint.verify()
                if not endpoint.send_only:
                    number = await endpoint.exchange(_head)
                    self.announce(endpoint, number)
                    heads[endpoint.name] = number
            except OperatingError as failure:
                failures[endpoint.name] = failure

        async with trio.open_nursery() as nursery:
            for endpoint in self.endpoints if endpoints is None else endpoints:
                nursery.start_soon(look, endpoint)
        self._compare(heads)
        self._refresh()
        return failures

    def snapshot(self) -> tuple[EndpointSnapshot, ...]:
        """State and counters of every endpoint, in order of preference."""
        self._refresh()
        return tuple(endpoint.snapshot() for endpoint in self.endpoints)

    def _compare(self, heads: Mapping[str, int]) -> None:
        """Find out who is behind, from heads of the same moment."""
        others = [endpoint for endpoint in self.readers if endpoint.state not in _NO_VOTE]
        credible = {endpoint.name: heads[endpoint.name] for endpoint in others if endpoint.name in heads}
        if len(credible) == 1 < len(others):
            return  # The others only failed to answer this time.
        found = stale_endpoints(credible, others, self.settings, trio.current_time())
        self._stale = (self._stale - credible.keys()) | found

    async def _keep_probing(self) -> None:
        rounds_left = dict.fromkeys(self.endpoints, 0)
        while True:
            # All that are well in the same round: heads are compared.
            due = [
                endpoint
                for endpoint, rounds in rounds_left.items()
                if rounds <= 0 and endpoint.resumes_at() <= trio.current_time()
            ]
            await self.probe(due)
            for endpoint in due:
                rounds_left[endpoint] = ceil(endpoint.next_probe_in() / self.settings.poll_interval_s)
            for endpoint in rounds_left:
                rounds_left[endpoint] -= 1
            await trio.sleep(self.settings.poll_interval_s)

    def _refresh(self) -> None:
        for endpoint in self.endpoints:
            endpoint.refresh(behind=endpoint.name in self._stale)

    def _heard(self, endpoint: Endpoint, calls: Sequence[Call], outcomes: Sequence[object]) -> None:
        for (method, _), outcome in zip(calls, outcomes, strict=True):
            if method == "eth_blockNumber" and not isinstance(outcome, RpcError):
                self.announce(endpoint, quantity_from_hex(outcome, method))

    def _voters(self) -> list[Endpoint]:
        self._refresh()
        voters = [endpoint for endpoint in self.readers if endpoint.state not in _NO_VOTE]
        return (
            voters
            or [endpoint for endpoint in self.readers if endpoint.state is EndpointState.UNREACHABLE]
            or list(self.readers)
        )

    def _takers(self) -> list[Endpoint]:
        """Who gets transactions: an endpoint that lags passes them on as well."""
        self._refresh()
        well = [
            endpoint for endpoint in self.endpoints if endpoint.state in {*USABLE, EndpointState.OUT_OF_SYNC}
        ]
        return well or list(self.endpoints)


async def _head(rpc: RpcClient) -> int:
    return quantity_from_hex(await rpc.call("eth_blockNumber"), "eth_blockNumber")
