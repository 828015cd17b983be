"""Durations, amounts and addresses."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_peer.durations import format_duration
from ocr_peer.protocol.config import Duration
from ocr_peer.settings.position import OptionPath, option_lines
from ocr_peer.settings.values import (
    ValueSyntaxError,
    read_bootstrapper,
    read_duration,
    read_listen_address,
    read_url,
    read_wei,
    show_wei,
)

PEER = "12D3KooWGKhStcrvCr5RBYKaSRNX4ojrxHcmpJuFmHWenT6aAQAY"


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("15s", 15 * 10**9),
        ("1h30m", 5400 * 10**9),
        ("1.5s", 15 * 10**8),
        ("250ms", 25 * 10**7),
        ("3us", 3000),
    ],
)
def test_durations_read_as_in_go(text: str, nanoseconds: int) -> None:
    assert read_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "15", "s", "-1s", "1 s", "1s ", "1d", "9999999h", "1s1"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        read_duration(text)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_durations_round_trip(nanoseconds: int) -> None:
    assert read_duration(format_duration(Duration(nanoseconds))) == nanoseconds


@given(st.integers(min_value=0, max_value=2**256 - 1) | st.integers(0, 10**6).map(lambda n: n * 10**9))
def test_amounts_round_trip(wei: int) -> None:
    assert read_wei(show_wei(wei)) == wei


@pytest.mark.parametrize("text", ["", "5", "5 eth", "gwei", "-1 wei", "0.5 wei", "1e3 wei", f"{2**256} wei"])
def test_other_amounts_are_refused(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        read_wei(text)


@pytest.mark.parametrize(
    ("text", "multiaddress"),
    [
        ("1.2.3.4:5", "/ip4/1.2.3.4/tcp/5"),
        ("[2001:db8::1]:5", "/ip6/2001:db8::1/tcp/5"),
        ("[0:0::1]:5", "/ip6/::1/tcp/5"),
        ("h.example.org:65535", "/dns/h.example.org/tcp/65535"),
        ("/dns4/h.example.org/tcp/5", "/dns4/h.example.org/tcp/5"),
    ],
)
def test_addresses_become_multiaddresses(text: str, multiaddress: str) -> None:
    assert read_listen_address(text, bindable=False) == multiaddress
    assert read_bootstrapper(f"{PEER}@{text}") == f"{multiaddress}/p2p/{PEER}"
    assert read_bootstrapper(f"{multiaddress}/p2p/{PEER}") == f"{multiaddress}/p2p/{PEER}"


OTHER_ADDRESSES = """
h|:5|h:|h:0|h:65536|h:x|h:٣|::1:5|1.2.3.999:5|a+b:5|-h:5|[fe80::1%e]:5|h h:5
/|/ip4/h/tcp/5|/ip6/1.2.3.4/tcp/5|/ip4/1.2.3.4/udp/5|/dns/1.2.3.4/tcp/5|/ip4/1.2.3.4|0.0.0.0:5|[::]:5
"""


@pytest.mark.parametrize("text", ["", *OTHER_ADDRESSES.strip().replace("\n", "|").split("|")])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        read_listen_address(text, bindable=False)
    with pytest.raises(ValueSyntaxError):
        read_bootstrapper(f"{PEER}@{text}")


def test_only_a_port_to_listen_on_may_be_any() -> None:
    assert read_listen_address("127.0.0.1:0", bindable=True) == "/ip4/127.0.0.1/tcp/0"


@pytest.mark.parametrize(
    "text", ["h:1", "/ip4/1.2.3.4/tcp/5", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N@h:1"]
)
def test_a_bootstrapper_needs_an_ed25519_peer_id(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        read_bootstrapper(text)


def test_two_addresses_in_one_bootstrapper_are_refused() -> None:
    with pytest.raises(ValueSyntaxError, match="several addresses"):
        read_bootstrapper(f"{PEER}@h:1/i:2")


@pytest.mark.parametrize("text", ["", "h", "ftp://h", "http://", "http://h:x", "http://[::1", "http://a b"])
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        read_url(text, ("http", "https"))


def test_lines_are_found_in_all_kinds_of_toml() -> None:
    text = (
        "# comment\r\n"
        'a = """\n[x]\nb = 1\n"""\n'
        "c = [\n  1, # one\n  { d = 2 },\n]\n"
        'e.f."g.h" = 1\n'
        "[t]\n"
        "u = {v = 1}\n"
        "[[w]]\n[w.x]\ny=1\n[[w]]\n[[w.z]]\n[[w.z]]\nq=1"
    )
    tomllib.loads(text)
    lines = option_lines(text)
    expected: dict[OptionPath, int] = {
        ("a",): 2, ("c",): 6, ("c", 1, "d"): 6, ("e", "f", "g.h"): 10, ("t",): 11, ("t", "u", "v"): 12,
        ("w", 0): 13, ("w", 0, "x", "y"): 15, ("w", 1): 16, ("w", 1, "z", 1, "q"): 19,
    }  # fmt: skip
    assert {path: lines[path] for path in expected} == expected
