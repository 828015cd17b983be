//! What gas costs.

use serde_json::{Value, json};

use super::error::RpcError;
use super::format::hex;
use super::params::{BlockId, Tag, loose_u64};
use super::{Answer, Call};
use crate::block::{Sealed, next_base_fee};

/// The tip that is suggested: there is no competition to estimate one from.
const SUGGESTED_TIP: u128 = 1_000_000_000;
/// As many blocks as geth reports at once.
const MAX_BLOCKS: u64 = 1024;
const MAX_PERCENTILES: usize = 100;

pub fn max_priority_fee(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(hex(SUGGESTED_TIP))
}

pub fn gas_price(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    let base_fee = call.chain.next_base_fee().unwrap_or_default();
    Ok(hex(u128::from(base_fee) + SUGGESTED_TIP))
}

pub fn fee_history(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(3)?;
    let count = loose_u64(params.need(0, "block count")?, "block count")?.min(MAX_BLOCKS);
    let newest = match BlockId::read(params.need(1, "newest block")?, "newest block")? {
        BlockId::Tag(Tag::Pending) => call.chain.height(),
        id => id.number(call.chain).ok_or_else(|| {
            RpcError::server("request beyond head block: the newest block asked for is not there")
        })?,
    };
    let percentiles = percentiles(params.get(2))?;
    let oldest = (newest + 1).saturating_sub(count);
    let blocks: Vec<&Sealed> = (oldest..=newest)
        .filter(|_| count > 0)
        .filter_map(|number| call.chain.block(number))
        .collect();
    let mut base_fees: Vec<Value> = blocks.iter().map(|block| hex(block.base_fee())).collect();
    base_fees.extend(blocks.last().map(|block| {
        let next = if block.number() == call.chain.height() {
            call.chain.next_base_fee()
        } else {
            call.chain.block(block.number() + 1).map_or_else(
                || next_base_fee(&block.header),
                |next| next.header.base_fee_per_gas,
            )
        };
        hex(next.unwrap_or_default())
    }));
    let ratios: Vec<f64> = blocks.iter().map(|block| used(block)).collect();
    let mut history = json!({
        "oldestBlock": hex(oldest),
        "gasUsedRatio": ratios,
        "baseFeePerBlobGas": vec![hex(1); base_fees.len()],
        "blobGasUsedRatio": vec![0.0; blocks.len()],
        "baseFeePerGas": base_fees,
    });
    if let Some(percentiles) = percentiles {
        history["reward"] = blocks
            .iter()
            .map(|block| rewards(block, &percentiles))
            .collect();
    }
    Ok(history)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to look at")]
fn used(block: &Sealed) -> f64 {
    block.header.gas_used as f64 / block.header.gas_limit as f64
}

fn percentiles(value: Option<&Value>) -> Result<Option<Vec<f64>>, RpcError> {
    const WANT: &str = "reward percentiles: must be at most 100 ascending numbers from 0 to 100";
    let Some(value) = value else { return Ok(None) };
    let list: Option<Vec<f64>> = value
        .as_array()
        .and_then(|list| list.iter().map(Value::as_f64).collect());
    match list {
        Some(list)
            if list.len() <= MAX_PERCENTILES
                && list.is_sorted()
                && list.iter().all(|percent| (0.0..=100.0).contains(percent)) =>
        {
            Ok((!list.is_empty()).then_some(list))
        }
        _ => Err(RpcError::params(WANT)),
    }
}

/// The tips at the given percentiles of the gas used in a block.
#[expect(
    clippy::cast_precision_loss,
    reason = "gas in a block is far below 2^52"
)]
fn rewards(block: &Sealed, percentiles: &[f64]) -> Value {
    let base_fee = block.base_fee();
    let mut tips: Vec<(u128, u64)> = block
        .txs
        .iter()
        .map(|mined| {
            (
                mined.tx.tip_at(base_fee).unwrap_or_default(),
                mined.gas_used,
            )
        })
        .collect();
    tips.sort_unstable();
    let at = |percent: f64| {
        let threshold = block.header.gas_used as f64 * percent / 100.0;
        let mut sum = 0;
        let reached = tips.iter().find(|(_, gas)| {
            sum += gas;
            sum as f64 >= threshold
        });
        reached.or(tips.last()).map_or(0, |(tip, _)| *tip)
    };
    percentiles
        .iter()
        .map(|percent| hex(at(*percent)))
        .collect()
}
