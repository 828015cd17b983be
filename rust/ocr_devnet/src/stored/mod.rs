//! A chain as bytes, to go on with later.
//!
//! The file is [`MAGIC`], a version as two bytes, the Keccak-256 of the rest, and the rest: an RLP
//! list of what [`layout`] describes. Everything is written in one order, so that the same chain
//! makes the same bytes. Snapshots, filters and subscriptions are of the process, and not kept.

mod layout;
mod read;
mod write;

use alloy_primitives::keccak256;
use std::fmt;

use crate::chain::Chain;
use crate::config::{Config, ConfigError};

/// What a file of this kind starts with.
pub const MAGIC: &[u8; 17] = b"ocr-devnet state\n";
/// Raised with every change of [`layout`].
const VERSION: u16 = 1;
const HASH: usize = 32;

/// Why bytes are not a chain to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// Not a file of this kind at all.
    Foreign,
    /// Of a version that this program does not read.
    Version(u16),
    /// Not as it was written.
    Damaged(String),
    /// Of another chain than asked for.
    Mismatch(String),
    /// The chain is asked for with options that are out of bounds.
    Config(ConfigError),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not the state of a development chain"),
            Self::Version(found) => write!(
                f,
                "written in version {found} of the format, this program reads version {VERSION}"
            ),
            Self::Damaged(reason) => write!(f, "damaged: {reason}"),
            Self::Mismatch(reason) => f.write_str(reason),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StateError {}

fn damaged(reason: impl fmt::Display) -> StateError {
    StateError::Damaged(reason.to_string())
}

impl Chain {
    /// Everything that a later process needs to go on: blocks, receipts, logs, the state and the
    /// way back from it, the mempool and the clock.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let payload = alloy_rlp::encode(write::stored(self));
        let mut bytes = Vec::with_capacity(MAGIC.len() + 2 + HASH + payload.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(keccak256(&payload).as_slice());
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// Goes on with a saved chain under `config`, whose accounts, base fee and genesis time are of
    /// no use then.
    ///
    /// # Errors
    /// When `bytes` are not from [`Chain::save`], or of another chain than that of `config`.
    pub fn load(bytes: &[u8], config: Config) -> Result<Self, StateError> {
        config.check().map_err(StateError::Config)?;
        let rest = bytes.strip_prefix(MAGIC).ok_or(StateError::Foreign)?;
        let (version, rest) = rest
            .split_first_chunk()
            .ok_or_else(|| damaged("it ends early"))?;
        let version = u16::from_be_bytes(*version);
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        let (hash, payload) = rest
            .split_first_chunk::<HASH>()
            .ok_or_else(|| damaged("it ends early"))?;
        if keccak256(payload) != *hash {
            return Err(damaged("the checksum does not match"));
        }
        let stored = alloy_rlp::decode_exact(payload).map_err(damaged)?;
        read::chain(stored, config)
    }
}
