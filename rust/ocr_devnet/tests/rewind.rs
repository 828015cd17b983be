//! Reorganisations, snapshots, and what is set by hand.

mod common;

use alloy_primitives::{Address, U256, hex};
use common::{ETHER, GWEI, Key, Net, number, transfer, word};
use ocr_devnet::Config;
use proptest::prelude::*;
use serde_json::{Value, json};

fn block(net: &mut Net, id: &Value) -> Value {
    net.ok("eth_getBlockByNumber", json!([id, false]))
}

fn latest(net: &mut Net) -> Value {
    block(net, &json!("latest"))
}

#[test]
fn a_reorganisation_changes_hashes_and_takes_receipts() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    let first = net.set(1, &contract, 7, 100_000);
    net.mine();
    let second = net.set(2, &contract, 8, 100_000);
    net.mine();
    let before = latest(&mut net);
    let fork = block(&mut net, &json!("0x1"));
    net.ok("anvil_reorg", json!([2, []]));

    let after = latest(&mut net);
    assert_eq!(after["number"], before["number"]);
    assert_eq!(after["timestamp"], before["timestamp"]);
    assert_ne!(after["hash"], before["hash"]);
    assert_eq!(block(&mut net, &json!("0x2"))["parentHash"], fork["hash"]);
    assert_eq!(
        net.ok("eth_getBlockByHash", json!([before["hash"], false])),
        Value::Null
    );
    assert_eq!(net.ok("eth_call", json!([{"to": contract}])), word(0));
    for hash in [&first, &second] {
        assert_eq!(
            net.ok("eth_getTransactionReceipt", json!([hash])),
            Value::Null
        );
        // Back in the mempool, as on a real chain.
        assert_eq!(
            net.ok("eth_getTransactionByHash", json!([hash]))["blockHash"],
            Value::Null
        );
    }
    assert_eq!(net.chain.pool_status(), (2, 0));
    net.mine();
    assert_eq!(net.ok("eth_call", json!([{"to": contract}])), word(8));
    let receipt = net.ok("eth_getTransactionReceipt", json!([second]));
    assert_eq!(receipt["blockNumber"], "0x4");
}

#[test]
fn dropped_transactions_need_not_come_back() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    let hash = net.set(1, &contract, 7, 100_000);
    net.mine();
    net.ok("anvil_reorg", json!([1, [], false]));
    assert_eq!(
        net.ok("eth_getTransactionByHash", json!([hash])),
        Value::Null
    );
    net.mine();
    assert_eq!(net.ok("eth_call", json!([{"to": contract}])), word(0));
}

#[test]
fn the_new_blocks_hold_what_they_are_given() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    let old = net.set(1, &contract, 7, 100_000);
    net.mine();
    net.mine();
    // Another transaction with the nonce of the old one, into the second of the two blocks.
    let rival = alloy_consensus::TxEip1559 {
        max_fee_per_gas: 20 * GWEI,
        ..transfer(1)
    };
    let raw = hex::encode_prefixed(net.key.sign(rival));
    net.ok("anvil_reorg", json!([2, [[raw, 1]]]));
    let txs = latest(&mut net)["transactions"].clone();
    assert_eq!(txs.as_array().map(Vec::len), Some(1));
    assert_ne!(txs[0], old);
    assert_eq!(latest(&mut net)["number"], "0x3");
    // The old one has lost its nonce and does not come back.
    assert_eq!(net.chain.pool_status(), (0, 0));
    assert_eq!(
        net.ok("eth_getTransactionByHash", json!([old])),
        Value::Null
    );
}

#[test]
fn an_impossible_reorganisation_changes_nothing() {
    let mut net = Net::with(Config {
        history: 3,
        ..Config::default()
    });
    net.deploy(0);
    for _ in 0..4 {
        net.mine();
    }
    let before = latest(&mut net);
    let gap = hex::encode_prefixed(net.key.sign(transfer(5)));
    let good = hex::encode_prefixed(net.key.sign(transfer(1)));
    for (params, reason) in [
        (json!([0, []]), "depth must be from 1 to 3"),
        (json!([4, []]), "depth must be from 1 to 3, not 4"),
        (json!([u64::MAX, []]), "depth"),
        (json!([2, [[good, 2]]]), "block index 2 is out of range"),
        (json!([2, [[good, 0], [gap, 1]]]), "cannot be in block 1"),
        (json!([2, [["0x02", 1]]]), "rlp"),
        (json!([2, [{"from": "0x"}]]), "transactions: must be a list"),
    ] {
        let (code, message) = net.fails("anvil_reorg", params);
        assert!(message.contains(reason), "{message}");
        assert!(code == -32602 || code == -32000, "{code}");
        assert_eq!(latest(&mut net), before);
    }
    net.ok("anvil_reorg", json!([3]));
    net.ok("anvil_rollback", json!([3]));
    assert_eq!(latest(&mut net)["number"], "0x2");
    let (_, message) = net.fails("anvil_rollback", json!([]));
    assert!(message.contains("depth must be from 1 to 0"), "{message}");
}

#[test]
fn a_rollback_shortens_the_chain() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    net.set(1, &contract, 7, 100_000);
    net.mine();
    let old = latest(&mut net);
    net.ok("anvil_rollback", json!([]));
    assert_eq!(latest(&mut net)["number"], "0x1");
    assert_eq!(net.chain.pool_status(), (1, 0));
    net.now -= 1;
    net.mine();
    let new = latest(&mut net);
    assert_eq!(new["timestamp"], old["timestamp"]);
    assert_eq!(new["transactions"], old["transactions"]);
    assert_ne!(new["hash"], old["hash"], "it is not the old block");
    net.ok("anvil_rollback", json!(["0x2", false]));
    assert_eq!(net.ok("eth_getCode", json!([contract])), "0x");
    assert_eq!(net.chain.pool_status(), (0, 0));
}

#[test]
fn a_snapshot_brings_everything_back() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    let waiting = net.set(1, &contract, 7, 100_000);
    let before = latest(&mut net);
    let id = net.ok("evm_snapshot", json!([]));
    net.ok(
        "anvil_setBalance",
        json!([net.key.address().to_string(), "0x0"]),
    );
    net.ok("anvil_setStorageAt", json!([contract, "0x0", word(99)]));
    net.ok("evm_increaseTime", json!([5000]));
    assert_eq!(
        net.chain.pool_status(),
        (0, 0),
        "it cannot be paid any more"
    );
    let later = net.ok("evm_snapshot", json!([]));
    for _ in 0..200 {
        net.mine();
    }
    assert_eq!(net.ok("evm_revert", json!([id])), true);
    assert_eq!(latest(&mut net), before);
    assert_eq!(net.chain.pool_status(), (1, 0));
    assert_eq!(net.ok("eth_call", json!([{"to": contract}])), word(0));
    // Used up, and so are the later ones.
    assert_eq!(net.ok("evm_revert", json!([id])), false);
    assert_eq!(net.ok("evm_revert", json!([later])), false);
    net.mine();
    assert_eq!(net.ok("eth_call", json!([{"to": contract}])), word(7));
    let receipt = net.ok("eth_getTransactionReceipt", json!([waiting]));
    assert_eq!(receipt["blockNumber"], "0x2");
    let mined = latest(&mut net);
    assert_eq!(number(&mined["timestamp"]), u128::from(net.now));
}

#[test]
fn the_oldest_snapshot_makes_room() {
    let mut net = Net::new();
    let first = net.ok("evm_snapshot", json!([]));
    let second = net.ok("anvil_snapshot", json!([]));
    for _ in 0..63 {
        net.ok("evm_snapshot", json!([]));
    }
    assert_eq!(net.ok("evm_revert", json!([first])), false);
    assert_eq!(net.ok("anvil_revert", json!([second])), true);
}

#[test]
fn accounts_are_set_by_hand() {
    let mut net = Net::new();
    let stranger = Key::new(9);
    let address = format!("{:#x}", stranger.address());
    let root = latest(&mut net)["stateRoot"].clone();
    net.ok("anvil_setBalance", json!([address, "0xde0b6b3a7640000"]));
    net.ok("hardhat_setNonce", json!([address, "0x5"]));
    assert_eq!(number(&net.ok("eth_getBalance", json!([address]))), ETHER);
    let raw = stranger.sign(transfer(5));
    let hash = net.send(&raw);
    net.mine();
    assert_eq!(
        net.ok("eth_getTransactionReceipt", json!([hash]))["status"],
        "0x1"
    );
    assert_ne!(latest(&mut net)["stateRoot"], root);
    // Code that returns the number of the block; storage that it does not look at.
    let code = "0x4360005260206000f3";
    let target = format!("{:#x}", Address::repeat_byte(0x42));
    assert_eq!(net.ok("hardhat_setCode", json!([target, code])), true);
    assert_eq!(net.ok("eth_getCode", json!([target])), code);
    assert_eq!(net.ok("eth_call", json!([{"to": target}])), word(1));
    net.ok("anvil_setStorageAt", json!([target, "0x1", word(5)]));
    assert_eq!(net.ok("eth_getStorageAt", json!([target, "0x1"])), word(5));
    net.ok("anvil_setCode", json!([target, "0x"]));
    assert_eq!(net.ok("eth_getCode", json!([target])), "0x");
    let (code, message) = net.fails("anvil_setCode", json!([target, "0xef0100"]));
    assert_eq!(code, -32602, "{message}");
    let (code, _) = net.fails(
        "anvil_setBalance",
        json!([target, format!("{:#x}", U256::MAX)]),
    );
    assert_eq!(code, -32602);
    // It goes with the block after which it was set.
    net.ok("anvil_rollback", json!([1, false]));
    assert_eq!(net.ok("eth_getStorageAt", json!([target, "0x1"])), word(0));
    assert_eq!(number(&net.ok("eth_getBalance", json!([address]))), ETHER);
}

#[test]
fn time_can_be_moved() {
    let mut net = Net::new();
    net.mine();
    let stamp = |net: &mut Net| u64::try_from(number(&latest(net)["timestamp"])).expect("small");
    let start = net.now;
    assert_eq!(net.ok("evm_increaseTime", json!([1000])), 1000);
    assert_eq!(net.ok("evm_increaseTime", json!(["0x64"])), 1100);
    net.mine();
    assert_eq!(stamp(&mut net), start + 1 + 1100);
    let later = start + 50_000;
    net.ok("evm_setNextBlockTimestamp", json!([later]));
    assert_eq!(
        number(&block(&mut net, &json!("pending"))["timestamp"]),
        u128::from(later)
    );
    net.mine();
    assert_eq!(stamp(&mut net), later);
    // Time goes on from there.
    net.now += 9;
    net.mine();
    assert_eq!(stamp(&mut net), later + 10);
    let (code, message) = net.fails("evm_setNextBlockTimestamp", json!([later]));
    assert_eq!(code, -32602);
    assert!(message.contains("above the newest block's"), "{message}");
    net.ok("evm_mine", json!([{"timestamp": later + 100, "blocks": 3}]));
    assert_eq!(net.chain.height(), 7);
    assert_eq!(stamp(&mut net), later + 102);
    net.ok("anvil_mine", json!(["0x3", 60]));
    assert_eq!(net.chain.height(), 10);
    assert_eq!(stamp(&mut net), later + 103 + 120);
    net.ok("hardhat_mine", json!([]));
    net.ok("anvil_mine", json!([0]));
    assert_eq!(net.chain.height(), 11);
    net.ok("evm_setTime", json!([later + 10_000]));
    net.mine();
    assert_eq!(stamp(&mut net), later + 10_001);
    let (code, _) = net.fails("anvil_mine", json!([10_001]));
    assert_eq!(code, -32602);
}

#[test]
fn the_base_fee_and_the_gas_limit_can_be_set() {
    let mut net = Net::new();
    let raw = net.key.sign(transfer(0));
    net.send(&raw);
    for method in [
        "anvil_setNextBlockBaseFeePerGas",
        "hardhat_setNextBlockBaseFeePerGas",
    ] {
        net.ok(method, json!([format!("{:#x}", 100 * GWEI)]));
        let pending = block(&mut net, &json!("pending"));
        assert_eq!(number(&pending["baseFeePerGas"]), 100 * GWEI);
        assert_eq!(number(&net.ok("eth_gasPrice", json!([]))), 101 * GWEI);
        let history = net.ok("eth_feeHistory", json!([1, "latest", []]));
        assert_eq!(number(&history["baseFeePerGas"][1]), 100 * GWEI);
        net.mine();
        assert_eq!(number(&latest(&mut net)["baseFeePerGas"]), 100 * GWEI);
        assert_eq!(
            net.chain.pool_status(),
            (1, 0),
            "below the base fee it waits"
        );
    }
    net.mine();
    assert_eq!(
        number(&latest(&mut net)["baseFeePerGas"]),
        100 * GWEI * 7 / 8,
        "the one after follows from it"
    );
    net.ok("evm_setBlockGasLimit", json!(["0x989680"]));
    net.mine();
    assert_eq!(latest(&mut net)["gasLimit"], "0x989680");
}

#[derive(Clone, Debug)]
enum Step {
    Set(u64),
    Mine,
    Edit(u64),
    Rollback(u64),
    Reorg(u64),
    Snapshot,
    Revert,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u64..50).prop_map(Step::Set),
        3 => Just(Step::Mine),
        1 => (0_u64..50).prop_map(Step::Edit),
        1 => (1_u64..4).prop_map(Step::Rollback),
        1 => (1_u64..4).prop_map(Step::Reorg),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Revert),
    ]
}

/// What the contract holds, and what its blocks say it held.
fn seen(net: &mut Net, contract: &Value) -> Vec<Value> {
    (0..=net.chain.height())
        .map(|number| {
            net.ok(
                "eth_getStorageAt",
                json!([contract, "0x0", format!("{number:#x}")]),
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against a model that keeps a copy of every state.
    #[test]
    fn every_way_back_leads_to_the_state_that_was(steps in prop::collection::vec(step(), 1..30)) {
        let mut net = Net::new();
        let contract = net.deploy(0);
        // What the slot was after each block.
        let mut states = vec![word(0), word(0)];
        let mut kept: Option<(Value, Vec<String>)> = None;
        let mut nonce = 1;
        for step in steps {
            match step {
                Step::Set(value) => {
                    net.set(nonce, &contract, value, 100_000);
                    net.mine();
                    states.push(word(value));
                }
                Step::Mine => {
                    net.mine();
                    let last = states.last().cloned().expect("genesis");
                    states.push(last);
                }
                Step::Edit(value) => {
                    net.ok("anvil_setStorageAt", json!([contract, "0x0", word(value)]));
                    *states.last_mut().expect("genesis") = word(value);
                }
                Step::Rollback(depth) => {
                    if depth + 1 < states.len() as u64 {
                        net.ok("anvil_rollback", json!([depth, false]));
                        states.truncate(states.len() - usize::try_from(depth).expect("small"));
                    }
                }
                Step::Reorg(depth) => {
                    if depth + 1 < states.len() as u64 {
                        net.ok("anvil_reorg", json!([depth, [], false]));
                        let from = states.len() - usize::try_from(depth).expect("small");
                        let base = states[from - 1].clone();
                        states[from..].fill(base);
                    }
                }
                Step::Snapshot => {
                    kept = Some((net.ok("evm_snapshot", json!([])), states.clone()));
                }
                Step::Revert => {
                    if let Some((id, then)) = kept.take() {
                        prop_assert_eq!(net.ok("evm_revert", json!([id])), true);
                        states = then;
                    }
                }
            }
            let sender = net.key.address();
            nonce = u64::try_from(number(&net.ok("eth_getTransactionCount", json!([sender.to_string()]))))
                .expect("small");
            prop_assert_eq!(net.chain.height() + 1, states.len() as u64);
            prop_assert_eq!(seen(&mut net, &contract), states.clone());
            // And it can be saved and read back at any moment.
            let bytes = net.chain.save();
            let again = ocr_devnet::Chain::load(&bytes, Config::default()).expect("its own state");
            prop_assert_eq!(again.save(), bytes);
        }
    }
}
