//! When blocks are mined, and what time, base fee and gas limit they get.

use alloy_primitives::U256;
use serde_json::{Value, json};
use std::time::Duration;

use super::error::RpcError;
use super::format::hex;
use super::params::loose_u64;
use super::{Answer, Call};
use crate::config::{GAS_LIMITS, MAX_BASE_FEE, MAX_TIMESTAMP};

/// The longest interval between blocks: a day.
const MAX_INTERVAL: f64 = 86_400.0;
/// The shortest: more blocks than this could not be mined anyway.
const MIN_INTERVAL: f64 = 0.001;
/// The most blocks that one request mines. Fewer than a filter can be behind.
const MAX_BLOCKS: u64 = 10_000;

fn bounded(value: &Value, name: &str, low: u64, high: u64) -> Result<u64, RpcError> {
    let number = loose_u64(value, name)?;
    if (low..=high).contains(&number) {
        return Ok(number);
    }
    Err(RpcError::params(format!(
        "{name}: must be between {low} and {high}"
    )))
}

/// A timestamp that the next block can have.
fn timestamp(call: &Call<'_>, value: &Value) -> Result<u64, RpcError> {
    let parent = call.chain.head().header.timestamp;
    let timestamp = loose_u64(value, "timestamp")?;
    if timestamp <= parent || timestamp > MAX_TIMESTAMP {
        return Err(RpcError::params(format!(
            "timestamp: must be above the newest block's {parent} and at most {MAX_TIMESTAMP}"
        )));
    }
    Ok(timestamp)
}

/// One block, now or at the given time, which must be after the newest block's; or as many as
/// anvil's `{"timestamp": …, "blocks": …}` says.
pub fn mine(call: &mut Call<'_>) -> Answer {
    let (at, blocks) = match call.params.at_most(1)?.get(0) {
        None => (None, 1),
        Some(Value::Object(fields)) => {
            let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
            let at = given("timestamp").map(|value| timestamp(call, value));
            let blocks = given("blocks").map(|value| bounded(value, "blocks", 1, MAX_BLOCKS));
            (at.transpose()?, blocks.transpose()?.unwrap_or(1))
        }
        Some(value) => (Some(timestamp(call, value)?), 1),
    };
    if let Some(at) = at {
        call.chain.clock.next = Some(at);
    }
    for _ in 0..blocks {
        call.chain.mine(call.now);
    }
    Ok(hex(U256::ZERO))
}

/// So many blocks, so many seconds apart (by default as close as the clock allows).
pub fn mine_many(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let blocks = params
        .get(0)
        .map_or(Ok(1), |value| bounded(value, "blocks", 0, MAX_BLOCKS))?;
    let interval = params
        .get(1)
        .map(|value| bounded(value, "interval", 1, MAX_TIMESTAMP / MAX_BLOCKS))
        .transpose()?;
    for at in 0..blocks {
        if let Some(interval) = interval
            && at > 0
        {
            let next = call.chain.head().header.timestamp + interval;
            call.chain.clock.next = Some(next.min(MAX_TIMESTAMP));
        }
        call.chain.mine(call.now);
    }
    Ok(Value::Null)
}

pub fn automine(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(json!(call.chain.automine()))
}

pub fn set_automine(call: &mut Call<'_>) -> Answer {
    let on = call.params.at_most(1)?.flag(0, "automine")?;
    call.chain.set_automine(on);
    Ok(Value::Null)
}

/// Seconds between blocks, `null` when the clock stands.
pub fn interval(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    let interval = call.chain.interval();
    Ok(interval.map_or(Value::Null, |interval| json!(interval.as_secs_f64())))
}

/// Seconds between blocks; zero stops the clock.
pub fn set_interval(call: &mut Call<'_>) -> Answer {
    let value = call.params.at_most(1)?.need(0, "interval")?;
    let seconds = value.as_f64().unwrap_or(f64::NAN);
    if seconds != 0.0 && !(MIN_INTERVAL..=MAX_INTERVAL).contains(&seconds) {
        return Err(RpcError::params(format!(
            "interval: must be 0 or between {MIN_INTERVAL} and {MAX_INTERVAL} seconds"
        )));
    }
    call.chain
        .set_interval((seconds != 0.0).then(|| Duration::from_secs_f64(seconds)));
    Ok(Value::Null)
}

/// Moves the clock forward by seconds; how far ahead it is now.
pub fn increase_time(call: &mut Call<'_>) -> Answer {
    let value = call.params.at_most(1)?.need(0, "seconds")?;
    let seconds = bounded(value, "seconds", 0, MAX_TIMESTAMP)?;
    Ok(json!(call.chain.clock.advance(call.now, seconds)))
}

/// Makes it a time, in seconds, from which the clock goes on; how far ahead it is then.
pub fn set_time(call: &mut Call<'_>) -> Answer {
    let value = call.params.at_most(1)?.need(0, "timestamp")?;
    let time = bounded(value, "timestamp", 0, MAX_TIMESTAMP)?;
    call.chain.clock.set(call.now, time);
    Ok(json!(call.chain.clock.offset))
}

/// The next block's timestamp, from which the clock goes on.
pub fn set_next_timestamp(call: &mut Call<'_>) -> Answer {
    let value = call.params.at_most(1)?.need(0, "timestamp")?;
    call.chain.clock.next = Some(timestamp(call, value)?);
    Ok(Value::Null)
}

/// The next block's base fee; the one after follows from it.
pub fn set_next_base_fee(call: &mut Call<'_>) -> Answer {
    let value = call.params.at_most(1)?.need(0, "base fee")?;
    let base_fee = bounded(value, "base fee", 0, MAX_BASE_FEE)?;
    if call.chain.next_base_fee().is_none() {
        return Err(RpcError::params("this chain has no base fee"));
    }
    call.chain.wanted_base_fee = Some(base_fee);
    Ok(Value::Null)
}

/// The gas limit of all blocks from the next one on.
pub fn set_block_gas_limit(call: &mut Call<'_>) -> Answer {
    let value = call.params.at_most(1)?.need(0, "gas limit")?;
    call.chain.config.block_gas_limit = bounded(value, "gas limit", GAS_LIMITS.0, GAS_LIMITS.1)?;
    Ok(json!(true))
}
