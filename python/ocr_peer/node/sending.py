"""The account that a node sends from, as the settings describe it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import trio

from ocr_peer.evm.access import ChainAccess
from ocr_peer.evm.confirmation import ConfirmationSettings
from ocr_peer.evm.fees import FeeSettings
from ocr_peer.evm.funds import FundsSettings
from ocr_peer.evm.remote_signer import connect_signer
from ocr_peer.evm.rpc import RpcClient
from ocr_peer.evm.signer import LocalSigner, TransactionSigner
from ocr_peer.evm.transmitter import Transmitter, TransmitterSettings
from ocr_peer.keystore import Keyring, PublicIdentity
from ocr_peer.protocol.config import SECOND
from ocr_peer.settings import ChainSettings
from ocr_peer.store import SqliteStore

__all__ = ["open_transmitter", "sending_identity", "transmitter_settings"]


def sending_identity(identity: PublicIdentity, chain: ChainSettings) -> PublicIdentity:
    """The node's keys as a chain knows them: a remote signer's account stands in for the keystore's."""
    if chain.remote_signer is None:
        return identity
    return replace(identity, transmitter_address=chain.remote_signer.address)


async def open_transmitter(
    chain: ChainSettings, rpc: ChainAccess, keyring: Keyring, store: SqliteStore, stack: AsyncExitStack
) -> Transmitter:
    """The transmitter of a chain; what it holds open is closed with `stack`.

    Raises:
        InputError: the remote signer does not answer, or does not hold the account's key.
    """
    relay = None
    if chain.transactions.private_relay_url is not None:
        relay = await stack.enter_async_context(RpcClient(chain.transactions.private_relay_url))
    return Transmitter(
        rpc,
        await _signer(chain, keyring, stack),
        store,
        chain_id=chain.chain_id,
        settings=transmitter_settings(chain),
        relay=relay,
    )


def transmitter_settings(chain: ChainSettings) -> TransmitterSettings:
    """What `[[EVM]]` says, in the terms of the transmitter."""
    gas, transactions, monitor = chain.gas_estimator, chain.transactions, chain.balance_monitor
    return TransmitterSettings(
        fees=FeeSettings(
            max_fee_cap=gas.price_max,
            first_fee_cap=gas.fee_cap_default,
            min_tip=gas.tip_cap_min,
            default_tip=gas.tip_cap_default,
            bump_percent=gas.bump_percent,
            dynamic=gas.dynamic_fees,
        ),
        confirmation=ConfirmationSettings(
            bump_after_blocks=gas.bump_threshold, finality_depth=chain.finality_depth
        ),
        funds=FundsSettings(watched=monitor.enabled, transmissions=monitor.min_transmissions),
        max_in_flight=transactions.max_in_flight,
        gas_limit_max=gas.limit_max,
        daily_budget=transactions.daily_budget,
        public_after_blocks=transactions.private_relay_blocks,
    )


async def _signer(chain: ChainSettings, keyring: Keyring, stack: AsyncExitStack) -> TransactionSigner:
    remote = chain.remote_signer
    if remote is None:
        return await trio.to_thread.run_sync(LocalSigner, keyring.transmitter_secret)
    timeout_s = remote.timeout / SECOND
    # Proxies of the environment are for the outer world; what is signed goes to the named server alone.
    client = await stack.enter_async_context(httpx.AsyncClient(timeout=timeout_s, trust_env=False))
    return await connect_signer(remote.url, remote.address, client=client, timeout_s=timeout_s)
