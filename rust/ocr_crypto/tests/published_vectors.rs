//! Vectors that others published for the same primitives: RFC 8032 and the EVM's ecrecover.

use ocr_crypto::ed25519::{OffchainSigner, PublicKey};
use ocr_crypto::secp256k1::recover_address;
use serde_json::Value;

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    vectors["cases"].as_array().expect("a list").clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a string")).expect("hexadecimal digits")
}

#[test]
fn rfc_8032() {
    let cases = cases("rfc8032");
    assert_eq!(cases.len(), 5);
    for case in cases {
        let seed = bytes(&case["secret"]).try_into().expect("32 bytes");
        let (message, signature) = (bytes(&case["message"]), bytes(&case["signature"]));
        let signer = OffchainSigner::new(&seed);
        assert_eq!(signer.public_key()[..], bytes(&case["public_key"]));
        assert_eq!(signer.sign(&message)[..], signature);
        assert!(PublicKey::new(signer.public_key()).verify(&message, &signature));
    }
}

/// The contract calls ecrecover with v + 27; what the EVM refuses as v has no counterpart here.
#[test]
fn ecrecover_of_the_evm() {
    let mut with_signer = 0;
    for case in cases("ecrecover") {
        let (words, rest) = (bytes(&case["input"]), bytes(&case["signer"]));
        // The EVM reads no further.
        let [hash, v, r, s, ..] = words.as_chunks::<32>().0 else {
            panic!("four words");
        };
        let expected = rest.get(12..).map(<[u8]>::to_vec);
        let signature = |v: u8| [&r[..], &s[..], &[v]].concat();
        // The whole word counts, so a stray bit is as wrong as another number.
        let found = match *v {
            [zeros @ .., v @ (27 | 28)] if zeros == [0; 31] => {
                recover_address(hash, &signature(v - 27))
            }
            [.., v] => recover_address(hash, &signature(v)),
        };
        assert_eq!(found.map(|it| it.to_vec()), expected, "{}", case["what"]);
        with_signer += usize::from(found.is_some());
    }
    assert_eq!(with_signer, 1);
}
