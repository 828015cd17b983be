//! The hot paths of an Offchain Reporting 2 round, and every byte rule they depend on.
//!
//! One oracle's disagreement about one byte keeps a committee from agreeing, so each module
//! follows libocr (MIT, commit 0a5e2f9), and names the file a rule was read in. Golden vectors
//! made by running libocr are in `tests/vectors`. Aggregator B's format is this project's own, and
//! specified in `docs/contract-b.md`.
//!
//! | Module | Content |
//! |---|---|
//! | [`ed25519`] | observation signatures, with Go's verdict |
//! | [`secp256k1`] | report signatures, recovered as on chain |
//! | [`observation`], [`proto`] | the body of an observation, read as leniently as Go reads it |
//! | [`report`], [`gosort`], [`int192`] | medians, report bytes, context, hashes |
//! | [`packed`], [`format`](mod@format) | aggregator B's report and hash, and which of the two a committee uses |
//! | [`committee`], [`follower`] | all signatures of a round; a report request answered in one call |
//! | [`config`], [`shared_secret`], [`x25519`] | configuration digest and shared secret |
//! | [`schedule`], [`permutation`] | leaders and transmission stages |
//! | [`primitives`], [`build_info`] | what benches and operators ask about this build |
//!
//! Nothing panics on input: arguments that break a rule give an [`Error`], bytes from peers a
//! verdict. There is one unsafe call, in [`secp256k1`], with its proof; what the binding's macros
//! generate is `PyO3`'s.
//!
//! The feature `python` adds the extension module `ocr_crypto._native`.

pub mod abi;
pub mod build_info;
pub mod committee;
pub mod config;
pub mod ed25519;
pub mod error;
pub mod follower;
pub mod format;
pub mod gosort;
pub mod hash;
pub mod int192;
pub mod observation;
pub mod packed;
pub mod permutation;
pub mod primitives;
pub mod proto;
pub mod report;
pub mod schedule;
pub mod secp256k1;
pub mod shared_secret;
pub mod x25519;

#[cfg(feature = "python")]
mod python;

pub use error::Error;
