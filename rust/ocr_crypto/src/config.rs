//! The configuration's digest on EVM chains.
//!
//! libocr `chains/evmutil/config_digest.go`, and `configDigestFromConfigData` of
//! `OCR2Abstract.sol`.

use crate::abi::{self, Word};
use crate::hash::{Hash, keccak256};
use crate::secp256k1::Address;

/// `ConfigDigestPrefixEVMSimple`, the first two bytes of a digest.
const PREFIX: [u8; 2] = [0x00, 0x01];
const HEAD_WORDS: usize = 9;

/// What the digest of a configuration covers.
#[derive(Debug, Clone)]
pub struct EvmConfig<'a> {
    /// Chain id, a uint256 on chain.
    pub chain_id: Word,
    /// Address of the aggregator.
    pub contract: Address,
    /// Number of configurations the contract has had, this one included.
    pub config_count: u64,
    /// Signing addresses by oracle.
    pub signers: &'a [Address],
    /// Transmitting accounts by oracle.
    pub transmitters: &'a [Address],
    /// Number of faulty oracles tolerated.
    pub f: u8,
    /// Opaque here.
    pub onchain_config: &'a [u8],
    /// 2 for OCR2.
    pub offchain_config_version: u64,
    /// Opaque here.
    pub offchain_config: &'a [u8],
}

impl EvmConfig<'_> {
    /// keccak256 of the ABI encoding of all fields, its first two bytes overwritten with 0x0001.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut tail = Vec::new();
        // Offsets count from the start of the head.
        let offset = |tail: &Vec<u8>| abi::size(32 * HEAD_WORDS + tail.len());
        let signers = offset(&tail);
        abi::append_addresses(&mut tail, self.signers);
        let transmitters = offset(&tail);
        abi::append_addresses(&mut tail, self.transmitters);
        let onchain_config = offset(&tail);
        abi::append_bytes(&mut tail, self.onchain_config);
        let offchain_config = offset(&tail);
        abi::append_bytes(&mut tail, self.offchain_config);

        let head: [Word; HEAD_WORDS] = [
            self.chain_id,
            abi::address(&self.contract),
            abi::unsigned(self.config_count),
            signers,
            transmitters,
            abi::unsigned(u64::from(self.f)),
            onchain_config,
            abi::unsigned(self.offchain_config_version),
            offchain_config,
        ];
        let mut digest = keccak256(&[head.as_flattened(), &tail]);
        digest[..PREFIX.len()].copy_from_slice(&PREFIX);
        digest
    }
}
