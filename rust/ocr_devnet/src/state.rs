//! Accounts and storage: the newest state, and the way back to the states before it.
//!
//! Every block writes into one set of maps and leaves behind an [`Undo`], the values it replaced.
//! A [`View`] of an older block looks through the undos of the blocks after it first. That costs
//! nothing for the newest state, which nearly every read wants, and it is what a rollback needs.

use alloy_primitives::map::{AddressMap, B256Map, HashMap};
use alloy_primitives::{Address, B256, Keccak256, U256, keccak256};
use revm::primitives::KECCAK_EMPTY;
use revm::state::{Bytecode, EvmState};
use std::collections::VecDeque;

use crate::view::View;

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

pub type Slot = (Address, U256);

/// The values that one block replaced, with what was set by hand after it.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    pub accounts: AddressMap<Option<Account>>,
    pub slots: HashMap<Slot, U256>,
}

#[derive(Clone, Debug, Default)]
pub struct State {
    pub accounts: AddressMap<Account>,
    pub slots: HashMap<Slot, U256>,
    /// By hash, never removed: code is immutable and a deployment is rare.
    pub code: B256Map<Bytecode>,
    /// The newest block's undo is at the back.
    pub undos: VecDeque<Undo>,
    /// How many undos are kept: so far back the state can be read, and blocks taken back.
    pub history: usize,
    /// A commitment to what was set by hand since the newest block.
    pub by_hand: Option<B256>,
}

impl State {
    pub fn new(funds: impl IntoIterator<Item = (Address, U256)>, history: usize) -> Self {
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
            history,
            ..Self::default()
        }
    }

    /// Starts the writes of the next block.
    pub fn begin_block(&mut self) {
        self.undos.push_back(Undo::default());
        if self.undos.len() > self.history {
            self.undos.pop_front();
        }
    }

    /// How many of the newest blocks can be taken back.
    pub fn reversible(&self) -> usize {
        self.undos.len()
    }

    /// Takes back the writes of the newest block and what was set by hand after it.
    pub fn take_back(&mut self) {
        let Some(undo) = self.undos.pop_back() else {
            return;
        };
        self.by_hand = None;
        for (address, before) in undo.accounts {
            match before {
                Some(account) => self.accounts.insert(address, account),
                None => self.accounts.remove(&address),
            };
        }
        for (slot, before) in undo.slots {
            if before.is_zero() {
                self.slots.remove(&slot);
            } else {
                self.slots.insert(slot, before);
            }
        }
    }

    /// Changes an account by hand, outside of any block.
    pub fn edit(&mut self, address: Address, change: impl FnOnce(&mut Account)) {
        let mut account = self.accounts.get(&address).copied().unwrap_or_default();
        change(&mut account);
        let kept = (account != Account::default()).then_some(account);
        self.put_account(address, kept);
        self.note(&[
            address.as_slice(),
            &account.balance.to_be_bytes::<32>(),
            &account.nonce.to_be_bytes(),
            account.code_hash.as_slice(),
        ]);
    }

    /// Gives an account code by hand.
    pub fn edit_code(&mut self, address: Address, code: Bytecode) {
        let hash = code.hash_slow();
        if hash != KECCAK_EMPTY {
            self.code.entry(hash).or_insert(code);
        }
        self.edit(address, |account| account.code_hash = hash);
    }

    /// Writes a storage slot by hand.
    pub fn edit_slot(&mut self, slot: Slot, value: U256) {
        self.put_slot(slot, value);
        self.note(&[
            slot.0.as_slice(),
            &slot.1.to_be_bytes::<32>(),
            &value.to_be_bytes::<32>(),
        ]);
    }

    fn note(&mut self, parts: &[&[u8]]) {
        let mut hasher = Keccak256::new();
        hasher.update(self.by_hand.unwrap_or_default());
        for part in parts {
            hasher.update(part);
        }
        self.by_hand = Some(hasher.finalize());
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
    pub fn commitment(&mut self, parent: B256) -> B256 {
        let parent = self.by_hand.take().map_or(parent, |by_hand| {
            keccak256([parent.as_slice(), by_hand.as_slice()].concat())
        });
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
