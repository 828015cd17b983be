"""Which instance runs when the contract's configuration changes, comes back, or cannot be served."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.errors import InputError
from ocr_peer.protocol.config import ConfigDigest, OracleId, PrivateConfig
from ocr_peer.protocol.reconfiguration import (
    ConfigRefused,
    InstanceChange,
    Membership,
    Reconfiguration,
    SaveConfig,
    StartInstance,
    StopInstance,
)
from tests.protocol.committee import committee_config


@dataclass(frozen=True)
class Published:
    """A configuration reduced to its digest and whether this node can serve it."""

    number: int
    good: bool = True

    @property
    def digest(self) -> ConfigDigest:
        return ConfigDigest(bytes([0, 1, self.number]) + bytes(29))


def membership(published: Published) -> Membership:
    if not published.good:
        raise InputError("f", 2, "n = 4 oracles tolerate at most f = 1", "lower f or add oracles")
    config = committee_config(4, 1, config_digest=published.digest)
    return Membership(config, PrivateConfig(bytes(16), bytes(16)), OracleId(0))


def following() -> Reconfiguration[Published]:
    return Reconfiguration(membership, lambda published: published.digest)


def kinds(changes: list[InstanceChange[Published]]) -> list[str]:
    return [type(change).__name__ for change in changes]


def test_the_first_configuration_is_stored_before_it_runs() -> None:
    one = following()
    assert kinds(one.on_published(Published(1))) == ["SaveConfig", "StartInstance"]
    assert one.running


def test_the_stored_configuration_runs_before_the_chain_answers_and_is_not_started_twice() -> None:
    one = following()
    assert kinds(one.on_stored(Published(1))) == ["StartInstance"]
    assert one.on_published(Published(1)) == []


def test_a_new_configuration_ends_the_old_instance_first() -> None:
    one = following()
    one.on_published(Published(1))
    changes = one.on_published(Published(2))
    assert kinds(changes) == ["StopInstance", "SaveConfig", "StartInstance"]
    started = changes[-1]
    assert isinstance(started, StartInstance)
    assert started.membership.config.config_digest == Published(2).digest


def test_a_reorg_back_to_the_old_configuration_is_a_change_like_any_other() -> None:
    one = following()
    for number in (1, 2):
        one.on_published(Published(number))
    assert kinds(one.on_published(Published(1))) == ["StopInstance", "SaveConfig", "StartInstance"]


def test_an_invalid_configuration_leaves_the_node_idle_and_watching() -> None:
    one = following()
    one.on_published(Published(1))
    changes = one.on_published(Published(2, good=False))
    assert kinds(changes) == ["StopInstance", "SaveConfig", "ConfigRefused"]
    refused = changes[-1]
    assert isinstance(refused, ConfigRefused)
    assert not refused.first
    assert "tolerate at most f = 1" in str(refused.error)
    assert not one.running
    assert one.on_published(Published(2, good=False)) == [], "said once"
    assert kinds(one.on_published(Published(3))) == ["SaveConfig", "StartInstance"]


def test_the_only_configuration_ever_seen_must_be_one_that_can_be_served() -> None:
    one = following()
    for _ in range(2):
        (refused,) = one.on_published(Published(1, good=False))
        assert isinstance(refused, ConfigRefused)
        assert refused.first
    assert kinds(one.on_published(Published(2))) == ["SaveConfig", "StartInstance"]


def test_a_stored_configuration_that_no_longer_fits_is_no_operators_first() -> None:
    one = following()
    (refused,) = one.on_stored(Published(1, good=False))
    assert isinstance(refused, ConfigRefused)
    assert not refused.first
    assert one.on_published(Published(1, good=False)) == []


@given(
    st.booleans(),
    st.lists(st.builds(Published, st.integers(0, 3), st.booleans()), max_size=30),
)
def test_there_is_never_more_than_one_instance(stored: bool, seen: list[Published]) -> None:
    one, running, saved = following(), None, None
    verdict = {item.number: item.good for item in reversed(seen)}
    for position, item in enumerate(seen):
        published = Published(item.number, verdict[item.number])
        changes = one.on_stored(published) if stored and position == 0 else one.on_published(published)
        for change in changes:
            match change:
                case StopInstance():
                    assert running is not None
                    running = None
                case SaveConfig(kept):
                    assert running is None
                    saved = kept
                case StartInstance(member):
                    assert running is None
                    running = member.config.config_digest
                    assert saved == published or (stored and position == 0)
        assert one.running == (running is not None)
        assert running in (None, published.digest)
        assert (running is not None) == published.good


def test_an_error_that_is_no_fault_of_the_configuration_is_not_swallowed() -> None:
    def broken(_: Published) -> Membership:
        raise ZeroDivisionError

    one = Reconfiguration(broken, lambda published: published.digest)
    with pytest.raises(ZeroDivisionError):
        one.on_published(Published(1))
