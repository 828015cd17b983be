//! On-chain signatures: secp256k1 ECDSA whose signer is recovered, as the contract does it.
//!
//! A signature is 65 bytes: r ‖ s ‖ v with v in {0, 1}. The signer is always recovered and
//! compared, never verified against a known key: that would ignore v, and the contract does not.
//!
//! A signer blinds its own context once, when it is made. The library's safe interface blinds anew
//! after every signature, which doubles the time of signing; going around that takes this crate's
//! only unsafe call (`docs/adr/0006-blinding-once.md`).

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::ffi::{self, CPtr};
use secp256k1::{Message, PublicKey, Secp256k1, SecretKey, SignOnly};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::hash::{Hash, keccak256};
use crate::packed::packed_signing_hash;
use crate::report::{report_context, signing_hash};

/// Length of a signature, in bytes.
pub const SIGNATURE_LENGTH: usize = 65;

/// Length of a compact signature, in bytes.
pub const COMPACT_LENGTH: usize = 64;

/// An Ethereum address.
pub type Address = [u8; 20];

/// The signer of `digest`; `None` if the signature has none.
///
/// Like the EVM's `ecrecover`, a high s is accepted; other values of v than 0 and 1 are not,
/// because the contract adds 27 to v.
#[must_use]
pub fn recover_address(digest: &Hash, signature: &[u8]) -> Option<Address> {
    let (signature, _) = parsed(signature)?;
    let key = signature.recover(Message::from_digest(*digest)).ok()?;
    Some(address_of(&key))
}

/// The signature of the same signer in 64 bytes: r ‖ s with the recovery id as the highest bit of
/// s (EIP-2098). `None` if it is no signature at all.
///
/// A high s, which [`recover_address`] accepts and which leaves no room for that bit, is replaced
/// by the low one: anybody can turn one into the other.
#[must_use]
pub fn compact_signature(signature: &[u8]) -> Option<[u8; COMPACT_LENGTH]> {
    let (signature, v) = parsed(signature)?;
    let given = signature.to_standard();
    let mut low = given;
    low.normalize_s();
    let flipped = u8::from(low != given);
    let mut compact = low.serialize_compact();
    if compact[..32] == [0; 32] || compact[32..] == [0; 32] {
        // The library reads zeros, and finds no signer for them.
        return None;
    }
    compact[32] |= (v ^ flipped) << 7;
    Some(compact)
}

fn parsed(signature: &[u8]) -> Option<(RecoverableSignature, u8)> {
    let signature: &[u8; SIGNATURE_LENGTH] = signature.try_into().ok()?;
    let (compact, &[v]) = signature
        .split_first_chunk::<64>()
        .and_then(|(compact, rest)| {
            let rest: &[u8; 1] = rest.try_into().ok()?;
            Some((compact, rest))
        })?;
    let id = match v {
        0 => RecoveryId::Zero,
        1 => RecoveryId::One,
        _ => return None,
    };
    Some((RecoverableSignature::from_compact(compact, id).ok()?, v))
}

fn address_of(key: &PublicKey) -> Address {
    let uncompressed = key.serialize_uncompressed();
    let mut address = [0; 20];
    // The hash leaves out the leading 0x04, the address takes the last 20 bytes of the hash.
    address.copy_from_slice(&keccak256(&[&uncompressed[1..]])[12..]);
    address
}

/// An oracle's on-chain signing key. Erased on drop, as far as libsecp256k1's type allows.
pub struct OnchainSigner {
    context: Secp256k1<SignOnly>,
    key: SecretKey,
    address: Address,
}

/// A context for signing, blinded with a number that nobody knows: what a multiplication by the
/// base point leaks to a side channel is then not about the nonce or the key alone.
fn blinded(secret: &[u8; 32]) -> Secp256k1<SignOnly> {
    let mut seed = Zeroizing::new([0; 32]);
    // Without randomness of the system the seed is the secret, which is unknown as well.
    let _ = getrandom::fill(&mut *seed);
    for (byte, of_secret) in seed.iter_mut().zip(secret) {
        *byte ^= of_secret;
    }
    let mut context = Secp256k1::signing_only();
    context.seeded_randomize(&seed);
    context
}

impl OnchainSigner {
    /// From a 32-byte big-endian scalar.
    ///
    /// # Errors
    /// [`Error::SecretKey`] if it is 0 or not below the order of the group.
    pub fn new(secret: &[u8; 32]) -> Result<Self, Error> {
        let key = SecretKey::from_secret_bytes(*secret).map_err(|_| Error::SecretKey {
            field: "secp256k1 secret",
            rule: "must be 1 … n-1, n the order of the group",
        })?;
        let context = blinded(secret);
        Ok(Self {
            address: address_of(&key.public_key()),
            context,
            key,
        })
    }

    /// The address that [`recover_address`] finds.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Signs a digest: nonce by RFC 6979, low s.
    ///
    /// In constant time, with the blinding that the signer was made with.
    ///
    /// # Errors
    /// [`Error::RecoveryId`] with a chance of 2^-127.
    pub fn sign(&self, digest: &Hash) -> Result<[u8; SIGNATURE_LENGTH], Error> {
        let message = Message::from_digest(*digest);
        let signature = sign_recoverable(&self.context, &message, &self.key);
        let (id, compact) = signature.serialize_compact();
        let v = match id {
            RecoveryId::Zero => 0,
            RecoveryId::One => 1,
            RecoveryId::Two | RecoveryId::Three => return Err(Error::RecoveryId),
        };
        let mut bytes = [v; SIGNATURE_LENGTH];
        bytes[..64].copy_from_slice(&compact);
        Ok(bytes)
    }

    /// Signs a report in its context.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_report(
        &self,
        config_digest: &Hash,
        epoch: u32,
        round: u8,
        extra_hash: &Hash,
        report: &[u8],
    ) -> Result<[u8; SIGNATURE_LENGTH], Error> {
        let context = report_context(config_digest, epoch, round, extra_hash);
        self.sign(&signing_hash(&context, report))
    }

    /// Signs a packed report, which has no further context.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_packed_report(
        &self,
        config_digest: &Hash,
        epoch: u32,
        round: u8,
        report: &[u8],
    ) -> Result<[u8; SIGNATURE_LENGTH], Error> {
        self.sign(&packed_signing_hash(config_digest, epoch, round, report))
    }
}

/// `sign_ecdsa_recoverable` of the library without the blinding afterwards.
#[expect(unsafe_code, reason = "the library offers no safe way; proof inside")]
fn sign_recoverable(
    context: &Secp256k1<SignOnly>,
    message: &Message,
    key: &SecretKey,
) -> RecoverableSignature {
    let mut signature = ffi::recovery::RecoverableSignature::new();
    // SAFETY: every pointer is made here from a reference that outlives the call, to an object of
    // the size the function is declared for: a context made by the library (`Secp256k1` owns it
    // until dropped), 65 bytes for the signature, 32 for the message, 32 for the key. The function
    // reads all but the signature, which no one else refers to, and keeps none of them. It does not
    // write to the context, so that threads may share it; what does, `seeded_randomize`, asks for
    // `&mut`. The nonce function is the library's own and takes a null pointer for no extra data.
    let signed = unsafe {
        ffi::recovery::secp256k1_ecdsa_sign_recoverable(
            context.ctx().as_ptr(),
            &raw mut signature,
            message.as_c_ptr(),
            key.as_c_ptr(),
            ffi::secp256k1_nonce_function_rfc6979,
            std::ptr::null(),
        )
    };
    // Only a key out of range or a failing nonce function could make it fail.
    assert_eq!(signed, 1, "a valid key signs every message");
    signature.into()
}

impl Drop for OnchainSigner {
    fn drop(&mut self) {
        self.key.non_secure_erase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// n, the order of the group.
    const ORDER: [u8; 32] = *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\
        \xba\xae\xdc\xe6\xaf\x48\xa0\x3b\xbf\xd2\x5e\x8c\xd0\x36\x41\x41";

    fn signer() -> OnchainSigner {
        OnchainSigner::new(&[3; 32]).expect("a valid scalar")
    }

    /// s -> n - s and v flipped: the other signature of the same signer.
    fn with_high_s(mut signature: [u8; SIGNATURE_LENGTH]) -> [u8; SIGNATURE_LENGTH] {
        let mut borrow = 0_u16;
        for index in (0..32).rev() {
            let difference =
                0x100 + u16::from(ORDER[index]) - u16::from(signature[32 + index]) - borrow;
            signature[32 + index] = difference.to_le_bytes()[0];
            borrow = u16::from(difference < 0x100);
        }
        signature[64] ^= 1;
        signature
    }

    #[test]
    fn the_signer_is_recovered_from_either_s() {
        let signer = signer();
        let signature = signer.sign(&[9; 32]).expect("a signature");
        assert_eq!(
            recover_address(&[9; 32], &signature),
            Some(*signer.address())
        );
        assert!(signature[32] < 0x80, "low s");
        let high = with_high_s(signature);
        assert!(high[32] >= 0x7f, "high s");
        assert_eq!(recover_address(&[9; 32], &high), Some(*signer.address()));
    }

    /// The signature that a compact one stands for.
    fn expanded(mut compact: [u8; COMPACT_LENGTH]) -> Vec<u8> {
        let v = compact[32] >> 7;
        compact[32] &= 0x7f;
        [&compact[..], &[v]].concat()
    }

    #[test]
    fn compact_signatures_are_low_and_of_the_same_signer() {
        let signer = signer();
        let mut seen = [false; 2];
        for byte in 0..8 {
            let digest = [byte; 32];
            let signature = signer.sign(&digest).expect("a signature");
            let compact = compact_signature(&signature).expect("a compact signature");
            assert_eq!(expanded(compact), signature);
            assert_eq!(compact_signature(&with_high_s(signature)), Some(compact));
            assert_eq!(
                recover_address(&digest, &expanded(compact)),
                Some(*signer.address())
            );
            seen[usize::from(signature[64])] = true;
        }
        assert_eq!(seen, [true; 2], "both recovery ids");
    }

    #[test]
    fn what_is_no_signature_has_no_compact_form() {
        let signature = signer().sign(&[9; 32]).expect("a signature");
        let changed = |range: std::ops::Range<usize>, bytes: &[u8]| {
            let mut changed = signature;
            changed[range].copy_from_slice(bytes);
            compact_signature(&changed)
        };
        for v in [2, 27, 255] {
            assert_eq!(changed(64..65, &[v]), None, "v = {v}");
        }
        for number in [[0; 32], ORDER, [0xff; 32]] {
            assert_eq!(changed(0..32, &number), None, "r");
            assert_eq!(changed(32..64, &number), None, "s");
        }
        assert_eq!(compact_signature(&signature[..64]), None);
        assert_eq!(compact_signature(&[]), None);
    }

    #[test]
    fn the_signature_of_the_specification() {
        // docs/contract-b.md.
        let report = hex::decode("6553f10004010202000301fe00070007012e").expect("hex");
        let mut digest = [0; 32];
        digest[31] = 1;
        let signer = OnchainSigner::new(&[1; 32]).expect("a valid scalar");
        let signature = signer.sign_packed_report(&digest, 7, 3, &report);
        let compact = compact_signature(&signature.expect("a signature")).expect("compact");
        assert_eq!(
            hex::encode(compact),
            "d2b20f2e98cee44903e35d8d054a9fdfc516a7883e3c7c10671c7c32252ecc30\
             9b651058adf254c6464f99945214a341d37bdb9204f786f5d228fc8739519691"
        );
    }

    #[test]
    fn signatures_are_those_of_the_librarys_own_interface() {
        for (secret, digest) in [
            ([3; 32], [9; 32]),
            ([1; 32], [0; 32]),
            ([0x7f; 32], [0xff; 32]),
        ] {
            let key = SecretKey::from_secret_bytes(secret).expect("a valid scalar");
            let message = Message::from_digest(digest);
            let (id, compact) =
                RecoverableSignature::sign_ecdsa_recoverable(message, &key).serialize_compact();
            let signer = OnchainSigner::new(&secret).expect("a valid scalar");
            let signature = signer.sign(&digest).expect("a signature");
            assert_eq!(signature[..64], compact);
            assert_eq!(signature[64], id.to_u8());
        }
    }

    #[test]
    fn what_ecrecover_refuses_has_no_signer() {
        let signature = signer().sign(&[9; 32]).expect("a signature");
        let changed = |range: std::ops::Range<usize>, bytes: &[u8]| {
            let mut changed = signature;
            changed[range].copy_from_slice(bytes);
            recover_address(&[9; 32], &changed)
        };
        for v in [2, 3, 27, 28, 255] {
            assert_eq!(changed(64..65, &[v]), None, "v = {v}");
        }
        assert_eq!(changed(0..32, &[0; 32]), None, "r = 0");
        assert_eq!(changed(32..64, &[0; 32]), None, "s = 0");
        assert_eq!(changed(0..32, &ORDER), None, "r = n");
        assert_eq!(changed(32..64, &ORDER), None, "s = n");
        assert_eq!(recover_address(&[9; 32], &signature[..64]), None);
        assert_eq!(recover_address(&[9; 32], &[]), None);
        assert_ne!(
            changed(64..65, &[signature[64] ^ 1]),
            Some(*signer().address())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_signer_or_none(
            digest: [u8; 32], start in prop::collection::vec(any::<u8>(), 64), v in 0_u8..3,
        ) {
            let signature = [start, vec![v]].concat();
            prop_assert!(v < 2 || recover_address(&digest, &signature).is_none());
        }
    }

    #[test]
    fn zero_and_the_order_are_no_secret_keys() {
        for secret in [[0; 32], ORDER, [0xff; 32]] {
            assert!(matches!(
                OnchainSigner::new(&secret),
                Err(Error::SecretKey { .. })
            ));
        }
    }
}
