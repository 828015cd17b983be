"""`ocr-peer demo`: brings a committee to life, watches it, and cleans up."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import trio
from rich.console import Console

from ocr_peer.demo.audit import ChainAuditor
from ocr_peer.demo.faults import FaultScript
from ocr_peer.demo.narration import Narrator
from ocr_peer.demo.options import DemoOptions, DemoTiming
from ocr_peer.demo.preparation import (
    CHAIN_ID,
    ETHER,
    FEED_NAME,
    DeployedFeed,
    Member,
    deploy_feed,
    feed_job,
    member,
    node_settings,
    owner_key,
    write_folder,
)
from ocr_peer.demo.price_service import Lie, PriceSources
from ocr_peer.demo.processes import LogLine, NodeProcess
from ocr_peer.demo.state import MILESTONES, CommitteeState, OracleState, percentile
from ocr_peer.demo.view import run_view
from ocr_peer.devnet.options import DevnetOptions
from ocr_peer.devnet.server import serve_devnet
from ocr_peer.errors import OperatingError
from ocr_peer.evm.deploy import OwnerAccount
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner
from ocr_peer.runtime.signals import run_until_signal

__all__ = ["run_demo"]

_AUDIT_POLL_S = 0.05
_START_LIMIT_S = 180.0
_STALL_LIMIT_S = 120.0


async def run_demo(options: DemoOptions) -> tuple[int, bool]:
    """Run the demo.

    Returns:
        The exit status, 0 if every answer was sound and the goal was reached, and whether a signal ended it.

    Raises:
        InputError: an option is out of bounds.
        OperatingError: a node ended by itself, or nothing reached the chain for two minutes.
    """
    options.check()
    narrator_state = CommitteeState([OracleState() for _ in range(options.oracles)])
    live = options.ui and not options.json_lines and sys.stdout.isatty()
    narrator = Narrator(narrator_state, json_lines=options.json_lines, quiet=live)
    with tempfile.TemporaryDirectory(prefix="ocr-peer-demo-") as temporary:
        demo = _Demo(options, options.directory or Path(temporary), narrator_state, narrator, live=live)
        interrupted = await run_until_signal(demo.run)
    return demo.finish(interrupted=interrupted is not None), interrupted is not None


@dataclass
class _Demo:
    options: DemoOptions
    directory: Path
    state: CommitteeState
    narrator: Narrator
    live: bool
    processes: list[NodeProcess] = field(default_factory=list)
    first_answer_at: float | None = None
    last_answer_at: float = 0.0
    resident_mb: list[float] = field(default_factory=list)
    faults_done: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        """Everything between the first key and the last answer."""
        options = self.options
        timing = DemoTiming.for_committee(options.oracles)
        async with AsyncExitStack() as stack:
            nursery = await stack.enter_async_context(trio.open_nursery())
            prices = PriceSources(seed=options.seed, step_seconds=1.0)
            prices_url = await nursery.start(prices.serve)
            members = [
                member(options.seed, f"oracle {index}", self.directory / f"oracle-{index}")
                for index in range(options.oracles)
            ]
            # The bootstrap node's start and the chain's first blocks take a while each, so they overlap.
            bootstrap = await self._start_bootstrap(nursery)
            rpc_url, feed = await self._deploy(nursery, members, timing)
            self._prepare_processes(await self._bootstrap_address(bootstrap))
            for index, one in enumerate(members):
                job = feed_job(
                    index,
                    feed.contract,
                    prices_url,
                    timing.max_duration_observation,
                    unique_reports=options.unique_reports,
                    report_format=options.report_format,
                )
                await write_folder(one, node_settings(one, rpc_url), job)
                self._start_oracle(nursery, index)
            client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
            nursery.start_soon(self._audit, ChainAuditor(client, rpc_url, feed.contract))
            nursery.start_soon(self._measure)
            if self.live:
                title = f"{FEED_NAME} · {options.oracles} oracles"
                nursery.start_soon(run_view, self.state, title, Console(), self._goal)
            nursery.start_soon(self._cause_faults, feed, prices, partial(self._start_oracle, nursery))
            await self._until_done()
            nursery.cancel_scope.cancel()

    def finish(self, *, interrupted: bool) -> int:
        """Print the summary and decide the exit status."""
        state = self.state
        latencies = state.latencies_ms()
        answers = list(state.answers)
        elapsed = self.last_answer_at - (self.first_answer_at or self.last_answer_at)
        fields: dict[str, object] = {
            "oracles": self.options.oracles,
            "aggregator": self.options.contract,
            "answers": state.answer_count,
            "median_mismatches": state.median_mismatches,
            "problems": len(state.problems),
            "rounds_per_s": round((state.answer_count - 1) / elapsed, 3) if elapsed > 0 else None,
            "latency_ms": {
                "p50": _rounded(percentile(latencies, 0.5)),
                "p99": _rounded(percentile(latencies, 0.99)),
            },
            "gas_per_answer": round(statistics.fmean(a.audit.gas_used for a in answers)) if answers else None,
            "rss_mb": _rounded(statistics.median(self.resident_mb)) if self.resident_mb else None,
        }
        self.narrator.summary(fields)
        missing = (
            not interrupted and self.options.rounds is not None and state.answer_count < self.options.rounds
        )
        return 1 if state.problems or state.median_mismatches or missing else 0

    async def _deploy(
        self, nursery: trio.Nursery, members: list[Member], timing: DemoTiming
    ) -> tuple[str, DeployedFeed]:
        owner = await trio.to_thread.run_sync(LocalSigner, owner_key(self.options.seed))
        funded = [owner.address, *(one.identity.transmitter_address for one in members)]
        devnet = DevnetOptions(chain_id=CHAIN_ID, accounts=dict.fromkeys(funded, 1000 * ETHER))
        url = await nursery.start(partial(serve_devnet, devnet, block_time=timing.block_time_s))
        self.narrator.note(f"development chain {CHAIN_ID} at {url}", kind="chain", url=url)
        async with RpcClient(url) as rpc:
            account = OwnerAccount(rpc, owner, chain_id=CHAIN_ID, poll_interval_s=0.1)
            feed = await deploy_feed(account, members, timing, self.options.seed, self.options.report_format)
        self.narrator.note(
            f"aggregator {self.options.contract} at {feed.contract}, committee of {len(members)}, f = {self.options.f}",
            kind="feed",
            contract=feed.contract,
            aggregator=self.options.contract,
            oracles=len(members),
            f=self.options.f,
        )
        return url, feed

    async def _start_bootstrap(self, nursery: trio.Nursery) -> trio.MemoryReceiveChannel[str]:
        one = member(self.options.seed, "bootstrap", self.directory / "bootstrap")
        await write_folder(one, node_settings(one, None), None)
        send, receive = trio.open_memory_channel[str](1)

        def on_line(line: LogLine) -> None:
            if line.get("event") == "bootstrap ready":
                send.send_nowait(line["addresses"][0])

        process = NodeProcess(
            "bootstrap node", ["bootstrap", "--config", "node.toml"], one.directory, on_line
        )
        nursery.start_soon(self._keep, process)
        return receive

    async def _bootstrap_address(self, ready: trio.MemoryReceiveChannel[str]) -> str:
        with trio.fail_after(_START_LIMIT_S):
            address = await ready.receive()
        self.narrator.note(f"bootstrap node at {address}", kind="bootstrap", address=address)
        return address

    def _prepare_processes(self, bootstrap: str) -> None:
        arguments = ["run", "--bootstrap", bootstrap, "--config", "node.toml"]
        self.processes = [
            NodeProcess(
                f"oracle {index}",
                arguments,
                self.directory / f"oracle-{index}",
                partial(self._on_oracle_line, index),
            )
            for index in range(self.options.oracles)
        ]

    def _start_oracle(self, nursery: trio.Nursery, index: int) -> None:
        nursery.start_soon(self._keep, self.processes[index])

    async def _keep(self, process: NodeProcess) -> None:
        status = await process.run()
        if not process.expected_to_end:
            raise process.failure(status)

    def _on_oracle_line(self, index: int, line: LogLine) -> None:
        event = line.get("event")
        state = self.state.oracles[index]
        if event == "instance started":
            state.up = True
            self.narrator.note(f"oracle {index} is up", kind="oracle_up", oracle=index)
        self.state.fold(index, line)
        if event in MILESTONES:
            detail = {key: value for key, value in line.items() if key not in _LOG_FIELDS}
            self.narrator.event(str(event), oracle=index, **detail)

    async def _audit(self, auditor: ChainAuditor) -> None:
        block = 0
        while True:
            audits, block = await auditor.new_answers(block)
            for audit in audits:
                self.last_answer_at = time.monotonic()
                self.first_answer_at = self.first_answer_at or self.last_answer_at
                self.narrator.answer(self.state.add_answer(audit))
            await trio.sleep(_AUDIT_POLL_S)

    async def _measure(self) -> None:
        while True:
            await trio.sleep(1)
            if self.state.answers and (resident := self.processes[-1].resident_mb()) is not None:
                self.resident_mb.append(resident)

    async def _cause_faults(
        self, feed: DeployedFeed, prices: PriceSources, restart: Callable[[int], None]
    ) -> None:
        script = FaultScript(
            state=self.state,
            narrator=self.narrator,
            processes=self.processes,
            restart=restart,
            schedule=feed.schedule,
            f=self.options.f,
        )
        if self.options.lying_source:
            await script.lying_sources(lambda oracle: prices.set_fault(Lie(), oracles=[oracle]))
            if self.options.kill_leader or self.options.kill_transmitter:
                # A killed oracle on top of f liars would be more than the protocol tolerates.
                prices.recover(oracles=range(self.options.f))
                self.narrator.note("the sources are honest again")
        if self.options.kill_leader:
            await script.kill_leader()
        if self.options.kill_transmitter:
            await script.kill_transmitter()
        self.faults_done.set()

    async def _until_done(self) -> None:
        started = time.monotonic()
        options = self.options
        while True:
            await trio.sleep(0.02)
            now = time.monotonic()
            enough = options.rounds is not None and self.state.answer_count >= options.rounds
            if enough and self.faults_done.is_set():
                return
            if options.seconds is not None and now - started >= options.seconds:
                return
            limit = _STALL_LIMIT_S if self.first_answer_at else _START_LIMIT_S
            if now - max(started, self.last_answer_at) > limit:
                raise OperatingError(f"no answer on chain for {limit:.0f} s")

    def _goal(self) -> str:
        if self.options.rounds is not None:
            return f"{self.state.answer_count} of {self.options.rounds} answers"
        return f"{self.state.answer_count} answers"


_LOG_FIELDS = frozenset({"event", "level", "timestamp", "mono_ns", "feed", "oracle"})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
