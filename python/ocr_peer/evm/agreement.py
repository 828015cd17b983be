"""Asks several endpoints the same, and believes what the majority says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.access import Call
from ocr_peer.evm.endpoint import Endpoint, EndpointState
from ocr_peer.evm.quantity import quantity_from_hex
from ocr_peer.evm.quorum import Ballot, Verdict, block_named, canonical, decide, said, shared_head, told_apart
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.rpc_errors import RpcError, RpcUnavailable, shortened

__all__ = ["Poll", "common_head"]

_GRACE_S: Final = 1.0
"""Once there is a majority, the slower ones get this long to show that they contradict it."""

_WAITS_S: Final = (0.5, 1.0, 1.5)
"""Before an endpoint that has not got the block yet is asked again: it may be a moment behind."""


@dataclass(slots=True)
class Poll:
    """One vote on the answers to `calls`.

    Args:
        voters: whom to ask, in order of preference.
        calls: each names its block.
        needed: how many same answers make a majority; more than half of the voters.
    """

    voters: Sequence[Endpoint]
    calls: Sequence[Call]
    needed: int
    _ballots: dict[str, Ballot] = field(default_factory=dict)
    _answers: dict[str, list[object | RpcError]] = field(default_factory=dict)
    _silent: dict[str, str] = field(default_factory=dict)

    async def result(self) -> list[object | RpcError]:
        """The majority's answers, as its preferred member words them. Who contradicts it is set aside.

        Raises:
            RpcUnavailable: no majority; the reason names who said what.
        """
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                for endpoint in self.voters:
                    nursery.start_soon(self._ask, endpoint, scope)
        verdict = self._decided()
        if verdict is None:
            raise RpcUnavailable(", ".join(endpoint.name for endpoint in self.voters), self._disagreement())
        answers = self._answers[verdict.supporters[0]]
        for endpoint in self.voters:
            if endpoint.name in verdict.liars:
                endpoint.note_contradiction(said(self.calls, self._answers[endpoint.name], answers))
        return answers

    async def _ask(self, endpoint: Endpoint, scope: trio.CancelScope) -> None:
        if endpoint.state is EndpointState.RATE_LIMITED:
            self._silent[endpoint.name] = "asked for a pause"
            return
        needs_block = max((block_named(call) or 0 for call in self.calls), default=0)

        async def ask(rpc: RpcClient) -> tuple[Ballot, list[object | RpcError], int]:
            head, *answers = await rpc.batch([("eth_blockNumber", ()), *self.calls])
            if isinstance(head, RpcError):
                raise head
            ballot = tuple(canonical(*pair) for pair in zip(self.calls, answers, strict=True))
            return ballot, answers, quantity_from_hex(head, "eth_blockNumber")

        for pause_s in (*_WAITS_S, None):
            try:
                ballot, answers, head = await endpoint.exchange(ask)
            except OperatingError as failure:
                self._silent[endpoint.name] = str(failure)
                return
            endpoint.note_head(head)
            if head >= needs_block:
                break
            self._silent[endpoint.name] = f"has not got block {needs_block} yet"
            if pause_s is None:
                return
            await trio.sleep(pause_s)
        self._ballots[endpoint.name], self._answers[endpoint.name] = ballot, answers
        if self._decided() is not None:
            scope.deadline = min(scope.deadline, trio.current_time() + _GRACE_S)

    def _decided(self) -> Verdict | None:
        ordered = {
            endpoint.name: self._ballots[endpoint.name]
            for endpoint in self.voters
            if endpoint.name in self._ballots
        }
        return decide(ordered, self.needed)

    def _disagreement(self) -> str:
        spoken = {name: "; ".join(map(str, answers)) for name, answers in self._answers.items()}
        words = dict(zip(spoken, told_apart(list(spoken.values())), strict=True))
        parts = [
            f"{endpoint.name} says {words[endpoint.name]}"
            if endpoint.name in words
            else f"{endpoint.name} says nothing ({shortened(self._silent.get(endpoint.name, 'too late'), 120)})"
            for endpoint in self.voters
        ]
        return f"{self.needed} of {len(self.voters)} endpoints must agree, but " + ", ".join(parts)


async def common_head(voters: Sequence[Endpoint], needed: int, within: int) -> int:
    """A head that at least `needed` of the voters have, and that is new to them (`shared_head`).

    Raises:
        RpcUnavailable: too few answered, or their heads are too far apart; the reason names each.
    """
    heads: dict[str, int] = {}
    silent: dict[str, str] = {}

    async def ask(endpoint: Endpoint, scope: trio.CancelScope) -> None:
        async def number(rpc: RpcClient) -> int:
            return quantity_from_hex(await rpc.call("eth_blockNumber"), "eth_blockNumber")

        if endpoint.state is EndpointState.RATE_LIMITED:
            silent[endpoint.name] = "asked for a pause"
            return
        try:
            head = await endpoint.exchange(number)
        except OperatingError as failure:
            silent[endpoint.name] = shortened(str(failure), 120)
            return
        endpoint.note_head(head)
        heads[endpoint.name] = head
        if shared_head(list(heads.values()), needed, within) is not None:
            scope.cancel()

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            for endpoint in voters:
                nursery.start_soon(ask, endpoint, scope)
    shared = shared_head(list(heads.values()), needed, within)
    if shared is not None:
        return shared
    told = ", ".join(
        f"{endpoint.name} is at block {heads[endpoint.name]}"
        if endpoint.name in heads
        else f"{endpoint.name} says nothing ({silent.get(endpoint.name, 'too late')})"
        for endpoint in voters
    )
    raise RpcUnavailable(
        ", ".join(endpoint.name for endpoint in voters),
        f"{needed} of {len(voters)} endpoints must agree on the newest block"
        + (f" to within {within} blocks" if within else "")
        + f", but {told}",
    )
