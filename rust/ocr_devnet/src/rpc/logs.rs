//! `eth_getLogs`.

use alloy_primitives::map::HashSet;
use alloy_primitives::{Address, B256, Log};
use serde_json::{Map, Value};
use std::sync::Arc;

use super::error::RpcError;
use super::format::log;
use super::params::{BlockId, Tag, address, hash};
use super::{Answer, Call};
use crate::block::Sealed;
use crate::chain::Chain;

/// The most logs in one answer.
const MAX_LOGS: usize = 10_000;
/// A log has at most four topics.
const MAX_TOPICS: usize = 4;
/// The most alternatives for an address or a topic (geth's).
const MAX_ALTERNATIVES: usize = 1000;

#[derive(Debug)]
pub struct Filter {
    /// Empty: any.
    addresses: HashSet<Address>,
    /// By position; empty: any.
    topics: Vec<HashSet<B256>>,
}

impl Filter {
    pub fn read(fields: &Map<String, Value>) -> Result<Self, RpcError> {
        let addresses = alternatives(fields.get("address"), "address", address)?;
        let topics = match fields.get("topics") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(topics)) if topics.len() <= MAX_TOPICS => topics
                .iter()
                .map(|topic| alternatives(Some(topic), "topics", hash))
                .collect::<Result<_, _>>()?,
            Some(_) => {
                return Err(RpcError::params(format!(
                    "topics: must be a list of at most {MAX_TOPICS}"
                )));
            }
        };
        Ok(Self { addresses, topics })
    }

    fn matches(&self, log: &Log) -> bool {
        let topics = log.topics();
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= topics.len()
            && self
                .topics
                .iter()
                .zip(topics)
                .all(|(want, have)| want.is_empty() || want.contains(have))
    }

    /// The index of the transaction and of the log in it, of every log in `block` that matches.
    pub fn hits<'a>(&'a self, block: &'a Sealed) -> impl Iterator<Item = (usize, usize)> + 'a {
        block
            .txs
            .iter()
            .enumerate()
            .flat_map(move |(index, mined)| {
                let logs = mined.logs.iter().enumerate();
                logs.filter(|(_, log)| self.matches(log))
                    .map(move |(at, _)| (index, at))
            })
    }
}

/// Nothing, one value, or a list; in a list of topics `null` stands for any.
fn alternatives<T: Eq + std::hash::Hash>(
    value: Option<&Value>,
    name: &str,
    read: fn(&Value, &str) -> Result<T, RpcError>,
) -> Result<HashSet<T>, RpcError> {
    match value {
        None | Some(Value::Null) => Ok(HashSet::default()),
        Some(Value::Array(list)) if list.len() > MAX_ALTERNATIVES => Err(RpcError::params(
            format!("{name}: at most {MAX_ALTERNATIVES} alternatives"),
        )),
        Some(Value::Array(list)) if list.contains(&Value::Null) => Ok(HashSet::default()),
        Some(Value::Array(list)) => list.iter().map(|value| read(value, name)).collect(),
        Some(value) => read(value, name).map(|one| std::iter::once(one).collect()),
    }
}

fn range<'a>(chain: &'a Chain, fields: &Map<String, Value>) -> Result<&'a [Arc<Sealed>], RpcError> {
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null()).cloned();
    let (first, last) = if let Some(block_hash) = given("blockHash") {
        if given("fromBlock").is_some() || given("toBlock").is_some() {
            return Err(RpcError::params(
                "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
            ));
        }
        let number = chain
            .ledger
            .number_of(&hash(&block_hash, "blockHash")?)
            .ok_or_else(|| RpcError::server("unknown block"))?;
        (number, number)
    } else {
        let bound = |name: &str| -> Result<u64, RpcError> {
            let id = given(name).map_or(Ok(BlockId::Tag(Tag::Latest)), |value| {
                BlockId::read(&value, name)
            })?;
            Ok(match id {
                BlockId::Number(number) => number,
                // Pending logs there are none: the range ends with the newest block.
                id => id.number(chain).unwrap_or(chain.height()),
            })
        };
        (bound("fromBlock")?, bound("toBlock")?)
    };
    if first > last {
        return Err(RpcError::params(
            "invalid block range params: fromBlock is after toBlock",
        ));
    }
    let clip = |number: u64| {
        usize::try_from(number)
            .unwrap_or(usize::MAX)
            .min(chain.ledger.blocks().len())
    };
    Ok(&chain.ledger.blocks()[clip(first)..clip(last.saturating_add(1))])
}

pub fn logs(call: &mut Call<'_>) -> Answer {
    let Value::Object(fields) = call.params.at_most(1)?.need(0, "filter")? else {
        return Err(RpcError::params("filter: must be an object"));
    };
    matching(call.chain, fields)
}

/// The logs of the chain as it is now that a filter object asks for.
pub fn matching(chain: &Chain, fields: &Map<String, Value>) -> Answer {
    let filter = Filter::read(fields)?;
    let mut found = Vec::new();
    for block in range(chain, fields)? {
        for (index, at) in filter.hits(block) {
            if found.len() == MAX_LOGS {
                return Err(RpcError::limit(format!(
                    "query returned more than {MAX_LOGS} results"
                )));
            }
            found.push(log(block, index, at, false));
        }
    }
    Ok(Value::Array(found))
}
