"""One soak: real nodes, several endpoints, a disturbed chain; then peace, and the verdict."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx
import trio

from ocr_peer.demo.options import DemoTiming
from ocr_peer.demo.preparation import (
    CHAIN_ID,
    DeployedFeed,
    Member,
    deploy_feed,
    feed_job,
    member,
    node_settings,
    owner_key,
    write_folder,
)
from ocr_peer.demo.price_service import PriceSources
from ocr_peer.demo.processes import LogLine, NodeProcess
from ocr_peer.evm.deploy import OwnerAccount
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.protocol.config import MILLISECOND, SECOND, Duration
from ocr_peer.protocol.effects import MilestoneKind
from ocr_peer.protocol.report import RoundTag
from ocr_peer.settings import RpcNodeSettings
from tests.soak.chain import ChainError, ChainProcess, start_chain
from tests.soak.disturbance import Disturbance
from tests.soak.gateway import Gateway, free_port
from tests.soak.verdict import Landings, Verdict, judge_chain

ENDPOINTS = 3
PEACE_S = 60.0
"""Most time that the transactions on their way get at the end, undisturbed."""
STALL_LIMIT_S = 180.0
LATEST_TRANSMISSION_DETAILS = "0xe5fe4577"
TIMING = DemoTiming(
    delta_progress=Duration(4 * SECOND),
    delta_resend=Duration(2 * SECOND),
    delta_round=Duration(600 * MILLISECOND),
    delta_grace=Duration(100 * MILLISECOND),
    delta_stage=Duration(2 * SECOND),
    r_max=8,
    max_duration_observation=Duration(400 * MILLISECOND),
)
"""Quicker than the demo: a soak wants many rounds."""


@dataclass(frozen=True)
class SoakOptions:
    """What to run."""

    rounds: int = 50
    oracles: int = 4
    seed: int = 1
    chain: str = "anvil"


class StalledError(Exception):
    """No answer reached the chain for far too long."""


@dataclass
class Soak:
    """A run under way.

    Attributes:
        options: what to run.
        progress: told a line for people now and then.
    """

    options: SoakOptions
    progress: Callable[[str], None]
    landings: Landings = field(default_factory=Landings)
    processes: list[NodeProcess] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)
    unexpected: list[str] = field(default_factory=list)

    async def run(self) -> Verdict:
        """Run to the end."""
        with tempfile.TemporaryDirectory(prefix="ocr-peer-soak-") as temporary:
            async with httpx.AsyncClient(timeout=10) as client:
                await self._run(Path(temporary), client)
        self.verdict.problems += self.unexpected
        return self.verdict

    async def _run(self, folder: Path, client: httpx.AsyncClient) -> None:
        options = self.options
        members = [
            member(options.seed, f"oracle {i}", folder / f"oracle-{i}") for i in range(options.oracles)
        ]
        owner = LocalSigner(owner_key(options.seed))
        accounts = [owner.address, *(one.identity.transmitter_address for one in members)]
        chain = await start_chain(options.chain, accounts, free_port(), client)
        try:
            gateways = [Gateway(int(chain.url.rsplit(":", 1)[1])) for _ in range(ENDPOINTS)]
            feed = await self._deploy(chain, owner, members)
            await self._live(folder, chain, gateways, members, feed)
            self.progress("the nodes have ended; checking the chain")
            folders = {"0x" + m.identity.transmitter_address.hex(): m.directory for m in members}
            await judge_chain(chain, feed.contract, folders, self.verdict)
        finally:
            with trio.CancelScope(shield=True):
                await chain.end()

    async def _deploy(self, chain: ChainProcess, owner: LocalSigner, members: list[Member]) -> DeployedFeed:
        async with RpcClient(chain.url) as rpc:
            account = OwnerAccount(rpc, owner, chain_id=CHAIN_ID, poll_interval_s=0.1)
            return await deploy_feed(account, members, TIMING, self.options.seed)

    async def _live(
        self,
        folder: Path,
        chain: ChainProcess,
        gateways: list[Gateway],
        members: list[Member],
        feed: DeployedFeed,
    ) -> None:
        async with trio.open_nursery() as nursery:
            prices_url = await nursery.start(PriceSources(seed=self.options.seed, step_seconds=1.0).serve)
            for gateway in gateways:
                nursery.start_soon(gateway.run)
            bootstrap = await self._bootstrap(nursery, folder)
            for index, one in enumerate(members):
                settings = node_settings(one, gateways[0].url)
                # Each node prefers another endpoint.
                urls = [gateways[(index + i) % ENDPOINTS].url for i in range(ENDPOINTS)]
                nodes = tuple(RpcNodeSettings(f"endpoint-{i}", url) for i, url in enumerate(urls))
                settings = replace(settings, evm=(replace(settings.evm[0], nodes=nodes),))
                job = feed_job(index, feed.contract, prices_url, TIMING.max_duration_observation)
                await write_folder(one, settings, job)
                self.processes.append(
                    NodeProcess(
                        f"oracle {index}",
                        ["run", "--bootstrap", bootstrap, "--config", "node.toml"],
                        one.directory,
                        partial(self._on_line, index),
                    )
                )
                self._start(nursery, index)
            await self._answers(chain, feed, 2)
            disturbance = Disturbance(
                self.processes, partial(self._start, nursery), gateways, chain, self.options.seed, self.counts
            )
            async with trio.open_nursery() as disturbances:
                disturbances.start_soon(disturbance.run)
                await self._answers(chain, feed, self.options.rounds)
                disturbances.cancel_scope.cancel()
            for gateway in gateways:
                gateway.up()
            await self._peace(chain, feed)
            for process in self.processes:
                process.expected_to_end = True
            nursery.cancel_scope.cancel()

    def _start(self, nursery: trio.Nursery, index: int) -> None:
        nursery.start_soon(self._keep, self.processes[index])

    async def _keep(self, process: NodeProcess) -> None:
        status = await process.run()
        if not process.expected_to_end:
            self.unexpected.append(str(process.failure(status)))
            self.progress(self.unexpected[-1])

    async def _bootstrap(self, nursery: trio.Nursery, folder: Path) -> str:
        one = member(self.options.seed, "bootstrap", folder / "bootstrap")
        await write_folder(one, node_settings(one, None), None)
        send, receive = trio.open_memory_channel[str](1)

        def on_line(line: LogLine) -> None:
            if line.get("event") == "bootstrap ready":
                send.send_nowait(line["addresses"][0])

        process = NodeProcess(
            "bootstrap node", ["bootstrap", "--config", "node.toml"], one.directory, on_line
        )
        nursery.start_soon(self._keep, process)
        with trio.fail_after(60):
            return await receive.receive()

    def _on_line(self, oracle: int, line: LogLine) -> None:
        event = line.get("event")
        if event == MilestoneKind.ACCEPTED:
            self.landings.accept(RoundTag(line["epoch"], line["round"]), line["mono_ns"])
        if line.get("level") in {"error", "critical"}:
            self.unexpected.append(f"oracle {oracle}: {line}")

    async def _answers(self, chain: ChainProcess, feed: DeployedFeed, count: int) -> None:
        """Watch the chain until so many answers were seen to land."""
        last = time.monotonic()
        while len(self.landings.landed) < count:
            if await self._look(chain, feed):
                last = time.monotonic()
                done = len(self.landings.landed)
                self.progress(f"{done} of {self.options.rounds} answers; {_told(self.counts)}")
            if time.monotonic() - last > STALL_LIMIT_S:
                raise StalledError(f"no answer on chain for {STALL_LIMIT_S:.0f} s; {_told(self.counts)}")
            await trio.sleep(0.1)

    async def _look(self, chain: ChainProcess, feed: DeployedFeed) -> bool:
        """Note the newest answer; whether it is newer than all before."""
        call = {"to": feed.contract, "data": LATEST_TRANSMISSION_DETAILS}
        with suppress(ChainError):
            words = bytes.fromhex((await chain.call("eth_call", call, "latest"))[2:])
            tag = RoundTag(int.from_bytes(words[32:64]), int.from_bytes(words[64:96]))
            newest = self.landings.landed[-1][0] if self.landings.landed else RoundTag(0, 0)
            if tag > newest:
                self.landings.landed.append((tag, time.monotonic_ns()))
                return True
        return False

    async def _peace(self, chain: ChainProcess, feed: DeployedFeed) -> None:
        """Let what was accepted until now land."""
        self.progress("peace: what was accepted must land")
        due = max(self.landings.accepted, default=RoundTag(0, 0))
        with trio.move_on_after(PEACE_S):
            while self.landings.landed[-1][0] < due:
                await self._look(chain, feed)
                await trio.sleep(0.1)
        self.landings.judge(self.verdict, time.monotonic_ns())


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "undisturbed"


def progress_on_terminal(text: str) -> None:
    """A line on standard error; on a terminal it replaces the one before."""
    sys.stderr.write(f"\r\x1b[K{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()
