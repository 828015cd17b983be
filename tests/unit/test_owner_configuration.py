"""What an owner chooses, and what is refused of it before anything is sent."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer import crypto
from ocr_peer.durations import format_duration
from ocr_peer.errors import InputError
from ocr_peer.evm.abi import decode_values
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.aggregator import SET_CONFIG, LatestConfigDetails, LatestTransmissionDetails
from ocr_peer.evm.chain_objects import Block
from ocr_peer.evm.committee import private_config
from ocr_peer.evm.freshness import SET_HEARTBEAT, SET_MAX_AGE, Freshness
from ocr_peer.median.config import MedianLimits, MedianOffchainConfig
from ocr_peer.owner.changes import CurrentConfiguration, kept_values, parameter_texts, threshold_text
from ocr_peer.owner.configuration import ConfigurationPlan, check_contract, plan_configuration
from ocr_peer.owner.contract_state import AggregatorState
from ocr_peer.owner.freshness import plan_freshness
from ocr_peer.owner.identity_file import IdentityFile, sign_identity
from ocr_peer.owner.parameters import ParameterValue, offchain_parameters, read_parameter_file
from ocr_peer.protocol.config import SECOND, ConfigDigest, OracleId, ReportFormat
from ocr_peer.wire.offchain_config import decode_offchain_config
from tests.unit.test_identity_file import TIME, keyring

OWNER = bytes(range(20))
STATE = AggregatorState(
    chain_id=1337,
    address=bytes(range(20, 40)),
    head=Block(7, bytes(32), 1_700_000_000, 1),
    type_and_version="Aggregator 1.0.0",
    description="ETH / USD",
    owner=OWNER,
    decimals=8,
    min_answer=-5,
    max_answer=10**12,
    freshness=Freshness(0, 0),
    config_details=LatestConfigDetails(0, 0, ConfigDigest(bytes(32))),
    latest=LatestTransmissionDetails(ConfigDigest(bytes(32)), 0, 0, 0, 0),
    round_id=0,
    observed_at=0,
    published=None,
)
NO_FRESHNESS = Freshness(None, None)


def files(n: int, first: int = 0) -> list[tuple[Path, IdentityFile]]:
    return [
        (Path(f"{number}.json"), sign_identity(keyring(number), created_at=TIME))
        for number in range(first, first + n)
    ]


_MANY = files(31)
FOUR = _MANY[:4]


def given_values(**values: object) -> dict[str, ParameterValue]:
    return {key: ParameterValue(value, f"--{key}") for key, value in values.items()}


def plan(n: int = 4, state: AggregatorState = STATE, **values: object) -> ConfigurationPlan:
    return plan_configuration(state, _MANY[:n] if n < 32 else files(n), given_values(**values))


def configured(planned: ConfigurationPlan, state: AggregatorState = STATE) -> AggregatorState:
    """The contract after the plan was carried out."""
    details = LatestConfigDetails(planned.published.config_count, 8, planned.published.config_digest)
    return replace(state, published=planned.published, config_details=details)


def refused(n: int = 4, **values: object) -> str:
    with pytest.raises(InputError) as caught:
        plan(n, **values)
    return str(caught.value)


@pytest.mark.parametrize("n", range(4, 32))
def test_defaults_run_with_any_committee(n: int) -> None:
    planned = plan(n)
    assert (planned.config.n, planned.config.f) == (n, (n - 1) // 3)
    assert planned.config.stage_sizes == (1,) * n
    assert not planned.warnings


def test_every_oracle_can_read_what_is_sent() -> None:
    planned = plan()
    signers, transmitters, f, onchain, version, offchain = set_config_arguments(planned.calldata)
    assert (f, version, onchain) == (1, 2, MedianLimits(-5, 10**12).encode())
    assert signers == tuple(file.identity.onchain_signing_address for _, file in FOUR)
    assert transmitters == tuple(file.identity.transmitter_address for _, file in FOUR)
    decoded = decode_offchain_config(offchain)
    keys = {
        private_config(
            decoded,
            OracleId(index),
            partial(crypto.decrypt_shared_secret, keyring(index).config_encryption_secret),
        )
        for index in range(4)
    }
    assert len(keys) == 1
    assert plan().published.offchain_config != offchain, "every configuration deals a secret of its own"


def set_config_arguments(calldata: bytes) -> tuple[Any, ...]:
    assert calldata[:4] == SET_CONFIG.selector
    return decode_values(SET_CONFIG.inputs, calldata[4:], "setConfig")


def test_heartbeat_of_the_contract_is_the_default() -> None:
    planned = plan(state=replace(STATE, freshness=Freshness(90, 0)))
    assert MedianOffchainConfig.decode(planned.config.reporting_plugin_config).delta_c == 90 * SECOND
    assert not planned.warnings
    other = plan(state=replace(STATE, freshness=Freshness(90, 0)), deltaC="2m")
    assert any("consumers read a heartbeat of 1m30s" in warning for warning in other.warnings)


@pytest.mark.parametrize(
    ("n", "values", "words"),
    [
        (3, {}, "--oracle = 3 files: 3 oracles tolerate no faulty one"),
        (1, {}, "--oracle = 1 file"),
        (4, {"f": 0}, "--f = 0: a single oracle could sign"),
        (4, {"f": 2}, "--f = 2: 4 oracles tolerate at most 1"),
        (7, {"f": 3}, "--f = 3: 7 oracles tolerate at most 2"),
        (4, {"f": -1}, "--f = -1"),
        (32, {}, "at most 31"),
        (4, {"deltaRound": "30s"}, "--deltaRound = 30000000000 ns: not below deltaProgress"),
        (4, {"deltaProgress": "100ms"}, "--deltaProgress"),
        (4, {"deltaResend": "0s"}, "--deltaResend"),
        (4, {"maxDurationObservation": "40s"}, "not below deltaProgress"),
        (4, {"deltaStage": "40"}, "--deltaStage = 40: is not a duration"),
        (4, {"deltaStage": "-1s"}, "negative"),
        (4, {"rMax": 0}, "--rMax"),
        (4, {"rMax": 255}, "--rMax"),
        (4, {"s": "1,x"}, "--s[1] = x"),
        (4, {"s": "1,32"}, "--s[1] = 32"),
        (4, {"s": [1] * 1000}, "too many stages"),
        (4, {"alphaReport": "101%"}, "no falling price"),
        (4, {"alphaReport": "0.5"}, "--alphaReport = 0.5: not a threshold"),
        (4, {"alphaReport": "-1%"}, "not a threshold"),
        (4, {"alphaReport": "0.00000001%"}, "finer than a billionth"),
        (4, {"alphaAcceptPpb": 10**9 + 1}, "--alphaAcceptPpb"),
        (4, {"alphaReportInfinite": 1}, "not true or false"),
        (4, {"deltaC": "0s"}, "every round"),
        (4, {"deltaC": 3600}, "in quotes"),
    ],
)
def test_refusals_name_the_option_and_the_rule(n: int, values: dict[str, object], words: str) -> None:
    assert words in refused(n, **values)


@given(
    st.integers(4, 31),
    st.dictionaries(
        st.sampled_from(["f", "rMax", "s", "deltaProgress", "deltaRound", "deltaC", "alphaReport", "deltaStage"]),
        st.integers(-5, 300) | st.text(max_size=6) | st.lists(st.integers(-1, 40), max_size=4) | st.booleans()
        | st.integers(0, 2**40).map(format_duration),
    ),
)  # fmt: skip
def test_any_choice_is_planned_or_refused(n: int, values: dict[str, object]) -> None:
    with contextlib.suppress(InputError):
        plan_configuration(STATE, _MANY[:n], given_values(**values)).config.check()


def test_file_of_parameters(tmp_path: Path) -> None:
    path = tmp_path / "committee.toml"
    path.write_text(
        'f = 1\nrMax = 7\ns = [2, 2]\ndeltaStage = "12s"\n[reportingPluginConfig]\n'
        'alphaReportPpb = 3000000\nalphaAcceptInfinite = true\ndeltaC = "5m"\n'
    )
    chosen = offchain_parameters(read_parameter_file(path), 4, NO_FRESHNESS)
    assert (chosen.f, chosen.offchain.r_max, chosen.offchain.stage_sizes) == (1, 7, (2, 2))
    assert chosen.offchain.delta_stage == 12 * SECOND
    plugin = MedianOffchainConfig.decode(chosen.offchain.reporting_plugin_config)
    assert plugin == MedianOffchainConfig(False, 3_000_000, True, 0, plugin.delta_c)
    assert plugin.delta_c == 300 * SECOND


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('deltaStge = "1s"', "did you mean deltaStage?"),
        ("[reportingPluginConfig]\nalphaReport = 3", "did you mean alphaReportPpb?"),
        ("reportingPluginConfig = 3", "no table"),
        ("f = ", "not TOML"),
        ("f = 1.5", "committee.toml: f = 1.5"),
        ("f = true", "committee.toml: f = True"),
        ("s = []", "no list of stages"),
        ("x" * 70_000, "larger than"),
    ],
)
def test_wrong_file_of_parameters(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "committee.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        offchain_parameters(read_parameter_file(path), 4, NO_FRESHNESS)
    assert words in str(caught.value)
    with pytest.raises(InputError, match="--parameters"):
        read_parameter_file(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("text", "written"),
    [("0.5%", "0.5%"), ("5000000ppb", "0.5%"), ("0%", "0%"), ("100%", "100%"), ("1ppb", "0.0000001%"),
     ("infinite", "infinite"), ("inf", "infinite")],
)  # fmt: skip
def test_thresholds_are_shown_as_they_are_written(text: str, written: str) -> None:
    plugin = offchain_parameters(given_values(alphaReport=text), 4, NO_FRESHNESS).offchain
    decoded = MedianOffchainConfig.decode(plugin.reporting_plugin_config)
    assert threshold_text(decoded.alpha_report_infinite, decoded.alpha_report_ppb) == written
    assert decoded.alpha_accept_ppb == decoded.alpha_report_ppb


def test_same_configuration_again_is_told() -> None:
    again = plan(state=configured(plan()))
    assert again.changes == ()
    assert any("configuration in force" in warning for warning in again.warnings)
    assert again.published.config_count == 2


def test_changes_are_told_one_by_one() -> None:
    state = configured(plan())
    moved = [FOUR[1], FOUR[0], FOUR[2], *files(1, first=4)]
    planned = plan_configuration(state, moved, given_values(deltaStage="50s", alphaReport="1%"))
    leaving, coming = (
        checksum_address(file.identity.onchain_signing_address) for _, file in (FOUR[3], moved[3])
    )
    lines = planned.changes
    assert lines[0].startswith(f"oracle 3: out, signer {leaving}")
    assert lines[1].startswith("oracle 0: was oracle 1")
    assert lines[2].startswith("oracle 1: was oracle 0")
    assert lines[3].startswith(f"oracle 3: in, signer {coming}")
    assert lines[4:] == ("deltaStage: 40s → 50s", "alphaReport: 0.5% → 1%", "alphaAccept: 0.5% → 1%")


def test_changed_keys_of_one_oracle_are_told() -> None:
    keys = replace(keyring(0), peer_seed=b"p" * 32, transmitter_secret=b"t" * 32, offchain_seed=b"o" * 32)
    changed = [(Path("0.json"), sign_identity(keys, created_at=TIME)), *FOUR[1:]]
    planned = plan_configuration(configured(plan()), changed, {})
    assert [line.split(" 0x")[0].split(" 12D3")[0] for line in planned.changes] == [
        "oracle 0: transmitter",
        "oracle 0: peer id",
        "oracle 0: offchain public key",
    ]


def test_unreadable_configuration_in_force_is_no_obstacle() -> None:
    state = configured(plan())
    assert state.published is not None
    broken = replace(
        state.published, offchain_config=b"\xff\xff", transmitters=state.published.transmitters[:2]
    )
    current = CurrentConfiguration.decode(broken)
    assert current.refusal is not None
    assert parameter_texts(current) == {"f": "1"}
    lines = plan(state=replace(state, published=broken)).changes
    assert any("(unreadable) → 40s" in line for line in lines)


def test_unsigned_transmitter_is_a_warning() -> None:
    file = sign_identity(keyring(0), remote_transmitter=b"\x07" * 20)
    (warning,) = plan_configuration(STATE, [(Path("a.json"), file), *FOUR[1:]], {}).warnings
    assert warning.startswith(f"a.json: the transmitter {checksum_address(bytes([7]) * 20)} has not signed")


def test_stages_that_faulty_oracles_could_fill_are_a_warning() -> None:
    assert any("may all be faulty" in warning for warning in plan(7, f=2, s="2").warnings)
    assert not plan(7, f=2, s="3").warnings


def test_transmitting_every_round_is_a_warning() -> None:
    assert any("every round" in warning for warning in plan(alphaReport="0%").warnings)


def test_reports_that_come_too_late_by_their_own_schedule_are_a_warning() -> None:
    state = replace(STATE, freshness=Freshness(0, 100))
    assert any(warning.startswith("maxAge: ") for warning in plan(state=state).warnings)
    assert not plan(state=replace(STATE, freshness=Freshness(0, 181))).warnings


def test_contract_is_the_one_that_is_meant() -> None:
    check_contract(STATE, OWNER, report_format=ReportFormat.OCR2, limits=(-5, 10**12))
    check_contract(STATE, OWNER)
    packed = replace(STATE, type_and_version="PackedAggregator 1.0.0")
    check_contract(packed, OWNER, report_format=ReportFormat.PACKED)
    for state, account, expected, limits, words in (
        (STATE, bytes(20), None, (None, None), "owns it, not"),
        (STATE, OWNER, ReportFormat.PACKED, (None, None), "--contract = B"),
        (packed, OWNER, ReportFormat.OCR2, (None, None), "write --contract B"),
        (STATE, OWNER, None, (-6, None), "--min-answer = -6: the contract's is -5"),
        (STATE, OWNER, None, (-5, 1), "--max-answer = 1"),
    ):
        with pytest.raises(InputError) as caught:
            check_contract(state, account, report_format=expected, limits=limits)
        assert words in str(caught.value)


def test_what_is_kept_is_what_stands_on_chain() -> None:
    chosen = {
        "deltaStage": "50s",
        "alphaReport": "1.5%",
        "alphaAccept": "infinite",
        "deltaC": "7m",
        "rMax": 9,
    }
    state = configured(plan(**chosen))
    published = state.published
    assert published is not None

    def changes(n: int = 4, **values: object) -> list[str]:
        planned = plan_configuration(state, _MANY[:n], kept_values(published, given_values(**values)))
        return [line for line in planned.changes if not line.startswith("oracle")]

    assert changes() == []
    assert changes(7) == ["f: 1 → 2", "s: 1,1,1,1 → 1,1,1,1,1,1,1"]
    assert changes(deltaC="8m") == ["deltaC: 7m → 8m"]
    assert changes(alphaAcceptPpb=10**7) == ["alphaAccept: infinite → 1%"]
    assert changes(alphaReportInfinite=True) == ["alphaReport: 1.5% → infinite"]
    assert plan_configuration(state, FOUR, {}).changes != (), "without it, the defaults come back"


def test_change_of_freshness() -> None:
    state = replace(configured(plan(deltaC="1h")), freshness=Freshness(3600, 600))
    change = plan_freshness(state, max_age_s=100, heartbeat_s=1800)
    assert change.calls == (SET_MAX_AGE.encode_call(100), SET_HEARTBEAT.encode_call(1800))
    assert [warning.split(":")[0] for warning in change.warnings] == ["heartbeat", "maxAge"]
    change = plan_freshness(state, max_age_s=0, heartbeat_s=3600)
    assert (change.calls, change.warnings) == ((SET_MAX_AGE.encode_call(0),), ())
    assert plan_freshness(STATE, max_age_s=1, heartbeat_s=None).warnings == ()
    for wrong, values, words in (
        (state, (None, None), "nothing to change"),
        (state, (600, 3600), "already"),
        (replace(state, freshness=NO_FRESHNESS), (1, 1), "no maxAge and heartbeat"),
    ):
        with pytest.raises(InputError, match=words):
            plan_freshness(wrong, max_age_s=values[0], heartbeat_s=values[1])
