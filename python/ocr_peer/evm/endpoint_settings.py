"""What the operator says of a chain's endpoints."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["EndpointAddress", "PoolSettings"]


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """One endpoint as configured. URLs may hold access keys: they stay out of `repr`."""

    name: str
    http_url: str = field(repr=False)
    ws_url: str | None = field(default=None, repr=False)
    send_only: bool = False
    order: int = 100
    """1 to 100; the lowest is asked first."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """When an endpoint counts as healthy, and how many must agree. Defaults as in Chainlink's node pool."""

    poll_interval_s: float = 10.0
    """Between two probes of each endpoint."""
    poll_failure_threshold: int = 5
    """Failures in a row that make an endpoint unreachable."""
    sync_threshold: int = 5
    """Most blocks that an endpoint may lag; 0 lets it lag without limit."""
    no_new_heads_threshold_s: float = 180.0
    """A head that stands still for so long is stale, if another endpoint's went on."""
    quorum: int = 0
    """Fewest endpoints that must agree on what matters, however few can be reached."""
