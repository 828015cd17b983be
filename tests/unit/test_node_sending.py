"""From `[[EVM]]` to the account that sends."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ocr_peer import crypto
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.keystore import public_identity
from ocr_peer.keystore.keyring import Keyring
from ocr_peer.node.sending import open_transmitter, sending_identity, transmitter_settings
from ocr_peer.settings import load_settings
from ocr_peer.store import open_store
from tests.unit.test_evm_feed import seed
from tests.unit.test_evm_remote_signer import ADDRESS, KEY, Web3Signer, server
from tests.unit.test_settings_load import FULL, written

__all__ = ["server"]


def test_every_setting_reaches_the_transmitter(tmp_path: Path) -> None:
    full, plain = load_settings(written(tmp_path, FULL), {}).evm
    settings = transmitter_settings(full)
    fees = settings.fees
    assert (fees.max_fee_cap, fees.first_fee_cap) == (15 * 10**17, 70 * 10**9)
    assert (fees.default_tip, fees.min_tip, fees.bump_percent, fees.dynamic) == (2 * 10**9, 3, 25, False)
    assert (settings.confirmation.bump_after_blocks, settings.confirmation.finality_depth) == (5, 12)
    assert (settings.funds.watched, settings.funds.transmissions) == (False, 20)
    assert (settings.max_in_flight, settings.gas_limit_max) == (8, 600_000)
    assert (settings.daily_budget, settings.public_after_blocks) == (2 * 10**17, 0)
    assert transmitter_settings(plain).daily_budget is None


async def test_the_remote_signers_account_stands_in_for_the_keystores(
    tmp_path: Path, server: Web3Signer
) -> None:
    chain = load_settings(written(tmp_path, FULL), {}).evm[0]
    keyring = Keyring(*(seed("key", index) for index in range(5)))
    identity = public_identity(keyring)
    assert chain.remote_signer is not None
    remote = replace(chain, remote_signer=replace(chain.remote_signer, url=server.url, address=ADDRESS))
    assert sending_identity(identity, remote).transmitter_address == ADDRESS
    local = replace(chain, remote_signer=None)
    assert sending_identity(identity, local) == identity
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(tmp_path / "data"))
        rpc = await stack.enter_async_context(RpcClient("http://127.0.0.1:1"))
        opened = await open_transmitter(remote, rpc, keyring, store, stack)
        assert opened.address == ADDRESS == crypto.secp256k1_address(KEY)
        opened = await open_transmitter(local, rpc, keyring, store, stack)
        assert opened.address == identity.transmitter_address
        server.keys = []
        with pytest.raises(InputError, match=f"none of {checksum_address(ADDRESS)}"):
            await open_transmitter(remote, rpc, keyring, store, stack)
