//! A chain with one funded key, and a contract to call.
#![allow(dead_code, reason = "every test binary uses a part")]
#![allow(missing_docs, clippy::must_use_candidate, reason = "test helpers")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "`json!` values read better without borrows"
)]

use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, hex};
use k256::ecdsa::SigningKey;
use ocr_devnet::{Chain, Config, rpc};
use serde_json::{Value, json};

pub const CHAIN_ID: u64 = 1337;
pub const GWEI: u128 = 1_000_000_000;
pub const ETHER: u128 = GWEI * GWEI;

/// Without input it returns slot 0. Any other first word is stored there and logged, with topics
/// 0x11 and the word; zero reverts with `Error("zero")`.
pub const CONTRACT: &str = "6098600c60003960986000f3\
    36600f57600054600052602060 00f3\
    5b6000358060235760646034600039606460 00fd\
    5b80600055806000526011602060 00a200\
    08c379a0\
    0000000000000000000000000000000000000000000000000000000000000020\
    0000000000000000000000000000000000000000000000000000000000000004\
    7a65726f00000000000000000000000000000000000000000000000000000000";

pub fn contract() -> Bytes {
    let digits: String = CONTRACT.chars().filter(char::is_ascii_hexdigit).collect();
    hex::decode(digits).expect("hex").into()
}

pub struct Key(SigningKey);

impl Key {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).expect("a scalar"))
    }

    pub fn address(&self) -> Address {
        Address::from_public_key(self.0.verifying_key())
    }

    pub fn sign<T: SignableTransaction<Signature>>(&self, tx: T) -> Vec<u8>
    where
        alloy_consensus::Signed<T>: Encodable2718,
    {
        let hash = tx.signature_hash();
        let (signature, parity) = self
            .0
            .sign_prehash_recoverable(hash.as_slice())
            .expect("signed");
        tx.into_signed(Signature::from((signature, parity)))
            .encoded_2718()
    }
}

pub fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(0x99)),
        value: U256::from(5),
        ..TxEip1559::default()
    }
}

pub fn legacy(nonce: u64) -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 2 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0x99)),
        value: U256::from(5),
        input: Bytes::new(),
    }
}

pub struct Net {
    pub chain: Chain,
    pub key: Key,
    pub now: u64,
}

impl Net {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let key = Key::new(1);
        let accounts = vec![(key.address(), U256::from(1000 * ETHER))];
        let chain = Chain::new(Config { accounts, ..config }).expect("a valid config");
        Self {
            chain,
            key,
            now: 1_700_000_000,
        }
    }

    pub fn raw(&mut self, body: &[u8]) -> Value {
        let answer = rpc::handle(&mut self.chain, body, self.now);
        if answer.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&answer).expect("JSON")
        }
    }

    pub fn answer(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.raw(request.to_string().as_bytes())
    }

    pub fn ok(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, &params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Code and message.
    pub fn fails(&mut self, method: &str, params: Value) -> (i64, String) {
        let answer = self.answer(method, &params);
        let error = &answer["error"];
        let code = error["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("{method}: {answer}"));
        (
            code,
            error["message"].as_str().expect("a message").to_owned(),
        )
    }

    pub fn send(&mut self, raw: &[u8]) -> Value {
        self.ok("eth_sendRawTransaction", json!([hex::encode_prefixed(raw)]))
    }

    pub fn refused(&mut self, raw: &[u8]) -> String {
        let (code, message) =
            self.fails("eth_sendRawTransaction", json!([hex::encode_prefixed(raw)]));
        assert_eq!(code, -32000, "{message}");
        message
    }

    pub fn mine(&mut self) -> u64 {
        self.now += 1;
        self.chain.mine(self.now)
    }

    /// Deploys the contract and returns its address.
    pub fn deploy(&mut self, nonce: u64) -> Value {
        let tx = TxEip1559 {
            gas_limit: 500_000,
            to: TxKind::Create,
            value: U256::ZERO,
            input: contract(),
            ..transfer(nonce)
        };
        let raw = self.key.sign(tx);
        let hash = self.send(&raw);
        self.mine();
        let receipt = self.ok("eth_getTransactionReceipt", json!([hash]));
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        receipt["contractAddress"].clone()
    }

    /// Sends `word` to the contract.
    pub fn set(&mut self, nonce: u64, contract: &Value, word: u64, gas_limit: u64) -> Value {
        let to: Address = contract
            .as_str()
            .expect("an address")
            .parse()
            .expect("an address");
        let tx = TxEip1559 {
            gas_limit,
            to: TxKind::Call(to),
            value: U256::ZERO,
            input: Bytes::copy_from_slice(&U256::from(word).to_be_bytes::<32>()),
            ..transfer(nonce)
        };
        let raw = self.key.sign(tx);
        self.send(&raw)
    }
}

pub fn number(value: &Value) -> u128 {
    let digits = value
        .as_str()
        .and_then(|text| text.strip_prefix("0x"))
        .expect("a quantity");
    u128::from_str_radix(digits, 16).expect("hex")
}

pub fn word(value: u64) -> String {
    format!("{:#066x}", U256::from(value))
}
