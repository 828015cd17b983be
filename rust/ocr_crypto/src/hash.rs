//! The hash functions of OCR2 and of the peer protocol.

use sha2::Sha256;
use sha3::{Digest, Keccak256};

/// A 32-byte digest.
pub type Hash = [u8; 32];

/// Keccak-256 of the concatenated parts: the pre-standard padding that Ethereum uses.
#[must_use]
pub fn keccak256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The first 16 bytes of [`keccak256`]: how libocr derives every AES-128 key.
#[must_use]
pub fn keccak256_key(parts: &[&[u8]]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&keccak256(parts)[..16]);
    key
}

/// SHA-256 over fields, each written by the caller with its length where the rule has one.
#[derive(Clone)]
pub(crate) struct FieldHasher(Sha256);

impl FieldHasher {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    /// A field of fixed size.
    pub(crate) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// A count, as Go's `binary.Write(h, binary.BigEndian, uint64(count))`.
    pub(crate) fn count(self, count: usize) -> Self {
        // A usize never exceeds 64 bits on a supported platform.
        self.fixed(&(count as u64).to_be_bytes())
    }

    /// A field of variable size behind its length.
    pub(crate) fn sized(self, bytes: &[u8]) -> Self {
        self.count(bytes.len()).fixed(bytes)
    }

    pub(crate) fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

/// BLAKE3 with 32 bytes of output.
#[must_use]
pub fn blake3(data: &[u8]) -> Hash {
    *::blake3::hash(data).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keccak_of_nothing_is_ethereums_and_not_sha3s() {
        assert_eq!(
            hex::encode(keccak256(&[])),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
    }

    #[test]
    fn parts_are_concatenated() {
        assert_eq!(keccak256(&[b"ab", b"", b"c"]), keccak256(&[b"abc"]));
        assert_eq!(keccak256_key(&[b"abc"]), keccak256(&[b"abc"])[..16]);
    }

    #[test]
    fn blake3_of_nothing() {
        assert_eq!(
            hex::encode(blake3(b"")),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }
}
