//! The oracles of one configuration and the verdict on their signatures.

use crate::ed25519::{PublicKey, Weakness, verify_each};
use crate::error::{Error, each_exactly, hexadecimal};
use crate::format::ReportFormat;
use crate::hash::Hash;
use crate::observation::{SignedMessage, SignedObservation};
use crate::secp256k1::{Address, recover_address};

/// `types.MaxOracles` in libocr; the contract's signer bitmap has no more either.
pub const MAX_ORACLES: usize = 31;

/// The public keys of a configuration, ready for verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committee {
    config_digest: Hash,
    f: usize,
    offchain_public_keys: Vec<PublicKey>,
    onchain_addresses: Vec<Address>,
    report_format: ReportFormat,
}

/// What was found among the signatures of a report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportSignatures {
    /// Oracles whose signatures are good, in the order they were found; at most as many as needed.
    pub signers: Vec<u8>,
    /// Positions of the signatures that were examined and refused, and the rule each breaks.
    pub refused: Vec<(usize, SignatureFault)>,
}

/// Why a signature of a report does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureFault {
    /// No oracle has this index.
    SignerOutOfRange,
    /// An earlier signature is attributed to the same oracle.
    DuplicateSigner,
    /// It is not the oracle's signature.
    InvalidSignature,
}

impl SignatureFault {
    /// Name of the rule.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::SignerOutOfRange => "signer_out_of_range",
            Self::DuplicateSigner => "duplicate_signer",
            Self::InvalidSignature => "invalid_signature",
        }
    }
}

impl Committee {
    /// From the keys of a configuration, by oracle index.
    ///
    /// # Errors
    /// Names the oracle whose key has a wrong length or is another's too; refuses lists of
    /// different lengths, none or more than 31 oracles, and n <= 3f. A key that is no point is
    /// taken, as by libocr: see [`Self::weak_keys`].
    pub fn new<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        config_digest: Hash,
        f: usize,
        offchain_public_keys: &[K],
        onchain_addresses: &[A],
    ) -> Result<Self, Error> {
        let n = offchain_public_keys.len();
        if n == 0 || n > MAX_ORACLES {
            return Err(Error::range("number of oracles", n, "1 to 31"));
        }
        if onchain_addresses.len() != n {
            return Err(Error::Entries {
                field: "on-chain addresses",
                expected: n,
                got: onchain_addresses.len(),
            });
        }
        if f > (n - 1) / 3 {
            return Err(Error::range(
                "f",
                f,
                "below a third of the number of oracles",
            ));
        }
        let keys = distinct("off-chain public key", offchain_public_keys)?;
        Ok(Self {
            config_digest,
            f,
            offchain_public_keys: keys.into_iter().map(PublicKey::new).collect(),
            onchain_addresses: distinct("on-chain address", onchain_addresses)?,
            report_format: ReportFormat::default(),
        })
    }

    /// The same committee, reporting in another format than OCR2's.
    #[must_use]
    pub const fn with_report_format(mut self, report_format: ReportFormat) -> Self {
        self.report_format = report_format;
        self
    }

    /// How its reports are laid out and signed.
    #[must_use]
    pub const fn report_format(&self) -> ReportFormat {
        self.report_format
    }

    /// Digest of the configuration.
    #[must_use]
    pub const fn config_digest(&self) -> &Hash {
        &self.config_digest
    }

    /// Number of faulty oracles tolerated.
    #[must_use]
    pub const fn f(&self) -> usize {
        self.f
    }

    /// Number of oracles.
    #[must_use]
    pub const fn n(&self) -> usize {
        self.offchain_public_keys.len()
    }

    /// Oracles whose off-chain keys no honest oracle generates, for the operator to be told.
    #[must_use]
    pub fn weak_keys(&self) -> Vec<(usize, Weakness)> {
        let keys = self.offchain_public_keys.iter().enumerate();
        keys.filter_map(|(oracle, key)| Some((oracle, key.weakness()?)))
            .collect()
    }

    /// Whether `observer` signed its observation for the round of `message`. An index that is no
    /// oracle's has signed nothing.
    #[must_use]
    pub fn verify_observation(
        &self,
        message: &SignedMessage,
        signed: &SignedObservation<'_>,
    ) -> bool {
        self.offchain_public_keys
            .get(usize::from(signed.observer))
            .is_some_and(|key| key.verify(&message.of(signed.observation), signed.signature))
    }

    /// [`Self::verify_observation`] for each, in order, in a fifth less time.
    #[must_use]
    pub fn verify_observations(
        &self,
        message: &SignedMessage,
        observations: &[SignedObservation<'_>],
    ) -> Vec<bool> {
        verify_each(observations.iter().map(|signed| {
            let key = self.offchain_public_keys.get(usize::from(signed.observer));
            (key, message.of(signed.observation), signed.signature)
        }))
    }

    /// Whether `signer` signed a report, given the hash of report and context.
    #[must_use]
    pub fn verify_report_signature(
        &self,
        signing_hash: &Hash,
        signer: u8,
        signature: &[u8],
    ) -> bool {
        self.onchain_addresses
            .get(usize::from(signer))
            .is_some_and(|address| recover_address(signing_hash, signature) == Some(*address))
    }

    /// Looks for `need` good signatures of distinct oracles, and stops when it has them: a
    /// recovery costs 37 µs, and the contract takes f+1.
    ///
    /// The first signature attributed to an oracle counts, so that the outcome depends on the
    /// order of the list alone.
    #[must_use]
    pub fn verify_report_signatures<'a>(
        &self,
        signing_hash: &Hash,
        signatures: impl IntoIterator<Item = (&'a [u8], u8)>,
        need: usize,
    ) -> ReportSignatures {
        let mut seen = [false; MAX_ORACLES];
        let mut found = ReportSignatures::default();
        for (position, (signature, signer)) in signatures.into_iter().enumerate() {
            if found.signers.len() >= need {
                break;
            }
            let fault = match seen[..self.n()].get_mut(usize::from(signer)) {
                None => Some(SignatureFault::SignerOutOfRange),
                Some(true) => Some(SignatureFault::DuplicateSigner),
                Some(seen) => {
                    *seen = true;
                    (!self.verify_report_signature(signing_hash, signer, signature))
                        .then_some(SignatureFault::InvalidSignature)
                }
            };
            match fault {
                None => found.signers.push(signer),
                Some(fault) => found.refused.push((position, fault)),
            }
        }
        found
    }
}

/// The values as arrays, if all have the array's length and no two are the same.
fn distinct<const N: usize>(
    field: &'static str,
    values: &[impl AsRef<[u8]>],
) -> Result<Vec<[u8; N]>, Error> {
    let arrays = each_exactly(field, values)?;
    for (oracle, value) in arrays.iter().enumerate() {
        if let Some(first) = arrays[..oracle].iter().position(|earlier| earlier == value) {
            return Err(Error::Duplicate {
                field,
                oracle,
                first,
                value: hexadecimal(value),
            });
        }
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secp256k1::OnchainSigner;

    fn signers() -> Vec<OnchainSigner> {
        (1..=4)
            .map(|index| OnchainSigner::new(&[index; 32]).expect("a valid scalar"))
            .collect()
    }

    fn committee() -> Committee {
        let addresses: Vec<_> = signers().iter().map(|signer| *signer.address()).collect();
        Committee::new(
            [7; 32],
            1,
            &[[1; 32], [2; 32], [3; 32], [4; 32]],
            &addresses,
        )
        .expect("four oracles")
    }

    #[test]
    fn a_committee_of_wrong_shape_is_refused_by_name() {
        let (keys, addresses) = ([[1; 32], [2; 32]], [[1; 20], [2; 20]]);
        let refused = |f, keys: &[&[u8]], addresses: &[&[u8]]| {
            Committee::new([0; 32], f, keys, addresses)
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(
            refused(0, &[], &[]),
            "number of oracles is 0, must be 1 to 31"
        );
        assert_eq!(
            refused(0, &[&keys[0]], &[]),
            "on-chain addresses has 0 entries, must have 1, one for each oracle"
        );
        assert_eq!(
            refused(1, &[&keys[0]], &[&addresses[0]]),
            "f is 1, must be below a third of the number of oracles"
        );
        assert_eq!(
            refused(
                0,
                &[&keys[0], &keys[1][1..]],
                &[&addresses[0], &addresses[1]]
            ),
            "off-chain public key of oracle 1 is 31 bytes long, must be 32"
        );
        let duplicate = refused(0, &[&keys[0], &keys[1]], &[&addresses[0], &addresses[0]]);
        assert!(
            duplicate.starts_with("on-chain address of oracle 1 is that of oracle 0 too: 0x01")
        );
        let many = vec![&keys[0][..]; 32];
        assert_eq!(
            refused(0, &many, &many),
            "number of oracles is 32, must be 1 to 31"
        );
    }

    #[test]
    fn signatures_count_once_and_only_until_there_are_enough() {
        let (signers, committee, hash) = (signers(), committee(), [5; 32]);
        let good: Vec<_> = signers
            .iter()
            .map(|signer| signer.sign(&hash).expect("a signature"))
            .collect();
        let list: [(&[u8], u8); 6] = [
            (&good[1], 0),
            (&good[2], 2),
            (&good[2], 2),
            (&good[3], 4),
            (&good[3], 3),
            (b"never looked at", 1),
        ];
        let found = committee.verify_report_signatures(&hash, list, 2);
        assert_eq!(found.signers, [2, 3]);
        assert_eq!(
            found.refused,
            [
                (0, SignatureFault::InvalidSignature),
                (2, SignatureFault::DuplicateSigner),
                (3, SignatureFault::SignerOutOfRange),
            ]
        );
        assert_eq!(
            committee
                .verify_report_signatures(&hash, list, 3)
                .signers
                .len(),
            2
        );
        assert_eq!(
            committee.verify_report_signatures(&hash, list, 0),
            ReportSignatures::default()
        );
        assert!(!committee.verify_report_signature(&hash, 9, &good[0]));
    }
}
