//! The blocks that are part of the chain now, and the state after the newest one.

use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use std::sync::Arc;

use crate::block::Sealed;
use crate::state::State;
use crate::view::View;

/// Everything that a snapshot brings back and a reorganisation changes.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub state: State,
    /// By number; there is always a genesis block.
    blocks: Vec<Arc<Sealed>>,
    /// By number, for the EVM.
    hashes: Vec<B256>,
    numbers: B256Map<u64>,
    /// Block number and index of every mined transaction.
    places: B256Map<(u64, usize)>,
}

impl Ledger {
    pub fn new(state: State, genesis: Sealed) -> Self {
        let mut ledger = Self {
            state,
            blocks: Vec::new(),
            hashes: Vec::new(),
            numbers: B256Map::default(),
            places: B256Map::default(),
        };
        ledger.append(Arc::new(genesis));
        ledger
    }

    pub fn head(&self) -> &Arc<Sealed> {
        self.blocks.last().expect("a chain has a genesis block")
    }

    pub fn height(&self) -> u64 {
        self.head().number()
    }

    pub fn blocks(&self) -> &[Arc<Sealed>] {
        &self.blocks
    }

    pub fn hashes(&self) -> &[B256] {
        &self.hashes
    }

    pub fn block(&self, number: u64) -> Option<&Arc<Sealed>> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    pub fn number_of(&self, hash: &B256) -> Option<u64> {
        self.numbers.get(hash).copied()
    }

    pub fn place_of(&self, hash: &B256) -> Option<(&Arc<Sealed>, usize)> {
        let (number, index) = *self.places.get(hash)?;
        Some((self.block(number)?, index))
    }

    /// The state as block `number` left it; `None` when it is too old.
    pub fn state_at(&self, number: u64) -> Option<View<'_>> {
        self.state.before(self.height().checked_sub(number)?)
    }

    /// Takes the block after the newest one; its writes are in the state already.
    pub fn append(&mut self, block: Arc<Sealed>) {
        for (index, mined) in block.txs.iter().enumerate() {
            self.places.insert(mined.tx.hash(), (block.number(), index));
        }
        self.numbers.insert(block.hash, block.number());
        self.hashes.push(block.hash);
        self.blocks.push(block);
    }

    /// How many of the newest blocks can be taken back.
    pub fn reversible(&self) -> u64 {
        self.height().min(self.state.reversible() as u64)
    }

    /// Takes back the newest `depth` blocks, at most [`Ledger::reversible`], and returns them
    /// with the oldest first.
    pub fn drop_newest(&mut self, depth: u64) -> Vec<Arc<Sealed>> {
        let depth = usize::try_from(depth.min(self.reversible())).unwrap_or(0);
        let dropped = self.blocks.split_off(self.blocks.len() - depth);
        self.hashes.truncate(self.blocks.len());
        for block in &dropped {
            self.numbers.remove(&block.hash);
            for mined in &block.txs {
                self.places.remove(&mined.tx.hash());
            }
            self.state.take_back();
        }
        dropped
    }

    /// How many blocks from genesis on are the same in both.
    pub fn shared_with(&self, other: &Self) -> usize {
        // Blocks commit to their ancestors.
        let longest = self.hashes.len().min(other.hashes.len());
        let differs = |at: &usize| self.hashes[*at] != other.hashes[*at];
        let mut low = 0;
        let mut high = longest;
        while low < high {
            let middle = usize::midpoint(low, high);
            if differs(&middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}
