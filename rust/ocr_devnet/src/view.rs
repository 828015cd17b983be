//! Reading the state as some block left it.

use alloy_primitives::{Address, B256, Bytes, U256};
use revm::database_interface::DatabaseRef;
use revm::state::{AccountInfo, Bytecode};
use std::convert::Infallible;

use crate::state::{Account, State, Undo};

/// The state as some block left it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub state: &'a State,
    pub newer: usize,
}

impl View<'_> {
    fn undos(&self) -> impl Iterator<Item = &Undo> {
        // Oldest first: the first block that replaced a value says what it was.
        self.state
            .undos
            .iter()
            .skip(self.state.undos.len() - self.newer)
    }

    pub fn account(&self, address: &Address) -> Option<Account> {
        self.undos()
            .find_map(|undo| undo.accounts.get(address))
            .copied()
            .unwrap_or_else(|| self.state.accounts.get(address).copied())
    }

    pub fn balance(&self, address: &Address) -> U256 {
        self.account(address).unwrap_or_default().balance
    }

    pub fn nonce(&self, address: &Address) -> u64 {
        self.account(address).unwrap_or_default().nonce
    }

    pub fn code(&self, address: &Address) -> Bytes {
        let hash = self.account(address).unwrap_or_default().code_hash;
        self.state
            .code
            .get(&hash)
            .map(Bytecode::original_bytes)
            .unwrap_or_default()
    }

    pub fn slot(&self, address: Address, key: U256) -> U256 {
        let slot = (address, key);
        self.undos()
            .find_map(|undo| undo.slots.get(&slot))
            .or_else(|| self.state.slots.get(&slot))
            .copied()
            .unwrap_or_default()
    }
}

/// A [`View`] with the block hashes of its chain, as the EVM reads it.
#[derive(Clone, Copy, Debug)]
pub struct Db<'a> {
    pub view: View<'a>,
    /// By block number.
    pub hashes: &'a [B256],
}

impl DatabaseRef for Db<'_> {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.view.account(&address).map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self
            .view
            .state
            .code
            .get(&code_hash)
            .cloned()
            .unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Infallible> {
        Ok(self.view.slot(address, index))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        let hash = usize::try_from(number)
            .ok()
            .and_then(|number| self.hashes.get(number));
        Ok(hash.copied().unwrap_or_default())
    }
}
