"""`ocr2_leader_and_schedule` and `permutation`: who leads an epoch, and who transmits a report when."""

from __future__ import annotations

from ocr_peer import crypto
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.reading import INT64_MAX, UINT8_MAX, UINT32_MAX, wide_of
from ocr_peer.conformance.record import Record

__all__ = ["run_leader_and_schedule", "run_permutation"]

_KEY_BYTES, _DIGEST_BYTES = 16, 32
_MOST_PERMUTED = 65_535
_MOST_STAGES = 1_000


def run_leader_and_schedule(case: Record, keys: KnownKeys) -> None:
    """One case: the keys of a shared secret, leaders of epochs, delays of (epoch, round)."""
    secret = case.octets("shared_secret", length=_KEY_BYTES)
    leader_key, transmission_key = crypto.derive_shared_secret_keys(secret)
    case.expect_octets("leader_selection_key", leader_key, length=_KEY_BYTES)
    case.expect_octets("transmission_order_key", transmission_key, length=_KEY_BYTES)
    n = case.small("n", low=1, high=UINT8_MAX)
    for stated in case.records("leaders"):
        epoch = stated.small("epoch", high=UINT32_MAX)
        stated.expect_small("leader", crypto.leader(leader_key, epoch, n), high=UINT8_MAX)
    digest = case.octets("config_digest", length=_DIGEST_BYTES)
    stage_sizes = case.smalls("s", high=UINT32_MAX, most=_MOST_STAGES)
    delta_stage = case.wide("delta_stage_ns", high=INT64_MAX)
    for stated in case.records("transmission"):
        stages = crypto.transmission_delay_stages(
            transmission_key,
            digest,
            stated.small("epoch", high=UINT32_MAX),
            stated.small("round", high=UINT8_MAX),
            n,
            stage_sizes,
        )
        _expect_delays(stated, [None if stage is None else stage * delta_stage for stage in stages])


def run_permutation(case: Record, keys: KnownKeys) -> None:
    """One case: the permutation of 0 … n-1 under a key."""
    n = case.small("n", high=_MOST_PERMUTED)
    got = crypto.permutation(n, case.octets("key", length=_KEY_BYTES))
    case.expect_smalls("permutation", got, high=_MOST_PERMUTED)


def _expect_delays(stated: Record, got: list[int | None]) -> None:
    name = "delay_ns_by_oracle"
    delays = stated.items(name, most=UINT8_MAX)
    stated.equal(f"{name} (length)", len(delays), len(got))
    for index, ((value, place), delay) in enumerate(zip(delays, got, strict=False)):
        expected = None if value is None else wide_of(value, place, high=INT64_MAX * _MOST_STAGES)
        stated.equal(f"{name}[{index}]", expected, delay)
