//! `eth_call` and `eth_estimateGas`.

use alloy_consensus::Header;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{TxKind, U256};
use revm::context::TxEnv;
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction};
use revm::primitives::eip7825;
use serde_json::{Map, Value};

use super::error::RpcError;
use super::format::{data, hex};
use super::params::{address, bytes, hash, quantity, quantity_u64, quantity_u128};
use super::{Answer, Call};
use crate::chain::Chain;
use crate::view::View;

/// The most gas that a call may use (geth's default).
const GAS_CAP: u64 = 50_000_000;
/// What a call to an inner contract gets on top, which an estimate must leave room for.
const STIPEND: u64 = 2300;
/// How far above the least an estimate may be (geth's).
const TOLERANCE_PER_MILLE: u64 = 15;
const TRANSFER_GAS: u64 = 21_000;

pub fn call(call: &mut Call<'_>) -> Answer {
    let (tx, view, header) = question(call)?;
    match call.chain.call(view, &header, tx)?.result {
        ExecutionResult::Success { output, .. } => Ok(data(output.data())),
        ExecutionResult::Revert { output, .. } => Err(RpcError::reverted(&output)),
        ExecutionResult::Halt { reason, .. } => Err(RpcError::halted(&reason)),
    }
}

/// The transaction asked about, and where it would run.
fn question<'a>(call: &'a Call<'_>) -> Result<(TxEnv, View<'a>, Header), RpcError> {
    let params = call.params.at_most(3)?;
    let Value::Object(fields) = params.need(0, "transaction")? else {
        return Err(RpcError::params("transaction: must be an object"));
    };
    let tx = read(fields, call.chain.chain_id())?;
    match params.get(2) {
        None => {}
        Some(Value::Object(overrides)) if overrides.is_empty() => {}
        Some(_) => return Err(RpcError::params("state overrides: are not supported")),
    }
    let (view, header) = params.block(1)?.state(call.chain, call.now)?;
    Ok((tx, view, header))
}

fn read(fields: &Map<String, Value>, chain_id: u64) -> Result<TxEnv, RpcError> {
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let mut tx = TxEnv {
        gas_limit: GAS_CAP,
        chain_id: Some(chain_id),
        ..TxEnv::default()
    };
    tx.caller = given("from").map_or(Ok(tx.caller), |value| address(value, "from"))?;
    tx.kind = match given("to") {
        None => TxKind::Create,
        Some(value) => TxKind::Call(address(value, "to")?),
    };
    if let Some(value) = given("gas") {
        tx.gas_limit = quantity_u64(value, "gas")?.min(GAS_CAP);
    }
    if let Some(value) = given("value") {
        tx.value = quantity(value, "value")?;
    }
    if let Some(value) = given("nonce") {
        tx.nonce = quantity_u64(value, "nonce")?;
    }
    if let Some(value) = given("chainId")
        && quantity_u64(value, "chainId")? != chain_id
    {
        return Err(RpcError::params(format!(
            "chainId: must be this chain's, {chain_id:#x}"
        )));
    }
    tx.data = match (given("input"), given("data")) {
        (Some(input), Some(other)) if bytes(input, "input")? != bytes(other, "data")? => {
            return Err(RpcError::params(
                "both \"data\" and \"input\" are set and not equal. \
                 Please use \"input\" to pass transaction call data",
            ));
        }
        (Some(input), _) => bytes(input, "input")?,
        (None, Some(other)) => bytes(other, "data")?,
        (None, None) => tx.data,
    };
    if let Some(value) = given("accessList") {
        tx.access_list = access_list(value)?;
        tx.tx_type = 1;
    }
    read_fees(&mut tx, fields)?;
    Ok(tx)
}

fn read_fees(tx: &mut TxEnv, fields: &Map<String, Value>) -> Result<(), RpcError> {
    let given = |name: &str| {
        let value = fields.get(name).filter(|value| !value.is_null());
        value.map(|value| quantity_u128(value, name)).transpose()
    };
    let tip_cap = given("maxPriorityFeePerGas")?;
    match (given("gasPrice")?, given("maxFeePerGas")?) {
        (Some(price), None) if tip_cap.is_none() => tx.gas_price = price,
        (Some(_), _) => {
            return Err(RpcError::params(
                "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
            ));
        }
        (None, Some(fee_cap)) => {
            tx.tx_type = 2;
            tx.gas_price = fee_cap;
            tx.gas_priority_fee = Some(tip_cap.unwrap_or_default());
        }
        // A tip without a cap: nothing is paid, as without both.
        (None, None) => {}
    }
    Ok(())
}

fn access_list(value: &Value) -> Result<AccessList, RpcError> {
    const WANT: &str = "accessList: must be a list of {address, storageKeys}";
    let items = value.as_array().ok_or_else(|| RpcError::params(WANT))?;
    items
        .iter()
        .map(|item| {
            let keys = item.get("storageKeys").and_then(Value::as_array);
            Ok(AccessListItem {
                address: address(&item["address"], "accessList.address")?,
                storage_keys: keys
                    .ok_or_else(|| RpcError::params(WANT))?
                    .iter()
                    .map(|key| hash(key, "accessList.storageKeys"))
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect::<Result<Vec<_>, _>>()
        .map(AccessList)
}

/// The gas limit that makes a transaction succeed, found the way geth does: once with all the gas
/// there is, then by bisection.
pub fn estimate_gas(call: &mut Call<'_>) -> Answer {
    let (tx, view, header) = question(call)?;
    let cap = header.gas_limit.min(eip7825::TX_GAS_LIMIT_CAP);
    let mut high = if tx.gas_limit >= TRANSFER_GAS {
        tx.gas_limit.min(cap)
    } else {
        cap
    };
    if tx.gas_price > 0 {
        let room = view
            .balance(&tx.caller)
            .checked_sub(tx.value)
            .ok_or_else(|| RpcError::server("insufficient funds for transfer"))?;
        let affordable = u64::try_from(room / U256::from(tx.gas_price)).unwrap_or(u64::MAX);
        high = high.min(affordable);
    }
    let trial = Trial {
        chain: call.chain,
        view,
        header: &header,
        tx: &tx,
    };
    if let TxKind::Call(to) = tx.kind
        && tx.data.is_empty()
        && view.code(&to).is_empty()
        && trial.succeeds(TRANSFER_GAS.min(high))?
    {
        return Ok(hex(TRANSFER_GAS));
    }
    let gas = match trial.run(high)? {
        Some(ExecutionResult::Success { gas, .. }) => gas,
        Some(ExecutionResult::Revert { output, .. }) => return Err(RpcError::reverted(&output)),
        None
        | Some(ExecutionResult::Halt {
            reason: HaltReason::OutOfGas(_),
            ..
        }) => {
            return Err(RpcError::server(format!(
                "gas required exceeds allowance ({high})"
            )));
        }
        Some(ExecutionResult::Halt { reason, .. }) => return Err(RpcError::halted(&reason)),
    };
    let mut low = gas.tx_gas_used().saturating_sub(1);
    // What it used is nearly right: short of refunds, and of the 1/64 that inner calls leave.
    let mut attempt = (gas.tx_gas_used() + gas.inner_refunded() + STIPEND) * 64 / 63;
    while low + 1 < high && (high - low) * 1000 > high * TOLERANCE_PER_MILLE {
        if attempt < high {
            if trial.succeeds(attempt)? {
                high = attempt;
            } else {
                low = attempt;
            }
        }
        // Most need little more than they used: stay near the low end.
        attempt = (low + (high - low) / 2).min(low.saturating_mul(2));
    }
    Ok(hex(high))
}

/// The call of an estimate, to be tried with different gas limits.
struct Trial<'a> {
    chain: &'a Chain,
    view: View<'a>,
    header: &'a Header,
    tx: &'a TxEnv,
}

impl Trial<'_> {
    /// The result; `None` when that much gas does not even let it start.
    fn run(&self, gas_limit: u64) -> Result<Option<ExecutionResult>, RpcError> {
        let tx = TxEnv {
            gas_limit,
            ..self.tx.clone()
        };
        match self.chain.call(self.view, self.header, tx) {
            Ok(outcome) => Ok(Some(outcome.result)),
            Err(EVMError::Transaction(
                InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
                | InvalidTransaction::GasFloorMoreThanGasLimit { .. },
            )) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    fn succeeds(&self, gas_limit: u64) -> Result<bool, RpcError> {
        Ok(self
            .run(gas_limit)?
            .is_some_and(|result| result.is_success()))
    }
}
