"""`python -m tests.soak`: disturb a committee and its chain, then judge what reached the chain."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

import trio

from tests.soak.run import Soak, SoakOptions, progress_on_terminal


def main() -> int:
    """Run; 0 if everything holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="answers on chain (50)")
    parser.add_argument("--oracles", type=int, default=4, help="nodes (4)")
    parser.add_argument("--seed", type=int, default=1, help="decides keys and disturbances (1)")
    parser.add_argument("--chain", choices=("anvil", "devnet"), default="anvil", help="which chain (anvil)")
    options = SoakOptions(**vars(parser.parse_args()))
    soak = Soak(options, progress_on_terminal)
    started = time.monotonic()
    verdict = trio.run(soak.run)
    fields = {
        **asdict(options),
        "seconds": round(time.monotonic() - started),
        **asdict(verdict),
        "disturbances": dict(soak.counts),
    }
    print(json.dumps(fields, indent=2))
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
