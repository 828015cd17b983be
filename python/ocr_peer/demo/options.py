"""What `ocr-peer demo` can be told, and the timing that suits a committee of a given size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ocr_peer.errors import InputError
from ocr_peer.protocol.config import MILLISECOND, SECOND, Duration, ReportFormat

__all__ = ["DemoOptions", "DemoTiming"]

_FORMATS = {"A": ReportFormat.OCR2, "B": ReportFormat.PACKED}


@dataclass(frozen=True, slots=True)
class DemoTiming:
    """Durations of the demo's configuration, nanoseconds, and of its chain, seconds."""

    delta_progress: Duration
    delta_resend: Duration
    delta_round: Duration
    delta_grace: Duration
    delta_stage: Duration
    r_max: int
    max_duration_observation: Duration
    block_time_s: float = 1.0

    @classmethod
    def for_committee(cls, n: int) -> DemoTiming:
        """Brisk for a handful of oracles; slower as more share this machine.

        Gossip costs a process about as many copies of a broadcast as it has neighbours, and here all
        processes share the same processors.
        """
        brisk = n <= 7
        medium = n <= 16
        return cls(
            delta_progress=Duration((6 if brisk else 20 if medium else 60) * SECOND),
            delta_resend=Duration((3 if brisk else 10 if medium else 30) * SECOND),
            delta_round=Duration((1250 if brisk else 3000 if medium else 6000) * MILLISECOND),
            delta_grace=Duration((150 if brisk else 500 if medium else 1500) * MILLISECOND),
            delta_stage=Duration((3 if brisk else 5 if medium else 12) * SECOND),
            r_max=8 if brisk else 12 if medium else 30,
            max_duration_observation=Duration((1 if brisk else 2 if medium else 5) * SECOND),
        )


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """One run of the demo."""

    oracles: int = 4
    rounds: int | None = None
    """End after this many answers on chain; `None` goes on until stopped."""
    seconds: float | None = None
    """End after this long."""
    seed: int = 1
    """Decides keys, noise of the sources and which oracles lie."""
    json_lines: bool = False
    ui: bool = True
    kill_leader: bool = False
    kill_transmitter: bool = False
    lying_source: bool = False
    unique_reports: bool = False
    contract: str = "A"
    """A, which speaks OCR2, or B, which takes packed reports."""
    directory: Path | None = None
    """Keep the oracles' folders here instead of in a temporary one."""

    def check(self) -> None:
        """Refuse what cannot run.

        Raises:
            InputError: names the option, its value and the bounds.
        """
        if not 4 <= self.oracles <= 31:
            raise InputError(
                "--oracles",
                self.oracles,
                "a committee that tolerates a fault has 4 to 31",
                "choose a number in between",
            )
        if self.contract not in _FORMATS:
            raise InputError("--contract", self.contract, "no aggregator", f"choose {' or '.join(_FORMATS)}")
        if self.rounds is not None and self.rounds < 1:
            raise InputError("--rounds", self.rounds, "not a number of answers", "give 1 or more")
        if self.seconds is not None and self.seconds <= 0:
            raise InputError("--seconds", self.seconds, "not a duration", "give more than 0")
        if self.directory is not None and self.directory.exists() and any(self.directory.iterdir()):
            raise InputError("--directory", str(self.directory), "not empty", "name a new folder")

    @property
    def report_format(self) -> ReportFormat:
        """What the chosen contract takes."""
        return _FORMATS[self.contract]

    @property
    def f(self) -> int:
        """Most faults that the committee tolerates."""
        return (self.oracles - 1) // 3
