//! What the caller handed in wrongly: a field, its value and the rule it breaks.
//!
//! A peer's malformed bytes are not errors of this kind. They are verdicts: `false`, `None`, or a
//! [`crate::follower::Refusal`].

use thiserror::Error;

/// An argument that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// A byte string of fixed length has another length.
    #[error("{field} is {got} bytes long, must be {expected}")]
    Length {
        /// Name of the argument.
        field: &'static str,
        /// Length the rule asks for, in bytes.
        expected: usize,
        /// Length that was given, in bytes.
        got: usize,
    },
    /// An oracle's byte string of fixed length has another length.
    #[error("{field} of oracle {oracle} is {got} bytes long, must be {expected}")]
    OracleLength {
        /// Name of the argument.
        field: &'static str,
        /// Index of the oracle.
        oracle: usize,
        /// Length the rule asks for, in bytes.
        expected: usize,
        /// Length that was given, in bytes.
        got: usize,
    },
    /// Two oracles share what must be their own.
    #[error("{field} of oracle {oracle} is that of oracle {first} too: 0x{value}")]
    Duplicate {
        /// Name of the argument.
        field: &'static str,
        /// The later of the two oracles.
        oracle: usize,
        /// The earlier of the two oracles.
        first: usize,
        /// The shared value in hexadecimal.
        value: String,
    },
    /// A number outside the range a rule allows.
    #[error("{field} is {value}, must be {rule}")]
    Range {
        /// Name of the argument.
        field: &'static str,
        /// The number that was given, in decimal.
        value: String,
        /// The allowed range.
        rule: &'static str,
    },
    /// Two lists that must have one length.
    #[error("{field} has {got} entries, must have {expected}, one for each oracle")]
    Entries {
        /// Name of the argument.
        field: &'static str,
        /// Number of entries the rule asks for.
        expected: usize,
        /// Number of entries that were given.
        got: usize,
    },
    /// Secret bytes that are no secret key; the bytes are deliberately not part of the message.
    #[error("{field} is not a secret key: {rule}")]
    SecretKey {
        /// Name of the argument.
        field: &'static str,
        /// What a secret key must be.
        rule: &'static str,
    },
    /// A Diffie-Hellman exchange whose result would not be secret.
    #[error("{field} 0x{value} is a point of low order: the shared point is all zero")]
    LowOrder {
        /// Name of the argument.
        field: &'static str,
        /// The point in hexadecimal.
        value: String,
    },
    /// An oracle's config-encryption key to which nothing can be encrypted.
    #[error(
        "config encryption key of oracle {oracle}, 0x{value}, is a point of low order: \
         the shared point is all zero"
    )]
    OracleLowOrder {
        /// Index of the oracle.
        oracle: usize,
        /// The key in hexadecimal.
        value: String,
    },
    /// The decrypted shared secret is not the one the configuration committed to.
    #[error(
        "shared secret decrypts to a value whose keccak256 is 0x{got}, \
         must be the configuration's sharedSecretHash 0x{expected}"
    )]
    SharedSecretHash {
        /// The hash in the configuration, in hexadecimal.
        expected: String,
        /// The hash of what was decrypted, in hexadecimal.
        got: String,
    },
    /// Report bytes that are not the ABI encoding of a median report.
    #[error("report is malformed: {field} is {value}, must be {rule}")]
    Report {
        /// The part of the report at fault.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// 32 bytes that are no point of edwards25519.
    #[error("public_key is no point of the curve")]
    NoPoint,
    /// The signature's nonce point has an x coordinate beyond the group order (chance 2^-127).
    #[error("signature needs a recovery id above 1: no contract accepts it")]
    RecoveryId,
}

impl Error {
    /// A [`Error::Range`] for a count.
    pub(crate) fn range(field: &'static str, value: usize, rule: &'static str) -> Self {
        Self::Range {
            field,
            value: value.to_string(),
            rule,
        }
    }
}

/// `bytes` as an array of the length its type asks for.
///
/// # Errors
/// [`Error::Length`] naming `field` if the length is another.
pub fn exactly<'a, const N: usize>(
    field: &'static str,
    bytes: &'a [u8],
) -> Result<&'a [u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Length {
        field,
        expected: N,
        got: bytes.len(),
    })
}

/// One byte string for each oracle, as arrays of the length that their type asks for.
///
/// # Errors
/// [`Error::OracleLength`] naming `field` and the first oracle whose length is another.
pub fn each_exactly<const N: usize>(
    field: &'static str,
    values: &[impl AsRef<[u8]>],
) -> Result<Vec<[u8; N]>, Error> {
    let arrays = values.iter().enumerate().map(|(oracle, value)| {
        let value = value.as_ref();
        value.try_into().map_err(|_| Error::OracleLength {
            field,
            oracle,
            expected: N,
            got: value.len(),
        })
    });
    arrays.collect()
}

/// Hexadecimal digits of `bytes`, without a prefix.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
