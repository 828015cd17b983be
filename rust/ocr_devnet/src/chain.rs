//! The chain: its ledger, its mempool and its clock.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256};
use revm::context::TxEnv;
use std::sync::Arc;
use std::time::Duration;

use crate::block::{Sealed, draft, next_base_fee};
use crate::builder::{Builder, Refusal};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::exec::{Failure, Mode, Outcome, run};
use crate::journal::{Event, Journal};
use crate::ledger::Ledger;
use crate::pool::Pool;
use crate::queue::Queue;
use crate::rpc::Filters;
use crate::snapshots::Snapshots;
use crate::state::State;
use crate::tx::{Tx, TxError};
use crate::view::{Db, View};

/// A development chain.
#[derive(Debug)]
pub struct Chain {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) pool: Pool,
    pub(crate) clock: Clock,
    /// The base fee of the next block, when somebody has asked for one.
    pub(crate) wanted_base_fee: Option<u64>,
    /// How often blocks were taken back. Blocks say so, or a block mined again would be the same.
    pub(crate) forks: u64,
    pub(crate) journal: Journal,
    pub(crate) snapshots: Snapshots,
    pub(crate) filters: Filters,
    interval: Option<Duration>,
    ids: u64,
}

impl Chain {
    /// A chain of one block.
    ///
    /// # Errors
    /// When a field of `config` is out of its bounds.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let state = State::new(config.accounts.iter().copied(), config.history);
        let mut header = draft(
            0,
            B256::ZERO,
            config.genesis_timestamp,
            config.block_gas_limit,
            (!config.legacy).then_some(config.base_fee),
        );
        header.state_root = state.genesis_commitment();
        let genesis = Sealed::seal(header, Vec::new());
        Ok(Self::over(config, Ledger::new(state, genesis)))
    }

    pub(crate) fn over(config: Config, ledger: Ledger) -> Self {
        Self {
            pool: Pool::new(config.pool_limit),
            ledger,
            clock: Clock::default(),
            wanted_base_fee: None,
            forks: 0,
            journal: Journal::default(),
            snapshots: Snapshots::default(),
            filters: Filters::default(),
            interval: None,
            ids: 0,
            config,
        }
    }

    /// The chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.config.chain_id
    }

    pub(crate) fn head(&self) -> &Sealed {
        self.ledger.head()
    }

    /// The number of the newest block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.ledger.height()
    }

    /// Rises with everything that a subscription may have to tell.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.journal.end()
    }

    pub(crate) fn finalized(&self) -> u64 {
        self.height().saturating_sub(self.config.finality_depth)
    }

    pub(crate) fn block(&self, number: u64) -> Option<&Sealed> {
        self.ledger.block(number).map(Arc::as_ref)
    }

    /// A number that was not given out before, for a filter, a subscription or a snapshot.
    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// How many transactions wait: for the next block, and for a nonce before theirs.
    #[must_use]
    pub fn pool_status(&self) -> (usize, usize) {
        self.pool.status(|sender| self.nonce(sender))
    }

    pub(crate) fn nonce(&self, sender: &Address) -> u64 {
        self.ledger.state.latest().nonce(sender)
    }

    pub(crate) fn pending_nonce(&self, sender: &Address) -> u64 {
        self.pool.next_nonce(sender, self.nonce(sender))
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

    /// The base fee of the next block; `None` on a chain without.
    pub(crate) fn next_base_fee(&self) -> Option<u64> {
        let follows = next_base_fee(&self.head().header)?;
        Some(self.wanted_base_fee.unwrap_or(follows))
    }

    /// The header that a block mined at `now` would start from.
    pub(crate) fn next_header(&self, now: u64) -> Header {
        let timestamp = self.clock.stamp(now, self.head().header.timestamp);
        self.header_at(timestamp)
    }

    pub(crate) fn header_at(&self, timestamp: u64) -> Header {
        let parent = self.head();
        let mut header = draft(
            parent.number() + 1,
            parent.hash,
            timestamp,
            self.config.block_gas_limit,
            self.next_base_fee(),
        );
        if self.forks > 0 {
            header.extra_data = self.forks.to_be_bytes().into();
        }
        header
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
            hashes: self.ledger.hashes(),
        };
        run(db, header, self.config.chain_id, tx, Mode::Call)
    }

    /// Takes a raw transaction into the mempool; with automine, mines it at `now`.
    ///
    /// # Errors
    /// With geth's text when the transaction is malformed, unpayable, too old or too cheap.
    pub fn send_raw(&mut self, raw: &[u8], now: u64) -> Result<B256, TxError> {
        let tx = Arc::new(Tx::decode(raw, &self.config)?);
        let hash = tx.hash();
        self.admit(tx)?;
        if self.config.automine && !self.executable().is_empty() {
            self.mine(now);
        }
        Ok(hash)
    }

    /// Takes a transaction into the mempool and tells those who follow it.
    pub(crate) fn admit(&mut self, tx: Arc<Tx>) -> Result<(), TxError> {
        let sender = tx.sender;
        let account = self
            .ledger
            .state
            .latest()
            .account(&sender)
            .unwrap_or_default();
        let base_fee = self.next_base_fee().unwrap_or_default();
        self.pool
            .add(tx, account.nonce, account.balance, base_fee)?;
        for tx in self.pool.announce(&sender, account.nonce) {
            self.journal.push(Event::Pending(tx));
        }
        Ok(())
    }

    fn executable(&self) -> Queue {
        self.pool
            .executable(self.next_base_fee().unwrap_or_default(), |sender| {
                self.nonce(sender)
            })
    }

    /// Mines one block, also an empty one, and returns its number. `now` is the caller's time; the
    /// timestamp is moved up when it is not after the parent's.
    pub fn mine(&mut self, now: u64) -> u64 {
        let header = self.next_header(now);
        let mut queue = self.executable();
        let mut builder = Builder::begin(&mut self.ledger, self.config.chain_id, header);
        while let Some(tx) = queue.pop() {
            match builder.include(&tx) {
                Ok(()) => queue.advance(&tx.sender),
                // Its sender waits for the next block, the others go on.
                Err(Refusal::NoRoom) => {}
                // An earlier one has spent its funds.
                Err(Refusal::Invalid(_)) => self.pool.remove(&tx),
            }
        }
        let block = builder.seal();
        self.clock.used(now);
        self.wanted_base_fee = None;
        self.settle();
        let number = block.number();
        self.journal.push(Event::Added(block));
        number
    }

    /// Forgets the waiting transactions that the newest state has made impossible.
    pub(crate) fn settle(&mut self) {
        let state = self.ledger.state.latest();
        self.pool.settle(|sender| {
            let account = state.account(sender).unwrap_or_default();
            (account.nonce, account.balance)
        });
    }
}
