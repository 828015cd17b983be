//! The golden vectors of the repository (`tests/vectors/README.md`), as far as they are decided in
//! this crate alone. The same vectors and more are checked through the binding in
//! `tests/conformance/test_ocr_crypto_vectors.py`.

use ocr_crypto::abi;
use ocr_crypto::committee::Committee;
use ocr_crypto::config::EvmConfig;
use ocr_crypto::ed25519::OffchainSigner;
use ocr_crypto::follower::{Refusal, verify_and_build_report};
use ocr_crypto::observation::{Observation, SignedObservation};
use ocr_crypto::report::{
    AttributedObservation, build_report, decode_report, inputs_hash, sort_as_should_report,
};
use ocr_crypto::secp256k1::OnchainSigner;
use ocr_crypto::{permutation, schedule};
use serde_json::Value;

fn cases(file: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/vectors/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("the vectors");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    vectors["cases"].as_array().expect("a list").clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a string");
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).expect("hexadecimal digits")
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the array's length")
}

fn addresses(value: &Value) -> Vec<[u8; 20]> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(array)
        .collect()
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    let number = match value {
        Value::String(text) => text.parse().expect("decimal digits"),
        other => other.as_u64().expect("a number"),
    };
    T::try_from(number).ok().expect("a number of this size")
}

fn attributed(value: &Value) -> Vec<(Vec<u8>, u8)> {
    let list = value.as_array().expect("a list").iter();
    list.map(|item| (bytes(&item["observation"]), number(&item["observer"])))
        .collect()
}

#[test]
fn configuration_digests() {
    for case in cases("ocr2_evm_config_digest") {
        let digest = EvmConfig {
            chain_id: abi::unsigned(number(&case["chain_id"])),
            contract: array(&case["contract_address"]),
            config_count: number(&case["config_count"]),
            signers: &addresses(&case["signers"]),
            transmitters: &addresses(&case["transmitters"]),
            f: number(&case["f"]),
            onchain_config: &bytes(&case["onchain_config"]),
            offchain_config_version: number(&case["offchain_config_version"]),
            offchain_config: &bytes(&case["offchain_config"]),
        }
        .digest();
        assert_eq!(digest, array(&case["config_digest"]), "{case}");
    }
}

#[test]
fn leaders_and_stages() {
    for case in cases("ocr2_leader_and_schedule") {
        let n = number(&case["n"]);
        let leader_key = array(&case["leader_selection_key"]);
        for expected in case["leaders"].as_array().expect("a list") {
            let leader = schedule::leader(&leader_key, number(&expected["epoch"]), n);
            assert_eq!(leader, Ok(number(&expected["leader"])), "{expected}");
        }
        let sizes = case["s"].as_array().expect("a list").iter();
        let sizes: Vec<usize> = sizes.map(number).collect();
        for expected in case["transmission"].as_array().expect("a list") {
            let stages = schedule::transmission_stages(
                &array(&case["transmission_order_key"]),
                &array(&case["config_digest"]),
                number(&expected["epoch"]),
                number(&expected["round"]),
                n,
                &sizes,
            )
            .expect("a committee");
            let delta_stage = case["delta_stage_ns"].as_u64().expect("nanoseconds");
            let delays = stages
                .into_iter()
                .map(|stage| Some(stage? as u64 * delta_stage));
            let delays: Value = delays.map(Value::from).collect();
            assert_eq!(delays, expected["delay_ns_by_oracle"], "{expected}");
        }
    }
}

#[test]
fn permutations() {
    for case in cases("permutation") {
        let result = permutation::permutation(number(&case["n"]), &array(&case["key"]));
        assert_eq!(Value::from(result.expect("a small n")), case["permutation"]);
    }
}

#[test]
fn reports_of_the_whole_way_and_of_the_codec_alone() {
    for case in cases("ocr2_median_report_full_path") {
        let mut observations: Vec<_> = attributed(&case["attributed_observations"])
            .into_iter()
            .filter_map(|(body, observer)| {
                let body = Observation::decode(&body)?;
                Some(AttributedObservation {
                    timestamp: body.timestamp,
                    value: body.value,
                    juels_per_fee_coin: body.juels_per_fee_coin,
                    observer,
                })
            })
            .collect();
        let alone = build_report(&mut observations.clone()).expect("observations");
        assert_eq!(alone.bytes, bytes(&case["buildreport_alone"]));
        sort_as_should_report(&mut observations);
        let report = build_report(&mut observations).expect("observations");
        assert_eq!(report.bytes, bytes(&case["report"]));
        let decoded = decode_report(&report.bytes).expect("our own report");
        assert_eq!(decoded.observations[observations.len() / 2], report.median);
    }
}

#[test]
fn a_followers_whole_step() {
    let seeds: Vec<[u8; 32]> = (1..=31).map(|index| [index; 32]).collect();
    let signers: Vec<_> = seeds.iter().map(OffchainSigner::new).collect();
    let addresses = seeds
        .iter()
        .map(|seed| OnchainSigner::new(seed).expect("a valid scalar"));
    let addresses: Vec<_> = addresses.map(|signer| *signer.address()).collect();
    for case in cases("ocr2_median_plugin") {
        let (n, digest) = (number::<usize>(&case["n"]), array(&case["config_digest"]));
        // Unoptimised signatures are slow; the conformance tests go up to 31.
        if cfg!(debug_assertions) && n > 16 {
            continue;
        }
        let (epoch, round) = (number(&case["epoch"]), number(&case["round"]));
        let keys: Vec<_> = signers[..n]
            .iter()
            .map(OffchainSigner::public_key)
            .collect();
        let committee =
            Committee::new(digest, number(&case["f"]), &keys, &addresses[..n]).expect("distinct");
        let request = attributed(&case["attributed_observations"]);
        let signatures = request.iter().map(|(body, observer)| {
            signers[usize::from(*observer)].sign_observation(&digest, epoch, round, &[], body)
        });
        let signatures: Vec<_> = signatures.collect();
        let signed = request.iter().zip(&signatures);
        let signed: Vec<_> = signed
            .map(|((observation, observer), signature)| SignedObservation {
                observation,
                signature,
                observer: *observer,
            })
            .collect();
        let built = verify_and_build_report(&committee, epoch, round, &[], &signed);
        if case.get("error").is_some() {
            assert!(
                matches!(built, Err(Refusal::TooFewDecodable { .. })),
                "{built:?}"
            );
            let inputs = request
                .iter()
                .map(|(body, observer)| (&body[..], *observer));
            assert_eq!(inputs_hash(&[], inputs), array(&case["extra_hash"]));
            continue;
        }
        let built = built.expect("a report");
        assert_eq!(built.extra_hash, array(&case["extra_hash"]));
        if let Some(report) = case.get("report") {
            assert_eq!(built.report, bytes(report));
        }
    }
}
