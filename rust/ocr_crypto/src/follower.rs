//! A follower's answer to a report request, in one call.
//!
//! libocr `verifyReportReq` in `protocol/report_generation_follower.go`, then the median plugin's
//! `Report` in `median/median.go` without its question whether to report, which needs the chain.

use thiserror::Error as ThisError;

use crate::committee::Committee;
use crate::hash::Hash;
use crate::int192::Int192;
use crate::observation::{Observation, SignedMessage, SignedObservation};
use crate::report::{AttributedObservation, Report, sort_as_should_report};

/// The report that a request leads to, and everything a follower needs to sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltReport {
    /// The bytes, in the committee's format.
    pub report: Vec<u8>,
    /// h, which ties the report to the request; zero in the packed format.
    pub extra_hash: Hash,
    /// The answer.
    pub median: Int192,
    /// The median timestamp, in seconds since 1970.
    pub timestamp: u32,
    /// The median price of the fee coin in juels.
    pub juels_per_fee_coin: Int192,
    /// Observers whose bodies do not decode, in the order of the request.
    pub left_out: Vec<u8>,
    /// What to sign.
    pub signing_hash: Hash,
}

/// Why a report request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
pub enum Refusal {
    /// Fewer than 2f+1 observations.
    #[error("report request has {got} observations, needs more than 2f = {bound}")]
    TooFewObservations {
        /// Number of observations.
        got: usize,
        /// 2f.
        bound: usize,
    },
    /// More observations than oracles.
    #[error("report request has {got} observations, but there are {n} oracles")]
    TooManyObservations {
        /// Number of observations.
        got: usize,
        /// Number of oracles.
        n: usize,
    },
    /// An observer that is no oracle.
    #[error("observer {observer} is out of range, there are {n} oracles")]
    ObserverOutOfRange {
        /// The index.
        observer: u8,
        /// Number of oracles.
        n: usize,
    },
    /// Two observations by one oracle.
    #[error("observer {observer} occurs twice")]
    DuplicateObserver {
        /// The index.
        observer: u8,
    },
    /// A signature that does not verify.
    #[error("signature of observer {observer} does not verify")]
    InvalidSignature {
        /// The index.
        observer: u8,
    },
    /// The median plugin knows only the empty query.
    #[error("query is {length} bytes long, a median feed's is empty")]
    QueryNotEmpty {
        /// Length of the query.
        length: usize,
    },
    /// More than f bodies may be the work of faulty oracles, so the rest must be f+1.
    #[error("only {got} observations decode, needs at least f+1 = {need}")]
    TooFewDecodable {
        /// Number of decodable observations.
        got: usize,
        /// f+1.
        need: usize,
    },
}

impl Refusal {
    /// Name of the broken rule.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooFewObservations { .. } => "too_few_observations",
            Self::TooManyObservations { .. } => "too_many_observations",
            Self::ObserverOutOfRange { .. } => "observer_out_of_range",
            Self::DuplicateObserver { .. } => "duplicate_observer",
            Self::InvalidSignature { .. } => "invalid_signature",
            Self::QueryNotEmpty { .. } => "query_not_empty",
            Self::TooFewDecodable { .. } => "too_few_decodable",
        }
    }

    /// The index that the broken rule is about, if it is about one.
    #[must_use]
    pub const fn oracle(&self) -> Option<u8> {
        match self {
            Self::ObserverOutOfRange { observer, .. }
            | Self::DuplicateObserver { observer }
            | Self::InvalidSignature { observer } => Some(*observer),
            _ => None,
        }
    }
}

/// Verifies a report request and builds its report.
///
/// The cheap rules are checked before the signatures; which rule is named when several are broken
/// may therefore differ from libocr, whether the request is refused does not.
///
/// # Errors
/// The [`Refusal`], naming rule and oracle.
pub fn verify_and_build_report(
    committee: &Committee,
    epoch: u32,
    round: u8,
    query: &[u8],
    observations: &[SignedObservation<'_>],
) -> Result<BuiltReport, Refusal> {
    check_observers(committee, observations)?;
    let message = SignedMessage::new(committee.config_digest(), epoch, round, query);
    let verdicts = committee.verify_observations(&message, observations);
    for (signed, good) in observations.iter().zip(verdicts) {
        if !good {
            let observer = signed.observer;
            return Err(Refusal::InvalidSignature { observer });
        }
    }
    build(committee, epoch, round, query, observations)
}

/// `verifyReportReq` without the signatures.
fn check_observers(
    committee: &Committee,
    observations: &[SignedObservation<'_>],
) -> Result<(), Refusal> {
    let (n, got, bound) = (committee.n(), observations.len(), 2 * committee.f());
    if got > n {
        return Err(Refusal::TooManyObservations { got, n });
    }
    let mut seen = vec![false; n];
    for &SignedObservation { observer, .. } in observations {
        match seen.get_mut(usize::from(observer)) {
            None => return Err(Refusal::ObserverOutOfRange { observer, n }),
            Some(true) => return Err(Refusal::DuplicateObserver { observer }),
            Some(seen) => *seen = true,
        }
    }
    if got <= bound {
        return Err(Refusal::TooFewObservations { got, bound });
    }
    Ok(())
}

/// `numericalMedian.Report`, for observations whose signatures are good.
fn build(
    committee: &Committee,
    epoch: u32,
    round: u8,
    query: &[u8],
    observations: &[SignedObservation<'_>],
) -> Result<BuiltReport, Refusal> {
    if !query.is_empty() {
        let length = query.len();
        return Err(Refusal::QueryNotEmpty { length });
    }
    let mut decoded = Vec::with_capacity(observations.len());
    let mut left_out = Vec::new();
    for &SignedObservation {
        observation,
        observer,
        ..
    } in observations
    {
        match Observation::decode(observation) {
            Some(body) => decoded.push(AttributedObservation {
                timestamp: body.timestamp,
                value: body.value,
                juels_per_fee_coin: body.juels_per_fee_coin,
                observer,
            }),
            None => left_out.push(observer),
        }
    }
    let too_few = Refusal::TooFewDecodable {
        got: decoded.len(),
        need: committee.f() + 1,
    };
    if decoded.len() <= committee.f() {
        return Err(too_few);
    }
    let format = committee.report_format();
    sort_as_should_report(&mut decoded);
    // There is at least one observation and at most one for each of 31 oracles.
    let Report {
        bytes,
        timestamp,
        median,
        juels_per_fee_coin,
    } = format.build(&mut decoded).map_err(|_| too_few)?;
    let extra_hash = format.extra_hash(query, observations);
    let digest = committee.config_digest();
    Ok(BuiltReport {
        signing_hash: format.signing_hash(digest, epoch, round, &extra_hash, &bytes),
        report: bytes,
        extra_hash,
        median,
        timestamp,
        juels_per_fee_coin,
        left_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ed25519::OffchainSigner;
    use crate::format::ReportFormat;
    use crate::packed::{decode_packed_report, packed_signing_hash};
    use crate::report::{report_context, signing_hash};

    const DIGEST: Hash = [7; 32];

    struct Signed {
        body: Vec<u8>,
        signature: [u8; 64],
        observer: u8,
    }

    fn signed(observer: u8, body: Vec<u8>) -> Signed {
        let signer = OffchainSigner::new(&[observer + 1; 32]);
        Signed {
            signature: signer.sign_observation(&DIGEST, 1, 2, b"", &body),
            body,
            observer,
        }
    }

    fn honest(observer: u8) -> Signed {
        let mut value = [0; 24];
        value[23] = observer;
        let body = Observation {
            timestamp: 1_700_000_000 + u32::from(observer),
            value: Int192::from_be_bytes(value),
            juels_per_fee_coin: Int192::from_be_bytes(value),
            gas_price_subunits: None,
        };
        signed(observer, body.encode())
    }

    fn answer(query: &[u8], request: &[Signed]) -> Result<BuiltReport, Refusal> {
        answer_in(ReportFormat::Ocr2, query, request)
    }

    fn answer_in(
        format: ReportFormat,
        query: &[u8],
        request: &[Signed],
    ) -> Result<BuiltReport, Refusal> {
        let keys = [1, 2, 3, 4].map(|seed| OffchainSigner::new(&[seed; 32]).public_key());
        let addresses = [[1; 20], [2; 20], [3; 20], [4; 20]];
        let committee = Committee::new(DIGEST, 1, &keys, &addresses)
            .expect("four oracles")
            .with_report_format(format);
        let request: Vec<_> = request
            .iter()
            .map(|signed| SignedObservation {
                observation: &signed.body,
                signature: &signed.signature,
                observer: signed.observer,
            })
            .collect();
        verify_and_build_report(&committee, 1, 2, query, &request)
    }

    #[test]
    fn a_good_request_is_answered_and_liars_are_left_out() {
        let built = answer(b"", &[honest(3), signed(2, vec![0]), honest(0)]).expect("a report");
        assert_eq!(built.left_out, [2]);
        assert_eq!(built.timestamp, 1_700_000_003);
        assert_eq!(built.median.to_be_bytes()[23], 3);
        let context = report_context(&DIGEST, 1, 2, &built.extra_hash);
        assert_eq!(built.signing_hash, signing_hash(&context, &built.report));
    }

    #[test]
    fn a_packed_report_says_the_same_and_depends_on_no_extra_hash() {
        let request = [honest(3), signed(2, vec![0]), honest(0), honest(1)];
        let packed = answer_in(ReportFormat::Packed, b"", &request).expect("a report");
        let plain = answer(b"", &request).expect("a report");
        assert_eq!(
            (packed.left_out, packed.timestamp, packed.median),
            (plain.left_out, plain.timestamp, plain.median)
        );
        assert_eq!(packed.extra_hash, [0; 32]);
        assert_eq!(
            packed.signing_hash,
            packed_signing_hash(&DIGEST, 1, 2, &packed.report)
        );
        let decoded = decode_packed_report(&packed.report).expect("a packed report");
        assert_eq!(decoded.observers, [0, 1, 3]);
        let refusal = answer_in(ReportFormat::Packed, b"", &request[..2]).expect_err("refused");
        assert_eq!(refusal.rule(), "too_few_observations");
    }

    #[test]
    fn each_rule_is_named_with_the_oracle_that_broke_it() {
        let refused = |query: &[u8], request: &[Signed]| {
            let refusal = answer(query, request).expect_err("refused");
            (refusal.rule(), refusal.oracle())
        };
        assert_eq!(
            refused(b"", &[honest(0), honest(1)]),
            ("too_few_observations", None)
        );
        assert_eq!(
            refused(b"", &[0, 1, 2, 3, 0].map(honest)),
            ("too_many_observations", None)
        );
        assert_eq!(
            refused(b"", &[0, 1, 4].map(honest)),
            ("observer_out_of_range", Some(4))
        );
        assert_eq!(
            refused(b"", &[0, 1, 0].map(honest)),
            ("duplicate_observer", Some(0))
        );
        let mut forged = [0, 1, 2].map(honest);
        forged[1].signature[5] ^= 1;
        assert_eq!(refused(b"", &forged), ("invalid_signature", Some(1)));
        // Signed for the empty query, so another query breaks the signatures first.
        assert_eq!(
            refused(b"q", &[0, 1, 2].map(honest)),
            ("invalid_signature", Some(0))
        );
        assert_eq!(
            refused(b"", &[honest(0), signed(1, vec![0]), signed(2, vec![])]),
            ("too_few_decodable", None)
        );
    }
}
