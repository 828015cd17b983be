//! Reading the chain: identity, state, blocks, transactions, receipts.

use serde_json::{Value, json};

use super::error::RpcError;
use super::format::{self, data, hex, word};
use super::params::{BlockId, Tag, storage_key};
use super::{Answer, Call};

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
    if let Some((block, index)) = call.chain.place_of(&hash) {
        return Ok(format::mined_transaction(block, index));
    }
    let pending = call.chain.pool().get(&hash);
    Ok(pending.map_or(Value::Null, |tx| format::pending_transaction(tx)))
}

pub fn receipt(call: &mut Call<'_>) -> Answer {
    let hash = call.params.at_most(1)?.hash(0)?;
    let place = call.chain.place_of(&hash);
    Ok(place.map_or(Value::Null, |(block, index)| format::receipt(block, index)))
}

pub fn block_receipts(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(1)?;
    let value = params.need(0, "block")?;
    // A bare block hash is accepted here too.
    let id = match super::params::hash(value, "block") {
        Ok(hash) => BlockId::Hash(hash),
        Err(_) => BlockId::read(value, "block")?,
    };
    if id == BlockId::Tag(Tag::Pending) {
        return Err(RpcError::params("block: the pending block has no receipts"));
    }
    let found = id
        .number(call.chain)
        .and_then(|number| call.chain.block(number));
    Ok(found.map_or(Value::Null, |block| {
        (0..block.txs.len())
            .map(|index| format::receipt(block, index))
            .collect()
    }))
}
