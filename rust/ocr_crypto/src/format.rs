//! Which aggregator a committee reports to decides its reports' bytes and what is signed over them.

use crate::error::Error;
use crate::hash::Hash;
use crate::observation::SignedObservation;
use crate::packed::{build_packed_report, packed_signing_hash};
use crate::report::{
    AttributedObservation, Report, build_report, inputs_hash, report_context, signing_hash,
};

/// How a report is laid out and signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReportFormat {
    /// The deployed OCR2 aggregators' and aggregator A's: ABI-encoded, signed with its context.
    #[default]
    Ocr2,
    /// Aggregator B's: [`crate::packed`].
    Packed,
}

impl ReportFormat {
    /// By its name; `None` for any other.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Ocr2, Self::Packed]
            .into_iter()
            .find(|format| format.name() == name)
    }

    /// What settings and Python call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ocr2 => "ocr2",
            Self::Packed => "packed",
        }
    }

    /// The report over observations that were sorted as by the plugin.
    ///
    /// # Errors
    /// [`Error::Range`] if there are none or too many.
    pub fn build(self, observations: &mut [AttributedObservation]) -> Result<Report, Error> {
        match self {
            Self::Ocr2 => build_report(observations),
            Self::Packed => build_packed_report(observations),
        }
    }

    /// The extra hash h of the report that a request leads to; zero where nothing signs it.
    #[must_use]
    pub fn extra_hash(self, query: &[u8], observations: &[SignedObservation<'_>]) -> Hash {
        match self {
            Self::Ocr2 => inputs_hash(
                query,
                observations
                    .iter()
                    .map(|signed| (signed.observation, signed.observer)),
            ),
            Self::Packed => [0; 32],
        }
    }

    /// What oracles sign for the contract. A packed report's hash does not cover `extra_hash`.
    #[must_use]
    pub fn signing_hash(
        self,
        config_digest: &Hash,
        epoch: u32,
        round: u8,
        extra_hash: &Hash,
        report: &[u8],
    ) -> Hash {
        match self {
            Self::Ocr2 => signing_hash(
                &report_context(config_digest, epoch, round, extra_hash),
                report,
            ),
            Self::Packed => packed_signing_hash(config_digest, epoch, round, report),
        }
    }
}
