//! Blocks, state, calls and logs, through the requests that show them.

mod common;

use alloy_primitives::{Address, U256, keccak256};
use common::{GWEI, Net, number, transfer, word};
use ocr_devnet::{Chain, Config};
use serde_json::{Value, json};

fn numbered(value: u64) -> Value {
    json!(format!("{value:#x}"))
}

#[test]
fn blocks_are_linked_and_dated() {
    let mut net = Net::new();
    net.chain.mine(100);
    net.chain.mine(100);
    net.chain.mine(7);
    net.chain.mine(u64::MAX);
    let blocks: Vec<Value> = (0..5)
        .map(|n| net.ok("eth_getBlockByNumber", json!([numbered(n), false])))
        .collect();
    for pair in blocks.windows(2) {
        assert_eq!(pair[1]["parentHash"], pair[0]["hash"]);
        assert!(number(&pair[1]["timestamp"]) > number(&pair[0]["timestamp"]));
        assert_ne!(pair[1]["mixHash"], pair[0]["mixHash"]);
        assert_eq!(
            pair[1]["stateRoot"], pair[0]["stateRoot"],
            "nothing changed"
        );
    }
    assert_eq!(number(&blocks[2]["timestamp"]), 101);
    assert_eq!(number(&blocks[3]["timestamp"]), 102);
    for block in &blocks {
        assert_eq!(
            net.ok("eth_getBlockByHash", json!([block["hash"], false])),
            *block
        );
    }
    assert_eq!(
        net.ok("eth_getBlockByNumber", json!(["0x5", false])),
        Value::Null
    );
    let pending = net.ok("eth_getBlockByNumber", json!(["pending", false]));
    assert_eq!(
        (&pending["number"], &pending["hash"]),
        (&json!("0x5"), &Value::Null)
    );
}

#[test]
fn the_same_inputs_make_the_same_chain() {
    let tip = || {
        let mut net = Net::new();
        let contract = net.deploy(0);
        net.set(1, &contract, 9, 100_000);
        net.mine();
        net.ok("eth_getBlockByNumber", json!(["latest", true]))
    };
    assert_eq!(tip(), tip());
}

#[test]
fn a_contract_is_deployed_called_and_read_back() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    let expected = net.key.address().create(0);
    assert_eq!(contract, format!("{expected:#x}"));
    let code = net.ok("eth_getCode", json!([contract]));
    assert_eq!(code.as_str().map(str::len), Some(2 + 2 * 0x98));
    assert_eq!(net.ok("eth_call", json!([{"to": contract}])), word(0));
    let hash = net.set(1, &contract, 42, 100_000);
    net.mine();
    assert_eq!(
        net.ok("eth_call", json!([{"to": contract}, "latest"])),
        word(42)
    );
    assert_eq!(
        net.ok("eth_getStorageAt", json!([contract, "0x0", "latest"])),
        word(42)
    );
    assert_eq!(
        net.ok("eth_getStorageAt", json!([contract, word(0), "latest"])),
        word(42)
    );
    let receipt = net.ok("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["to"], contract);
    assert_eq!(receipt["contractAddress"], Value::Null);
    assert_eq!(receipt["logs"][0]["topics"], json!([word(0x11), word(42)]));
    assert_eq!(receipt["logs"][0]["data"], word(42));
    let block = net.ok("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(block["logsBloom"], receipt["logsBloom"]);
    assert_eq!(
        net.ok("eth_getBlockReceipts", json!(["latest"])),
        json!([receipt])
    );
    assert_eq!(
        net.ok("eth_getBlockReceipts", json!([block["hash"]])),
        json!([receipt])
    );
}

#[test]
fn reverts_carry_their_data() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    for method in ["eth_call", "eth_estimateGas"] {
        let answer = net.answer(method, &json!([{"to": contract, "data": word(0)}]));
        let error = &answer["error"];
        assert_eq!(error["code"], 3);
        assert_eq!(error["message"], "execution reverted: zero");
        let data = error["data"].as_str().expect("data");
        assert!(
            data.starts_with("0x08c379a0") && data.len() == 2 + 200,
            "{data}"
        );
    }
    let hash = net.set(1, &contract, 0, 100_000);
    net.mine();
    let receipt = net.ok("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(
        (&receipt["status"], &receipt["logs"]),
        (&json!("0x0"), &json!([]))
    );
    assert_eq!(net.ok("eth_call", json!([{"to": contract}])), word(0));
}

#[test]
fn panics_and_halts_are_named() {
    let mut net = Net::new();
    // Panic(0x11), from init code that reverts with it.
    let panic = "0x634e487b7160e01b600052601160045260246000fd";
    let (code, message) = net.fails("eth_call", json!([{"data": panic}]));
    assert_eq!(
        (code, message.as_str()),
        (3, "execution reverted: arithmetic underflow or overflow")
    );
    let cases = [
        ("0xfe", "invalid opcode: INVALID"),
        ("0x0c", "invalid opcode"),
        ("0x5b600056", "out of gas"),
        ("0x600456", "invalid jump destination"),
    ];
    for (init, expected) in cases {
        let (code, message) = net.fails("eth_call", json!([{"data": init}]));
        assert_eq!((code, message.as_str()), (-32000, expected), "{init}");
    }
    let (_, message) = net.fails("eth_estimateGas", json!([{"data": "0x5b600056"}]));
    assert_eq!(message, "gas required exceeds allowance (16777216)");
}

#[test]
fn estimates_suffice_and_are_close() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    let stranger = format!("{:#x}", Address::repeat_byte(0x99));
    assert_eq!(
        net.ok("eth_estimateGas", json!([{"to": stranger}])),
        "0x5208"
    );
    let from = format!("{:#x}", net.key.address());
    let call = json!([{"from": from, "to": contract, "data": word(42)}]);
    let estimate = number(&net.ok("eth_estimateGas", call));
    let hash = net.set(1, &contract, 42, u64::try_from(estimate).expect("gas"));
    net.mine();
    let receipt = net.ok("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["status"], "0x1");
    let used = number(&receipt["gasUsed"]);
    assert!(
        used <= estimate && estimate < used + used / 20,
        "{used} {estimate}"
    );
    let poor = json!([{"from": stranger, "to": contract, "gasPrice": "0x77359400"}]);
    let (code, message) = net.fails("eth_estimateGas", poor);
    assert_eq!(
        (code, message.as_str()),
        (-32000, "gas required exceeds allowance (0)")
    );
}

#[test]
fn old_states_can_be_read_for_a_while() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    net.set(1, &contract, 41, 100_000);
    let first = net.mine();
    net.set(2, &contract, 42, 100_000);
    net.mine();
    let sender = format!("{:#x}", net.key.address());
    let at =
        |net: &mut Net, block: u64| net.ok("eth_call", json!([{"to": contract}, numbered(block)]));
    assert_eq!(
        (at(&mut net, first - 1), at(&mut net, first)),
        (json!(word(0)), json!(word(41)))
    );
    assert_eq!(at(&mut net, first + 1), word(42));
    assert_eq!(
        net.ok("eth_getTransactionCount", json!([sender, "earliest"])),
        "0x0"
    );
    assert_eq!(net.ok("eth_getCode", json!([contract, "0x0"])), "0x");
    let genesis = net.ok("eth_getBlockByNumber", json!(["0x0", false]))["hash"].clone();
    assert_eq!(
        net.ok("eth_getCode", json!([contract, {"blockHash": genesis}])),
        "0x"
    );
    while net.chain.height() < first + 128 {
        net.mine();
    }
    assert_eq!(at(&mut net, first), word(41));
    net.mine();
    let (code, message) = net.fails("eth_call", json!([{"to": contract}, numbered(first)]));
    assert!(
        code == -32000 && message.starts_with("missing trie node"),
        "{message}"
    );
    let (code, message) = net.fails("eth_getBalance", json!([sender, "0xffff"]));
    assert_eq!((code, message.as_str()), (-32000, "header not found"));
}

#[test]
fn calls_see_the_block_they_run_in() {
    let mut net = Net::new();
    net.mine();
    let timestamp = number(&net.ok("eth_getBlockByNumber", json!(["latest", false]))["timestamp"]);
    // NUMBER, TIMESTAMP and CHAINID, from init code that returns them.
    let init = json!({"data": "0x4360005242602052466040526060 6000f3".replace(' ', "")});
    let words = |value: &Value| -> Vec<u128> {
        let digits = &value.as_str().expect("data")[2..];
        digits
            .as_bytes()
            .chunks(64)
            .map(|chunk| {
                u128::from_str_radix(std::str::from_utf8(&chunk[32..]).expect("ascii"), 16)
                    .expect("hex")
            })
            .collect()
    };
    let latest = net.ok("eth_call", json!([init, "latest"]));
    assert_eq!(words(&latest), [1, timestamp, 1337]);
    net.now += 10;
    let pending = net.ok("eth_call", json!([init, "pending"]));
    assert_eq!(words(&pending), [2, timestamp + 10, 1337]);
}

#[test]
fn logs_are_filtered() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    let other = net.deploy(1);
    for (nonce, word) in (2..).zip([7, 8]) {
        net.set(nonce, &contract, word, 100_000);
    }
    net.set(4, &other, 7, 100_000);
    let block = net.mine();
    net.set(5, &contract, 9, 100_000);
    net.mine();
    let hash = net.ok("eth_getBlockByNumber", json!([numbered(block), false]))["hash"].clone();
    let mut count = |filter: Value| {
        net.ok("eth_getLogs", json!([filter]))
            .as_array()
            .map(Vec::len)
            .expect("a list")
    };
    assert_eq!(count(json!({"fromBlock": "earliest"})), 4);
    assert_eq!(count(json!({})), 1);
    assert_eq!(count(json!({"fromBlock": "0x0", "address": contract})), 3);
    assert_eq!(
        count(json!({"fromBlock": "0x0", "address": [contract, other]})),
        4
    );
    assert_eq!(count(json!({"fromBlock": "0x0", "address": []})), 4);
    assert_eq!(
        count(json!({"fromBlock": "0x0", "topics": [null, word(7)]})),
        2
    );
    assert_eq!(
        count(json!({"fromBlock": "0x0", "topics": [[], [word(8), word(9)]]})),
        2
    );
    assert_eq!(
        count(json!({"fromBlock": "0x0", "topics": [word(0x12)]})),
        0
    );
    assert_eq!(
        count(json!({"fromBlock": "0x0", "topics": [word(0x11), null, null]})),
        0
    );
    assert_eq!(count(json!({"blockHash": hash})), 3);
    assert_eq!(
        count(json!({"fromBlock": "0x0", "toBlock": numbered(block)})),
        3
    );
    assert_eq!(count(json!({"fromBlock": "0x100", "toBlock": "0x200"})), 0);
    let logs = net.ok("eth_getLogs", json!([{"blockHash": hash}]));
    let places: Vec<_> = (0..3)
        .map(|n| (&logs[n]["logIndex"], &logs[n]["transactionIndex"]))
        .collect();
    assert_eq!(
        places,
        [
            (&json!("0x0"), &json!("0x0")),
            (&json!("0x1"), &json!("0x1")),
            (&json!("0x2"), &json!("0x2"))
        ]
    );
    assert_eq!(logs[0]["removed"], false);
    let wrong = [
        (json!({"fromBlock": "0x2", "toBlock": "0x1"}), -32602),
        (json!({"blockHash": hash, "toBlock": "0x1"}), -32602),
        (json!({"blockHash": word(1)}), -32000),
        (json!({"topics": [1]}), -32602),
        (json!({"topics": [null, null, null, null, null]}), -32602),
        (json!({"address": "0x12"}), -32602),
        (json!([]), -32602),
    ];
    for (filter, code) in wrong {
        assert_eq!(
            net.fails("eth_getLogs", json!([filter])).0,
            code,
            "{filter}"
        );
    }
}

#[test]
fn the_base_fee_follows_demand() {
    let mut net = Net::with(Config {
        block_gas_limit: 100_000,
        ..Config::default()
    });
    let base_fee = |net: &mut Net| {
        number(&net.ok("eth_getBlockByNumber", json!(["latest", false]))["baseFeePerGas"])
    };
    net.mine();
    assert_eq!(base_fee(&mut net), 875_000_000);
    for nonce in 0..4 {
        let raw = net.key.sign(transfer(nonce));
        net.send(&raw);
    }
    net.mine();
    assert_eq!(base_fee(&mut net), 765_625_000);
    net.mine();
    // The block before used 84,000 of a target of 50,000.
    assert_eq!(base_fee(&mut net), 765_625_000 + 765_625_000 * 34 / 50 / 8);
    let history = net.ok("eth_feeHistory", json!(["0x3", "latest", [0, 50, 100]]));
    assert_eq!(history["oldestBlock"], "0x1");
    assert_eq!(history["gasUsedRatio"], json!([0.0, 0.84, 0.0]));
    assert_eq!(history["baseFeePerGas"].as_array().map(Vec::len), Some(4));
    assert_eq!(history["reward"][1], json!(vec![format!("{GWEI:#x}"); 3]));
    assert_eq!(
        net.ok("eth_feeHistory", json!([99, "pending"]))["oldestBlock"],
        "0x0"
    );
    let expected = number(&history["baseFeePerGas"][3]);
    assert_eq!(number(&net.ok("eth_gasPrice", json!([]))), expected + GWEI);
}

#[test]
fn blockhash_and_fees_reach_contracts() {
    let mut net = Net::new();
    net.mine();
    net.mine();
    let hash = net.ok("eth_getBlockByNumber", json!(["0x1", false]))["hash"].clone();
    // BLOCKHASH(1), from init code that returns it.
    let found = net.ok(
        "eth_call",
        json!([{"data": "0x6001406000526020 6000f3".replace(' ', "")}]),
    );
    assert_eq!(found, hash);
    // Tips go to the zero address, the base fee to nobody.
    let raw = net.key.sign(transfer(0));
    net.send(&raw);
    net.mine();
    let tips = net.ok("eth_getBalance", json!([format!("{:#x}", Address::ZERO)]));
    assert_eq!(number(&tips), 21_000 * GWEI);
}

#[test]
fn the_genesis_depends_on_the_funds() {
    let hash = |balance: u64| {
        let accounts = vec![(Address::repeat_byte(1), U256::from(balance))];
        let mut chain = Chain::new(Config {
            accounts,
            ..Config::default()
        })
        .expect("valid");
        let request =
            br#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x0"]}"#;
        keccak256(ocr_devnet::rpc::handle(&mut chain, request, 0))
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}

#[test]
fn finality_may_lag() {
    let mut net = Net::with(Config {
        finality_depth: 2,
        ..Config::default()
    });
    for (mined, expected) in [(1, "0x0"), (2, "0x0"), (3, "0x1")] {
        net.mine();
        for tag in ["safe", "finalized"] {
            let block = net.ok("eth_getBlockByNumber", json!([tag, false]));
            assert_eq!(block["number"], expected, "{tag} after {mined}");
        }
    }
}

#[test]
fn configs_out_of_bounds_are_refused() {
    let wrong = [
        Config {
            chain_id: 0,
            ..Config::default()
        },
        Config {
            chain_id: u64::MAX,
            ..Config::default()
        },
        Config {
            block_gas_limit: 1,
            ..Config::default()
        },
        Config {
            base_fee: u64::MAX,
            ..Config::default()
        },
        Config {
            genesis_timestamp: u64::MAX,
            ..Config::default()
        },
        Config {
            accounts: vec![(Address::ZERO, U256::MAX)],
            ..Config::default()
        },
    ];
    for config in wrong {
        assert!(Chain::new(config.clone()).is_err(), "{config:?}");
    }
}
