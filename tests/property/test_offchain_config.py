"""The blob comes from a stranger's transaction: whatever it holds, the decoder answers or refuses."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.errors import InputError
from ocr_peer.protocol.config import Duration
from ocr_peer.wire.offchain_config import (
    OffchainConfig,
    OffchainParameters,
    SharedSecretEncryptions,
    decode_offchain_config,
    encode_offchain_config,
)

durations = st.integers(-(2**63), 2**63 - 1).map(Duration)
parameters = st.builds(
    OffchainParameters,
    delta_progress=durations,
    delta_resend=durations,
    delta_round=durations,
    delta_grace=durations,
    delta_stage=durations,
    r_max=st.integers(0, 255),
    stage_sizes=st.lists(st.integers(0, 2**32 - 1), max_size=40).map(tuple),
    reporting_plugin_config=st.binary(max_size=200),
    max_duration_query=durations,
    max_duration_observation=durations,
    max_duration_report=durations,
    max_duration_should_accept=durations,
    max_duration_should_transmit=durations,
    max_duration_initialization=st.none() | durations,
)
configs = st.builds(
    OffchainConfig,
    parameters=parameters,
    offchain_public_keys=st.lists(st.binary(min_size=32, max_size=32), max_size=5).map(tuple),
    peer_ids=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=60), max_size=5).map(tuple),
    shared_secret=st.builds(
        SharedSecretEncryptions,
        diffie_hellman_point=st.binary(min_size=32, max_size=32),
        shared_secret_hash=st.binary(min_size=32, max_size=32),
        encryptions=st.lists(st.binary(min_size=16, max_size=16), max_size=5).map(tuple),
    ),
)


def decode_or_refuse(data: bytes) -> None:
    with suppress(InputError):
        decode_offchain_config(data)


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_an_input_error(data: bytes) -> None:
    decode_or_refuse(data)


@given(configs, st.data())
def test_no_damage_to_a_blob_raises_anything_but_an_input_error(
    config: OffchainConfig, data: st.DataObject
) -> None:
    blob = bytearray(encode_offchain_config(config))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(blob) - 1))
        blob[position] = data.draw(st.integers(0, 255))
    decode_or_refuse(bytes(blob))
    decode_or_refuse(bytes(blob[: data.draw(st.integers(0, len(blob)))]))


@given(configs)
def test_what_is_written_reads_back(config: OffchainConfig) -> None:
    assert decode_offchain_config(encode_offchain_config(config)) == config


@given(configs, configs)
def test_a_second_blob_appended_overrides_and_extends(first: OffchainConfig, second: OffchainConfig) -> None:
    """Protobuf: concatenation merges. The scalars that the second one sets win, lists grow."""
    merged = decode_offchain_config(encode_offchain_config(first) + encode_offchain_config(second))
    assert merged.offchain_public_keys == first.offchain_public_keys + second.offchain_public_keys
    assert merged.peer_ids == first.peer_ids + second.peer_ids
    assert merged.parameters.stage_sizes == first.parameters.stage_sizes + second.parameters.stage_sizes
    assert merged.shared_secret == replace(
        second.shared_secret, encryptions=first.shared_secret.encryptions + second.shared_secret.encryptions
    )
    assert merged.parameters.r_max == (second.parameters.r_max or first.parameters.r_max)
