"""What can go wrong between this node and a JSON-RPC endpoint."""

from __future__ import annotations

from ocr_peer.errors import OperatingError

__all__ = [
    "METHOD_NOT_FOUND",
    "AnswerTooLong",
    "RateLimited",
    "RpcError",
    "RpcUnavailable",
    "UnexpectedAnswer",
    "shortened",
]

METHOD_NOT_FOUND = -32601
"""JSON-RPC 2.0: the endpoint does not know the method."""


class RpcError(OperatingError):
    """The endpoint understood the request and answered with an error.

    Args:
        code: JSON-RPC error code; 3 is a reverted call on most nodes.
        message: the endpoint's own words.
        data: the error's `data` member, whatever it holds.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        self.code = code
        self.message = message
        self.data = data
        super().__init__(f"RPC error {code}: {shortened(message)}")


class RpcUnavailable(OperatingError):  # noqa: N818 - named for what happened
    """No usable answer came: no connection, a timeout, an HTTP status, or an endpoint that is overloaded.

    Args:
        url: the endpoint, secrets already removed.
        reason: what happened, as a clause.
        retry: whether the same request may succeed a little later.
    """

    def __init__(self, url: str, reason: str, *, retry: bool = True) -> None:
        self.url = url
        self.reason = reason
        self.retry = retry
        super().__init__(f"RPC endpoint {url}: {reason}")


class RateLimited(RpcUnavailable):
    """The endpoint wants to be asked less often.

    Args:
        url: the endpoint, secrets already removed.
        reason: its own words, as a clause.
        pause_s: for how long it wants to be left alone; `None` where it does not say.
    """

    def __init__(self, url: str, reason: str, pause_s: float | None) -> None:
        self.pause_s = pause_s
        super().__init__(url, reason)


class AnswerTooLong(RpcUnavailable):
    """The answer is longer than this node reads; a narrower question may get a shorter one."""

    def __init__(self, url: str, limit: int) -> None:
        super().__init__(url, f"the answer is longer than {limit} bytes", retry=False)


class UnexpectedAnswer(OperatingError):  # noqa: N818
    """The endpoint answered with something other than the method promises.

    Args:
        what: the part of the answer that is wrong.
        value: what stood there.
    """

    def __init__(self, what: str, value: object) -> None:
        self.what = what
        super().__init__(f"RPC endpoint answered {shortened(repr(value))} where {what} belongs")


def shortened(text: str, limit: int = 200) -> str:
    """The text on one line, cut off where it is longer than `limit` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
