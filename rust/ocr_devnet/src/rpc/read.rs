//! Reading the chain: identity, state, blocks, transactions, receipts.

use alloy_primitives::keccak256;
use serde_json::{Value, json};

use super::error::RpcError;
use super::format::{self, data, hex, word};
use super::params::{BlockId, Tag, quantity_u64, storage_key};
use super::{Answer, Call};
use crate::block::Sealed;
use crate::chain::Chain;

pub fn client_version(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(json!(concat!("ocr-devnet/v", env!("CARGO_PKG_VERSION"))))
}

pub fn net_version(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(json!(call.chain.chain_id().to_string()))
}

pub fn listening(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(json!(true))
}

/// There are no accounts to sign with.
pub fn accounts(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(json!([]))
}

pub fn peer_count(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(hex(0))
}

pub fn sha3(call: &mut Call<'_>) -> Answer {
    let input = call.params.at_most(1)?.need(0, "data")?;
    Ok(hex(keccak256(super::params::bytes(input, "data")?)))
}

pub fn syncing(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(json!(false))
}

pub fn chain_id(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(hex(call.chain.chain_id()))
}

pub fn block_number(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(hex(call.chain.height()))
}

pub fn balance(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let address = params.address(0)?;
    let (view, _) = params.block(1)?.state(call.chain, call.now)?;
    Ok(hex(view.balance(&address)))
}

pub fn code(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let address = params.address(0)?;
    let (view, _) = params.block(1)?.state(call.chain, call.now)?;
    Ok(data(&view.code(&address)))
}

pub fn storage_at(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(3)?;
    let address = params.address(0)?;
    let key = storage_key(params.need(1, "slot")?, "slot")?;
    let (view, _) = params.block(2)?.state(call.chain, call.now)?;
    Ok(word(view.slot(address, key)))
}

pub fn transaction_count(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let address = params.address(0)?;
    let block = params.block(1)?;
    if block == BlockId::Tag(Tag::Pending) {
        return Ok(hex(call.chain.pending_nonce(&address)));
    }
    let (view, _) = block.state(call.chain, call.now)?;
    Ok(hex(view.nonce(&address)))
}

pub fn block_by_number(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let id = BlockId::read(params.need(0, "block")?, "block")?;
    block(call, id)
}

pub fn block_by_hash(call: &mut Call<'_>) -> Answer {
    let id = BlockId::Hash(call.params.at_most(2)?.hash(0)?);
    block(call, id)
}

fn block(call: &Call<'_>, id: BlockId) -> Answer {
    let whole_txs = match call.params.get(1) {
        None => false,
        Some(_) => call.params.flag(1, "full transactions")?,
    };
    if id == BlockId::Tag(Tag::Pending) {
        return Ok(format::pending_block(&call.chain.next_header(call.now)));
    }
    let found = id
        .number(call.chain)
        .and_then(|number| call.chain.block(number));
    Ok(found.map_or(Value::Null, |block| format::block(block, whole_txs)))
}

pub fn transaction(call: &mut Call<'_>) -> Answer {
    let hash = call.params.at_most(1)?.hash(0)?;
    if let Some((block, index)) = call.chain.ledger.place_of(&hash) {
        return Ok(format::mined_transaction(block, index));
    }
    let pending = call.chain.pool.get(&hash);
    Ok(pending.map_or(Value::Null, |tx| format::pending_transaction(tx)))
}

/// The transaction at an index of a block.
pub fn transaction_at(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let index = quantity_u64(params.need(1, "index")?, "index")?;
    let block = any_block(call.chain, params.need(0, "block")?)?;
    let found = block.filter(|block| index < block.txs.len() as u64);
    Ok(found.map_or(Value::Null, |block| {
        format::mined_transaction(block, usize::try_from(index).unwrap_or(0))
    }))
}

pub fn transaction_total(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(1)?;
    let block = any_block(call.chain, params.need(0, "block")?)?;
    Ok(block.map_or(Value::Null, |block| hex(block.txs.len())))
}

/// A block by number, tag or bare hash; the pending one is not there yet.
fn any_block<'a>(chain: &'a Chain, value: &Value) -> Result<Option<&'a Sealed>, RpcError> {
    let id = match super::params::hash(value, "block") {
        Ok(hash) => BlockId::Hash(hash),
        Err(_) => BlockId::read(value, "block")?,
    };
    Ok(id.number(chain).and_then(|number| chain.block(number)))
}

pub fn receipt(call: &mut Call<'_>) -> Answer {
    let hash = call.params.at_most(1)?.hash(0)?;
    let place = call.chain.ledger.place_of(&hash);
    Ok(place.map_or(Value::Null, |(block, index)| format::receipt(block, index)))
}

pub fn block_receipts(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(1)?;
    let value = params.need(0, "block")?;
    if value == "pending" {
        return Err(RpcError::params("block: the pending block has no receipts"));
    }
    let found = any_block(call.chain, value)?;
    Ok(found.map_or(Value::Null, |block| {
        (0..block.txs.len())
            .map(|index| format::receipt(block, index))
            .collect()
    }))
}
