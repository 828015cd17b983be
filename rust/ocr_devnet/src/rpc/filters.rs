//! Filters: what happened is asked for.

use serde_json::{Map, Value, json};
use std::collections::VecDeque;

use super::error::RpcError;
use super::follow::{Follower, Topic};
use super::format::hex;
use super::logs::matching;
use super::params::quantity_u64;
use super::{Answer, Call};

/// How many there are at most; the one that was not asked for longest makes room.
const MAX_FILTERS: usize = 256;
/// The most news in one answer, but for the last block's logs.
const MAX_NEWS: usize = 10_000;

#[derive(Debug)]
struct Installed {
    id: u64,
    follower: Follower,
    /// What a filter for logs was asked for with.
    fields: Option<Map<String, Value>>,
}

/// All filters of a chain, the one last asked for at the back.
#[derive(Debug, Default)]
pub struct Filters(VecDeque<Installed>);

impl Filters {
    fn take(&mut self, id: u64) -> Result<Installed, RpcError> {
        let at = self.0.iter().position(|filter| filter.id == id);
        at.and_then(|at| self.0.remove(at)).ok_or_else(unknown)
    }
}

fn unknown() -> RpcError {
    RpcError::server("filter not found")
}

fn install(call: &mut Call<'_>, topic: Topic, fields: Option<Map<String, Value>>) -> Value {
    let id = call.chain.fresh_id();
    let follower = Follower::new(topic, &call.chain.journal);
    let filters = &mut call.chain.filters.0;
    if filters.len() == MAX_FILTERS {
        filters.pop_front();
    }
    filters.push_back(Installed {
        id,
        follower,
        fields,
    });
    hex(id)
}

pub fn new_filter(call: &mut Call<'_>) -> Answer {
    let Value::Object(fields) = call.params.at_most(1)?.need(0, "filter")? else {
        return Err(RpcError::params("filter: must be an object"));
    };
    let topic = Topic::logs(fields)?;
    Ok(install(call, topic, Some(fields.clone())))
}

pub fn new_block_filter(call: &mut Call<'_>) -> Answer {
    call.params.at_most(0)?;
    Ok(install(call, Topic::BlockHashes, None))
}

pub fn new_pending_filter(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(1)?;
    let whole = params
        .get(0)
        .map_or(Ok(false), |_| params.flag(0, "full transactions"))?;
    Ok(install(call, Topic::Pending { whole }, None))
}

fn id(call: &Call<'_>) -> Result<u64, RpcError> {
    quantity_u64(call.params.at_most(1)?.need(0, "filter")?, "filter")
}

/// What is new since the last time. A filter that was not asked for too long is gone.
pub fn changes(call: &mut Call<'_>) -> Answer {
    let mut filter = call.chain.filters.take(id(call)?)?;
    let news = filter
        .follower
        .news(&call.chain.journal, MAX_NEWS)
        .ok_or_else(unknown)?;
    call.chain.filters.0.push_back(filter);
    Ok(Value::Array(news))
}

/// All logs that a filter is for, as `eth_getLogs` would find them now.
pub fn logs(call: &mut Call<'_>) -> Answer {
    let filter = call.chain.filters.take(id(call)?)?;
    let answer = match &filter.fields {
        Some(fields) => matching(call.chain, fields),
        None => Err(RpcError::params("filter: is not one for logs")),
    };
    call.chain.filters.0.push_back(filter);
    answer
}

pub fn uninstall(call: &mut Call<'_>) -> Answer {
    let id = id(call)?;
    Ok(json!(call.chain.filters.take(id).is_ok()))
}
