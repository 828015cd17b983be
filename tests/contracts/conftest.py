from __future__ import annotations

from functools import partial

import pytest

from .chain import Chain
from .feed import KINDS, Deploy, Feed, new_chain


@pytest.fixture(scope="session")
def chain() -> Chain:
    """One chain for all tests; every test deploys contracts of its own."""
    return new_chain()


@pytest.fixture
def fresh_chain() -> Chain:
    """A chain on which nothing happened: addresses, digests and signatures are the same in every run."""
    return new_chain()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the contracts: what uses this, deploy or feed holds both to the same invariants."""
    return request.param


@pytest.fixture
def deploy(chain: Chain, kind: str) -> Deploy:
    return partial(Feed.deploy, chain, kind=kind)


@pytest.fixture
def feed(deploy: Deploy) -> Feed:
    """Four oracles, one of which may be faulty."""
    return deploy()
