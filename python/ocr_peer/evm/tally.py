"""What happened to an account's transactions, as plain numbers for whoever shows them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tally", "TransmitterSnapshot"]


@dataclass(slots=True)
class Tally:
    """Counts since the start of the process."""

    sent: int = 0
    gas_bumps: int = 0
    mined: int = 0
    reverted: int = 0
    dropped: int = 0
    reorganised: int = 0
    """Were in a block that the chain left again."""
    seconds_until_mined: float | None = None
    """Of the latest that was mined, from its first attempt on."""


@dataclass(frozen=True, slots=True)
class TransmitterSnapshot:
    """One account on one chain at one moment; the comments name the Chainlink node's metric."""

    account: str
    chain_id: int
    balance: int | None
    """`eth_balance`, in wei; `None` before the first look."""
    low_on_funds: bool
    unconfirmed_transactions: int
    """`unconfirmed_transactions`."""
    oldest_unconfirmed_s: float
    """`max_unconfirmed_tx_age`; 0 if there are none."""
    awaiting_finality: int
    gas_bumps: int
    """`tx_manager_num_gas_bumps`."""
    mined: int
    """`tx_manager_num_confirmed_transactions`."""
    reverted: int
    """`tx_manager_num_tx_reverted`."""
    dropped: int
    reorganised: int
    seconds_until_mined: float | None
    """`tx_manager_time_until_tx_confirmed`, of the latest."""
    spent_in_24_h: int
    """Wei."""
    daily_budget: int | None
    """Wei; `None` for no limit."""
