"""Hostile peers on loopback: whatever one of them does, the others keep talking and the node keeps running.

The attackers are py-libp2p hosts as they come, without this project's guards.
"""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
import trio.testing
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.exceptions import SwarmException
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from multiaddr import Multiaddr

from ocr_peer.libp2p_network import Libp2pNetwork, gossip, open_bootstrap_node, tcp
from ocr_peer.libp2p_network.frames import MAX_FRAME_BYTES, FrameReader, encode_frame
from ocr_peer.libp2p_network.identity import key_pair_of, peer_id_of
from ocr_peer.libp2p_network.records import decode_record, sign_record
from ocr_peer.protocol.config import OracleId
from ocr_peer.runtime.ports import Endpoint
from tests.e2e.test_libp2p_committee import (
    FIRST,
    LOOPBACK,
    MAX_BYTES,
    all_connected,
    committee,
    connected_to,
    node,
    peer,
    seed,
    until,
)

GOSSIP = "/meshsub/1.1.0"
TOPIC = f"ocr/{FIRST.hex()}"
DIRECT = f"/ocr/{FIRST.hex()}/1"
RECORDS = "/ocr/peers/1"
EVE = 2
"""A member whose node was replaced by the attacker's."""


@asynccontextmanager
async def attacker(own_seed: bytes, *, plaintext: bool = False) -> AsyncIterator:
    keys = key_pair_of(own_seed)
    security = (
        {PLAINTEXT_PROTOCOL_ID: InsecureTransport(keys)}
        if plaintext
        else {NOISE_PROTOCOL_ID: NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)}
    )
    host = new_host(key_pair=keys, sec_opt=security)
    async with host.run([]):
        try:
            yield host
        finally:
            await host.close()


def target(network: Libp2pNetwork) -> PeerInfo:
    return info_from_p2p_addr(Multiaddr(network.addresses[0]))


@dataclass
class Scene:
    """Alice and Bob talk; Eve, a member too, is connected to Alice."""

    alice: Libp2pNetwork
    at_alice: Endpoint
    at_bob: Endpoint
    eve: object

    async def open(self, protocol: str):
        return await self.eve.new_stream(ID.from_base58(self.alice.peer_id), [protocol])

    async def let_eve_accept_a_direct_stream(self) -> None:
        """And read nothing from it."""
        accepted = trio.Event()

        async def never_read(_stream) -> None:
            accepted.set()
            await trio.sleep_forever()

        self.eve.set_stream_handler(DIRECT, never_read)
        await self.at_alice.send(OracleId(EVE), b"first")
        await accepted.wait()

    async def check_that_alice_and_bob_talk(self) -> None:
        text = time.time_ns().to_bytes(8, "big")
        await self.at_alice.broadcast(text)
        await self.at_alice.send(OracleId(1), text)
        await self.at_bob.broadcast(text)
        await self.at_bob.send(OracleId(0), text)
        for endpoint, author in ((self.at_bob, 0), (self.at_alice, 1)):
            for _ in range(2):
                while await endpoint.receive() != (author, text):
                    pass

    async def wait_for(self, count: str, at_least: int = 1) -> None:
        while self.alice.counters()[count] < at_least:
            await trio.testing.wait_all_tasks_blocked(0.002)


@asynccontextmanager
async def scene(seconds: float = 30) -> AsyncIterator[Scene]:
    members = [0, 1, EVE]
    with trio.fail_after(seconds):
        async with (
            node(0) as alice,
            alice.join(committee(0, members)) as at_alice,
            node(1, alice.addresses) as bob,
            bob.join(committee(1, members)) as at_bob,
            attacker(seed(EVE)) as eve,
        ):
            await eve.connect(target(alice))
            await until(alice, all_connected(at_alice))
            playing = Scene(alice, at_alice, at_bob, eve)
            await playing.check_that_alice_and_bob_talk()
            yield playing
            await playing.check_that_alice_and_bob_talk()


async def repeat(call, *args) -> None:
    while True:
        await call(*args)


def signed(author: int, payload: bytes, sequence: int = 1, **changes) -> rpc_pb2.Message:
    keys = key_pair_of(seed(author))
    message = rpc_pb2.Message(
        data=payload,
        topicIDs=[TOPIC],
        from_id=ID.from_pubkey(keys.public_key).to_bytes(),
        seqno=sequence.to_bytes(8, "big"),
    )
    message.signature = keys.private_key.sign(PUBSUB_SIGNING_PREFIX.encode() + message.SerializeToString())
    for name, value in changes.items():
        message.ClearField(name)
        if name == "topicIDs":
            message.topicIDs.extend(value)
        else:
            setattr(message, name, value)
    return message


def published(*messages: rpc_pb2.Message) -> bytes:
    return encode_frame(rpc_pb2.RPC(publish=messages).SerializeToString())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x04\xff\xff\xff\xff",
        encode_frame(b"\xff" * 100),
        b"\xff" * 11,
        encode_frame(bytes(MAX_FRAME_BYTES + 1))[:10],
    ],
    ids=["five bytes", "not protobuf", "endless length", "oversized"],
)
async def test_garbage_on_the_gossip_stream(garbage: bytes) -> None:
    async with scene() as playing:
        stream = await playing.open(GOSSIP)
        await stream.write(garbage)
        await playing.wait_for("refused_rpc")


async def test_messages_that_no_honest_peer_would_pass_on() -> None:
    async with scene() as playing:
        stream = await playing.open(GOSSIP)
        forged = signed(1, b"Bob never said this", time.time_ns(), signature=bytes(64))
        stranger = signed(50, b"no member")
        refused = [
            signed(EVE, b"undecodable key", key=b"\xff\xff", from_id=b"\x12\x20" + bytes(32)),
            signed(EVE, b"empty author", from_id=b""),
            signed(EVE, b"other topic", topicIDs=["ocr/elsewhere"]),
            signed(EVE, b"two topics", topicIDs=[TOPIC, TOPIC]),
            signed(EVE, b"short number", seqno=b"\x01"),
            signed(0, b"Alice's own, come back"),
            stranger,
        ]
        await stream.write(
            published(
                *refused, signed(EVE, bytes(MAX_BYTES + 1)), forged, signed(EVE, b"unsigned", signature=b"")
            )
        )
        await stream.write(published(signed(EVE, b"genuine")))
        assert await playing.at_alice.receive() == (EVE, b"genuine")
        counters = playing.alice.counters()
        assert counters["refused_broadcast"] == len(refused)
        assert counters["refused_oversize"] == 1
        assert counters["refused_signature"] == 2
        assert counters["contained_errors"] == 0


async def test_control_messages_about_anything_leave_no_trace() -> None:
    async with scene() as playing:
        router = playing.alice._broadcasts._router
        control = rpc_pb2.ControlMessage()
        for number in range(200):
            control.graft.add(topicID=f"graft {number}")
            control.prune.add(topicID=f"prune {number}", backoff=2**63)
            control.ihave.add(topicID=f"ihave {number}", messageIDs=[b"\xff"])
            control.iwant.add(messageIDs=[b"\xff", b"f"])
        many = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=f"ocr/{number:064x}") for number in range(500)]
        stream = await playing.open(GOSSIP)
        await stream.write(encode_frame(rpc_pb2.RPC(control=control, subscriptions=many).SerializeToString()))
        await stream.write(published(signed(EVE, b"done")))
        assert await playing.at_alice.receive() == (EVE, b"done")
        assert not router.back_off.keys() - {TOPIC}
        assert len(playing.alice._broadcasts.peer_topics) <= 65


async def test_a_flood_of_valid_broadcasts_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gossip, "_RATE_PER_SECOND", 0)
    monkeypatch.setattr(gossip, "_RATE_BURST", 20)
    async with scene() as playing:
        stream = await playing.open(GOSSIP)
        await stream.write(published(*(signed(EVE, b"spam", number) for number in range(100))))
        await playing.wait_for("refused_rate", 80)
        received = [await playing.at_alice.receive() for _ in range(20)]
        assert received == [(EVE, b"spam")] * 20


async def test_old_broadcasts_cannot_be_replayed_when_their_ids_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gossip, "_SEEN_LIMIT", 1)
    async with scene() as playing:
        stream = await playing.open(GOSSIP)
        old, new = signed(EVE, b"old", 1), signed(EVE, b"new", 5000)
        await stream.write(
            published(old) + published(new) + published(old) + published(signed(EVE, b"end", 5001))
        )
        assert [(await playing.at_alice.receive())[1] for _ in range(3)] == [b"old", b"new", b"end"]


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 64, encode_frame(bytes(MAX_FRAME_BYTES + 1))[:4]],
    ids=["endless length", "oversized"],
)
@pytest.mark.parametrize("protocol", [DIRECT, RECORDS])
async def test_garbage_frames(protocol: str, garbage: bytes) -> None:
    async with scene() as playing:
        stream = await playing.open(protocol)
        await stream.write(garbage)
        await playing.wait_for("refused_frame")
        with pytest.raises(StreamError):
            await repeat(stream.read, 1024)


async def test_direct_frames_before_the_garbage_are_delivered_and_oversized_ones_counted() -> None:
    async with scene() as playing:
        stream = await playing.open(DIRECT)
        await stream.write(encode_frame(bytes(MAX_BYTES + 1)) + encode_frame(b"fine") + b"\xff" * 9)
        assert await playing.at_alice.receive() == (EVE, b"fine")
        await playing.wait_for("refused_frame")
        assert playing.alice.counters()["refused_oversize"] == 1


async def test_records_that_are_forged_or_of_no_interest() -> None:
    async with scene() as playing:
        genuine = sign_record(key_pair_of(seed(1)).private_key, 2**64 - 1, [])
        forged = bytearray(genuine.encoded)
        forged[-1] ^= 1
        stranger = sign_record(key_pair_of(seed(50)).private_key, 1, [])
        stream = await playing.open(RECORDS)
        frames = (b"", bytes(forged), stranger.encoded, b"not a record", b"")
        await stream.write(b"".join(map(encode_frame, frames)))
        await stream.close()
        await playing.wait_for("refused_record", 3)
        assert playing.alice.known_addresses()[peer(1)] != ()


async def test_too_many_streams_are_refused() -> None:
    async with scene() as playing:
        for _ in range(40):
            await playing.eve.get_network().new_stream(ID.from_base58(playing.alice.peer_id))
        await playing.wait_for("refused_stream", 20)


async def test_a_member_who_reads_nothing_costs_only_itself() -> None:
    async with scene() as playing:
        await playing.let_eve_accept_a_direct_stream()
        for _ in range(600):
            await playing.at_alice.send(OracleId(EVE), bytes(MAX_BYTES))
        assert playing.alice.counters()["dropped_queue_full"] > 0
        await playing.check_that_alice_and_bob_talk()


async def test_a_peer_that_ignores_flow_control_is_hung_up_on() -> None:
    async with scene() as playing:
        stream = await playing.open(GOSSIP)
        stream.muxed_stream.send_window = 1 << 30
        # Every forgery makes Alice pause in reading this stream.
        forgeries = published(
            *(signed(1, b"forged", time.time_ns(), signature=bytes(64)) for _ in range(100))
        )
        with pytest.raises(StreamError):
            await repeat(stream.write, forgeries * 4)
        await playing.wait_for("buffer_overruns")


async def test_a_peer_whose_socket_is_stuck_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "WRITE_DEADLINE", 0.3)

    async def stuck(_n: int | None = None) -> bytes:
        await trio.sleep_forever()
        return b""

    async with scene() as playing:
        await playing.let_eve_accept_a_direct_stream()
        (connection,) = playing.eve.get_network().get_connections(ID.from_base58(playing.alice.peer_id))
        connection.muxed_conn.secured_conn.conn.read_writer.read_write_closer.stream.read = stuck
        for each in playing.alice._host.swarm._transport._streams:
            each.stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for _ in range(50):
            await playing.at_alice.send(OracleId(EVE), bytes(MAX_BYTES))
        await until(playing.alice, lambda: not connected_to(playing.at_alice, EVE)())
        assert playing.alice.counters()["write_timeouts"] == 1


async def test_an_outsider_is_rejected() -> None:
    async with scene() as playing, attacker(seed(50)) as outsider:
        with pytest.raises(SwarmException):
            await outsider.connect(target(playing.alice))
        await playing.wait_for("rejected_outsider")
        assert peer(50) not in playing.alice._host.connected_peers()


async def test_plaintext_is_not_spoken() -> None:
    async with scene() as playing, attacker(seed(EVE), plaintext=True) as liar:
        with pytest.raises(SwarmException):
            await liar.connect(target(playing.alice))


async def test_bytes_of_no_protocol_at_all() -> None:
    async with scene() as playing:
        host, port = playing.alice.addresses[0].split("/")[2:5:2]
        for junk in (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\xff" * 2**16,
            b"\x13/multistream/1.0.0\n\x07/noise\n" + bytes(300),
        ):
            stream = await trio.open_tcp_stream(host, int(port))
            async with stream:
                await stream.send_all(junk)
                await stream.send_eof()
                try:
                    while await stream.receive_some():
                        pass
                except trio.BrokenResourceError:
                    pass


async def test_a_flood_of_connections_from_one_address_is_turned_away() -> None:
    async with scene() as playing:
        host, port = playing.alice.addresses[0].split("/")[2:5:2]
        idle = [socket.create_connection((host, int(port))) for _ in range(150)]
        await playing.wait_for("rejected_busy", 20)
        for each in idle:
            each.close()


async def test_the_bootstrap_node_gets_records_and_nothing_else() -> None:
    """A bootstrap node that turns hostile can open no stream but the one for records."""
    boot_seed = seed(100)
    with trio.fail_after(20):
        async with open_bootstrap_node(peer_seed=boot_seed, listen=[LOOPBACK]) as honest:
            place = honest.addresses
        async with (
            node(0, place) as alice,
            alice.join(committee(0, [0, 1])),
            attacker(boot_seed) as boot,
        ):
            await boot.connect(target(alice))
            alice_id = ID.from_base58(alice.peer_id)
            for refused in (GOSSIP, DIRECT):
                with pytest.raises(Exception, match="failed to open a stream"):
                    await boot.new_stream(alice_id, [refused])
            stream = await boot.new_stream(alice_id, [RECORDS])
            wanted = alice_id.to_bytes()[-32:]
            await stream.write(encode_frame(wanted) + encode_frame(b""))
            reader = FrameReader(stream.read, 2000)
            assert decode_record(await reader.next()).peer_id == alice.peer_id
            assert await reader.next() == b""
            await stream.close()


async def test_an_open_bootstrap_node_takes_no_hearsay() -> None:
    keys = create_new_key_pair()
    own = peer_id_of(keys.public_key.to_bytes())
    with trio.fail_after(20):
        async with (
            open_bootstrap_node(peer_seed=seed(100), listen=[LOOPBACK]) as boot,
            attacker(keys.private_key.to_bytes()) as anyone,
        ):
            await anyone.connect(info_from_p2p_addr(Multiaddr(boot.addresses[0])))
            stream = await anyone.new_stream(ID.from_base58(boot.peer_id), [RECORDS])
            records = (
                sign_record(each, 1, []).encoded
                for each in (keys.private_key, key_pair_of(seed(1)).private_key)
            )
            await stream.write(encode_frame(b"") + b"".join(map(encode_frame, records)) + encode_frame(b""))
            assert await FrameReader(stream.read, 2000).next() == b""
            await stream.close()
            assert boot.known_addresses().keys() == {own}
            assert boot.counters()["refused_record"] == 1


async def test_identify_tells_strange_implementations_what_is_spoken() -> None:
    async with scene() as playing:
        stream = await playing.open("/ipfs/id/1.0.0")
        told = Identify.FromString(await FrameReader(stream.read, 10_000).next())
        assert {GOSSIP, DIRECT, RECORDS} <= set(told.protocols)


async def test_eve_gone_is_noticed() -> None:
    async with scene() as playing:
        await playing.eve.disconnect(ID.from_base58(playing.alice.peer_id))
        await until(playing.alice, lambda: not connected_to(playing.at_alice, EVE)())
