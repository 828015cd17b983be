"""Committees of real nodes on loopback: meeting, talking, restarting, changing configuration."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from ocr_peer.errors import InputError, InvariantError
from ocr_peer.libp2p_network import Libp2pNetwork, open_bootstrap_node, open_libp2p_network
from ocr_peer.libp2p_network.identity import key_pair_of, peer_id_of
from ocr_peer.protocol.config import ConfigDigest, OracleId
from ocr_peer.runtime.ports import Endpoint, NetworkCommittee

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
FIRST = ConfigDigest(bytes([1]) * 32)
SECOND = ConfigDigest(bytes([2]) * 32)
MAX_BYTES = 20_000


def seed(number: int) -> bytes:
    return number.to_bytes(32, "big")


def peer(number: int) -> str:
    return peer_id_of(key_pair_of(seed(number)).public_key.to_bytes())


def committee(
    own: int,
    members: Sequence[int],
    *,
    digest: ConfigDigest = FIRST,
    relay_check: Callable[[OracleId, bytes], bool] = lambda _author, _payload: True,
) -> NetworkCommittee:
    return NetworkCommittee(
        digest, OracleId(list(members).index(own)), tuple(map(peer, members)), MAX_BYTES, relay_check
    )


def node(number: int, bootstrap: Sequence[str] = (), **options):
    options.setdefault("listen", [LOOPBACK])
    options.setdefault("sequence_start", time.time_ns())
    return open_libp2p_network(peer_seed=seed(number), bootstrap=bootstrap, exchange_interval=1, **options)


async def until(network: Libp2pNetwork, condition: Callable[[], bool]) -> None:
    while not condition():
        await network.changed()


def all_connected(endpoint: Endpoint) -> Callable[[], bool]:
    return lambda: all(status.connected for status in endpoint.peers())


def connected_to(endpoint: Endpoint, oracle: int) -> Callable[[], bool]:
    return lambda: {status.oracle: status.connected for status in endpoint.peers()}[OracleId(oracle)]


@dataclass
class Node:
    network: Libp2pNetwork
    endpoint: Endpoint


@asynccontextmanager
async def mesh(count: int, **options) -> AsyncIterator[list[Node]]:
    """Oracles 0 … count-1, who know nothing but the address of a bootstrap node, once all are connected."""
    members = range(count)
    async with AsyncExitStack() as stack:
        meeting_place = await stack.enter_async_context(
            open_bootstrap_node(
                peer_seed=seed(100), listen=[LOOPBACK], allowed=lambda: [peer(i) for i in members]
            )
        )
        nodes = []
        for number in members:
            network = await stack.enter_async_context(node(number, meeting_place.addresses, **options))
            endpoint = await stack.enter_async_context(network.join(committee(number, members)))
            nodes.append(Node(network, endpoint))
        for each in nodes:
            await until(each.network, all_connected(each.endpoint))
        yield nodes


async def test_members_meet_by_the_bootstrap_address_alone() -> None:
    with trio.fail_after(20):
        async with mesh(4) as nodes:
            for each in nodes:
                others = {status.peer_id for status in each.endpoint.peers()}
                assert others == {peer(i) for i in range(4)} - {each.network.peer_id}
                assert all(
                    status.address.startswith("/ip4/127.0.0.1/tcp/") for status in each.endpoint.peers()
                )
                assert each.network.relays_broadcasts
                assert each.network.counters()["contained_errors"] == 0
                assert each.network.known_addresses().keys() == others


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="an option of Linux")
async def test_sockets_notice_when_the_other_side_falls_silent() -> None:
    with trio.fail_after(20):
        async with mesh(2) as nodes:
            for each in nodes[0].network._host.swarm._transport._streams:
                connected = each.stream.socket
                assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
                assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


async def test_everyone_hears_everyone_on_both_channels() -> None:
    with trio.fail_after(20):
        async with mesh(4) as nodes:
            for own, each in enumerate(nodes):
                await each.endpoint.broadcast(b"to all from %d" % own)
                for other in range(4):
                    if other != own:
                        await each.endpoint.send(OracleId(other), b"to %d from %d" % (other, own))
            for own, each in enumerate(nodes):
                expected = {(author, b"to all from %d" % author) for author in range(4) if author != own}
                expected |= {
                    (author, b"to %d from %d" % (own, author)) for author in range(4) if author != own
                }
                received = {await each.endpoint.receive() for _ in range(len(expected))}
                assert received == expected


async def test_direct_payloads_keep_their_order_and_nothing_is_lost_at_ease() -> None:
    with trio.fail_after(20):
        async with mesh(2) as nodes:
            payloads = [number.to_bytes(2, "big") * 50 for number in range(200)]
            for payload in payloads:
                await nodes[0].endpoint.send(OracleId(1), payload)
            assert [(await nodes[1].endpoint.receive())[1] for _ in payloads] == payloads


async def test_the_largest_payload_passes_and_a_larger_one_is_counted() -> None:
    with trio.fail_after(20):
        async with mesh(2) as nodes:
            sender = nodes[0]
            for payload in (bytes(MAX_BYTES + 1), bytes(MAX_BYTES)):
                await sender.endpoint.broadcast(payload)
                await sender.endpoint.send(OracleId(1), payload)
            assert [await nodes[1].endpoint.receive() for _ in range(2)] == [(0, bytes(MAX_BYTES))] * 2
            assert sender.network.counters()["refused_oversize"] == 2


async def test_a_member_restarts_with_the_same_key_on_another_port() -> None:
    with trio.fail_after(30):
        async with AsyncExitStack() as stack:
            boot = await stack.enter_async_context(
                open_bootstrap_node(
                    peer_seed=seed(100), listen=[LOOPBACK], allowed=lambda: [peer(0), peer(1)]
                )
            )
            staying = await stack.enter_async_context(node(0, boot.addresses))
            endpoint = await stack.enter_async_context(staying.join(committee(0, [0, 1])))
            for life in (b"first life", b"second life"):
                async with (
                    node(1, boot.addresses) as restarting,
                    restarting.join(committee(1, [0, 1])) as its,
                ):
                    await until(staying, all_connected(endpoint))
                    await its.broadcast(life)
                    assert await endpoint.receive() == (1, life)
                    await its.send(OracleId(0), life + b" direct")
                    assert await endpoint.receive() == (1, life + b" direct")
                    await endpoint.broadcast(life)
                    await endpoint.send(OracleId(1), life + b" direct")
                    # A newcomer is also told the broadcasts of the last seconds.
                    received = {(await its.receive())[1] for _ in range(2 if life == b"first life" else 3)}
                    assert received >= {life, life + b" direct"}
                await until(staying, lambda: not all_connected(endpoint)())


async def test_committees_come_and_go_on_one_network() -> None:
    with trio.fail_after(30):
        async with mesh(3) as nodes:
            first, second = nodes[0], nodes[1]
            async with (
                first.network.join(committee(0, [1, 0], digest=SECOND)) as left,
                second.network.join(committee(1, [1, 0], digest=SECOND)) as right,
            ):
                await left.broadcast(b"second committee")
                assert await right.receive() == (1, b"second committee")
                await left.send(OracleId(0), b"second committee")
                assert await right.receive() == (1, b"second committee")
                await first.endpoint.broadcast(b"first committee")
                assert await second.endpoint.receive() == (0, b"first committee")
            with pytest.raises(trio.ClosedResourceError):
                await right.receive()
            async with (
                first.network.join(committee(0, [1, 0], digest=SECOND)) as left,
                second.network.join(committee(1, [1, 0], digest=SECOND)) as right,
            ):
                await left.broadcast(b"again")
                assert await right.receive() == (1, b"again")


async def test_leaving_the_last_committee_ends_its_connections() -> None:
    with trio.fail_after(20):
        async with node(0) as leaving, node(1) as staying, staying.join(committee(1, [0, 1])) as endpoint:
            async with node(2, staying.addresses), leaving.join(committee(0, [0, 1])):
                pass
            assert not all_connected(endpoint)()


async def test_broadcasts_are_relayed_only_if_the_check_agrees() -> None:
    """0 and 2 cannot reach each other, so that what 0 broadcasts comes to 2 by way of 1."""
    nowhere = ["/ip4/127.0.0.1/tcp/1"]
    members = range(3)
    refuses = committee(
        1, members, relay_check=lambda author, payload: (author, payload) != (0, b"worthless")
    )
    with trio.fail_after(30):
        async with (
            node(1) as middle,
            middle.join(refuses) as between,
            node(0, middle.addresses, announce=nowhere) as left,
            left.join(committee(0, members)) as sender,
            node(2, middle.addresses, announce=nowhere) as right,
            right.join(committee(2, members)) as receiver,
        ):
            await until(middle, all_connected(between))
            await sender.broadcast(b"worthless")
            await sender.broadcast(b"worthwhile")
            assert await between.receive() == (0, b"worthwhile")
            assert await receiver.receive() == (0, b"worthwhile")
            assert not connected_to(receiver, 0)()
            assert middle.counters()["refused_broadcast"] == 1


async def test_a_broken_relay_check_refuses_the_broadcast_and_nothing_else() -> None:
    def broken(_author: OracleId, payload: bytes) -> bool:
        return bool(1 // len(payload))

    with trio.fail_after(20):
        async with (
            node(0) as left,
            left.join(committee(0, [0, 1])) as sender,
            node(1, left.addresses) as right,
            right.join(committee(1, [0, 1], relay_check=broken)) as receiver,
        ):
            await until(right, all_connected(receiver))
            for payload in (b"", b"1"):
                await sender.broadcast(payload)
            assert await receiver.receive() == (0, b"1")
            assert right.counters()["contained_errors"] == 1


async def test_saved_records_replace_the_bootstrap_node() -> None:
    saved: list[bytes] = []
    with trio.fail_after(20):
        async with node(1) as first:
            async with (
                node(0, first.addresses, on_record=lambda _peer, record: saved.append(record)) as learning,
                learning.join(committee(0, [0, 1])) as endpoint,
                first.join(committee(1, [0, 1])),
            ):
                await until(learning, lambda: bool(saved) and all_connected(endpoint)())
            async with (
                first.join(committee(1, [0, 1])),
                node(0, records=[b"damaged", *saved]) as remembering,
                remembering.join(committee(0, [0, 1])) as endpoint,
            ):
                await until(remembering, all_connected(endpoint))


async def test_an_open_bootstrap_node_introduces_anyone() -> None:
    with trio.fail_after(20):
        async with (
            open_bootstrap_node(peer_seed=seed(100), listen=[LOOPBACK]) as boot,
            node(0, boot.addresses) as left,
            left.join(committee(0, [0, 1])) as endpoint,
            node(1, boot.addresses) as right,
            right.join(committee(1, [0, 1])),
        ):
            await until(left, all_connected(endpoint))
            assert boot.known_addresses().keys() == {peer(0), peer(1)}


async def test_errors_of_the_caller_come_out_as_they_are() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with node(0) as network, network.join(committee(0, [0, 1])):
            raise LookupError("mine")
    with pytest.raises(LookupError, match="mine"):
        async with open_bootstrap_node(peer_seed=seed(100), listen=[LOOPBACK]):
            raise LookupError("mine")


async def test_cancelling_ends_everything() -> None:
    with trio.fail_after(20), trio.CancelScope() as scope:
        async with mesh(2) as nodes:
            await nodes[0].endpoint.broadcast(b"last words")
            scope.cancel()
            await nodes[1].endpoint.receive()
    assert scope.cancelled_caught


async def test_a_port_in_use_is_said_plainly() -> None:
    async with node(0) as network:
        taken = network.addresses[0].partition("/p2p/")[0]
        with pytest.raises(InputError, match=r"listen = .*in use.*choose a free port"):
            async with node(1, listen=[taken]):
                pass


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"listen": ["/dns4/localhost/tcp/0"]}, "listen"),
        ({"listen": ["localhost:1"]}, r"listen\[0\]"),
        ({"announce": ["/ip4/192.0.2.1/udp/1"]}, r"announce\[0\]"),
        ({"announce": ["/ip4/192.0.2.1/tcp/1", "/ip4/0.0.0.0/tcp/1"]}, r"announce\[1\]"),
        ({"bootstrap": ["/ip4/192.0.2.1/tcp/1"]}, r"bootstrap\[0\]"),
        ({"sequence_start": -1}, "sequence_start"),
    ],
)
async def test_bad_options_name_their_field(options, field) -> None:
    with pytest.raises(InputError, match=f"^{field} = "):
        async with node(0, **options):
            pass


async def test_a_committee_must_fit_this_node() -> None:
    async with node(0) as network, network.join(committee(0, [0, 1])) as endpoint:
        with pytest.raises(InvariantError, match="joined already"):
            await network.join(committee(0, [0, 1])).__aenter__()
        with pytest.raises(InvariantError, match="not this node"):
            await network.join(committee(1, [0, 1], digest=SECOND)).__aenter__()
        with pytest.raises(InvariantError, match="not another member"):
            await endpoint.send(OracleId(0), b"to myself")
