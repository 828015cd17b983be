//! JSON-RPC 2.0 over a [`Chain`]: one request body in, one response body out.

mod call;
mod error;
mod fees;
mod filters;
mod follow;
mod format;
mod logs;
mod mining;
mod params;
mod pool;
mod read;
mod rewind;
mod subscriptions;
mod tamper;

use serde_json::{Value, json};

use crate::chain::Chain;
use error::RpcError;
use params::Params;

pub(crate) use filters::Filters;
pub use subscriptions::Subscriptions;

/// The most requests in one batch.
const MAX_BATCH: usize = 1000;

type Answer = Result<Value, RpcError>;

/// What a method works on.
struct Call<'a> {
    chain: &'a mut Chain,
    /// The connection's, where there is one.
    subscriptions: Option<&'a mut Subscriptions>,
    params: Params<'a>,
    /// Unix time in seconds.
    now: u64,
}

type Method = fn(&mut Call<'_>) -> Answer;

/// Every method there is.
const METHODS: &[(&str, Method)] = &[
    ("eth_accounts", read::accounts),
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
    (
        "eth_getBlockTransactionCountByHash",
        read::transaction_total,
    ),
    (
        "eth_getBlockTransactionCountByNumber",
        read::transaction_total,
    ),
    ("eth_getCode", read::code),
    ("eth_getFilterChanges", filters::changes),
    ("eth_getFilterLogs", filters::logs),
    ("eth_getLogs", logs::logs),
    ("eth_getStorageAt", read::storage_at),
    (
        "eth_getTransactionByBlockHashAndIndex",
        read::transaction_at,
    ),
    (
        "eth_getTransactionByBlockNumberAndIndex",
        read::transaction_at,
    ),
    ("eth_getTransactionByHash", read::transaction),
    ("eth_getTransactionCount", read::transaction_count),
    ("eth_getTransactionReceipt", read::receipt),
    ("eth_maxPriorityFeePerGas", fees::max_priority_fee),
    ("eth_newBlockFilter", filters::new_block_filter),
    ("eth_newFilter", filters::new_filter),
    (
        "eth_newPendingTransactionFilter",
        filters::new_pending_filter,
    ),
    ("eth_sendRawTransaction", pool::send_raw),
    ("eth_subscribe", subscriptions::subscribe),
    ("eth_syncing", read::syncing),
    ("eth_uninstallFilter", filters::uninstall),
    ("eth_unsubscribe", subscriptions::unsubscribe),
    ("net_listening", read::listening),
    ("net_peerCount", read::peer_count),
    ("net_version", read::net_version),
    ("txpool_content", pool::content),
    ("txpool_contentFrom", pool::content_from),
    ("txpool_inspect", pool::inspect),
    ("txpool_status", pool::status),
    ("web3_clientVersion", read::client_version),
    ("web3_sha3", read::sha3),
    // For tests: the names of anvil, Hardhat and Ganache.
    ("anvil_dropAllTransactions", pool::drop_all),
    ("anvil_dropTransaction", pool::drop_transaction),
    ("anvil_getAutomine", mining::automine),
    ("anvil_getIntervalMining", mining::interval),
    ("anvil_increaseTime", mining::increase_time),
    ("anvil_mine", mining::mine_many),
    ("anvil_removePoolTransactions", pool::drop_sender),
    ("anvil_reorg", rewind::reorg),
    ("anvil_revert", rewind::revert),
    ("anvil_rollback", rewind::rollback),
    ("anvil_setAutomine", mining::set_automine),
    ("anvil_setBalance", tamper::set_balance),
    ("anvil_setBlockGasLimit", mining::set_block_gas_limit),
    ("anvil_setCode", tamper::set_code),
    ("anvil_setIntervalMining", mining::set_interval),
    ("anvil_setNextBlockBaseFeePerGas", mining::set_next_base_fee),
    ("anvil_setNextBlockTimestamp", mining::set_next_timestamp),
    ("anvil_setNonce", tamper::set_nonce),
    ("anvil_setStorageAt", tamper::set_storage),
    ("anvil_setTime", mining::set_time),
    ("anvil_snapshot", rewind::snapshot),
    ("evm_increaseTime", mining::increase_time),
    ("evm_mine", mining::mine),
    ("evm_revert", rewind::revert),
    ("evm_setAutomine", mining::set_automine),
    ("evm_setBlockGasLimit", mining::set_block_gas_limit),
    ("evm_setIntervalMining", mining::set_interval),
    ("evm_setNextBlockTimestamp", mining::set_next_timestamp),
    ("evm_setTime", mining::set_time),
    ("evm_snapshot", rewind::snapshot),
    ("hardhat_dropTransaction", pool::dropped_transaction),
    ("hardhat_getAutomine", mining::automine),
    ("hardhat_mine", mining::mine_many),
    ("hardhat_setBalance", tamper::set_balance),
    ("hardhat_setCode", tamper::set_code),
    (
        "hardhat_setNextBlockBaseFeePerGas",
        mining::set_next_base_fee,
    ),
    ("hardhat_setNonce", tamper::set_nonce),
    ("hardhat_setStorageAt", tamper::set_storage),
];

/// The names of the methods there are.
pub fn methods() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|(name, _)| *name)
}

/// Answers a request body, single or batch, at unix time `now`. The answer to nothing but
/// notifications is empty.
#[must_use]
pub fn handle(chain: &mut Chain, body: &[u8], now: u64) -> Vec<u8> {
    answer(chain, None, body, now)
}

/// Like [`handle`], for a connection that can be told of things.
#[must_use]
pub fn handle_connection(
    chain: &mut Chain,
    subscriptions: &mut Subscriptions,
    body: &[u8],
    now: u64,
) -> Vec<u8> {
    answer(chain, Some(subscriptions), body, now)
}

fn answer(
    chain: &mut Chain,
    mut subscriptions: Option<&mut Subscriptions>,
    body: &[u8],
    now: u64,
) -> Vec<u8> {
    let mut single = |request: &Value| single(chain, subscriptions.as_deref_mut(), request, now);
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
            let answers: Vec<Value> = batch.iter().filter_map(single).collect();
            (!answers.is_empty()).then_some(Value::Array(answers))
        }
        Ok(request) => single(&request),
    };
    answer.map_or_else(Vec::new, |answer| answer.to_string().into_bytes())
}

fn single(
    chain: &mut Chain,
    subscriptions: Option<&mut Subscriptions>,
    request: &Value,
    now: u64,
) -> Option<Value> {
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
    let answer = dispatch(chain, subscriptions, fields, now);
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

fn dispatch(
    chain: &mut Chain,
    subscriptions: Option<&mut Subscriptions>,
    fields: &serde_json::Map<String, Value>,
    now: u64,
) -> Answer {
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(RpcError::request("jsonrpc: must be \"2.0\""));
    }
    let Some(name) = fields.get("method").and_then(Value::as_str) else {
        return Err(RpcError::request("method: must be a string"));
    };
    let Some((_, method)) = METHODS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = methods().collect();
        return Err(RpcError::method(name, &known));
    };
    let params = match fields.get("params") {
        None | Some(Value::Null) => Params(&[]),
        Some(Value::Array(params)) => Params(params),
        Some(_) => return Err(RpcError::params("params: must be an array")),
    };
    let answer = method(&mut Call {
        chain,
        subscriptions,
        params,
        now,
    })?;
    // Hardhat says true where anvil says nothing.
    let done = name.starts_with("hardhat_") && answer.is_null();
    Ok(if done { Value::Bool(true) } else { answer })
}

fn failure(id: &Value, error: RpcError) -> Value {
    let mut body = json!({"code": error.code, "message": error.message});
    if let Some(data) = error.data {
        body["data"] = Value::String(data);
    }
    json!({"jsonrpc": "2.0", "id": id, "error": body})
}
