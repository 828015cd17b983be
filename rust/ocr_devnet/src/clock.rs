//! What time the next block gets.

use crate::config::MAX_TIMESTAMP;

/// The caller's clock, moved on request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Seconds added to the caller's time; bounded by [`MAX_TIMESTAMP`] either way.
    pub offset: i64,
    /// The next block's timestamp, when somebody has asked for one.
    pub next: Option<u64>,
}

impl Clock {
    /// The time at `now`, before any wish for the next block.
    pub fn time(self, now: u64) -> u64 {
        now.min(MAX_TIMESTAMP)
            .saturating_add_signed(self.offset)
            .min(MAX_TIMESTAMP)
    }

    /// The timestamp of a block mined at `now` after one of `parent`: always later.
    pub fn stamp(self, now: u64, parent: u64) -> u64 {
        self.next.unwrap_or_else(|| self.time(now)).max(parent + 1)
    }

    /// A block was mined at `now`: time goes on from the moment that was asked for.
    pub fn used(&mut self, now: u64) {
        if let Some(next) = self.next.take() {
            self.set(now, next);
        }
    }

    /// Makes it `time` at `now`.
    pub fn set(&mut self, now: u64, time: u64) {
        let signed = |value: u64| i64::try_from(value.min(MAX_TIMESTAMP)).unwrap_or(i64::MAX);
        self.offset = signed(time) - signed(now);
    }

    /// Moves the clock forward; how far ahead it is now.
    pub fn advance(&mut self, now: u64, seconds: u64) -> i64 {
        let time = self.time(now).saturating_add(seconds);
        self.set(now, time);
        self.offset
    }
}
