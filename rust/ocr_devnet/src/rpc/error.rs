//! What goes wrong, with its JSON-RPC code.

use alloy_primitives::{Bytes, U256, hex::ToHexExt};
use revm::context::result::{EVMError, HaltReason, InvalidTransaction};

use crate::exec::Failure;
use crate::tx::TxError;

pub const INVALID_REQUEST: i64 = -32600;
/// What geth answers for everything that fails on the chain's side.
const SERVER: i64 = -32000;
/// Geth's code for a revert, with the revert bytes as data.
const REVERTED: i64 = 3;
/// The longest piece of a request that is repeated in an error.
const MAX_ECHO: usize = 80;

#[derive(Debug)]
pub struct RpcError {
    pub code: i64,
    pub message: String,
    pub data: Option<String>,
}

impl RpcError {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub fn parse(error: &serde_json::Error) -> Self {
        Self::new(-32700, format!("parse error: {error}"))
    }

    pub fn request(message: impl Into<String>) -> Self {
        Self::new(
            INVALID_REQUEST,
            format!("invalid request: {}", message.into()),
        )
    }

    pub fn method(name: &str, known: &[&str]) -> Self {
        let name: String = name.chars().take(MAX_ECHO).collect();
        Self::new(
            -32601,
            format!(
                "the method {name} does not exist/is not available; there are: {}",
                known.join(", ")
            ),
        )
    }

    /// A method that is there, but not here.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(-32601, message)
    }

    pub fn params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    pub fn server(message: impl Into<String>) -> Self {
        Self::new(SERVER, message)
    }

    /// Too large an answer (the code is Infura's, and widely understood).
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(-32005, message)
    }

    pub fn reverted(output: &Bytes) -> Self {
        let message = match revert_reason(output) {
            Some(reason) => format!("execution reverted: {reason}"),
            None => "execution reverted".into(),
        };
        Self {
            data: Some(output.encode_hex_with_prefix()),
            ..Self::new(REVERTED, message)
        }
    }

    pub fn halted(reason: &HaltReason) -> Self {
        Self::server(match reason {
            HaltReason::OutOfGas(_) => "out of gas".into(),
            HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".into(),
            HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode".into(),
            HaltReason::InvalidJump => "invalid jump destination".into(),
            HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
                "write protection".into()
            }
            HaltReason::CreateContractSizeLimit => "max code size exceeded".into(),
            HaltReason::CreateCollision => "contract address collision".into(),
            HaltReason::OutOfOffset => "return data out of bounds".into(),
            other => other.to_string(),
        })
    }
}

impl From<TxError> for RpcError {
    fn from(error: TxError) -> Self {
        Self::server(error.0)
    }
}

impl From<Failure> for RpcError {
    fn from(failure: Failure) -> Self {
        Self::server(match failure {
            EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { fee, balance }) => {
                format!("insufficient funds for gas * price + value: have {balance} want {fee}")
            }
            EVMError::Transaction(InvalidTransaction::CallGasCostMoreThanGasLimit {
                initial_gas,
                gas_limit,
            }) => format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}"),
            EVMError::Transaction(InvalidTransaction::GasFloorMoreThanGasLimit {
                gas_floor,
                gas_limit,
            }) => format!(
                "insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}"
            ),
            EVMError::Transaction(InvalidTransaction::GasPriceLessThanBasefee) => {
                "max fee per gas less than block base fee".into()
            }
            EVMError::Transaction(InvalidTransaction::PriorityFeeGreaterThanMaxFee) => {
                "max priority fee per gas higher than max fee per gas".into()
            }
            other => other.to_string(),
        })
    }
}

/// The text in `Error(string)` or the meaning of `Panic(uint256)`.
fn revert_reason(output: &[u8]) -> Option<String> {
    let (selector, body) = output.split_first_chunk::<4>()?;
    match selector {
        [0x08, 0xc3, 0x79, 0xa0] => {
            let word = |at: usize| {
                let bytes = body.get(at..at.checked_add(32)?)?;
                usize::try_from(U256::from_be_slice(bytes)).ok()
            };
            let at = word(0)?;
            let start = at.checked_add(32)?;
            let text = body.get(start..start.checked_add(word(at)?)?)?;
            Some(String::from_utf8_lossy(text).into_owned())
        }
        [0x4e, 0x48, 0x7b, 0x71] => {
            let code = U256::from_be_slice(body.get(..32)?);
            Some(match u64::try_from(code).unwrap_or(u64::MAX) {
                0x00 => "generic panic".into(),
                0x01 => "assert(false)".into(),
                0x11 => "arithmetic underflow or overflow".into(),
                0x12 => "division or modulo by zero".into(),
                0x21 => "enum overflow".into(),
                0x22 => "invalid encoded storage byte array accessed".into(),
                0x31 => "out-of-bounds array access; popping on an empty array".into(),
                0x32 => "out-of-bounds access of an array or bytesN".into(),
                0x41 => "out of memory".into(),
                0x51 => "uninitialized function".into(),
                _ => format!("unknown panic code: {code:#x}"),
            })
        }
        _ => None,
    }
}
