//! The mempool: what it refuses, how it orders, when it forgets.

mod common;

use alloy_consensus::{TxEip1559, TxEip2930, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use common::{CHAIN_ID, ETHER, GWEI, Key, Net, legacy, number, transfer};
use ocr_devnet::Config;
use serde_json::json;

#[test]
fn transactions_of_every_type_are_mined() {
    let mut net = Net::new();
    let list = AccessList(vec![AccessListItem {
        address: Address::repeat_byte(7),
        storage_keys: vec![B256::ZERO],
    }]);
    let typed = TxEip2930 {
        chain_id: CHAIN_ID,
        nonce: 1,
        gas_price: 2 * GWEI,
        gas_limit: 30_000,
        to: TxKind::Call(Address::repeat_byte(0x99)),
        value: U256::from(5),
        access_list: list,
        input: Bytes::new(),
    };
    let raws = [
        net.key.sign(legacy(0)),
        net.key.sign(typed),
        net.key.sign(transfer(2)),
    ];
    let hashes: Vec<_> = raws.iter().map(|raw| net.send(raw)).collect();
    assert_eq!(net.mine(), 1);
    let gas = [21_000, 21_000 + 2400 + 1900, 21_000];
    for (index, hash) in hashes.iter().enumerate() {
        let receipt = net.ok("eth_getTransactionReceipt", json!([hash]));
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(receipt["type"], format!("{index:#x}"));
        assert_eq!(receipt["transactionIndex"], format!("{index:#x}"));
        assert_eq!(number(&receipt["gasUsed"]), gas[index]);
        let tx = net.ok("eth_getTransactionByHash", json!([hash]));
        assert_eq!(tx["from"], format!("{:#x}", net.key.address()));
        assert_eq!(tx["gasPrice"], receipt["effectiveGasPrice"]);
        assert_eq!(tx["blockNumber"], "0x1");
    }
    let balance = net.ok(
        "eth_getBalance",
        json!([format!("{:#x}", Address::repeat_byte(0x99))]),
    );
    assert_eq!(balance, "0xf");
}

#[test]
fn malformed_and_impossible_transactions_are_refused() {
    let mut net = Net::new();
    let key = Key::new(1);
    let refusals: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "typed transaction too short"),
        (vec![0x03, 0xc0], "transaction type not supported"),
        (vec![0x7f], "transaction type not supported"),
        (vec![0x02, 0xc0], "rlp: "),
        (vec![0xc0], "rlp: "),
        (vec![0xff; 9], "rlp: "),
        ([net.key.sign(transfer(0)), vec![0]].concat(), "rlp: "),
        (vec![2; 200_000], "oversized data"),
        (
            key.sign(TxEip1559 {
                chain_id: 1,
                ..transfer(0)
            }),
            "invalid chain id for signer",
        ),
        (
            key.sign(TxLegacy {
                chain_id: None,
                ..legacy(0)
            }),
            "only replay-protected",
        ),
        (
            key.sign(TxEip1559 {
                gas_limit: 30_000_001,
                ..transfer(0)
            }),
            "exceeds block gas limit",
        ),
        (
            key.sign(TxEip1559 {
                gas_limit: 20_000_000,
                ..transfer(0)
            }),
            "transaction gas limit too high",
        ),
        (
            key.sign(TxEip1559 {
                gas_limit: 20_999,
                ..transfer(0)
            }),
            "intrinsic gas too low",
        ),
        (
            key.sign(TxEip1559 {
                gas_limit: 21_100,
                input: Bytes::from(vec![1; 6]),
                ..transfer(0)
            }),
            "insufficient gas for floor data gas cost",
        ),
        (
            key.sign(TxEip1559 {
                max_priority_fee_per_gas: 11 * GWEI,
                ..transfer(0)
            }),
            "max priority fee per gas higher than max fee per gas",
        ),
        (
            key.sign(TxEip1559 {
                to: TxKind::Create,
                gas_limit: 10_000_000,
                input: Bytes::from(vec![0; 50_000]),
                ..transfer(0)
            }),
            "max initcode size exceeded",
        ),
        (key.sign(transfer(u64::MAX)), "nonce has max value"),
        (
            key.sign(TxEip1559 {
                value: U256::from(1000 * ETHER),
                ..transfer(0)
            }),
            "insufficient funds for gas * price + value",
        ),
        (
            Key::new(2).sign(transfer(0)),
            "insufficient funds for gas * price + value",
        ),
        (
            key.sign(TxEip1559 {
                max_fee_per_gas: u128::MAX,
                value: U256::MAX,
                ..transfer(0)
            }),
            "insufficient funds",
        ),
    ];
    for (raw, expected) in refusals {
        let message = net.refused(&raw);
        assert!(
            message.starts_with(expected),
            "{message:?}, not {expected:?}"
        );
    }
    assert_eq!(net.chain.pool_status(), (0, 0));
}

#[test]
fn a_high_s_signature_is_refused() {
    let mut net = Net::new();
    let raw = net.key.sign(transfer(0));
    // The same signature with n - s and the other parity.
    let order = U256::from_be_bytes(alloy_primitives::hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let (body, s) = raw.split_at(raw.len() - 32);
    let s = order - U256::from_be_slice(s);
    let mut twin = body.to_vec();
    let parity = twin.len() - 1 - 33 - 1;
    twin[parity] = if twin[parity] == 1 { 0x80 } else { 1 };
    twin.extend(s.to_be_bytes::<32>());
    assert_eq!(net.refused(&twin), "invalid sender");
    net.send(&raw);
}

#[test]
fn nonces_are_kept_in_order() {
    let mut net = Net::new();
    let raws: Vec<_> = (0..4).map(|nonce| net.key.sign(transfer(nonce))).collect();
    let sender = format!("{:#x}", net.key.address());
    let count =
        |net: &mut Net, tag: &str| number(&net.ok("eth_getTransactionCount", json!([sender, tag])));
    net.send(&raws[0]);
    net.send(&raws[2]);
    assert_eq!(
        net.ok("txpool_status", json!([])),
        json!({"pending": "0x1", "queued": "0x1"})
    );
    assert_eq!(count(&mut net, "pending"), 1);
    net.send(&raws[1]);
    assert_eq!(count(&mut net, "pending"), 3);
    assert_eq!(count(&mut net, "latest"), 0);
    assert_eq!(net.refused(&raws[1]), "already known");
    net.mine();
    assert_eq!(count(&mut net, "latest"), 3);
    assert_eq!(
        net.refused(&raws[1]),
        "nonce too low: next nonce 3, tx nonce 1"
    );
    assert_eq!(net.chain.pool_status(), (0, 0));
}

#[test]
fn a_replacement_must_raise_both_fees_by_a_tenth() {
    let mut net = Net::new();
    let bid = |fee_cap: u128, tip_cap: u128| TxEip1559 {
        max_fee_per_gas: fee_cap,
        max_priority_fee_per_gas: tip_cap,
        ..transfer(0)
    };
    let first = net.key.sign(bid(1000 * GWEI, 100 * GWEI));
    let first_hash = net.send(&first);
    for (fee_cap, tip_cap) in [
        (1099 * GWEI, 110 * GWEI),
        (1100 * GWEI, 109 * GWEI),
        (1100 * GWEI, 110 * GWEI - 1),
    ] {
        let raw = net.key.sign(bid(fee_cap, tip_cap));
        assert_eq!(net.refused(&raw), "replacement transaction underpriced");
    }
    let second = net.key.sign(bid(1100 * GWEI, 110 * GWEI));
    let second_hash = net.send(&second);
    assert_eq!(
        net.ok("eth_getTransactionByHash", json!([first_hash])),
        json!(null)
    );
    assert_eq!(net.chain.pool_status(), (1, 0));
    net.mine();
    assert_eq!(
        net.ok("eth_getTransactionReceipt", json!([first_hash])),
        json!(null)
    );
    assert_eq!(
        net.ok("eth_getTransactionReceipt", json!([second_hash]))["status"],
        "0x1"
    );
}

#[test]
fn the_better_tip_goes_first() {
    let rich = Key::new(3);
    let mut net = Net::new();
    let fund = TxEip1559 {
        to: TxKind::Call(rich.address()),
        value: U256::from(ETHER),
        ..transfer(0)
    };
    let raw = net.key.sign(fund);
    net.send(&raw);
    net.mine();
    let cheap = net.key.sign(transfer(1));
    let cheap_hash = net.send(&cheap);
    let dear = rich.sign(TxEip1559 {
        max_priority_fee_per_gas: 2 * GWEI,
        ..transfer(0)
    });
    let dear_hash = net.send(&dear);
    net.mine();
    let block = net.ok("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(block["transactions"], json!([dear_hash, cheap_hash]));
}

#[test]
fn below_the_base_fee_it_waits() {
    let mut net = Net::with(Config {
        base_fee: 20_000_000_000,
        ..Config::default()
    });
    let raw = net.key.sign(transfer(0));
    let hash = net.send(&raw);
    // 17.5, 15.3, 13.4, 11.7, 10.3 and 9.0 gwei: the fee cap is 10.
    for _ in 0..5 {
        net.mine();
        assert_eq!(
            net.ok("eth_getTransactionByHash", json!([hash]))["blockHash"],
            json!(null)
        );
        assert_eq!(net.chain.pool_status(), (1, 0));
    }
    net.mine();
    assert_eq!(
        net.ok("eth_getTransactionReceipt", json!([hash]))["blockNumber"],
        "0x6"
    );
}

#[test]
fn the_pool_is_bounded() {
    let mut net = Net::with(Config {
        pool_limit: 2,
        ..Config::default()
    });
    let raws: Vec<_> = (0..3).map(|nonce| net.key.sign(transfer(nonce))).collect();
    net.send(&raws[0]);
    net.send(&raws[1]);
    assert_eq!(net.refused(&raws[2]), "transaction underpriced");
    // A replacement takes no room.
    let better = net.key.sign(TxEip1559 {
        max_fee_per_gas: 20 * GWEI,
        max_priority_fee_per_gas: 2 * GWEI,
        ..transfer(1)
    });
    net.send(&better);
    net.mine();
    net.send(&raws[2]);
}

#[test]
fn a_full_pool_drops_the_cheapest() {
    let rich = Key::new(3);
    let mut net = Net::with(Config {
        pool_limit: 2,
        ..Config::default()
    });
    net.ok(
        "anvil_setBalance",
        json!([rich.address().to_string(), "0xde0b6b3a7640000"]),
    );
    let bid = |nonce, tip: u128| TxEip1559 {
        max_priority_fee_per_gas: tip,
        ..transfer(nonce)
    };
    let dear = net.key.sign(bid(0, 3 * GWEI));
    let cheap = net.key.sign(bid(1, GWEI));
    let (dear, cheap) = (net.send(&dear), net.send(&cheap));
    let waits = |net: &mut Net, hash: &serde_json::Value| {
        !net.ok("eth_getTransactionByHash", json!([hash])).is_null()
    };
    // Not for one that pays the same, and never for the sake of the one that it comes before.
    let same = rich.sign(bid(0, GWEI));
    assert_eq!(net.refused(&same), "transaction underpriced");
    let own = net.key.sign(bid(2, 2 * GWEI));
    assert_eq!(net.refused(&own), "transaction underpriced");
    let better = rich.sign(bid(0, 2 * GWEI));
    let better = net.send(&better);
    assert!(waits(&mut net, &dear) && waits(&mut net, &better) && !waits(&mut net, &cheap));
    assert_eq!(net.chain.pool_status(), (2, 0));
}

#[test]
fn a_legacy_chain_knows_no_base_fee() {
    let mut net = Net::with(Config {
        legacy: true,
        ..Config::default()
    });
    let dynamic = net.key.sign(transfer(0));
    assert_eq!(net.refused(&dynamic), "transaction type not supported");
    let raw = net.key.sign(common::legacy(0));
    let hash = net.send(&raw);
    net.mine();
    let block = net.ok("eth_getBlockByNumber", json!(["latest", false]));
    for name in [
        "baseFeePerGas",
        "withdrawals",
        "withdrawalsRoot",
        "blobGasUsed",
    ] {
        assert!(block.get(name).is_none(), "{name}");
    }
    let receipt = net.ok("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(number(&receipt["effectiveGasPrice"]), 2 * GWEI);
    assert_eq!(number(&net.ok("eth_gasPrice", json!([]))), GWEI);
    let history = net.ok("eth_feeHistory", json!([2, "latest", [50]]));
    assert_eq!(history["baseFeePerGas"], json!(["0x0", "0x0", "0x0"]));
    assert_eq!(number(&history["reward"][1][0]), 2 * GWEI);
    let (code, message) = net.fails("anvil_setNextBlockBaseFeePerGas", json!([7]));
    assert_eq!(code, -32602);
    assert!(message.contains("no base fee"), "{message}");
}

#[test]
fn what_waits_is_listed_and_can_be_dropped() {
    let mut net = Net::new();
    let raws: Vec<_> = [0, 1, 3].map(|nonce| net.key.sign(transfer(nonce))).into();
    let hashes: Vec<_> = raws.iter().map(|raw| net.send(raw)).collect();
    let sender = net.key.address().to_checksum(None);
    let content = net.ok("txpool_content", json!([]));
    assert_eq!(content["pending"][&sender]["1"]["hash"], hashes[1]);
    assert_eq!(content["queued"][&sender]["3"]["hash"], hashes[2]);
    assert_eq!(
        net.ok("txpool_contentFrom", json!([sender]))["pending"],
        content["pending"][&sender]
    );
    let line = net.ok("txpool_inspect", json!([]))["pending"][&sender]["0"].clone();
    assert!(line.as_str().expect("a line").contains("21000 gas"));
    // One gone, the later one waits behind a gap.
    assert_eq!(
        net.ok("anvil_dropTransaction", json!([hashes[0]])),
        hashes[0]
    );
    assert_eq!(
        net.ok("anvil_dropTransaction", json!([hashes[0]])),
        json!(null)
    );
    assert_eq!(net.chain.pool_status(), (0, 2));
    assert_eq!(net.ok("hardhat_dropTransaction", json!([hashes[2]])), true);
    assert_eq!(net.ok("hardhat_dropTransaction", json!([hashes[2]])), false);
    net.send(&raws[0]);
    assert_eq!(net.chain.pool_status(), (2, 0));
    net.ok("anvil_removePoolTransactions", json!([sender]));
    assert_eq!(net.chain.pool_status(), (0, 0));
    net.send(&raws[0]);
    net.ok("anvil_dropAllTransactions", json!([]));
    net.mine();
    assert_eq!(
        net.ok("eth_getBlockByNumber", json!(["latest", false]))["gasUsed"],
        "0x0"
    );
}

#[test]
fn everything_queued_must_be_payable() {
    let mut net = Net::new();
    let half = |nonce| TxEip1559 {
        value: U256::from(600 * ETHER),
        ..transfer(nonce)
    };
    let first = net.key.sign(half(0));
    net.send(&first);
    let second = net.key.sign(half(1));
    let message = net.refused(&second);
    assert!(message.contains("queued cost"), "{message}");
}

#[test]
fn a_full_block_leaves_the_rest_for_the_next() {
    let mut net = Net::with(Config {
        block_gas_limit: 100_000,
        ..Config::default()
    });
    let raws: Vec<_> = (0..6).map(|nonce| net.key.sign(transfer(nonce))).collect();
    for raw in &raws {
        net.send(raw);
    }
    net.mine();
    assert_eq!(net.chain.pool_status(), (2, 0));
    let block = net.ok("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(block["gasUsed"], format!("{:#x}", 4 * 21_000));
    net.mine();
    assert_eq!(net.chain.pool_status(), (0, 0));
}

#[test]
fn automine_gives_each_its_block() {
    let mut net = Net::new();
    net.ok("evm_setAutomine", json!([true]));
    let raws: Vec<_> = (0..3).map(|nonce| net.key.sign(transfer(nonce))).collect();
    net.send(&raws[0]);
    assert_eq!(net.chain.height(), 1);
    net.send(&raws[2]);
    assert_eq!(net.chain.height(), 1, "behind a nonce gap nothing is mined");
    net.send(&raws[1]);
    assert_eq!(net.chain.height(), 2);
    assert_eq!(net.chain.pool_status(), (0, 0));
}
