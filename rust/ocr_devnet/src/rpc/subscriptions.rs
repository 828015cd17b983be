//! Subscriptions: a connection is told what happens.

use serde_json::{Map, Value, json};

use super::error::RpcError;
use super::follow::{Follower, Topic};
use super::format::hex;
use super::params::quantity_u64;
use super::{Answer, Call};
use crate::chain::Chain;

/// The most subscriptions of one connection.
const MAX_SUBSCRIPTIONS: usize = 128;

/// The subscriptions of one connection. They hold positions in the chain's journal, no queues.
#[derive(Debug, Default)]
pub struct Subscriptions(Vec<(u64, Follower)>);

impl Subscriptions {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next notifications, about `limit` of them; empty when all is told. `None` when the
    /// connection was too slow and something it should be told is forgotten.
    pub fn notifications(&mut self, chain: &Chain, limit: usize) -> Option<Vec<Vec<u8>>> {
        let mut bodies = Vec::new();
        for (id, follower) in &mut self.0 {
            if bodies.len() >= limit {
                break;
            }
            for news in follower.news(&chain.journal, limit - bodies.len())? {
                let body = json!({
                    "jsonrpc": "2.0",
                    "method": "eth_subscription",
                    "params": {"subscription": hex(*id), "result": news},
                });
                bodies.push(body.to_string().into_bytes());
            }
        }
        Some(bodies)
    }
}

fn unsupported() -> RpcError {
    RpcError::unavailable("notifications not supported: subscribe over a WebSocket")
}

pub fn subscribe(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let topic = match params.need(0, "subscription")?.as_str() {
        Some("newHeads") => Topic::Heads,
        Some("logs") => match params.get(1) {
            None => Topic::logs(&Map::new())?,
            Some(Value::Object(fields)) => Topic::logs(fields)?,
            Some(_) => return Err(RpcError::params("filter: must be an object")),
        },
        Some("newPendingTransactions") => Topic::Pending {
            whole: params
                .get(1)
                .map_or(Ok(false), |_| params.flag(1, "full transactions"))?,
        },
        _ => {
            return Err(RpcError::params(
                "subscription: must be one of newHeads, logs, newPendingTransactions",
            ));
        }
    };
    let follower = Follower::new(topic, &call.chain.journal);
    let id = call.chain.fresh_id();
    let subscriptions = call.subscriptions.as_mut().ok_or_else(unsupported)?;
    if subscriptions.0.len() == MAX_SUBSCRIPTIONS {
        return Err(RpcError::limit(format!(
            "a connection may have at most {MAX_SUBSCRIPTIONS} subscriptions"
        )));
    }
    subscriptions.0.push((id, follower));
    Ok(hex(id))
}

pub fn unsubscribe(call: &mut Call<'_>) -> Answer {
    let value = call.params.at_most(1)?.need(0, "subscription")?;
    let id = quantity_u64(value, "subscription")?;
    let subscriptions = call.subscriptions.as_mut().ok_or_else(unsupported)?;
    let before = subscriptions.0.len();
    subscriptions.0.retain(|(known, _)| *known != id);
    if subscriptions.0.len() == before {
        return Err(RpcError::server("subscription not found"));
    }
    Ok(json!(true))
}
