"""One question to one endpoint after the other, until one of them answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import trio

from ocr_peer.errors import OperatingError
from ocr_peer.evm.endpoint import Endpoint, EndpointState
from ocr_peer.evm.rpc_errors import (
    METHOD_NOT_FOUND,
    AnswerTooLong,
    RpcError,
    RpcUnavailable,
    UnexpectedAnswer,
)

__all__ = ["USABLE", "Failover", "others_may_know"]

_T = TypeVar("_T")

USABLE: Final = frozenset({EndpointState.ALIVE, EndpointState.UNDIALED})
"""States in which an endpoint is asked without need."""

_PAUSES_S: Final = (0.0, 0.2, 0.8)
"""Before each turn of a call through the endpoints."""

_MAX_ATTEMPTS: Final = 6
"""Of one call, over all endpoints and turns."""

_CALL_S: Final = 30.0
"""Most seconds that one call may take, all attempts together."""

_PATIENCE_S: Final = 5.0
"""A call waits so long for an endpoint that asked for a pause, if there is no other."""

_INTERNAL: Final = -32603
_OF_THE_ENDPOINT: Final = (
    # It does not have the block or its state.
    "header not found",
    "missing trie node",
    "unknown block",
    "block not found",
    "pruned",
    "historical state",
    "state is not available",
    # It does not serve this node.
    "unauthorized",
    "forbidden",
    "access denied",
    "api key",
    "api-key",
    "apikey",
    "project id",
    "quota",
)
"""What errors say that have nothing to do with the question."""


class Failover:
    """Chooses endpoints by preference and state.

    Args:
        readers: in order of preference.
        refresh: brings their states up to date.
    """

    def __init__(self, readers: Sequence[Endpoint], refresh: Callable[[], None]) -> None:
        self._readers = readers
        self._refresh = refresh

    async def first_answer(
        self,
        ask: Callable[[Endpoint], Awaitable[_T]],
        *,
        repeatable: bool,
        incomplete: Callable[[_T], bool] = lambda _: False,
    ) -> _T:
        """What the first endpoint answers that can.

        Args:
            ask: puts the question to one endpoint.
            repeatable: whether the question may be put more than once.
            incomplete: whether another endpoint may answer better; if none does, the answer is as good as any.

        Raises:
            RpcError: an endpoint's own error, which no other endpoint answers better.
            RpcUnavailable: none answered; the reason names each.
            UnexpectedAnswer: the only endpoint answered with something else.
        """
        failures: dict[str, OperatingError] = {}
        poor: list[_T] = []
        refusal: RpcError | None = None
        attempts = _MAX_ATTEMPTS if repeatable else 1
        with trio.move_on_after(_CALL_S):
            for pause_s in _PAUSES_S if repeatable else _PAUSES_S[:1]:
                if pause_s:
                    await trio.sleep(pause_s)
                for endpoint in (self._candidates() or await self._after_pause())[:attempts]:
                    attempts -= 1
                    try:
                        answer = await ask(endpoint)
                    except RpcError as error:
                        if not (repeatable and others_may_know(error)):
                            raise
                        refusal = refusal or error
                        continue
                    except (RpcUnavailable, UnexpectedAnswer) as error:
                        failures[endpoint.name] = error
                        continue
                    if not incomplete(answer):
                        return answer
                    poor.append(answer)
                if poor or refusal or attempts == 0 or not _may_pass(failures):
                    break
        if poor:
            return poor[0]
        raise refusal or self._failure(failures)

    def _candidates(self) -> list[Endpoint]:
        """Whom to ask, in this order; empty if all asked for a pause or are not to be believed."""
        self._refresh()
        usable = [endpoint for endpoint in self._readers if endpoint.state in USABLE]
        if usable:
            # One that failed last is asked after the others until a probe finds it well.
            return sorted(usable, key=lambda endpoint: endpoint.failures > 0)
        last_resort = (EndpointState.UNREACHABLE, EndpointState.OUT_OF_SYNC)
        return [endpoint for state in last_resort for endpoint in self._readers if endpoint.state is state]

    async def _after_pause(self) -> list[Endpoint]:
        """Those that asked for a short pause, once it is over."""
        paused = [endpoint for endpoint in self._readers if endpoint.state is EndpointState.RATE_LIMITED]
        resumes_at = min((endpoint.resumes_at() for endpoint in paused), default=float("inf"))
        if resumes_at - trio.current_time() > _PATIENCE_S:
            return []
        await trio.sleep_until(resumes_at)
        return self._candidates()

    def _failure(self, failures: Mapping[str, OperatingError]) -> OperatingError:
        told = list(failures.values())
        if told and (len(self._readers) == 1 or all(isinstance(error, AnswerTooLong) for error in told)):
            return told[0]
        reasons = [
            f"{endpoint.name}: {_reason(failures[endpoint.name])}"
            if endpoint.name in failures
            else f"{endpoint.name} is {endpoint.state.value}"
            for endpoint in self._readers
        ]
        return RpcUnavailable(", ".join(endpoint.name for endpoint in self._readers), "; ".join(reasons))


def others_may_know(error: RpcError) -> bool:
    """Whether the error speaks of this endpoint rather than of the question."""
    words = error.message.lower()
    if "revert" in words:
        return False  # and the rest is the contract's words
    return error.code in {METHOD_NOT_FOUND, _INTERNAL} or any(part in words for part in _OF_THE_ENDPOINT)


def _may_pass(failures: Mapping[str, OperatingError]) -> bool:
    return not failures or any(
        isinstance(failure, RpcUnavailable) and failure.retry for failure in failures.values()
    )


def _reason(failure: OperatingError) -> str:
    return failure.reason if isinstance(failure, RpcUnavailable) else str(failure)
