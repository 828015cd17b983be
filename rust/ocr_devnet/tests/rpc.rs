//! JSON-RPC: envelopes, errors, and no panic whatever comes in.

mod common;

use common::{Net, transfer};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn envelopes_follow_the_specification() {
    let mut net = Net::new();
    let cases: [(&str, i64); 14] = [
        ("", -32700),
        ("{", -32700),
        ("\u{fffd}", -32700),
        ("[]", -32600),
        ("1", -32600),
        ("null", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#,
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainid"}"#, -32601),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1]}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[]}"#,
            -32602,
        ),
    ];
    for (body, code) in cases {
        let answer = net.raw(body.as_bytes());
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
        assert_eq!(answer["jsonrpc"], "2.0");
        assert!(answer.get("id").is_some() && answer.get("result").is_none());
    }
    assert_eq!(net.raw(b"\xff\xfe")["error"]["code"], -32700);
    assert_eq!(
        net.raw("[".repeat(100_000).as_bytes())["error"]["code"],
        -32700
    );
}

#[test]
fn ids_come_back_and_notifications_do_not() {
    let mut net = Net::new();
    for id in ["1", "\"a\"", "null", "-1.5"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_chainId"}}"#);
        let answer = net.raw(body.as_bytes());
        assert_eq!(
            answer["id"],
            serde_json::from_str::<Value>(id).expect("JSON")
        );
        assert_eq!(answer["result"], "0x539");
    }
    assert_eq!(
        net.raw(br#"{"jsonrpc":"2.0","method":"evm_mine"}"#),
        Value::Null
    );
    assert_eq!(net.chain.height(), 1);
    let batch = br#"[{"jsonrpc":"2.0","id":2,"method":"eth_blockNumber"},
        {"jsonrpc":"2.0","method":"evm_mine"}, 7,
        {"jsonrpc":"2.0","id":3,"method":"eth_blockNumber"}]"#;
    let answers = net.raw(batch);
    assert_eq!(
        answers[0],
        json!({"jsonrpc": "2.0", "id": 2, "result": "0x1"})
    );
    assert_eq!(answers[1]["error"]["code"], -32600);
    assert_eq!(
        answers[2],
        json!({"jsonrpc": "2.0", "id": 3, "result": "0x2"})
    );
    let large = format!("[{}0]", "0,".repeat(1000));
    assert_eq!(net.raw(large.as_bytes())["error"]["code"], -32600);
}

#[test]
fn an_unknown_method_is_told_which_there_are() {
    let mut net = Net::new();
    let (code, message) = net.fails("eth_sign", json!([]));
    assert_eq!(code, -32601);
    assert!(message.contains("eth_sign does not exist"), "{message}");
    assert!(message.contains("eth_sendRawTransaction") && message.contains("evm_mine"));
}

#[test]
fn parameter_errors_name_the_parameter() {
    let mut net = Net::new();
    let address = "0x9999999999999999999999999999999999999999";
    let wrong = [
        ("eth_getBalance", json!([]), "address"),
        ("eth_getBalance", json!(["0x99"]), "address"),
        ("eth_getBalance", json!([1]), "address"),
        ("eth_getBalance", json!([address, "newest"]), "block"),
        ("eth_getBalance", json!([address, 1]), "block"),
        ("eth_getBalance", json!([address, "0x01"]), "block"),
        ("eth_getBalance", json!([address, {}]), "block"),
        (
            "eth_getBalance",
            json!([address, {"blockHash": "0x"}]),
            "blockHash",
        ),
        ("eth_getStorageAt", json!([address, "0xg"]), "slot"),
        ("eth_getTransactionByHash", json!(["0x"]), "hash"),
        (
            "eth_getBlockByNumber",
            json!(["latest", "yes"]),
            "full transactions",
        ),
        ("eth_sendRawTransaction", json!(["0x0"]), "transaction"),
        ("eth_call", json!(["0x"]), "transaction"),
        ("eth_call", json!([{"to": "0x"}]), "to"),
        ("eth_call", json!([{"value": "1"}]), "value"),
        ("eth_call", json!([{"gas": "0x1ffffffffffffffff"}]), "gas"),
        ("eth_call", json!([{"chainId": "0x1"}]), "chainId"),
        ("eth_call", json!([{"data": "0x1"}]), "data"),
        (
            "eth_call",
            json!([{"data": "0x01", "input": "0x02"}]),
            "both \"data\" and \"input\"",
        ),
        (
            "eth_call",
            json!([{"gasPrice": "0x1", "maxFeePerGas": "0x1"}]),
            "both gasPrice",
        ),
        ("eth_call", json!([{"accessList": [{}]}]), "accessList"),
        (
            "eth_call",
            json!([{}, "latest", {"0x": {}}]),
            "state overrides",
        ),
        ("eth_feeHistory", json!(["x", "latest"]), "block count"),
        (
            "eth_feeHistory",
            json!([1, "latest", [2, 1]]),
            "reward percentiles",
        ),
        ("eth_newFilter", json!([]), "filter"),
        ("eth_newFilter", json!([{"fromBlock": "0x01"}]), "fromBlock"),
        ("eth_newFilter", json!([{"topics": ["0x"]}]), "topics"),
        ("eth_getFilterChanges", json!(["one"]), "filter"),
        ("evm_revert", json!([{}]), "snapshot"),
        ("evm_increaseTime", json!([-1]), "seconds"),
        (
            "anvil_setNonce",
            json!([address, "0x8000000000000000"]),
            "nonce",
        ),
        ("anvil_setBalance", json!([address, -1]), "balance"),
        ("anvil_setStorageAt", json!([address, "0x0", "1"]), "value"),
        ("anvil_reorg", json!([1, [], "yes"]), "keep transactions"),
        ("evm_mine", json!([{"blocks": 10_001}]), "blocks"),
        ("evm_mine", json!([0]), "timestamp"),
        ("evm_setAutomine", json!([]), "automine"),
        ("evm_setIntervalMining", json!([-1]), "interval"),
        ("evm_setIntervalMining", json!(["1"]), "interval"),
    ];
    for (method, params, name) in wrong {
        let (code, message) = net.fails(method, params.clone());
        assert_eq!(code, -32602, "{method} {params}: {message}");
        assert!(message.contains(name), "{method} {params}: {message}");
    }
}

#[test]
fn identity_and_mining_controls() {
    let mut net = Net::new();
    assert_eq!(net.ok("net_version", json!([])), "1337");
    assert_eq!(net.ok("net_listening", json!([])), true);
    assert_eq!(net.ok("eth_syncing", json!([])), false);
    assert!(
        net.ok("web3_clientVersion", json!([]))
            .as_str()
            .expect("text")
            .starts_with("ocr-devnet/v")
    );
    assert_eq!(net.ok("evm_mine", json!([1_800_000_000])), "0x0");
    let block = net.ok("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(block["timestamp"], format!("{:#x}", 1_800_000_000));
    net.ok("evm_setIntervalMining", json!([0.25]));
    assert_eq!(net.chain.interval(), Some(Duration::from_millis(250)));
    net.ok("evm_setIntervalMining", json!([0]));
    assert_eq!(net.chain.interval(), None);
    net.ok("evm_setAutomine", json!([true]));
    assert!(net.chain.automine());
}

fn json_value() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "0x",
        "0x0",
        "0x1",
        "0xffffffffffffffff",
        "0x10000000000000000",
        "latest",
        "pending",
        "earliest",
        "0x9999999999999999999999999999999999999999",
        "",
        "0x5b600056",
        "safe",
        "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| Value::from(alloy_primitives::hex::encode_prefixed(bytes))),
    ];
    let names = prop::sample::select(vec![
        "to",
        "from",
        "data",
        "input",
        "gas",
        "gasPrice",
        "value",
        "maxFeePerGas",
        "nonce",
        "maxPriorityFeePerGas",
        "accessList",
        "address",
        "storageKeys",
        "topics",
        "fromBlock",
        "toBlock",
        "blockHash",
        "blockNumber",
        "chainId",
    ]);
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(name, v)| (name.to_owned(), v))
                        .collect(),
                )
            }),
        ]
    })
}

fn method() -> impl Strategy<Value = &'static str> {
    // Thousands of blocks in every second case take too long.
    let slow = ["anvil_mine", "hardhat_mine", "evm_mine"];
    let methods: Vec<_> = ocr_devnet::rpc::methods()
        .filter(|name| !slow.contains(name))
        .collect();
    prop::sample::select(methods)
}

fn net() -> Net {
    let mut net = Net::new();
    let contract = net.deploy(0);
    net.set(1, &contract, 1, 100_000);
    net.mine();
    net
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        net().raw(&body);
    }

    #[test]
    fn any_request_is_answered(
        requests in prop::collection::vec((method(), prop::collection::vec(json_value(), 0..4)), 1..6)
    ) {
        let mut net = net();
        for (method, params) in requests {
            let answer = net.answer(method, &Value::Array(params));
            prop_assert!(answer.get("result").is_some() != answer.get("error").is_some());
        }
    }

    #[test]
    fn any_raw_transaction_is_judged(head in 0_u8..5, tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut net = Net::new();
        let raw = [vec![head], tail].concat();
        prop_assert!(net.chain.send_raw(&raw, 0).is_err());
    }

    #[test]
    fn any_damage_to_a_transaction_is_judged(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        legacy in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut net = Net::new();
        let mut raw =
            if legacy { net.key.sign(common::legacy(0)) } else { net.key.sign(transfer(0)) };
        let whole = net.refused(&raw[..cut.index(raw.len())]);
        prop_assert!(!whole.is_empty());
        for (index, byte) in flips {
            let at = index.index(raw.len());
            raw[at] ^= byte;
        }
        // Whatever is accepted can be mined and shown.
        if net.chain.send_raw(&raw, 0).is_ok() {
            net.mine();
            net.ok("eth_getBlockByNumber", json!(["latest", true]));
        }
    }

    #[test]
    fn any_code_can_be_run(code in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut net = Net::new();
        let data = alloy_primitives::hex::encode_prefixed(code);
        net.answer("eth_call", &json!([{"data": data, "gas": "0x30d40"}]));
        net.answer("eth_estimateGas", &json!([{"data": data, "gas": "0x30d40"}]));
    }
}
