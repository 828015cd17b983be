"""Programs that come as npm packages with `contracts/package.json`."""

from __future__ import annotations

import platform
from pathlib import Path

PACKAGES = Path(__file__).parents[2] / "contracts" / "node_modules"
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def foundry(name: str) -> str:
    """The path of anvil or cast. The platform's package holds the program itself: no install script is run."""
    system = platform.system().lower()
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    program = PACKAGES / "@foundry-rs" / f"{name}-{system}-{machine}" / "bin" / name
    assert program.exists(), f"{program} is missing: run make contracts/node_modules/.installed"
    return str(program)
