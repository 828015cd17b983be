//! Sealed blocks: header, transactions, receipts.

use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxReceipt,
    constants::EMPTY_WITHDRAWALS,
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bloom, Log, keccak256};
use alloy_rlp::Encodable;
use std::sync::Arc;

use crate::tx::{Envelope, Tx};

/// EIP-1559: the target is half the limit, and a fee moves by at most an eighth.
const ELASTICITY: u64 = 2;
const MAX_CHANGE_DENOMINATOR: u128 = 8;

/// A transaction in a block.
#[derive(Debug)]
pub struct Mined {
    pub tx: Arc<Tx>,
    pub success: bool,
    pub gas_used: u64,
    pub cumulative_gas_used: u64,
    pub effective_gas_price: u128,
    pub contract: Option<Address>,
    pub logs: Vec<Log>,
    pub bloom: Bloom,
    /// The index in the block of the first of `logs`.
    pub first_log: usize,
}

/// A block with its hash.
#[derive(Debug)]
pub struct Sealed {
    pub header: Header,
    pub hash: B256,
    pub txs: Vec<Mined>,
}

impl Sealed {
    /// Fills in what follows from the body, and hashes.
    pub fn seal(mut header: Header, txs: Vec<Mined>) -> Self {
        let envelopes: Vec<&Envelope> = txs.iter().map(|mined| &mined.tx.envelope).collect();
        header.transactions_root = calculate_transaction_root(&envelopes);
        let receipts: Vec<ReceiptEnvelope> = txs.iter().map(Mined::receipt).collect();
        header.receipts_root = calculate_receipt_root(&receipts);
        header.logs_bloom = txs.iter().fold(Bloom::ZERO, |all, mined| all | mined.bloom);
        header.gas_used = txs.last().map_or(0, |mined| mined.cumulative_gas_used);
        let hash = header.hash_slow();
        Self { header, hash, txs }
    }

    pub fn number(&self) -> u64 {
        self.header.number
    }

    pub fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }

    /// The size of the block's RLP.
    pub fn size(&self) -> usize {
        let txs: usize = self.txs.iter().map(|mined| mined.tx.network_size()).sum();
        let list = alloy_rlp::Header {
            list: true,
            payload_length: txs,
        }
        .length_with_payload();
        // No ommers, no withdrawals: one byte each.
        let payload = self.header.length() + list + 2;
        alloy_rlp::Header {
            list: true,
            payload_length: payload,
        }
        .length_with_payload()
    }
}

impl Mined {
    fn receipt(&self) -> ReceiptEnvelope {
        let receipt = Receipt {
            status: Eip658Value::Eip658(self.success),
            cumulative_gas_used: self.cumulative_gas_used,
            logs: self.logs.clone(),
        };
        debug_assert_eq!(receipt.bloom(), self.bloom);
        ReceiptEnvelope::from_typed(
            self.tx.tx_type(),
            ReceiptWithBloom {
                receipt,
                logs_bloom: self.bloom,
            },
        )
    }
}

/// A header of the current rules, still without what follows from the body and the state. Without
/// a base fee it is one from before London, which has none of the later fields either.
pub fn draft(
    number: u64,
    parent_hash: B256,
    timestamp: u64,
    gas_limit: u64,
    base_fee: Option<u64>,
) -> Header {
    let header = Header {
        parent_hash,
        number,
        timestamp,
        gas_limit,
        base_fee_per_gas: base_fee,
        // PREVRANDAO: no beacon, but different in every block.
        mix_hash: keccak256(parent_hash),
        ..Header::default()
    };
    if base_fee.is_none() {
        return header;
    }
    Header {
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..header
    }
}

/// The base fee of the block after one with this header (EIP-1559); `None` where there is none.
pub fn next_base_fee(header: &Header) -> Option<u64> {
    let base_fee = header.base_fee_per_gas?;
    let target = u128::from((header.gas_limit / ELASTICITY).max(1));
    let used = u128::from(header.gas_used);
    let step = |distance: u128| {
        u64::try_from(u128::from(base_fee) * distance / target / MAX_CHANGE_DENOMINATOR)
            .unwrap_or(u64::MAX)
    };
    Some(if used > target {
        base_fee.saturating_add(step(used - target).max(1))
    } else {
        base_fee.saturating_sub(step(target - used))
    })
}
