"""The stored artifacts are what the pinned compiler makes of the sources. Needs the compiler, and fails without it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from .feed import KINDS, A, B
from .others import package, run_node

ROOT = Path(__file__).parents[2]


def build(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs build.mjs of the tree under root."""
    package("solc")
    return run_node(root / "contracts" / "build.mjs", *options, cwd=root)


def copy_of_the_tree(target: Path) -> Path:
    """Sources and artifacts at another place, with the installed compiler."""
    contracts = ROOT / "contracts"
    shutil.copytree(contracts, target / "contracts", ignore=shutil.ignore_patterns("node_modules"))
    (target / "contracts" / "node_modules").symlink_to(contracts / "node_modules", target_is_directory=True)
    artifacts = Path("python", "ocr_peer", "evm", "artifacts")
    shutil.copytree(ROOT / artifacts, target / artifacts)
    return target / artifacts


def test_rebuild_is_identical(tmp_path: Path) -> None:
    """Built elsewhere, from nothing: the same bytes as the stored artifacts."""
    artifacts = copy_of_the_tree(tmp_path)
    stored = {path.name: path.read_bytes() for path in artifacts.iterdir()}
    shutil.rmtree(artifacts)
    result = build(tmp_path)
    assert result.returncode == 0, result.stderr
    built = {path.name: path.read_bytes() for path in artifacts.iterdir()}
    assert set(built) == {f"{kind}.json" for kind in KINDS}
    assert built == stored, "an artifact is stale; rebuild with: node contracts/build.mjs"


def test_check_notices_a_difference(tmp_path: Path) -> None:
    artifacts = copy_of_the_tree(tmp_path)
    changed = artifacts / f"{B}.json"
    built = json.loads(changed.read_text(encoding="utf-8"))
    built["bytecode"] = built["bytecode"][:-2] + "00"
    built["abi"] = built["abi"][1:]
    changed.write_text(json.dumps(built, indent=2) + "\n", encoding="utf-8")
    result = build(tmp_path, "--check")
    assert result.returncode == 1
    assert f"{A}.json is what the sources compile to" in result.stdout
    assert f"{B}.json is not" in result.stderr
    assert "bytecode" in result.stderr
    assert "abi: only compiled" in result.stderr
    assert "deployedBytecode" not in result.stderr
