"""What a job file says, checked and in our own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from ocr_peer.durations import MINUTE_NS, SECOND_NS
from ocr_peer.pipeline import Pipeline
from ocr_peer.protocol.config import ReportFormat

__all__ = ["Job", "JobType", "JuelsPerFeeCoinCache"]

JobType: TypeAlias = Literal["offchainreporting2", "bootstrap"]


@dataclass(frozen=True, slots=True)
class JuelsPerFeeCoinCache:
    """How long one result of `juels_per_fee_coin_source` serves."""

    update_interval_ns: int | None = None
    """`None` leaves it to the node."""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One feed that a node takes part in, or one contract whose committee it helps to find each other.

    Times are integer nanoseconds; where a file says nothing, the Chainlink node's defaults hold (`[OCR2]` of
    its configuration).
    """

    name: str
    """Shown to people and used as a label of metrics; the contract's address where a file has none."""
    contract_id: str
    """The aggregator's address, checksummed."""
    chain_id: int
    type: JobType = "offchainreporting2"
    observation_source: Pipeline | None = None
    """Where the answer comes from, with exactly one final task; `None` only in bootstrap jobs."""
    external_job_id: UUID | None = None
    from_block: int = 0
    """First block that can hold the contract's configuration."""
    transmitter_id: str | None = None
    """Checksummed address of the account that sends transactions; `None` leaves it to the node."""
    ocr_key_bundle_id: str | None = None
    """`None` leaves it to the node."""
    p2p_v2_bootstrappers: tuple[str, ...] = ()
    """Multiaddresses ending in `/p2p/<peer id>`; none leaves it to the node."""
    blockchain_timeout_ns: int = 20 * SECOND_NS
    contract_config_confirmations: int = 3
    contract_config_tracker_poll_interval_ns: int = MINUTE_NS
    max_task_duration_ns: int | None = None
    """Limit of one attempt of one task; `None` leaves only the round's."""
    juels_per_fee_coin_source: Pipeline | None = None
    """What one coin of the chain costs in juels (10^-18 LINK); `None` observes the constant 0.

    The contract only uses it to reimburse transmitters for gas, and pays nothing for 0 (`_payTransmitter` of
    OCR2Aggregator). The Chainlink node insists on a source; a committee without LINK has none to give.
    """
    juels_per_fee_coin_cache: JuelsPerFeeCoinCache | None = None
    unique_reports: bool = False
    """At most one report per round can become final, at the price of a larger quorum of signatures.

    Every member of a committee must have the same: nothing on chain says it.
    """
    report_format: ReportFormat = ReportFormat.OCR2
    """What the contract takes: `PACKED` for aggregator B, `OCR2` for all others."""
    gas_price_subunits_source: Pipeline | None = None
    """Every member of a committee must have it, or none: it changes the observation's encoding."""
