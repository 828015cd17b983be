"""URLs as they may be shown: access keys stand in many places of them."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["redacted"]


def redacted(url: str) -> str:
    """The URL without what is secret in it: user, password, query, and path parts that look like API keys."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(unreadable URL)"
    host = f"[{host}]" if ":" in host else host
    path = "/".join("…" if len(part) >= 16 else part for part in parts.path.split("/"))
    return "".join(
        [
            f"{parts.scheme}:" if parts.scheme else "",
            "//" if parts.netloc else "",
            "…@" if "@" in parts.netloc else "",
            host,
            "" if port is None else f":{port}",
            path,
            "?…" if parts.query else "",
        ]
    )
