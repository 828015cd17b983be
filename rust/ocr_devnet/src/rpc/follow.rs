//! Following the chain from a position in its journal: what filters and subscriptions share.

use serde_json::{Map, Value};
use std::ops::RangeInclusive;

use super::error::RpcError;
use super::format::{head, hex, log, pending_transaction};
use super::logs::Filter;
use super::params::BlockId;
use crate::block::Sealed;
use crate::journal::{Event, Journal};

/// What is told.
#[derive(Debug)]
pub enum Topic {
    /// New blocks' headers.
    Heads,
    /// New blocks' hashes.
    BlockHashes,
    /// Matching logs of new blocks, and with `removed` of blocks taken back.
    Logs(Filter, RangeInclusive<u64>),
    /// Transactions that can be in the next block; whole or only their hashes.
    Pending { whole: bool },
}

impl Topic {
    /// Logs as a filter object describes them. A block range only limits them: nothing is told
    /// of blocks before now.
    pub fn logs(fields: &Map<String, Value>) -> Result<Self, RpcError> {
        let bound = |name: &str, default: u64| -> Result<u64, RpcError> {
            let given = fields.get(name).filter(|value| !value.is_null());
            Ok(
                match given.map(|value| BlockId::read(value, name)).transpose()? {
                    Some(BlockId::Number(number)) => number,
                    _ => default,
                },
            )
        };
        let range = bound("fromBlock", 0)?..=bound("toBlock", u64::MAX)?;
        Ok(Self::Logs(Filter::read(fields)?, range))
    }

    fn tell(&self, event: &Event, told: &mut Vec<Value>) {
        match (self, event) {
            (Self::Heads, Event::Added(block)) => told.push(head(block)),
            (Self::BlockHashes, Event::Added(block)) => told.push(hex(block.hash)),
            (Self::Logs(filter, range), Event::Added(block)) if range.contains(&block.number()) => {
                tell_logs(filter, block, false, told);
            }
            (Self::Logs(filter, range), Event::Removed(block))
                if range.contains(&block.number()) =>
            {
                tell_logs(filter, block, true, told);
            }
            (Self::Pending { whole: true }, Event::Pending(tx)) => {
                told.push(pending_transaction(tx));
            }
            (Self::Pending { whole: false }, Event::Pending(tx)) => told.push(hex(tx.hash())),
            _ => {}
        }
    }
}

fn tell_logs(filter: &Filter, block: &Sealed, removed: bool, told: &mut Vec<Value>) {
    for (index, at) in filter.hits(block) {
        told.push(log(block, index, at, removed));
    }
}

/// A follower of one topic.
#[derive(Debug)]
pub struct Follower {
    pub topic: Topic,
    at: u64,
}

impl Follower {
    /// One that is told of what happens from now on.
    pub fn new(topic: Topic, journal: &Journal) -> Self {
        Self {
            topic,
            at: journal.end(),
        }
    }

    /// What happened since the last time, in order. After `limit` of them the rest has to wait for
    /// the next time. `None` when some of it is forgotten.
    pub fn news(&mut self, journal: &Journal, limit: usize) -> Option<Vec<Value>> {
        let mut told = Vec::new();
        for event in journal.since(self.at)? {
            if told.len() >= limit {
                break;
            }
            self.topic.tell(event, &mut told);
            self.at += 1;
        }
        Some(told)
    }
}
