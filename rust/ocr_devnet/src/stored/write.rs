//! From a chain to the lists.

use alloy_primitives::{Address, U256};

use super::layout::{Account, Block, Mined, Slot, Stored, Undo};
use crate::block::Sealed;
use crate::chain::Chain;
use crate::state;

pub fn stored(chain: &Chain) -> Stored {
    let state = &chain.ledger.state;
    let mut code: Vec<_> = state.code.iter().collect();
    code.sort_unstable_by_key(|(hash, _)| **hash);
    Stored {
        chain_id: chain.config.chain_id,
        legacy: chain.config.legacy,
        forks: chain.forks,
        behind: chain.clock.offset < 0,
        offset: chain.clock.offset.unsigned_abs(),
        next_timestamp: chain.clock.next.into_iter().collect(),
        next_base_fee: chain.wanted_base_fee.into_iter().collect(),
        by_hand: state.by_hand.unwrap_or_default(),
        blocks: chain
            .ledger
            .blocks()
            .iter()
            .map(|sealed| block(sealed))
            .collect(),
        accounts: accounts(
            state
                .accounts
                .iter()
                .map(|(a, account)| (*a, Some(*account))),
        ),
        slots: slots(state.slots.iter().map(|(slot, value)| (*slot, *value))),
        code: code
            .into_iter()
            .map(|(_, code)| code.original_bytes())
            .collect(),
        undos: state.undos.iter().map(undo).collect(),
        pool: chain
            .pool
            .in_order()
            .iter()
            .map(|tx| tx.raw().into())
            .collect(),
    }
}

fn block(sealed: &Sealed) -> Block {
    let txs = sealed.txs.iter().map(|mined| Mined {
        raw: mined.tx.raw().into(),
        sender: mined.tx.sender,
        success: mined.success,
        gas_used: mined.gas_used,
        logs: mined.logs.clone(),
    });
    Block {
        header: sealed.header.clone(),
        txs: txs.collect(),
    }
}

fn undo(undo: &state::Undo) -> Undo {
    Undo {
        accounts: accounts(undo.accounts.iter().map(|(a, before)| (*a, *before))),
        slots: slots(undo.slots.iter().map(|(slot, value)| (*slot, *value))),
    }
}

fn accounts(given: impl Iterator<Item = (Address, Option<state::Account>)>) -> Vec<Account> {
    let mut list: Vec<Account> = given
        .map(|(address, account)| {
            let exists = account.is_some();
            let account = account.unwrap_or_default();
            Account {
                address,
                exists,
                balance: account.balance,
                nonce: account.nonce,
                code_hash: account.code_hash,
            }
        })
        .collect();
    list.sort_unstable_by_key(|account| account.address);
    list
}

fn slots(given: impl Iterator<Item = (state::Slot, U256)>) -> Vec<Slot> {
    let mut list: Vec<Slot> = given
        .map(|((address, key), value)| Slot {
            address,
            key,
            value,
        })
        .collect();
    list.sort_unstable_by_key(|slot| (slot.address, slot.key));
    list
}
