//! Accounts and storage: the newest state, and the way back to the states before it.
//!
//! Every block writes into one set of maps and leaves behind an [`Undo`], the values it replaced.
//! A [`View`] of an older block looks through the undos of the blocks after it first. That costs
//! nothing for the newest state, which nearly every read wants, and it is what a rollback needs.

use alloy_primitives::map::{AddressMap, B256Map, HashMap};
use alloy_primitives::{Address, B256, Bytes, Keccak256, U256};
use revm::database_interface::DatabaseRef;
use revm::primitives::KECCAK_EMPTY;
use revm::state::{AccountInfo, Bytecode, EvmState};
use std::collections::VecDeque;
use std::convert::Infallible;

/// How many blocks back the state can be read.
pub const HISTORY: usize = 128;

/// What an account holds besides its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub balance: U256,
    pub nonce: u64,
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            balance: U256::ZERO,
            nonce: 0,
            code_hash: KECCAK_EMPTY,
        }
    }
}

type Slot = (Address, U256);

/// The values that one block replaced.
#[derive(Debug, Default)]
struct Undo {
    accounts: AddressMap<Option<Account>>,
    slots: HashMap<Slot, U256>,
}

#[derive(Debug, Default)]
pub struct State {
    accounts: AddressMap<Account>,
    slots: HashMap<Slot, U256>,
    /// By hash, never removed: code is immutable and a deployment is rare.
    code: B256Map<Bytecode>,
    /// The newest block's undo is at the back.
    undos: VecDeque<Undo>,
}

impl State {
    pub fn new(funds: impl IntoIterator<Item = (Address, U256)>) -> Self {
        let accounts = funds
            .into_iter()
            .map(|(address, balance)| {
                (
                    address,
                    Account {
                        balance,
                        ..Account::default()
                    },
                )
            })
            .collect();
        Self {
            accounts,
            ..Self::default()
        }
    }

    /// Starts the writes of the next block.
    pub fn begin_block(&mut self) {
        self.undos.push_back(Undo::default());
        if self.undos.len() > HISTORY {
            self.undos.pop_front();
        }
    }

    /// Applies what one transaction changed.
    pub fn apply(&mut self, changes: EvmState) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            // Since EIP-6780 only a contract of the same transaction is really destroyed, and
            // such a contract has no storage here yet; EIP-161 removes what is left empty.
            if account.is_selfdestructed() || account.is_empty() {
                self.put_account(address, None);
                continue;
            }
            let info = account.info;
            if let Some(code) = info.code
                && info.code_hash != KECCAK_EMPTY
            {
                self.code.entry(info.code_hash).or_insert(code);
            }
            let account_now = Account {
                balance: info.balance,
                nonce: info.nonce,
                code_hash: info.code_hash,
            };
            self.put_account(address, Some(account_now));
            for (key, slot) in account.storage {
                if slot.is_changed() {
                    self.put_slot((address, key), slot.present_value);
                }
            }
        }
    }

    fn put_account(&mut self, address: Address, now: Option<Account>) {
        let before = match now {
            Some(account) => self.accounts.insert(address, account),
            None => self.accounts.remove(&address),
        };
        if before != now
            && let Some(undo) = self.undos.back_mut()
        {
            undo.accounts.entry(address).or_insert(before);
        }
    }

    fn put_slot(&mut self, slot: Slot, now: U256) {
        let before = if now.is_zero() {
            self.slots.remove(&slot)
        } else {
            self.slots.insert(slot, now)
        };
        if let Some(undo) = self.undos.back_mut() {
            undo.slots.entry(slot).or_insert(before.unwrap_or_default());
        }
    }

    /// The state as the newest block left it.
    pub fn latest(&self) -> View<'_> {
        View {
            state: self,
            newer: 0,
        }
    }

    /// The state that `newer` more blocks were built on since; `None` when that is too long ago.
    pub fn before(&self, newer: u64) -> Option<View<'_>> {
        let newer = usize::try_from(newer).ok()?;
        (newer <= self.undos.len()).then_some(View { state: self, newer })
    }

    /// A commitment to `parent` and to everything the newest block changed, in place of a trie
    /// root: it tells states apart, but nothing can be proven against it.
    pub fn commitment(&self, parent: B256) -> B256 {
        let Some(undo) = self.undos.back() else {
            return parent;
        };
        if undo.accounts.is_empty() && undo.slots.is_empty() {
            return parent;
        }
        let mut hasher = Keccak256::new();
        hasher.update(parent);
        let mut addresses: Vec<_> = undo.accounts.keys().collect();
        addresses.sort_unstable();
        for address in addresses {
            let account = self.accounts.get(address).copied().unwrap_or_default();
            hasher.update(address);
            hasher.update(account.balance.to_be_bytes::<32>());
            hasher.update(account.nonce.to_be_bytes());
            hasher.update(account.code_hash);
        }
        let mut slots: Vec<_> = undo.slots.keys().collect();
        slots.sort_unstable();
        for slot in slots {
            hasher.update(slot.0);
            hasher.update(slot.1.to_be_bytes::<32>());
            hasher.update(
                self.slots
                    .get(slot)
                    .copied()
                    .unwrap_or_default()
                    .to_be_bytes::<32>(),
            );
        }
        hasher.finalize()
    }

    /// The commitment to the prefunded accounts, from which the chain of commitments starts.
    pub fn genesis_commitment(&self) -> B256 {
        let mut funds: Vec<_> = self.accounts.iter().collect();
        funds.sort_unstable_by_key(|(address, _)| **address);
        let mut hasher = Keccak256::new();
        for (address, account) in funds {
            hasher.update(address);
            hasher.update(account.balance.to_be_bytes::<32>());
        }
        hasher.finalize()
    }
}

/// The state as some block left it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    state: &'a State,
    newer: usize,
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
