//! Reorganisations and snapshots.

use serde_json::{Value, json};

use super::error::RpcError;
use super::format::hex;
use super::params::{Params, bytes, loose_u64};
use super::{Answer, Call};
use crate::reorg::ReorgError;

/// The most transactions that the new blocks of a reorganisation are given.
const MAX_TXS: usize = 1000;

impl From<ReorgError> for RpcError {
    fn from(error: ReorgError) -> Self {
        Self::params(error.to_string())
    }
}

/// Whether the transactions of the old blocks go back to the mempool: they do on a real chain.
fn keep(params: Params<'_>, index: usize) -> Result<bool, RpcError> {
    params
        .get(index)
        .map_or(Ok(true), |_| params.flag(index, "keep transactions"))
}

/// `[depth, [[raw transaction, block index], …], keep transactions]`
pub fn reorg(call: &mut Call<'_>) -> Answer {
    const WANT: &str =
        "transactions: must be a list of at most 1000 pairs [raw transaction, block index]";
    let params = call.params.at_most(3)?;
    let depth = loose_u64(params.need(0, "depth")?, "depth")?;
    let pairs = match params.get(1) {
        None => &[],
        Some(Value::Array(pairs)) if pairs.len() <= MAX_TXS => pairs.as_slice(),
        Some(_) => return Err(RpcError::params(WANT)),
    };
    let txs = pairs
        .iter()
        .map(|pair| match pair.as_array().map(Vec::as_slice) {
            Some([raw @ Value::String(_), index]) => {
                let index = loose_u64(index, "block index")?;
                let raw = bytes(raw, "transactions")?;
                Ok((raw.to_vec(), usize::try_from(index).unwrap_or(usize::MAX)))
            }
            _ => Err(RpcError::params(WANT)),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let keep = keep(params, 2)?;
    call.chain.reorg(depth, &txs, keep)?;
    Ok(Value::Null)
}

/// `[depth, keep transactions]`; the depth is 1 by default.
pub fn rollback(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let depth = params
        .get(0)
        .map_or(Ok(1), |value| loose_u64(value, "depth"))?;
    let keep = keep(params, 1)?;
    call.chain.rollback(depth, keep)?;
    Ok(Value::Null)
}

pub fn snapshot(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(hex(call.chain.snapshot()))
}

pub fn revert(call: &mut Call<'_>) -> Answer {
    let value = call.params.at_most(1)?.need(0, "snapshot")?;
    let id = loose_u64(value, "snapshot")?;
    Ok(json!(call.chain.revert(id)))
}
