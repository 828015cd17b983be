//! JSON-RPC 2.0 over a [`Chain`]: one request body in, one response body out.

mod call;
mod dev;
mod error;
mod fees;
mod format;
mod logs;
mod params;
mod read;

use serde_json::{Value, json};

use crate::chain::Chain;
use error::RpcError;
use params::Params;

/// The most requests in one batch.
const MAX_BATCH: usize = 1000;

type Answer = Result<Value, RpcError>;

/// What a method works on.
struct Call<'a> {
    chain: &'a mut Chain,
    params: Params<'a>,
    /// Unix time in seconds.
    now: u64,
}

type Method = fn(&mut Call<'_>) -> Answer;

/// Every method there is.
const METHODS: &[(&str, Method)] = &[
    ("eth_blockNumber", read::block_number),
    ("eth_call", call::call),
    ("eth_chainId", read::chain_id),
    ("eth_estimateGas", call::estimate_gas),
    ("eth_feeHistory", fees::fee_history),
    ("eth_gasPrice", fees::gas_price),
    ("eth_getBalance", read::balance),
    ("eth_getBlockByHash", read::block_by_hash),
    ("eth_getBlockByNumber", read::block_by_number),
    ("eth_getBlockReceipts", read::block_receipts),
    ("eth_getCode", read::code),
    ("eth_getLogs", logs::logs),
    ("eth_getStorageAt", read::storage_at),
    ("eth_getTransactionByHash", read::transaction),
    ("eth_getTransactionCount", read::transaction_count),
    ("eth_getTransactionReceipt", read::receipt),
    ("eth_maxPriorityFeePerGas", fees::max_priority_fee),
    ("eth_sendRawTransaction", dev::send_raw),
    ("eth_syncing", read::syncing),
    ("evm_mine", dev::mine),
    ("evm_setAutomine", dev::set_automine),
    ("evm_setIntervalMining", dev::set_interval),
    ("net_listening", read::listening),
    ("net_version", read::net_version),
    ("txpool_status", dev::pool_status),
    ("web3_clientVersion", read::client_version),
];

/// Answers a request body, single or batch, at unix time `now`. The answer to nothing but
/// notifications is empty.
#[must_use]
pub fn handle(chain: &mut Chain, body: &[u8], now: u64) -> Vec<u8> {
    let answer = match serde_json::from_slice(body) {
        Err(error) => Some(failure(&Value::Null, RpcError::parse(&error))),
        Ok(Value::Array(batch)) if batch.is_empty() => {
            Some(failure(&Value::Null, RpcError::request("empty batch")))
        }
        Ok(Value::Array(batch)) if batch.len() > MAX_BATCH => {
            let message = format!("batch of {} requests, at most {MAX_BATCH}", batch.len());
            Some(failure(&Value::Null, RpcError::request(message)))
        }
        Ok(Value::Array(batch)) => {
            let answers: Vec<Value> = batch
                .iter()
                .filter_map(|request| single(chain, request, now))
                .collect();
            (!answers.is_empty()).then_some(Value::Array(answers))
        }
        Ok(request) => single(chain, &request, now),
    };
    answer.map_or_else(Vec::new, |answer| answer.to_string().into_bytes())
}

fn single(chain: &mut Chain, request: &Value, now: u64) -> Option<Value> {
    let Value::Object(fields) = request else {
        return Some(failure(
            &Value::Null,
            RpcError::request("a request must be an object"),
        ));
    };
    let id = fields.get("id");
    if let Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) = id {
        let error = RpcError::request("id: must be a string, a number or null");
        return Some(failure(&Value::Null, error));
    }
    let answer = dispatch(chain, fields, now);
    // Without an id it is a notification, unless it is no request at all.
    let id = match (id, &answer) {
        (Some(id), _) => id,
        (None, Err(error)) if error.code == error::INVALID_REQUEST => &Value::Null,
        (None, _) => return None,
    };
    Some(match answer {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => failure(id, error),
    })
}

fn dispatch(chain: &mut Chain, fields: &serde_json::Map<String, Value>, now: u64) -> Answer {
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(RpcError::request("jsonrpc: must be \"2.0\""));
    }
    let Some(name) = fields.get("method").and_then(Value::as_str) else {
        return Err(RpcError::request("method: must be a string"));
    };
    let Some((_, method)) = METHODS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = METHODS.iter().map(|(known, _)| *known).collect();
        return Err(RpcError::method(name, &known));
    };
    let params = match fields.get("params") {
        None | Some(Value::Null) => Params(&[]),
        Some(Value::Array(params)) => Params(params),
        Some(_) => return Err(RpcError::params("params: must be an array")),
    };
    method(&mut Call { chain, params, now })
}

fn failure(id: &Value, error: RpcError) -> Value {
    let mut body = json!({"code": error.code, "message": error.message});
    if let Some(data) = error.data {
        body["data"] = Value::String(data);
    }
    json!({"jsonrpc": "2.0", "id": id, "error": body})
}
