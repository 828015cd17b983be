//! Setting what an account holds, past every rule.

use serde_json::Value;

use super::error::RpcError;
use super::params::{bytes, loose_u64, loose_u256, storage_key};
use super::{Answer, Call};

pub fn set_balance(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let address = params.address(0)?;
    let balance = loose_u256(params.need(1, "balance")?, "balance")?;
    // Room for what others may send it.
    if balance.bit_len() > 128 {
        return Err(RpcError::params("balance: must be less than 2^128 wei"));
    }
    call.chain.set_balance(address, balance);
    Ok(Value::Null)
}

pub fn set_nonce(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let address = params.address(0)?;
    let nonce = loose_u64(params.need(1, "nonce")?, "nonce")?;
    if nonce > u64::MAX / 2 {
        return Err(RpcError::params("nonce: must be less than 2^63"));
    }
    call.chain.set_nonce(address, nonce);
    Ok(Value::Null)
}

pub fn set_code(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(2)?;
    let address = params.address(0)?;
    let code = bytes(params.need(1, "code")?, "code")?;
    if !call.chain.set_code(address, code) {
        return Err(RpcError::params(
            "code: starts like an EIP-7702 designator and is none",
        ));
    }
    Ok(Value::Null)
}

pub fn set_storage(call: &mut Call<'_>) -> Answer {
    let params = call.params.at_most(3)?;
    let address = params.address(0)?;
    let key = storage_key(params.need(1, "slot")?, "slot")?;
    let value = storage_key(params.need(2, "value")?, "value")?;
    call.chain.set_storage(address, key, value);
    Ok(Value::Bool(true))
}
