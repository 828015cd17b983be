//! Reading positional parameters. Every error names the parameter.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::Value;

use super::error::RpcError;
use crate::chain::Chain;
use crate::view::View;

/// The positional parameters of a request.
#[derive(Clone, Copy)]
pub struct Params<'a>(pub &'a [Value]);

impl<'a> Params<'a> {
    pub fn at_most(self, count: usize) -> Result<Self, RpcError> {
        if self.0.len() > count {
            return Err(RpcError::params(format!(
                "too many arguments, want at most {count}, have {}",
                self.0.len()
            )));
        }
        Ok(self)
    }

    /// A parameter; `null` is as good as none.
    pub fn get(self, index: usize) -> Option<&'a Value> {
        self.0.get(index).filter(|value| !value.is_null())
    }

    pub fn need(self, index: usize, name: &str) -> Result<&'a Value, RpcError> {
        self.get(index).ok_or_else(|| {
            RpcError::params(format!(
                "missing value for required argument {index} ({name})"
            ))
        })
    }

    pub fn address(self, index: usize) -> Result<Address, RpcError> {
        address(self.need(index, "address")?, "address")
    }

    pub fn hash(self, index: usize) -> Result<B256, RpcError> {
        hash(self.need(index, "hash")?, "hash")
    }

    pub fn flag(self, index: usize, name: &str) -> Result<bool, RpcError> {
        self.need(index, name)?
            .as_bool()
            .ok_or_else(|| RpcError::params(format!("{name}: must be true or false")))
    }

    pub fn block(self, index: usize) -> Result<BlockId, RpcError> {
        self.get(index)
            .map_or(Ok(BlockId::Tag(Tag::Latest)), |value| {
                BlockId::read(value, "block")
            })
    }
}

fn wrong(name: &str, want: &str) -> RpcError {
    RpcError::params(format!("{name}: must be {want}"))
}

fn text<'a>(value: &'a Value, name: &str, want: &str) -> Result<&'a str, RpcError> {
    value.as_str().ok_or_else(|| wrong(name, want))
}

fn fixed<const N: usize>(value: &Value, name: &str) -> Result<[u8; N], RpcError> {
    let want = format!("0x and {} hex digits", 2 * N);
    let digits = text(value, name, &want)?
        .strip_prefix("0x")
        .ok_or_else(|| wrong(name, &want))?;
    hex::decode_to_array(digits).map_err(|_| wrong(name, &want))
}

pub fn address(value: &Value, name: &str) -> Result<Address, RpcError> {
    fixed(value, name).map(Address::new)
}

pub fn hash(value: &Value, name: &str) -> Result<B256, RpcError> {
    fixed(value, name).map(B256::new)
}

pub fn bytes(value: &Value, name: &str) -> Result<Bytes, RpcError> {
    const WANT: &str = "0x and an even number of hex digits";
    let digits = text(value, name, WANT)?
        .strip_prefix("0x")
        .ok_or_else(|| wrong(name, WANT))?;
    hex::decode(digits)
        .map(Bytes::from)
        .map_err(|_| wrong(name, WANT))
}

fn hex_number(digits: &str) -> Option<U256> {
    let valid = (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    valid
        .then(|| U256::from_str_radix(digits, 16).ok())
        .flatten()
}

/// A quantity: no leading zeros.
pub fn quantity(value: &Value, name: &str) -> Result<U256, RpcError> {
    const WANT: &str = "a quantity (0x and hex digits without leading zeros, at most 256 bits)";
    let digits = text(value, name, WANT)?
        .strip_prefix("0x")
        .ok_or_else(|| wrong(name, WANT))?;
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(wrong(name, WANT));
    }
    hex_number(digits).ok_or_else(|| wrong(name, WANT))
}

pub fn quantity_u64(value: &Value, name: &str) -> Result<u64, RpcError> {
    u64::try_from(quantity(value, name)?).map_err(|_| wrong(name, "at most 64 bits"))
}

pub fn quantity_u128(value: &Value, name: &str) -> Result<u128, RpcError> {
    u128::try_from(quantity(value, name)?).map_err(|_| wrong(name, "at most 128 bits"))
}

/// A storage key: a quantity, or all of its 32 bytes.
pub fn storage_key(value: &Value, name: &str) -> Result<U256, RpcError> {
    const WANT: &str = "0x and at most 64 hex digits";
    let digits = text(value, name, WANT)?
        .strip_prefix("0x")
        .ok_or_else(|| wrong(name, WANT))?;
    hex_number(digits).ok_or_else(|| wrong(name, WANT))
}

/// A number as JSON, decimal text or a quantity, as some clients send counts.
pub fn loose_u64(value: &Value, name: &str) -> Result<u64, RpcError> {
    if let Some(number) = value.as_u64() {
        return Ok(number);
    }
    match value.as_str() {
        Some(digits) if !digits.starts_with("0x") => {
            digits.parse().map_err(|_| wrong(name, "a number"))
        }
        _ => quantity_u64(value, name),
    }
}

/// A whole number of any of these forms, up to 256 bits.
pub fn loose_u256(value: &Value, name: &str) -> Result<U256, RpcError> {
    match value {
        Value::Number(number) => number
            .as_u64()
            .map(U256::from)
            .ok_or_else(|| wrong(name, "a whole number; above 64 bits write it as a quantity")),
        Value::String(digits) if !digits.starts_with("0x") => {
            U256::from_str_radix(digits, 10).map_err(|_| wrong(name, "a number"))
        }
        _ => storage_key(value, name),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    Earliest,
    Finalized,
    Latest,
    Pending,
}

/// Which block a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    Tag(Tag),
    Number(u64),
    Hash(B256),
}

impl BlockId {
    pub fn read(value: &Value, name: &str) -> Result<Self, RpcError> {
        match value {
            Value::String(text) => match text.as_str() {
                "earliest" => Ok(Self::Tag(Tag::Earliest)),
                "latest" => Ok(Self::Tag(Tag::Latest)),
                "pending" => Ok(Self::Tag(Tag::Pending)),
                "finalized" | "safe" => Ok(Self::Tag(Tag::Finalized)),
                _ => quantity_u64(value, name).map(Self::Number).map_err(|_| {
                    wrong(
                        name,
                        "a block number or one of latest, pending, safe, finalized, earliest",
                    )
                }),
            },
            // EIP-1898
            Value::Object(fields) => match (fields.get("blockHash"), fields.get("blockNumber")) {
                (Some(value), None) => hash(value, "blockHash").map(Self::Hash),
                (None, Some(value)) => Self::read(value, "blockNumber"),
                _ => Err(wrong(
                    name,
                    "an object with either blockHash or blockNumber",
                )),
            },
            _ => Err(wrong(
                name,
                "a block number, a tag or an object with blockHash",
            )),
        }
    }

    /// The block's number; `None` for one that is not there, and for the pending one.
    pub fn number(self, chain: &Chain) -> Option<u64> {
        match self {
            Self::Tag(Tag::Earliest) => Some(0),
            Self::Tag(Tag::Finalized) => Some(chain.finalized()),
            Self::Tag(Tag::Latest) => Some(chain.height()),
            Self::Tag(Tag::Pending) => None,
            Self::Number(number) => (number <= chain.height()).then_some(number),
            Self::Hash(hash) => chain.ledger.number_of(&hash),
        }
    }

    /// The state after the block, and the header that a call there runs under.
    pub fn state(self, chain: &Chain, now: u64) -> Result<(View<'_>, Header), RpcError> {
        let (number, header) = if self == Self::Tag(Tag::Pending) {
            (chain.height(), chain.next_header(now))
        } else {
            let found = self.number(chain).and_then(|number| chain.block(number));
            let block = found.ok_or_else(|| RpcError::server("header not found"))?;
            (block.number(), block.header.clone())
        };
        let view = chain.ledger.state_at(number).ok_or_else(|| {
            RpcError::server(format!(
                "missing trie node: the state of block {number} is not available, only that of \
                 the last {} blocks is kept",
                chain.config.history
            ))
        })?;
        Ok((view, header))
    }
}
