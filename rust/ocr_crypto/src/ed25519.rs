//! Signatures of observations: ed25519 with exactly the verdict of Go's `crypto/ed25519`.
//!
//! Every oracle of a committee must reach the same verdict on every byte string, so the equation is
//! Go's, cofactorless: s < L, any public key A that decompresses, and the bytes of [s]B - [k]A are
//! those of R, with k = SHA-512(R ‖ A ‖ message). Encodings of the public key that are not canonical
//! (y >= p, or a sign on x = 0) decompress here as in Go, and both hash the bytes as they were given.
//!
//! Several signatures are verified faster than one by one, and still each by that equation: what is
//! shared is only the field inversion that turns the computed points into bytes (Montgomery's
//! trick), so a verdict depends on nothing but its own signature. Never `verify_strict` (refuses
//! keys of small order that Go accepts) and never the random linear combination that is usually
//! called batch verification (accepts or refuses torsioned signatures by chance).

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha512};

use crate::hash::Hash;
use crate::observation::SignedMessage;

/// Length of a public key and of the seed of a private key, in bytes.
pub const KEY_LENGTH: usize = 32;
/// Length of a signature, in bytes.
pub const SIGNATURE_LENGTH: usize = 64;

/// A public key, decompressed once for many verifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; KEY_LENGTH],
    /// -A. `None` if the bytes are no point: no signature verifies then, as in Go.
    negated: Option<EdwardsPoint>,
}

/// A signature whose equation has been computed up to the encoding of the point.
struct Pending {
    /// [s]B - [k]A.
    computed: EdwardsPoint,
    /// R, as it was received.
    claimed: [u8; 32],
}

/// Why a public key is not one that an honest oracle generates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// The bytes are no point of the curve: nothing verifies.
    Undecodable,
    /// The point has an order of at most 8: anyone can sign for it.
    SmallOrder,
    /// The point has a torsion component: implementations disagree about its signatures.
    Torsion,
}

impl Weakness {
    /// The name that operators are shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::SmallOrder => "small order",
            Self::Torsion => "torsion",
        }
    }
}

impl PublicKey {
    /// Any 32 bytes are taken; whether they are a point shows in [`Self::weakness`].
    #[must_use]
    pub fn new(bytes: [u8; KEY_LENGTH]) -> Self {
        Self {
            bytes,
            negated: CompressedEdwardsY(bytes).decompress().map(|point| -point),
        }
    }

    /// The bytes it was made from.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.bytes
    }

    /// Go's `ed25519.Verify`; a signature of another length than 64 is merely wrong.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.equation(message, signature)
            .is_some_and(|pending| pending.computed.compress().0 == pending.claimed)
    }

    /// Go's `Verify` without its last line, `bytes.Equal(sig[:32], R.Bytes())`.
    fn equation(&self, message: &[u8], signature: &[u8]) -> Option<Pending> {
        let negated = self.negated.as_ref()?;
        let signature: &[u8; SIGNATURE_LENGTH] = signature.try_into().ok()?;
        let (claimed, s) = signature.split_first_chunk::<32>()?;
        let s = Scalar::from_canonical_bytes(s.try_into().ok()?).into_option()?;
        let hash = Sha512::new()
            .chain_update(claimed)
            .chain_update(self.bytes)
            .chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        Some(Pending {
            computed: EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, negated, &s),
            claimed: *claimed,
        })
    }

    /// What makes the key unfit, to be reported when a committee is configured; verdicts do not
    /// depend on it.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        let Some(point) = self.negated else {
            return Some(Weakness::Undecodable);
        };
        // Negation keeps the order.
        if point.is_small_order() {
            Some(Weakness::SmallOrder)
        } else if point.is_torsion_free() {
            None
        } else {
            Some(Weakness::Torsion)
        }
    }
}

/// [`PublicKey::verify`] for each key, message and signature, in order; no key stands for an
/// unknown signer, who has signed nothing.
#[must_use]
pub fn verify_each<'a, M: AsRef<[u8]>>(
    items: impl Iterator<Item = (Option<&'a PublicKey>, M, &'a [u8])>,
) -> Vec<bool> {
    let equations: Vec<_> = items
        .map(|(key, message, signature)| key?.equation(message.as_ref(), signature))
        .collect();
    let computed: Vec<_> = equations.iter().flatten().map(|it| it.computed).collect();
    let mut encoded = EdwardsPoint::compress_batch_alloc(&computed).into_iter();
    // One encoding for each equation that could be computed, in their order.
    let verdict = |pending: &Option<Pending>| {
        let pending = pending.as_ref()?;
        Some(encoded.next()?.0 == pending.claimed)
    };
    equations
        .iter()
        .map(verdict)
        .map(|verdict| verdict == Some(true))
        .collect()
}

/// An oracle's off-chain signing key. Zeroized on drop.
pub struct OffchainSigner {
    key: SigningKey,
}

impl OffchainSigner {
    /// From the 32-byte seed (the first half of Go's `ed25519.PrivateKey`).
    #[must_use]
    pub fn new(seed: &[u8; KEY_LENGTH]) -> Self {
        Self {
            key: SigningKey::from_bytes(seed),
        }
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; KEY_LENGTH] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs a message (RFC 8032, deterministic).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        self.key.sign(message).to_bytes()
    }

    /// Signs an observation that answers `query` in a round.
    #[must_use]
    pub fn sign_observation(
        &self,
        config_digest: &Hash,
        epoch: u32,
        round: u8,
        query: &[u8],
        observation: &[u8],
    ) -> [u8; SIGNATURE_LENGTH] {
        self.sign(&SignedMessage::new(config_digest, epoch, round, query).of(observation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::scalar::Scalar;

    /// No point of the curve has y = 2.
    const NO_POINT: [u8; 32] = {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        bytes
    };

    #[test]
    fn weak_keys_are_named() {
        let weakness = |bytes| PublicKey::new(bytes).weakness();
        assert_eq!(weakness(OffchainSigner::new(&[1; 32]).public_key()), None);
        assert_eq!(weakness(NO_POINT), Some(Weakness::Undecodable));
        for point in EIGHT_TORSION {
            let small = weakness(point.compress().to_bytes());
            assert_eq!(small, Some(Weakness::SmallOrder));
        }
        let honest = ED25519_BASEPOINT_POINT * Scalar::from(7_u8);
        for point in &EIGHT_TORSION[1..] {
            let torsioned = weakness((honest + point).compress().to_bytes());
            assert_eq!(torsioned, Some(Weakness::Torsion));
        }
    }

    #[test]
    fn a_key_that_is_no_point_verifies_nothing() {
        let signature = OffchainSigner::new(&[1; 32]).sign(b"message");
        assert!(!PublicKey::new(NO_POINT).verify(b"message", &signature));
    }

    #[test]
    fn an_observation_is_signed_for_one_round_and_query() {
        let signer = OffchainSigner::new(&[1; 32]);
        let key = PublicKey::new(signer.public_key());
        let signature = signer.sign_observation(&[2; 32], 3, 4, b"query", b"observation");
        let good_for = |digest: &Hash, epoch, round, query: &[u8], observation: &[u8]| {
            let message = SignedMessage::new(digest, epoch, round, query).of(observation);
            key.verify(&message, &signature)
        };
        assert!(good_for(&[2; 32], 3, 4, b"query", b"observation"));
        assert!(!good_for(&[0; 32], 3, 4, b"query", b"observation"));
        assert!(!good_for(&[2; 32], 4, 4, b"query", b"observation"));
        assert!(!good_for(&[2; 32], 3, 5, b"query", b"observation"));
        assert!(!good_for(&[2; 32], 3, 4, b"queryo", b"bservation"));
    }
}
