//! The lists of the file. A change here is a new version.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};

#[derive(Debug, RlpEncodable, RlpDecodable)]
pub struct Stored {
    pub chain_id: u64,
    pub legacy: bool,
    pub forks: u64,
    /// Whether the clock is behind the caller's.
    pub behind: bool,
    pub offset: u64,
    /// None or one.
    pub next_timestamp: Vec<u64>,
    /// None or one.
    pub next_base_fee: Vec<u64>,
    /// Zero for none.
    pub by_hand: B256,
    pub blocks: Vec<Block>,
    pub accounts: Vec<Account>,
    pub slots: Vec<Slot>,
    pub code: Vec<Bytes>,
    /// Oldest first.
    pub undos: Vec<Undo>,
    /// Raw, in the order of arrival.
    pub pool: Vec<Bytes>,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
pub struct Block {
    pub header: Header,
    pub txs: Vec<Mined>,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
pub struct Mined {
    pub raw: Bytes,
    pub sender: Address,
    pub success: bool,
    pub gas_used: u64,
    pub logs: Vec<Log>,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
pub struct Account {
    pub address: Address,
    /// False: there was none (in an [`Undo`]).
    pub exists: bool,
    pub balance: U256,
    pub nonce: u64,
    pub code_hash: B256,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
pub struct Slot {
    pub address: Address,
    pub key: U256,
    pub value: U256,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
pub struct Undo {
    pub accounts: Vec<Account>,
    pub slots: Vec<Slot>,
}
