"""Keeps web pages away: a browser on this machine would reach the loopback address for any of them."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["LocalOnly", "names_this_machine"]


def names_this_machine(host: str) -> bool:
    """Whether a Host header, with or without a port, is `localhost` or a loopback address.

    A page whose name was made to resolve to 127.0.0.1 (DNS rebinding) still says its own name here.
    """
    name, _, after = host.rpartition("]") if host.startswith("[") else host.partition(":")
    if host.startswith("["):
        name = name[1:]
        after = after.removeprefix(":")
    if after and not (after.isascii() and after.isdigit()):
        return False
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


class LocalOnly:
    """Answers 403 to what a browser sends for a web page, over HTTP and when a WebSocket is opened.

    Browsers put `Origin` on every POST and every WebSocket, even where they hide the answer from the page;
    programs do not send it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        reason = _refusal(scope)
        if reason is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before it is accepted, to close it is HTTP 403.
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, send)


def _refusal(scope: Scope) -> str | None:
    headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not names_this_machine(hosts[0]):
        return "the Host header must be localhost or a loopback address"
    if any(name == b"origin" for name, _ in headers):
        return "web pages have no access to a development chain"
    return None
