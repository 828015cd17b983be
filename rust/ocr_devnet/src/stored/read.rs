//! From the lists to a chain. What the lists say twice must agree; the rest the checksum vouches for.

use alloy_primitives::map::B256Map;
use alloy_primitives::{Bloom, U256};
use revm::primitives::KECCAK_EMPTY;
use revm::state::Bytecode;
use std::sync::Arc;

use super::layout::{Account, Block, Mined, Slot, Stored, Undo};
use super::{StateError, damaged};
use crate::block::{self, Sealed};
use crate::chain::Chain;
use crate::clock::Clock;
use crate::config::{Config, MAX_TIMESTAMP};
use crate::ledger::Ledger;
use crate::state::{self, State};
use crate::tx::Tx;

pub fn chain(stored: Stored, config: Config) -> Result<Chain, StateError> {
    if stored.chain_id != config.chain_id {
        return Err(StateError::Mismatch(format!(
            "it is the state of chain {}, not of chain {}",
            stored.chain_id, config.chain_id
        )));
    }
    if stored.legacy != config.legacy {
        let kind = |legacy| if legacy { "without" } else { "with" };
        return Err(StateError::Mismatch(format!(
            "it is the state of a chain {} a base fee, not of one {}",
            kind(stored.legacy),
            kind(config.legacy)
        )));
    }
    let clock = clock(&stored)?;
    let wanted_base_fee = at_most_one(&stored.next_base_fee)?;
    let state = state(&stored, &config)?;
    let mut blocks = stored.blocks.into_iter();
    let genesis = blocks.next().ok_or_else(|| damaged("it has no blocks"))?;
    let mut ledger = Ledger::new(state, sealed(genesis, None)?);
    for block in blocks {
        let next = sealed(block, Some(ledger.head()))?;
        ledger.append(Arc::new(next));
    }
    if ledger.state.undos.len() as u64 > ledger.height() {
        return Err(damaged("it takes back more blocks than there are"));
    }
    // A smaller history than the chain had is only a shorter way back.
    let history = config.history;
    while ledger.state.undos.len() > history {
        ledger.state.undos.pop_front();
    }
    let mut chain = Chain::over(config, ledger);
    chain.clock = clock;
    chain.wanted_base_fee = wanted_base_fee;
    chain.forks = stored.forks;
    for raw in stored.pool {
        let tx = Tx::decode(&raw, &chain.config).map_err(damaged)?;
        // A smaller pool than the chain had drops the cheapest.
        let _ = chain.admit(Arc::new(tx));
    }
    Ok(chain)
}

fn at_most_one(list: &[u64]) -> Result<Option<u64>, StateError> {
    match list {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(damaged("a value stands there twice")),
    }
}

fn clock(stored: &Stored) -> Result<Clock, StateError> {
    let offset = i64::try_from(stored.offset.min(MAX_TIMESTAMP)).unwrap_or_default();
    Ok(Clock {
        offset: if stored.behind { -offset } else { offset },
        next: at_most_one(&stored.next_timestamp)?.map(|next| next.min(MAX_TIMESTAMP)),
    })
}

fn sealed(stored: Block, parent: Option<&Arc<Sealed>>) -> Result<Sealed, StateError> {
    let number = stored.header.number;
    let follows = parent.map_or(number == 0, |parent| {
        number == parent.number() + 1 && stored.header.parent_hash == parent.hash
    });
    if !follows {
        return Err(damaged(format!(
            "block {number} does not follow the one before it"
        )));
    }
    if stored.header.timestamp > 2 * MAX_TIMESTAMP {
        return Err(damaged(format!("block {number} is of no possible time")));
    }
    let base_fee = stored.header.base_fee_per_gas.unwrap_or_default();
    let mut mined: Vec<block::Mined> = Vec::new();
    for one in stored.txs {
        let next = receipt(one, base_fee, mined.last()).map_err(damaged)?;
        mined.push(next);
    }
    let expected = stored.header.hash_slow();
    let sealed = Sealed::seal(stored.header, mined);
    if sealed.hash != expected {
        return Err(damaged(format!(
            "block {number} does not have the body of its header"
        )));
    }
    Ok(sealed)
}

fn receipt(
    stored: Mined,
    base_fee: u64,
    before: Option<&block::Mined>,
) -> Result<block::Mined, String> {
    let tx = Tx::known(&stored.raw, stored.sender).map_err(|error| error.0)?;
    let used_before = before.map_or(0, |before| before.cumulative_gas_used);
    Ok(block::Mined {
        success: stored.success,
        gas_used: stored.gas_used,
        cumulative_gas_used: used_before
            .checked_add(stored.gas_used)
            .ok_or("more gas than there is")?,
        effective_gas_price: u128::from(base_fee) + tx.tip_at(base_fee).unwrap_or_default(),
        contract: tx.creates(),
        bloom: stored.logs.iter().collect::<Bloom>(),
        first_log: before.map_or(0, |before| before.first_log + before.logs.len()),
        logs: stored.logs,
        tx: Arc::new(tx),
    })
}

fn state(stored: &Stored, config: &Config) -> Result<State, StateError> {
    let mut code = B256Map::default();
    for bytes in &stored.code {
        let bytecode = Bytecode::new_raw_checked(bytes.clone()).map_err(damaged)?;
        code.insert(bytecode.hash_slow(), bytecode);
    }
    let read = |account: &Account| {
        if !account.exists {
            return Ok(None);
        }
        if account.code_hash != KECCAK_EMPTY && !code.contains_key(&account.code_hash) {
            return Err(damaged(format!(
                "the code of account {:#x} is missing",
                account.address
            )));
        }
        Ok(Some(state::Account {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
        }))
    };
    let mut state = State::new([], config.history);
    for account in &stored.accounts {
        if let Some(now) = read(account)? {
            state.accounts.insert(account.address, now);
        }
    }
    state.slots = stored.slots.iter().map(slot).collect();
    for Undo { accounts, slots } in &stored.undos {
        let mut undo = state::Undo::default();
        for account in accounts {
            undo.accounts.insert(account.address, read(account)?);
        }
        undo.slots = slots.iter().map(slot).collect();
        state.undos.push_back(undo);
    }
    state.by_hand = (!stored.by_hand.is_zero()).then_some(stored.by_hand);
    state.code = code;
    Ok(state)
}

fn slot(stored: &Slot) -> (state::Slot, U256) {
    ((stored.address, stored.key), stored.value)
}
