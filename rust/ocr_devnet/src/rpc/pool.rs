//! The mempool: in, out, and what is there.

use alloy_consensus::Transaction;
use serde_json::{Map, Value, json};

use super::format::{hex, pending_transaction};
use super::params::bytes;
use super::{Answer, Call};
use crate::pool::Waiting;
use crate::tx::Tx;

pub fn send_raw(call: &mut Call<'_>) -> Answer {
    let raw = bytes(
        call.params.at_most(1)?.need(0, "transaction")?,
        "transaction",
    )?;
    Ok(hex(call.chain.send_raw(&raw, call.now)?))
}

pub fn status(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    let (pending, queued) = call.chain.pool_status();
    Ok(json!({"pending": hex(pending), "queued": hex(queued)}))
}

fn listed(call: &Call<'_>, show: fn(&Tx) -> Value) -> Value {
    let (pending, queued) = call.chain.pool.content(|sender| call.chain.nonce(sender));
    let part = |waiting: Waiting<'_>| -> Map<String, Value> {
        let senders = waiting.into_iter();
        senders
            .map(|(sender, txs)| {
                let by_nonce: Map<String, Value> = txs
                    .iter()
                    .map(|tx| (tx.nonce().to_string(), show(tx)))
                    .collect();
                (sender.to_checksum(None), Value::Object(by_nonce))
            })
            .collect()
    };
    json!({"pending": part(pending), "queued": part(queued)})
}

pub fn content(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(listed(call, pending_transaction))
}

/// What waits of one sender, by nonce.
pub fn content_from(call: &mut Call<'_>) -> Answer {
    let sender = call.params.at_most(1)?.address(0)?.to_checksum(None);
    let mut content = listed(call, pending_transaction);
    let mut part = |name: &str| match content[name].get_mut(&sender) {
        Some(txs) => txs.take(),
        None => json!({}),
    };
    Ok(json!({"pending": part("pending"), "queued": part("queued")}))
}

/// What waits, one line each.
pub fn inspect(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(listed(call, |tx| {
        let envelope = &tx.envelope;
        let to = envelope
            .to()
            .map_or_else(|| "contract creation".into(), |to| to.to_checksum(None));
        Value::String(format!(
            "{to}: {} wei + {} gas × {} wei",
            envelope.value(),
            tx.gas_limit(),
            tx.fee_cap()
        ))
    }))
}

/// Takes a transaction out; its hash, or `null` when it does not wait.
pub fn drop_transaction(call: &mut Call<'_>) -> Answer {
    let hash = call.params.at_most(1)?.hash(0)?;
    let dropped = call.chain.drop_transaction(&hash);
    Ok(dropped.map_or(Value::Null, |tx| hex(tx.hash())))
}

/// Takes a transaction out; whether it waited.
pub fn dropped_transaction(call: &mut Call<'_>) -> Answer {
    let hash = call.params.at_most(1)?.hash(0)?;
    Ok(json!(call.chain.drop_transaction(&hash).is_some()))
}

pub fn drop_all(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    call.chain.pool.clear(None);
    Ok(Value::Null)
}

pub fn drop_sender(call: &mut Call<'_>) -> Answer {
    let sender = call.params.at_most(1)?.address(0)?;
    call.chain.pool.clear(Some(&sender));
    Ok(Value::Null)
}
