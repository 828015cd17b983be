//! The library calls that a follower step cannot do without, and nothing else: the measure of what
//! this crate adds to them. For `ocr-peer bench`; no protocol code calls it.

use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::error::{Error, exactly};
use crate::hash::{Hash, keccak256};
use crate::secp256k1::{OnchainSigner, SIGNATURE_LENGTH};

/// A signed observation with everything prepared that can be: key decompressed, bytes joined.
struct Observation {
    key: VerifyingKey,
    /// What is hashed before it is verified.
    preimage: Vec<u8>,
    signature: Signature,
}

/// The primitives of one step, with their inputs.
pub struct BarePrimitives {
    observations: Vec<Observation>,
    report: Vec<u8>,
    signer: OnchainSigner,
}

/// The 96 bytes of a report context.
const CONTEXT: [u8; 96] = [0; 96];

impl BarePrimitives {
    /// From (public key, preimage of the signed hash, signature) of each observation, the report
    /// and the secret that signs it.
    ///
    /// # Errors
    /// Names the argument that is no key or has a wrong length.
    pub fn new<'a>(
        observations: impl Iterator<Item = (&'a [u8], &'a [u8], &'a [u8])>,
        report: &[u8],
        onchain_secret: &[u8],
    ) -> Result<Self, Error> {
        let prepared = observations.map(|(key, preimage, signature)| {
            let bytes: &[u8; 32] = exactly("public_key", key)?;
            let key = VerifyingKey::from_bytes(bytes).map_err(|_| Error::NoPoint)?;
            let signature: &[u8; 64] = exactly("signature", signature)?;
            Ok(Observation {
                key,
                preimage: preimage.to_vec(),
                signature: Signature::from_bytes(signature),
            })
        });
        Ok(Self {
            observations: prepared.collect::<Result<_, Error>>()?,
            report: report.to_vec(),
            signer: OnchainSigner::new(exactly("onchain_secret", onchain_secret)?)?,
        })
    }

    /// SHA-256 and one ed25519 verification for each observation, one by one; Keccak-256 of the
    /// report and of its context; one recoverable signature. `None` if a signature is not good.
    #[must_use]
    pub fn run(&self) -> Option<[u8; SIGNATURE_LENGTH]> {
        for observation in &self.observations {
            let message: Hash = Sha256::digest(&observation.preimage).into();
            let verdict = observation.key.verify(&message, &observation.signature);
            verdict.ok()?;
        }
        let digest = keccak256(&[&keccak256(&[&self.report]), &CONTEXT]);
        self.signer.sign(&digest).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ed25519::OffchainSigner;

    fn primitives(signature: &[u8]) -> Result<BarePrimitives, Error> {
        let key = OffchainSigner::new(&[1; 32]).public_key();
        let observations = [(&key[..], &b"preimage"[..], signature)];
        BarePrimitives::new(observations.into_iter(), b"report", &[2; 32])
    }

    #[test]
    fn every_primitive_is_done() {
        let mut signature = OffchainSigner::new(&[1; 32]).sign(&Sha256::digest(b"preimage"));
        let made = primitives(&signature).expect("good keys").run();
        let digest = keccak256(&[&keccak256(&[b"report"]), &CONTEXT]);
        let signer = OnchainSigner::new(&[2; 32]).expect("a valid scalar");
        assert_eq!(made, signer.sign(&digest).ok());
        signature[0] ^= 1;
        assert_eq!(primitives(&signature).expect("good keys").run(), None);
        assert!(primitives(&signature[1..]).is_err());
    }
}
