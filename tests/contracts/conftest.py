from __future__ import annotations

import pytest
from ocr_devnet import Devnet

from .chain import NOW, Chain
from .feed import Feed, funded


def new_chain() -> Chain:
    accounts = dict.fromkeys(funded(), 10**24)
    return Chain(Devnet(1337, accounts, genesis_timestamp=NOW, automine=True))


@pytest.fixture(scope="session")
def chain() -> Chain:
    """One chain for all tests; every test deploys contracts of its own."""
    return new_chain()


@pytest.fixture
def fresh_chain() -> Chain:
    """A chain on which nothing happened: addresses, digests and signatures are the same in every run."""
    return new_chain()


@pytest.fixture
def feed(chain: Chain) -> Feed:
    """Four oracles, one of which may be faulty."""
    return Feed.deploy(chain)
