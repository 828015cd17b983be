//! The chain: blocks, the state after the newest one, and the mempool.

use alloy_consensus::Header;
use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, Bloom};
use revm::context::TxEnv;
use std::sync::Arc;
use std::time::Duration;

use crate::block::{Mined, Sealed, draft, next_base_fee};
use crate::config::{Config, ConfigError, MAX_TIMESTAMP};
use crate::exec::{Failure, Mode, Outcome, run};
use crate::pool::{Pool, Queue};
use crate::state::{Db, State, View};
use crate::tx::{Tx, TxError};

/// A development chain.
#[derive(Debug)]
pub struct Chain {
    config: Config,
    state: State,
    /// By number; there is always a genesis block.
    blocks: Vec<Sealed>,
    /// By number, for the EVM.
    hashes: Vec<B256>,
    numbers: B256Map<u64>,
    /// Block number and index of every mined transaction.
    places: B256Map<(u64, usize)>,
    pool: Pool,
    interval: Option<Duration>,
}

impl Chain {
    /// A chain of one block.
    ///
    /// # Errors
    /// When a field of `config` is out of its bounds.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let state = State::new(config.accounts.iter().copied());
        let mut header = draft(
            0,
            B256::ZERO,
            config.genesis_timestamp,
            config.block_gas_limit,
            config.base_fee,
        );
        header.state_root = state.genesis_commitment();
        let genesis = Sealed::seal(header, Vec::new());
        Ok(Self {
            pool: Pool::new(config.pool_limit),
            hashes: vec![genesis.hash],
            numbers: std::iter::once((genesis.hash, 0)).collect(),
            places: B256Map::default(),
            blocks: vec![genesis],
            interval: None,
            state,
            config,
        })
    }

    /// The chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.config.chain_id
    }

    pub(crate) fn head(&self) -> &Sealed {
        self.blocks.last().expect("a chain has a genesis block")
    }

    /// The number of the newest block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.head().number()
    }

    pub(crate) fn finalized(&self) -> u64 {
        self.height().saturating_sub(self.config.finality_depth)
    }

    pub(crate) fn block(&self, number: u64) -> Option<&Sealed> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn blocks(&self) -> &[Sealed] {
        &self.blocks
    }

    pub(crate) fn number_of(&self, hash: &B256) -> Option<u64> {
        self.numbers.get(hash).copied()
    }

    /// The block and the index that hold a transaction.
    pub(crate) fn place_of(&self, hash: &B256) -> Option<(&Sealed, usize)> {
        let (number, index) = *self.places.get(hash)?;
        Some((self.block(number)?, index))
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How many transactions wait: for the next block, and for a nonce before theirs.
    #[must_use]
    pub fn pool_status(&self) -> (usize, usize) {
        let state = self.state.latest();
        self.pool.status(|sender| state.nonce(sender))
    }

    pub(crate) fn pending_nonce(&self, sender: &Address) -> u64 {
        self.pool
            .next_nonce(sender, self.state.latest().nonce(sender))
    }

    /// Whether every transaction is mined at once.
    #[must_use]
    pub fn automine(&self) -> bool {
        self.config.automine
    }

    /// Turns mining at once on or off.
    pub fn set_automine(&mut self, on: bool) {
        self.config.automine = on;
    }

    /// How often whoever drives this chain should mine; `None` for not at all.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// Asks whoever drives this chain to mine this often.
    pub fn set_interval(&mut self, interval: Option<Duration>) {
        self.interval = interval;
    }

    /// The state as block `number` left it; `None` when it is too old.
    pub(crate) fn state_at(&self, number: u64) -> Option<View<'_>> {
        self.state.before(self.height().checked_sub(number)?)
    }

    /// The header that a block mined at `timestamp` would start from.
    pub(crate) fn next_header(&self, timestamp: u64) -> Header {
        let parent = self.head();
        let timestamp = timestamp
            .min(MAX_TIMESTAMP)
            .max(parent.header.timestamp + 1);
        draft(
            parent.number() + 1,
            parent.hash,
            timestamp,
            self.config.block_gas_limit,
            next_base_fee(&parent.header),
        )
    }

    /// Runs a call in the block of `header` on `view`, and writes nothing.
    pub(crate) fn call(
        &self,
        view: View<'_>,
        header: &Header,
        tx: TxEnv,
    ) -> Result<Outcome, Failure> {
        let db = Db {
            view,
            hashes: &self.hashes,
        };
        run(db, header, self.config.chain_id, tx, Mode::Call)
    }

    /// Takes a raw transaction into the mempool; with automine, mines it at `now`.
    ///
    /// # Errors
    /// With geth's text when the transaction is malformed, unpayable, too old or too cheap.
    pub fn send_raw(&mut self, raw: &[u8], now: u64) -> Result<B256, TxError> {
        let tx = Tx::decode(raw, self.config.chain_id, self.config.block_gas_limit)?;
        let hash = tx.hash();
        let account = self.state.latest().account(&tx.sender).unwrap_or_default();
        self.pool.add(tx, account.nonce, account.balance)?;
        if self.config.automine && !self.executable().is_empty() {
            self.mine(now);
        }
        Ok(hash)
    }

    fn executable(&self) -> Queue {
        let state = self.state.latest();
        self.pool
            .executable(next_base_fee(&self.head().header), |sender| {
                state.nonce(sender)
            })
    }

    /// Mines one block, also an empty one, and returns its number. The timestamp is moved up when
    /// it is not after the parent's.
    pub fn mine(&mut self, timestamp: u64) -> u64 {
        let mut header = self.next_header(timestamp);
        let mut queue = self.executable();
        self.state.begin_block();
        let mut mined: Vec<Mined> = Vec::new();
        let mut gas_used = 0;
        let mut log_count = 0;
        while let Some(tx) = queue.pop() {
            if tx.gas_limit() > header.gas_limit - gas_used {
                // Its sender waits for the next block, the others go on.
                continue;
            }
            let db = Db {
                view: self.state.latest(),
                hashes: &self.hashes,
            };
            let Ok(outcome) = run(db, &header, self.config.chain_id, tx.env(), Mode::Block) else {
                // An earlier one has spent its funds.
                self.pool.remove(&tx);
                continue;
            };
            self.state.apply(outcome.state);
            gas_used += outcome.result.tx_gas_used();
            queue.advance(&tx.sender);
            let receipt = receipt(tx, &outcome.result, &header, gas_used, log_count);
            log_count += receipt.logs.len();
            mined.push(receipt);
        }
        header.state_root = self.state.commitment(self.head().header.state_root);
        self.append(Sealed::seal(header, mined))
    }

    fn append(&mut self, block: Sealed) -> u64 {
        let number = block.number();
        for (index, mined) in block.txs.iter().enumerate() {
            self.places.insert(mined.tx.hash(), (number, index));
        }
        self.numbers.insert(block.hash, number);
        self.hashes.push(block.hash);
        self.blocks.push(block);
        let state = self.state.latest();
        self.pool.settle(|sender| {
            let account = state.account(sender).unwrap_or_default();
            (account.nonce, account.balance)
        });
        number
    }
}

fn receipt(
    tx: Arc<Tx>,
    result: &revm::context::result::ExecutionResult,
    header: &Header,
    cumulative_gas_used: u64,
    first_log: usize,
) -> Mined {
    let logs = if result.is_success() {
        result.logs().to_vec()
    } else {
        Vec::new()
    };
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    Mined {
        success: result.is_success(),
        gas_used: result.tx_gas_used(),
        cumulative_gas_used,
        effective_gas_price: u128::from(base_fee) + tx.tip_at(base_fee).unwrap_or_default(),
        contract: tx.creates(),
        bloom: logs.iter().collect::<Bloom>(),
        logs,
        first_log,
        tx,
    }
}
