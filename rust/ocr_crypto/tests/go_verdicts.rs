//! What Go said to inputs made to be troublesome; recorded in `tests/data`, whose `_doc` says how.

use std::cell::Cell;

use ocr_crypto::ed25519::PublicKey;
use ocr_crypto::gosort;
use ocr_crypto::int192::Int192;
use ocr_crypto::observation::Observation;
use serde_json::Value;

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the recording");
    let recording: Value = serde_json::from_str(&text).expect("JSON");
    recording["cases"].as_array().expect("a list").clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a string")).expect("hexadecimal digits")
}

fn numbers(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).expect("a list of numbers")
}

#[test]
fn sorting_makes_gos_comparisons_and_gos_order() {
    for case in cases("go_sort") {
        let keys = numbers(&case["keys"]);
        let mut records: Vec<_> = keys.into_iter().zip(0..).collect();
        let comparisons = Cell::new(0_u64);
        gosort::sort(&mut records, |a: &(usize, usize), b| {
            comparisons.set(comparisons.get() + 1);
            a.0 < b.0
        });
        let order: Vec<_> = records.into_iter().map(|(_, index)| index).collect();
        assert_eq!(order, numbers(&case["order"]), "{}", case["what"]);
        assert_eq!(case["comparisons"], comparisons.get(), "{}", case["what"]);
    }
}

#[test]
fn ed25519_has_gos_verdict() {
    for case in cases("go_ed25519") {
        let key: [u8; 32] = bytes(&case["public_key"]).try_into().expect("32 bytes");
        let verdict =
            PublicKey::new(key).verify(&bytes(&case["message"]), &bytes(&case["signature"]));
        assert_eq!(case["verdict"], verdict, "{}", case["what"]);
    }
}

#[test]
fn observations_are_read_as_by_libocr() {
    for case in cases("go_observations") {
        let observation = Observation::decode(&bytes(&case["observation"]));
        assert_eq!(
            case.get("left_out").is_some(),
            observation.is_none(),
            "{case}"
        );
        let Some(observation) = observation else {
            continue;
        };
        assert_eq!(case["timestamp"], observation.timestamp, "{case}");
        assert_eq!(
            bytes(&case["value"]),
            observation.value.to_be_bytes(),
            "{case}"
        );
        let juels = observation.juels_per_fee_coin.to_be_bytes();
        assert_eq!(bytes(&case["juels"]), juels, "{case}");
        let gas = observation
            .gas_price_subunits
            .map_or([0; 24], Int192::to_be_bytes);
        assert_eq!(bytes(&case["gas"]), gas, "{case}");
    }
}
