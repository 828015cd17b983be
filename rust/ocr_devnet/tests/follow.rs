//! Filters and subscriptions.

mod common;

use common::{GWEI, Net, transfer, word};
use ocr_devnet::rpc::{Subscriptions, handle_connection};
use serde_json::{Value, json};

struct Client(Subscriptions);

impl Client {
    fn ask(&mut self, net: &mut Net, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let body = request.to_string();
        let answer = handle_connection(&mut net.chain, &mut self.0, body.as_bytes(), net.now);
        serde_json::from_slice(&answer).expect("JSON")
    }

    fn subscribe(&mut self, net: &mut Net, params: &Value) -> Value {
        self.ask(net, "eth_subscribe", params)["result"].clone()
    }

    /// Subscription and result of all that there is to tell.
    fn told(&mut self, net: &Net) -> Vec<(Value, Value)> {
        let mut all = Vec::new();
        loop {
            let bodies = self.0.notifications(&net.chain, 3).expect("in time");
            if bodies.is_empty() {
                return all;
            }
            for body in bodies {
                let mut body: Value = serde_json::from_slice(&body).expect("JSON");
                assert_eq!(body["method"], "eth_subscription");
                assert_eq!(body["jsonrpc"], "2.0");
                let mut params = body["params"].take();
                all.push((params["subscription"].take(), params["result"].take()));
            }
        }
    }
}

fn client() -> Client {
    Client(Subscriptions::default())
}

#[test]
fn heads_are_told_in_order() {
    let mut net = Net::new();
    let mut client = client();
    net.mine();
    let id = client.subscribe(&mut net, &json!(["newHeads"]));
    assert_eq!(client.told(&net), []);
    for _ in 0..10 {
        net.mine();
    }
    let told = client.told(&net);
    assert_eq!(told.len(), 10);
    for (at, (subscription, head)) in told.iter().enumerate() {
        assert_eq!(*subscription, id);
        let block = net.ok(
            "eth_getBlockByNumber",
            json!([format!("{:#x}", at + 2), false]),
        );
        for (name, value) in head.as_object().expect("a header") {
            assert_eq!(block[name], *value, "{name}");
        }
        assert!(head.get("transactions").is_none());
    }
    assert_eq!(
        client.ask(&mut net, "eth_unsubscribe", &json!([id]))["result"],
        true
    );
    let again = client.ask(&mut net, "eth_unsubscribe", &json!([id]));
    assert_eq!(again["error"]["message"], "subscription not found");
    net.mine();
    assert_eq!(client.told(&net), []);
}

#[test]
fn logs_are_told_and_taken_back() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    let mut client = client();
    let all = client.subscribe(&mut net, &json!(["logs", {"address": contract}]));
    let some = client.subscribe(&mut net, &json!(["logs", {"topics": [null, word(8)]}]));
    let filter = net.ok("eth_newFilter", json!([{"address": contract}]));
    let first = net.set(1, &contract, 7, 100_000);
    let second = net.set(2, &contract, 8, 100_000);
    net.mine();
    let block = net.ok("eth_getBlockByNumber", json!(["latest", false]));
    let logs = net.ok("eth_getLogs", json!([{"blockHash": block["hash"]}]));
    assert_eq!(
        client.told(&net),
        [
            (all.clone(), logs[0].clone()),
            (all.clone(), logs[1].clone()),
            (some.clone(), logs[1].clone())
        ]
    );
    assert_eq!(net.ok("eth_getFilterChanges", json!([filter])), logs);
    assert_eq!(net.ok("eth_getFilterChanges", json!([filter])), json!([]));

    net.ok("anvil_reorg", json!([1, []]));
    let removed: Vec<Value> = logs
        .as_array()
        .expect("logs")
        .iter()
        .map(|log| {
            let mut log = log.clone();
            log["removed"] = json!(true);
            log
        })
        .collect();
    assert_eq!(
        client.told(&net),
        [
            (all.clone(), removed[0].clone()),
            (all.clone(), removed[1].clone()),
            (some.clone(), removed[1].clone())
        ]
    );
    assert_eq!(
        net.ok("eth_getFilterChanges", json!([filter])),
        json!(removed)
    );
    // Mined once more: told once more, in another block.
    net.mine();
    let told = client.told(&net);
    assert_eq!(told.len(), 3);
    assert_eq!(told[0].1["transactionHash"], first);
    assert_eq!(told[1].1["transactionHash"], second);
    assert_eq!(told[1].1["removed"], false);
    assert_ne!(told[1].1["blockHash"], logs[1]["blockHash"]);
    // A snapshot that is come back to is a reorganisation too.
    let snapshot = net.ok("evm_snapshot", json!([]));
    net.set(3, &contract, 9, 100_000);
    net.mine();
    net.ok("evm_revert", json!([snapshot]));
    let told = client.told(&net);
    assert_eq!(
        told.iter()
            .map(|(_, log)| log["removed"].clone())
            .collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn transactions_are_told_when_they_can_be_mined() {
    let mut net = Net::new();
    let mut client = client();
    let hashes = client.subscribe(&mut net, &json!(["newPendingTransactions"]));
    let whole = client.subscribe(&mut net, &json!(["newPendingTransactions", true]));
    let filter = net.ok("eth_newPendingTransactionFilter", json!([]));
    let second = net.key.sign(transfer(1));
    let second = net.send(&second);
    assert_eq!(client.told(&net), [], "behind a gap");
    let first = net.key.sign(transfer(0));
    let first = net.send(&first);
    let told = client.told(&net);
    assert_eq!(told[0], (hashes.clone(), first.clone()));
    assert_eq!(told[1], (hashes.clone(), second.clone()));
    assert_eq!((&told[2].0, &told[3].1["hash"]), (&whole, &second));
    assert_eq!(
        net.ok("eth_getFilterChanges", json!([filter])),
        json!([first, second])
    );
    // A replacement is another transaction.
    let better = net.key.sign(alloy_consensus::TxEip1559 {
        max_fee_per_gas: 20 * GWEI,
        max_priority_fee_per_gas: 2 * GWEI,
        ..transfer(0)
    });
    let better = net.send(&better);
    assert_eq!(client.told(&net)[0], (hashes, better.clone()));
    net.mine();
    assert_eq!(client.told(&net), []);
    // After a reorganisation they wait again.
    net.ok("anvil_reorg", json!([1]));
    assert_eq!(
        net.ok("eth_getFilterChanges", json!([filter])),
        json!([better, better, second])
    );
}

#[test]
fn block_filters_tell_hashes() {
    let mut net = Net::new();
    let filter = net.ok("eth_newBlockFilter", json!([]));
    net.mine();
    net.ok("anvil_reorg", json!([1]));
    let told = net.ok("eth_getFilterChanges", json!([filter]));
    assert_eq!(told.as_array().map(Vec::len), Some(2));
    assert_eq!(
        told[1],
        net.ok("eth_getBlockByNumber", json!(["latest", false]))["hash"]
    );
    let (_, message) = net.fails("eth_getFilterLogs", json!([filter]));
    assert!(message.contains("not one for logs"), "{message}");
    assert_eq!(net.ok("eth_uninstallFilter", json!([filter])), true);
    assert_eq!(net.ok("eth_uninstallFilter", json!([filter])), false);
    assert_eq!(
        net.fails("eth_getFilterChanges", json!([filter])),
        (-32000, "filter not found".into())
    );
}

#[test]
fn a_filter_keeps_its_range_and_finds_old_logs() {
    let mut net = Net::new();
    let contract = net.deploy(0);
    net.set(1, &contract, 7, 100_000);
    net.mine();
    let filter = net.ok(
        "eth_newFilter",
        json!([{"fromBlock": "0x0", "toBlock": "0x3", "address": contract}]),
    );
    assert_eq!(net.ok("eth_getFilterChanges", json!([filter])), json!([]));
    for (nonce, value) in [(2, 8), (3, 9)] {
        net.set(nonce, &contract, value, 100_000);
        net.mine();
    }
    let told = net.ok("eth_getFilterChanges", json!([filter]));
    assert_eq!(told.as_array().map(Vec::len), Some(1));
    assert_eq!(told[0]["data"], word(8));
    let logs = net.ok("eth_getFilterLogs", json!([filter]));
    assert_eq!(logs.as_array().map(Vec::len), Some(2));
}

#[test]
fn the_filter_not_used_longest_makes_room() {
    let mut net = Net::new();
    let first = net.ok("eth_newBlockFilter", json!([]));
    let second = net.ok("eth_newBlockFilter", json!([]));
    for _ in 0..254 {
        net.ok("eth_newBlockFilter", json!([]));
    }
    net.ok("eth_getFilterChanges", json!([first]));
    net.ok("eth_newBlockFilter", json!([]));
    net.ok("eth_getFilterChanges", json!([first]));
    net.fails("eth_getFilterChanges", json!([second]));
}

#[test]
fn who_is_too_slow_is_told_so() {
    let mut net = Net::new();
    let mut client = client();
    client.subscribe(&mut net, &json!(["newHeads"]));
    let filter = net.ok("eth_newBlockFilter", json!([]));
    net.ok("anvil_mine", json!([10_000]));
    let told = net.ok("eth_getFilterChanges", json!([filter]));
    assert_eq!(told.as_array().map(Vec::len), Some(10_000));
    net.ok("anvil_mine", json!([6384]));
    assert!(client.0.notifications(&net.chain, 1).is_some());
    net.ok("anvil_mine", json!([2]));
    assert!(client.0.notifications(&net.chain, 1).is_none());
    net.ok("anvil_mine", json!([10_000]));
    net.fails("eth_getFilterChanges", json!([filter]));
}

#[test]
fn subscriptions_are_bounded_and_need_a_connection() {
    let mut net = Net::new();
    let mut client = client();
    for _ in 0..128 {
        assert!(client.subscribe(&mut net, &json!(["newHeads"])).is_string());
    }
    let answer = client.ask(&mut net, "eth_subscribe", &json!(["newHeads"]));
    assert_eq!(answer["error"]["code"], -32005);
    let (code, message) = net.fails("eth_subscribe", json!(["newHeads"]));
    assert_eq!(code, -32601);
    assert!(message.contains("notifications not supported"), "{message}");
    for params in [
        json!([]),
        json!(["syncing"]),
        json!(["logs", 1]),
        json!([1]),
    ] {
        let answer = client.ask(&mut net, "eth_subscribe", &params);
        assert_eq!(answer["error"]["code"], -32602, "{params}");
    }
}
