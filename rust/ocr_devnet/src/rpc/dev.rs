//! Sending transactions, and controlling when blocks are mined.

use alloy_primitives::U256;
use serde_json::{Value, json};
use std::time::Duration;

use super::error::RpcError;
use super::format::hex;
use super::params::{bytes, loose_u64};
use super::{Answer, Call};
use crate::config::MAX_TIMESTAMP;

/// The longest interval between blocks: a day.
const MAX_INTERVAL: f64 = 86_400.0;
/// The shortest: more blocks than this could not be mined anyway.
const MIN_INTERVAL: f64 = 0.001;

pub fn send_raw(call: &mut Call<'_>) -> Answer {
    let raw = bytes(
        call.params.at_most(1)?.need(0, "transaction")?,
        "transaction",
    )?;
    Ok(hex(call.chain.send_raw(&raw, call.now)?))
}

/// One block, now or at the given time, which must be after the newest block's.
pub fn mine(call: &mut Call<'_>) -> Answer {
    let timestamp = match call.params.at_most(1)?.get(0) {
        None => call.now,
        Some(value) => {
            let timestamp = loose_u64(value, "timestamp")?;
            let parent = call.chain.head().header.timestamp;
            if timestamp <= parent || timestamp > MAX_TIMESTAMP {
                return Err(RpcError::params(format!(
                    "timestamp: must be above the newest block's {parent} and at most \
                     {MAX_TIMESTAMP}"
                )));
            }
            timestamp
        }
    };
    call.chain.mine(timestamp);
    Ok(hex(U256::ZERO))
}

pub fn set_automine(call: &mut Call<'_>) -> Answer {
    let on = call.params.at_most(1)?.flag(0, "automine")?;
    call.chain.set_automine(on);
    Ok(Value::Null)
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

pub fn pool_status(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    let (pending, queued) = call.chain.pool_status();
    Ok(json!({"pending": hex(pending), "queued": hex(queued)}))
}
