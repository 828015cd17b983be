//! Saving a chain and going on with it.

mod common;

use common::{Net, transfer, word};
use ocr_devnet::{Chain, Config, StateError};
use proptest::prelude::*;
use serde_json::json;

/// A chain with a bit of everything.
fn eventful() -> (Net, serde_json::Value) {
    let mut net = Net::new();
    let contract = net.deploy(0);
    for (nonce, value) in [(1, 7), (2, 8), (3, 9)] {
        net.set(nonce, &contract, value, 100_000);
        net.mine();
    }
    net.set(4, &contract, 0, 100_000);
    net.mine();
    net.ok("anvil_reorg", json!([1]));
    net.ok("evm_increaseTime", json!([500]));
    net.ok("anvil_setNextBlockBaseFeePerGas", json!([123_456]));
    net.ok(
        "anvil_setBalance",
        json!(["0x4242424242424242424242424242424242424242", "0x7"]),
    );
    for nonce in [5, 7] {
        let raw = net.key.sign(transfer(nonce));
        net.send(&raw);
    }
    (net, contract)
}

#[test]
fn a_chain_goes_on_as_if_nothing_had_happened() {
    let (mut net, contract) = eventful();
    let bytes = net.chain.save();
    let mut again = Net::new();
    again.now = net.now;
    again.chain = Chain::load(&bytes, Config::default()).expect("a state");
    assert_eq!(again.chain.save(), bytes);
    let look = |net: &mut Net| {
        let mut seen = vec![
            net.ok("eth_getBlockByNumber", json!(["latest", true])),
            net.ok("eth_getBlockByNumber", json!(["pending", true])),
            net.ok("txpool_content", json!([])),
            net.ok("eth_getLogs", json!([{"fromBlock": "0x0"}])),
            net.ok("eth_getCode", json!([contract])),
            net.ok("eth_feeHistory", json!([9, "latest", [10, 50]])),
        ];
        for number in 0..=net.chain.height() {
            let at = json!(format!("{number:#x}"));
            seen.push(net.ok("eth_getBlockReceipts", json!([at])));
            seen.push(net.ok("eth_getStorageAt", json!([contract, "0x0", at])));
            seen.push(net.ok("eth_getBalance", json!([net.key.address().to_string(), at])));
        }
        seen
    };
    assert_eq!(look(&mut again), look(&mut net));
    // Also mining on, and back past where it was saved, gives the same.
    for net in [&mut net, &mut again] {
        net.mine();
        net.mine();
        net.ok("anvil_reorg", json!([4]));
        net.mine();
    }
    assert_eq!(look(&mut again), look(&mut net));
    assert_eq!(again.chain.save(), net.chain.save());
}

#[test]
fn options_of_a_later_process_may_differ() {
    let (net, contract) = eventful();
    let bytes = net.chain.save();
    let config = Config {
        history: 2,
        pool_limit: 1,
        block_gas_limit: 20_000_000,
        finality_depth: 3,
        base_fee: 5,
        ..Config::default()
    };
    let mut again = Net::new();
    again.chain = Chain::load(&bytes, config).expect("a state");
    assert_eq!(again.chain.pool_status().0 + again.chain.pool_status().1, 1);
    again.fails("anvil_rollback", json!([3]));
    again.ok("anvil_rollback", json!([2, false]));
    assert_eq!(again.ok("eth_call", json!([{"to": contract}])), word(8));
    again.mine();
    assert_eq!(
        again.ok("eth_getBlockByNumber", json!(["latest", false]))["gasLimit"],
        "0x1312d00"
    );
}

#[test]
fn a_legacy_chain_is_saved_too() {
    let legacy = Config {
        legacy: true,
        ..Config::default()
    };
    let mut net = Net::with(legacy.clone());
    let raw = net.key.sign(common::legacy(0));
    net.send(&raw);
    net.mine();
    let bytes = net.chain.save();
    assert_eq!(Chain::load(&bytes, legacy).expect("a state").save(), bytes);
    let error = Chain::load(&bytes, Config::default()).expect_err("another kind");
    assert_eq!(
        error.to_string(),
        "it is the state of a chain without a base fee, not of one with"
    );
}

#[test]
fn what_is_no_state_is_named() {
    let bytes = eventful().0.chain.save();
    let load = |bytes: &[u8]| Chain::load(bytes, Config::default()).expect_err("no state");
    assert_eq!(load(b""), StateError::Foreign);
    assert_eq!(load(b"SQLite format 3\0"), StateError::Foreign);
    let mut newer = bytes.clone();
    newer[18] = 2;
    assert_eq!(load(&newer), StateError::Version(2));
    assert!(
        load(&newer).to_string().contains("version 2"),
        "{}",
        load(&newer)
    );
    let other = Config {
        chain_id: 5,
        ..Config::default()
    };
    let error = Chain::load(&bytes, other).expect_err("another chain");
    assert_eq!(
        error.to_string(),
        "it is the state of chain 1337, not of chain 5"
    );
    let error = Chain::load(
        &bytes,
        Config {
            history: 0,
            ..Config::default()
        },
    );
    assert!(matches!(error, Err(StateError::Config(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_damage_is_found(at in any::<prop::sample::Index>(), flip in 1_u8.., cut in any::<bool>()) {
        let mut bytes = eventful().0.chain.save();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= flip;
        }
        prop_assert!(Chain::load(&bytes, Config::default()).is_err());
    }

    /// Past the checksum: nothing that it says makes it panic.
    #[test]
    fn any_forgery_is_judged(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = eventful().0.chain.save();
        let start = 17 + 2 + 32;
        let at = start + at.index(bytes.len() - start);
        bytes[at] ^= flip;
        let hash = alloy_primitives::keccak256(&bytes[start..]);
        bytes[19..start].copy_from_slice(hash.as_slice());
        if let Ok(mut chain) = Chain::load(&bytes, Config::default()) {
            chain.mine(0);
        }
    }
}
