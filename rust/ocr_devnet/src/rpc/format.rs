//! Blocks, transactions, receipts and logs as JSON, the way execution clients write them.

use alloy_consensus::{Header, Transaction, TxType, Typed2718};
use alloy_primitives::{B256, Bytes, U256, hex::ToHexExt};
use serde_json::{Map, Value, json};
use std::fmt::LowerHex;

use crate::block::{Mined, Sealed};
use crate::tx::{Envelope, Tx};

/// A quantity, a hash or an address: `0x` and lower-case hex.
pub fn hex(value: impl LowerHex) -> Value {
    Value::String(format!("{value:#x}"))
}

pub fn data(bytes: &Bytes) -> Value {
    Value::String(bytes.encode_hex_with_prefix())
}

/// A whole storage word.
pub fn word(value: U256) -> Value {
    hex(B256::from(value))
}

/// What a header and a block have in common. What the chain's rules do not have is left out.
fn header_fields(header: &Header) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.into(), value);
    put("number", hex(header.number));
    put("parentHash", hex(header.parent_hash));
    put("sha3Uncles", hex(header.ommers_hash));
    put("transactionsRoot", hex(header.transactions_root));
    put("stateRoot", hex(header.state_root));
    put("receiptsRoot", hex(header.receipts_root));
    put("miner", hex(header.beneficiary));
    put("difficulty", hex(header.difficulty));
    put("extraData", data(&header.extra_data));
    put("gasLimit", hex(header.gas_limit));
    put("gasUsed", hex(header.gas_used));
    put("timestamp", hex(header.timestamp));
    put("mixHash", hex(header.mix_hash));
    for (name, value) in [
        ("baseFeePerGas", header.base_fee_per_gas.map(hex)),
        ("withdrawalsRoot", header.withdrawals_root.map(hex)),
        ("blobGasUsed", header.blob_gas_used.map(hex)),
        ("excessBlobGas", header.excess_blob_gas.map(hex)),
        (
            "parentBeaconBlockRoot",
            header.parent_beacon_block_root.map(hex),
        ),
        ("requestsHash", header.requests_hash.map(hex)),
    ] {
        if let Some(value) = value {
            put(name, value);
        }
    }
    fields
}

/// A header as `newHeads` tells of it.
pub fn head(block: &Sealed) -> Value {
    let mut fields = header_fields(&block.header);
    fields.insert("hash".into(), hex(block.hash));
    fields.insert("nonce".into(), hex(block.header.nonce));
    fields.insert("logsBloom".into(), hex(block.header.logs_bloom));
    Value::Object(fields)
}

fn block_fields(header: &Header) -> Map<String, Value> {
    let mut fields = header_fields(header);
    fields.insert("totalDifficulty".into(), json!("0x0"));
    fields.insert("uncles".into(), json!([]));
    if header.withdrawals_root.is_some() {
        fields.insert("withdrawals".into(), json!([]));
    }
    fields
}

pub fn block(block: &Sealed, whole_txs: bool) -> Value {
    let mut fields = block_fields(&block.header);
    let txs = (0..block.txs.len())
        .map(|index| {
            if whole_txs {
                mined_transaction(block, index)
            } else {
                hex(block.txs[index].tx.hash())
            }
        })
        .collect();
    fields.insert("hash".into(), hex(block.hash));
    fields.insert("nonce".into(), hex(block.header.nonce));
    fields.insert("logsBloom".into(), hex(block.header.logs_bloom));
    fields.insert("size".into(), hex(block.size()));
    fields.insert("transactions".into(), Value::Array(txs));
    Value::Object(fields)
}

/// The block that would be next, without the transactions it may get.
pub fn pending_block(header: &Header) -> Value {
    let mut fields = block_fields(header);
    for unknown in ["hash", "nonce", "miner", "logsBloom"] {
        fields.insert(unknown.into(), Value::Null);
    }
    fields.insert("size".into(), hex(0));
    fields.insert("transactions".into(), json!([]));
    Value::Object(fields)
}

pub fn pending_transaction(tx: &Tx) -> Value {
    Value::Object(transaction_fields(tx))
}

pub fn mined_transaction(block: &Sealed, index: usize) -> Value {
    let mined = &block.txs[index];
    let mut fields = transaction_fields(&mined.tx);
    fields.insert("blockHash".into(), hex(block.hash));
    fields.insert("blockNumber".into(), hex(block.number()));
    fields.insert("transactionIndex".into(), hex(index));
    fields.insert("gasPrice".into(), hex(mined.effective_gas_price));
    Value::Object(fields)
}

fn transaction_fields(tx: &Tx) -> Map<String, Value> {
    let envelope = &tx.envelope;
    let signature = envelope.signature();
    let parity = u64::from(signature.v());
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.into(), value);
    put("blockHash", Value::Null);
    put("blockNumber", Value::Null);
    put("transactionIndex", Value::Null);
    put("hash", hex(tx.hash()));
    put("from", hex(tx.sender));
    put("to", envelope.to().map_or(Value::Null, hex));
    put("nonce", hex(tx.nonce()));
    put("gas", hex(tx.gas_limit()));
    put("gasPrice", hex(tx.fee_cap()));
    put("value", hex(envelope.value()));
    put("input", data(envelope.input()));
    put("type", hex(envelope.ty()));
    put("chainId", envelope.chain_id().map_or(Value::Null, hex));
    put("r", hex(signature.r()));
    put("s", hex(signature.s()));
    if tx.tx_type() == TxType::Legacy {
        let chain_id = u128::from(envelope.chain_id().unwrap_or_default());
        put("v", hex(chain_id * 2 + 35 + u128::from(parity)));
    } else {
        put("v", hex(parity));
        put("yParity", hex(parity));
        put("accessList", access_list(envelope));
    }
    if let Some(tip_cap) = envelope.max_priority_fee_per_gas() {
        put("maxFeePerGas", hex(tx.fee_cap()));
        put("maxPriorityFeePerGas", hex(tip_cap));
    }
    fields
}

fn access_list(envelope: &Envelope) -> Value {
    let items = envelope
        .access_list()
        .into_iter()
        .flat_map(|list| list.iter());
    items
        .map(|item| {
            let keys: Vec<Value> = item.storage_keys.iter().map(hex).collect();
            json!({"address": hex(item.address), "storageKeys": keys})
        })
        .collect()
}

pub fn receipt(block: &Sealed, index: usize) -> Value {
    let mined = &block.txs[index];
    let logs: Vec<Value> = logs(block, index).collect();
    json!({
        "type": hex(mined.tx.envelope.ty()),
        "status": hex(u8::from(mined.success)),
        "cumulativeGasUsed": hex(mined.cumulative_gas_used),
        "logs": logs,
        "logsBloom": hex(mined.bloom),
        "transactionHash": hex(mined.tx.hash()),
        "transactionIndex": hex(index),
        "blockHash": hex(block.hash),
        "blockNumber": hex(block.number()),
        "gasUsed": hex(mined.gas_used),
        "effectiveGasPrice": hex(mined.effective_gas_price),
        "from": hex(mined.tx.sender),
        "to": mined.tx.envelope.to().map_or(Value::Null, hex),
        "contractAddress": mined.contract.map_or(Value::Null, hex),
    })
}

fn logs(block: &Sealed, index: usize) -> impl Iterator<Item = Value> {
    (0..block.txs[index].logs.len()).map(move |at| log(block, index, at, false))
}

/// The log number `at` of the transaction number `index`.
pub fn log(block: &Sealed, index: usize, at: usize, removed: bool) -> Value {
    let mined: &Mined = &block.txs[index];
    let log = &mined.logs[at];
    let topics: Vec<Value> = log.topics().iter().map(hex).collect();
    json!({
        "address": hex(log.address),
        "topics": topics,
        "data": data(&log.data.data),
        "blockNumber": hex(block.number()),
        "blockHash": hex(block.hash),
        "blockTimestamp": hex(block.header.timestamp),
        "transactionHash": hex(mined.tx.hash()),
        "transactionIndex": hex(index),
        "logIndex": hex(mined.first_log + at),
        "removed": removed,
    })
}
