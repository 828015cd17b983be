//! Signed transactions: decoding, the sender, and the checks that need no state.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Transaction, TxEip4844, TxType, Typed2718};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, U256};
use revm::context::TxEnv;
use revm::context_interface::cfg::gas::calculate_initial_tx_gas;
use revm::primitives::{eip3860, eip7825};
use std::fmt;

use crate::config::Config;
use crate::exec::SPEC;

/// What geth accepts as one transaction.
const MAX_SIZE: usize = 128 * 1024;

pub type Envelope = alloy_consensus::EthereumTxEnvelope<TxEip4844>;

/// A well-formed transaction whose sender is known.
#[derive(Clone, Debug)]
pub struct Tx {
    pub envelope: Envelope,
    pub sender: Address,
    pub size: usize,
}

/// Why a transaction is not accepted; the text is geth's, which callers match on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxError(pub String);

impl fmt::Display for TxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TxError {}

fn refuse<T>(message: impl Into<String>) -> Result<T, TxError> {
    Err(TxError(message.into()))
}

impl Tx {
    /// Decodes a raw transaction for the chain of `config` and recovers its sender.
    /// Fails when no block of this chain could ever hold it.
    pub fn decode(raw: &[u8], config: &Config) -> Result<Self, TxError> {
        let chain_id = config.chain_id;
        if raw.len() > MAX_SIZE {
            return refuse(format!(
                "oversized data: transaction size {}, limit {MAX_SIZE}",
                raw.len()
            ));
        }
        match raw.first() {
            None => return refuse("typed transaction too short"),
            Some(0x00 | 0x03..0xc0) => return refuse("transaction type not supported"),
            Some(0x02) if config.legacy => return refuse("transaction type not supported"),
            Some(_) => {}
        }
        let envelope =
            Envelope::decode_2718_exact(raw).map_err(|error| TxError(format!("rlp: {error}")))?;
        match envelope.chain_id() {
            Some(id) if id == chain_id => {}
            Some(id) => {
                return refuse(format!(
                    "invalid chain id for signer: have {id} want {chain_id}"
                ));
            }
            None => {
                return refuse("only replay-protected (EIP-155) transactions allowed over RPC");
            }
        }
        let sender = envelope
            .recover_signer()
            .map_err(|_| TxError("invalid sender".into()))?;
        let tx = Self {
            envelope,
            sender,
            size: raw.len(),
        };
        tx.check(config.block_gas_limit)?;
        Ok(tx)
    }

    /// A transaction that a block held already, with the sender found then.
    pub fn known(raw: &[u8], sender: Address) -> Result<Self, TxError> {
        let envelope =
            Envelope::decode_2718_exact(raw).map_err(|error| TxError(format!("rlp: {error}")))?;
        Ok(Self {
            envelope,
            sender,
            size: raw.len(),
        })
    }

    /// Its bytes as they were sent.
    pub fn raw(&self) -> Vec<u8> {
        self.envelope.encoded_2718()
    }

    fn check(&self, block_gas_limit: u64) -> Result<(), TxError> {
        let tx = &self.envelope;
        let gas = tx.gas_limit();
        if gas > block_gas_limit {
            return refuse("exceeds block gas limit");
        }
        if gas > eip7825::TX_GAS_LIMIT_CAP {
            return refuse(format!(
                "transaction gas limit too high (cap: {}, tx: {gas})",
                eip7825::TX_GAS_LIMIT_CAP
            ));
        }
        if tx.is_create() && tx.input().len() > eip3860::MAX_INITCODE_SIZE {
            return refuse(format!(
                "max initcode size exceeded: code size {}, limit {}",
                tx.input().len(),
                eip3860::MAX_INITCODE_SIZE
            ));
        }
        if tx.priority_fee_or_price() > tx.max_fee_per_gas() {
            return refuse(format!(
                "max priority fee per gas higher than max fee per gas: \
                 maxPriorityFeePerGas: {}, maxFeePerGas: {}",
                tx.priority_fee_or_price(),
                tx.max_fee_per_gas()
            ));
        }
        if tx.nonce() == u64::MAX {
            return refuse("nonce has max value: nonce 18446744073709551615");
        }
        let (accounts, slots) = tx.access_list().map_or((0, 0), |list| {
            (
                list.len() as u64,
                list.iter().map(|item| item.storage_keys.len() as u64).sum(),
            )
        });
        let need =
            calculate_initial_tx_gas(SPEC, tx.input(), tx.is_create(), accounts, slots, 0, None);
        if gas < need.initial_regular_gas() {
            return refuse(format!(
                "intrinsic gas too low: gas {gas}, minimum needed {}",
                need.initial_regular_gas()
            ));
        }
        if gas < need.floor_gas {
            return refuse(format!(
                "insufficient gas for floor data gas cost: gas {gas}, minimum needed {}",
                need.floor_gas
            ));
        }
        Ok(())
    }

    pub fn hash(&self) -> B256 {
        *self.envelope.tx_hash()
    }

    pub fn nonce(&self) -> u64 {
        self.envelope.nonce()
    }

    pub fn gas_limit(&self) -> u64 {
        self.envelope.gas_limit()
    }

    pub fn tx_type(&self) -> TxType {
        self.envelope.tx_type()
    }

    pub fn fee_cap(&self) -> u128 {
        self.envelope.max_fee_per_gas()
    }

    pub fn tip_cap(&self) -> u128 {
        self.envelope.priority_fee_or_price()
    }

    /// What a miner gets per gas at `base_fee`; `None` when the fee cap is below it.
    pub fn tip_at(&self, base_fee: u64) -> Option<u128> {
        let room = self.fee_cap().checked_sub(u128::from(base_fee))?;
        Some(room.min(self.tip_cap()))
    }

    /// The most that the sender may have to pay.
    pub fn cost(&self) -> U256 {
        let gas = U256::from(self.envelope.gas_limit()) * U256::from(self.fee_cap());
        gas.saturating_add(self.envelope.value())
    }

    /// The contract that it would create.
    pub fn creates(&self) -> Option<Address> {
        self.envelope
            .is_create()
            .then(|| self.sender.create(self.nonce()))
    }

    /// Its size inside a block.
    pub fn network_size(&self) -> usize {
        if self.tx_type() == TxType::Legacy {
            self.size
        } else {
            alloy_rlp::Header {
                list: false,
                payload_length: self.size,
            }
            .length_with_payload()
        }
    }

    /// The transaction as the EVM takes it.
    pub fn env(&self) -> TxEnv {
        let tx = &self.envelope;
        TxEnv {
            tx_type: tx.ty(),
            caller: self.sender,
            gas_limit: tx.gas_limit(),
            gas_price: tx.max_fee_per_gas(),
            kind: tx.kind(),
            value: tx.value(),
            data: tx.input().clone(),
            nonce: tx.nonce(),
            chain_id: tx.chain_id(),
            access_list: tx.access_list().cloned().unwrap_or_default(),
            gas_priority_fee: tx.max_priority_fee_per_gas(),
            ..TxEnv::default()
        }
    }
}
