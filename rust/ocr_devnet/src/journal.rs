//! What happened on the chain, for those who follow it.
//!
//! One ring for everybody: a filter or a subscription is a position in it, so that a client that
//! does not read costs nothing but its place. Who falls off the end has lost track and is told so.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::block::Sealed;
use crate::tx::Tx;

/// How many events a follower may be behind.
pub const KEPT: usize = 16_384;

#[derive(Clone, Debug)]
pub enum Event {
    /// A block became part of the chain.
    Added(Arc<Sealed>),
    /// A block is no longer part of the chain.
    Removed(Arc<Sealed>),
    /// A transaction can be in the next block, for all its nonce says.
    Pending(Arc<Tx>),
}

#[derive(Debug, Default)]
pub struct Journal {
    /// The position after the newest event.
    end: u64,
    events: VecDeque<Event>,
}

impl Journal {
    pub fn end(&self) -> u64 {
        self.end
    }

    pub fn push(&mut self, event: Event) {
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
        self.end += 1;
    }

    /// The events from position `at` on; `None` when some of them are forgotten.
    pub fn since(&self, at: u64) -> Option<impl Iterator<Item = &Event>> {
        let behind = usize::try_from(self.end.checked_sub(at)?).ok()?;
        Some(self.events.range(self.events.len().checked_sub(behind)?..))
    }
}
