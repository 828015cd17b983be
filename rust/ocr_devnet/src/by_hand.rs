//! What a test may set, past every rule. It is in the newest state at once, and goes with the
//! newest block when that is taken back.

use alloy_primitives::{Address, B256, Bytes, U256};
use revm::state::Bytecode;

use crate::chain::Chain;
use crate::tx::Tx;
use std::sync::Arc;

impl Chain {
    pub(crate) fn set_balance(&mut self, address: Address, balance: U256) {
        self.ledger
            .state
            .edit(address, |account| account.balance = balance);
        self.settle();
    }

    pub(crate) fn set_nonce(&mut self, address: Address, nonce: u64) {
        self.ledger
            .state
            .edit(address, |account| account.nonce = nonce);
        self.settle();
    }

    /// False when the code cannot be that of an account (EIP-7702 designators have a format).
    pub(crate) fn set_code(&mut self, address: Address, code: Bytes) -> bool {
        let Ok(code) = Bytecode::new_raw_checked(code) else {
            return false;
        };
        self.ledger.state.edit_code(address, code);
        true
    }

    pub(crate) fn set_storage(&mut self, address: Address, key: U256, value: U256) {
        self.ledger.state.edit_slot((address, key), value);
    }

    /// Takes a transaction out of the mempool; `None` when it does not wait there.
    pub(crate) fn drop_transaction(&mut self, hash: &B256) -> Option<Arc<Tx>> {
        let tx = Arc::clone(self.pool.get(hash)?);
        self.pool.remove(&tx);
        Some(tx)
    }
}
