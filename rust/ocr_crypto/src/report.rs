//! The report of a median feed: its bytes, its context and what is signed for the contract.
//!
//! Sources: libocr `median/evmreportcodec/reportcodec.go`, `evmutil.RawReportContext`,
//! `reportContextHash` in `protocol/report_generation_follower.go`, and `transmit` of
//! `OCR2Aggregator.sol`.

use crate::abi::{self, Word};
use crate::error::{Error, hexadecimal};
use crate::gosort;
use crate::hash::{FieldHasher, Hash, keccak256};
use crate::int192::Int192;

/// `rawObservers` is one word, a byte for each observation.
pub const MAX_OBSERVATIONS: usize = 32;
/// observationsTimestamp, rawObservers, offset of observations, juelsPerFeeCoin.
const HEAD_LENGTH: usize = 4 * 32;

/// One decoded observation and the oracle that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributedObservation {
    /// Seconds since 1970.
    pub timestamp: u32,
    /// The answer.
    pub value: Int192,
    /// Price of the fee coin in juels.
    pub juels_per_fee_coin: Int192,
    /// Index of the oracle.
    pub observer: u8,
}

/// Sorts as the plugin's `shouldReport` does before the codec sees the observations.
///
/// `sort.Slice` is unstable and sorts in place, so this decides where ties stand afterwards.
pub fn sort_as_should_report(observations: &mut [AttributedObservation]) {
    gosort::sort(observations, |a, b| a.value < b.value);
}

/// A report: its bytes, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The encoding.
    pub bytes: Vec<u8>,
    /// The median of the observations' timestamps.
    pub timestamp: u32,
    /// The median of the observations' values, which is the contract's answer.
    pub median: Int192,
    /// The median of the observations' prices of the fee coin.
    pub juels_per_fee_coin: Int192,
}

/// Encodes a report as `ReportCodec.BuildReport`: three sorts, each on the outcome of the last.
///
/// A follower calls [`sort_as_should_report`] first; without it, ties may stand elsewhere.
///
/// # Errors
/// [`Error::Range`] if there are no observations, or more than `rawObservers` has bytes for.
pub fn build_report(observations: &mut [AttributedObservation]) -> Result<Report, Error> {
    if observations.is_empty() || observations.len() > MAX_OBSERVATIONS {
        let rule = "1 to 32, the bytes of rawObservers";
        return Err(Error::range(
            "number of observations",
            observations.len(),
            rule,
        ));
    }
    let Medians {
        timestamp,
        value: median,
        juels_per_fee_coin,
    } = sort_as_codec(observations);

    let mut observers: Word = [0; 32];
    for (byte, observation) in observers.iter_mut().zip(&*observations) {
        *byte = observation.observer;
    }
    let mut bytes = Vec::with_capacity(HEAD_LENGTH + 32 * (1 + observations.len()));
    bytes.extend(abi::unsigned(u64::from(timestamp)));
    bytes.extend(observers);
    bytes.extend(abi::size(HEAD_LENGTH));
    bytes.extend(juels_per_fee_coin.to_word());
    bytes.extend(abi::size(observations.len()));
    for observation in &*observations {
        bytes.extend(observation.value.to_word());
    }
    Ok(Report {
        bytes,
        timestamp,
        median,
        juels_per_fee_coin,
    })
}

/// The element ⌊k/2⌋ of each sorted list.
pub(crate) struct Medians {
    pub(crate) timestamp: u32,
    pub(crate) value: Int192,
    pub(crate) juels_per_fee_coin: Int192,
}

/// Brings observations into the order of a report. There must be at least one.
pub(crate) fn sort_as_codec(observations: &mut [AttributedObservation]) -> Medians {
    let middle = observations.len() / 2;
    gosort::sort(observations, |a, b| a.timestamp < b.timestamp);
    let timestamp = observations[middle].timestamp;
    gosort::sort(observations, |a, b| {
        a.juels_per_fee_coin < b.juels_per_fee_coin
    });
    let juels_per_fee_coin = observations[middle].juels_per_fee_coin;
    gosort::sort(observations, |a, b| a.value < b.value);
    Medians {
        timestamp,
        value: observations[middle].value,
        juels_per_fee_coin,
    }
}

/// What the bytes of a report say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedReport {
    /// Seconds since 1970.
    pub timestamp: u32,
    /// The oracle behind each observation, by index.
    pub observers: Vec<u8>,
    /// The observations in the order of the report; never empty.
    pub observations: Vec<Int192>,
    /// Price of the fee coin in juels.
    pub juels_per_fee_coin: Int192,
}

/// Reads a report as go-ethereum's `abi.Unpack` does for `ReportCodec.MedianFromReport`.
///
/// As lenient as that decoder: the array may lie at any offset within the bytes, trailing bytes
/// and bytes of rawObservers beyond the observations are ignored. Stricter in two points that no
/// encoder can reach: a number that does not fit `int192` is refused (Go reads it as `int256`),
/// and so are more observations than rawObservers has bytes for.
///
/// # Errors
/// [`Error::Report`] naming the part at fault; an empty list of observations is a fault too.
pub fn decode_report(bytes: &[u8]) -> Result<DecodedReport, Error> {
    let (words, _) = bytes.as_chunks::<32>();
    let [timestamp, observers, pointer, juels, ..] = words else {
        return Err(Error::Report {
            field: "length",
            value: bytes.len().to_string(),
            rule: "at least the four words of the head, 128 bytes",
        });
    };
    let timestamp = abi::to_size(timestamp)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| fault("observationsTimestamp", timestamp, "a uint32"))?;
    let values = array(bytes, pointer)?;
    let observers = observers
        .get(..values.len())
        .filter(|observers| !observers.is_empty())
        .ok_or_else(|| Error::Report {
            field: "number of observations",
            value: values.len().to_string(),
            rule: "1 to 32, the bytes of rawObservers",
        })?
        .to_vec();
    let observations = values
        .iter()
        .map(|word| Int192::from_word(word).ok_or_else(|| fault("observation", word, "an int192")))
        .collect::<Result<Vec<_>, _>>()?;
    let juels_per_fee_coin =
        Int192::from_word(juels).ok_or_else(|| fault("juelsPerFeeCoin", juels, "an int192"))?;
    Ok(DecodedReport {
        timestamp,
        observers,
        observations,
        juels_per_fee_coin,
    })
}

/// The words of the dynamic array whose offset stands in `pointer` (`lengthPrefixPointsTo`).
fn array<'a>(bytes: &'a [u8], pointer: &Word) -> Result<&'a [Word], Error> {
    let (offset, length) = abi::to_size(pointer)
        .and_then(|offset| Some((offset, abi::word_at(bytes, offset)?)))
        .ok_or_else(|| fault("offset of observations", pointer, "within the report"))?;
    // `offset + 32` is within `bytes`, because the length was there.
    let (words, _) = bytes[offset + 32..].as_chunks();
    abi::to_size(length)
        .and_then(|length| words.get(..length))
        .ok_or_else(|| fault("number of observations", length, "as many as follow it"))
}

fn fault(field: &'static str, word: &Word, rule: &'static str) -> Error {
    let value = format!("0x{}", hexadecimal(word));
    Error::Report { field, value, rule }
}

/// The extra hash h that ties a report to the observations it was made from.
///
/// SHA-256 of len(query) u64 ‖ query ‖ count u64 ‖ for each observation in the order of the
/// request: len u64 ‖ observation ‖ observer u8. Bodies that do not decode count too.
pub fn inputs_hash<'a>(
    query: &[u8],
    observations: impl ExactSizeIterator<Item = (&'a [u8], u8)>,
) -> Hash {
    let start = FieldHasher::new().sized(query).count(observations.len());
    observations
        .fold(start, |hasher, (observation, observer)| {
            hasher.sized(observation).fixed(&[observer])
        })
        .finish()
}

/// The report context of the contract: configDigest; epoch and round in the last 5 bytes; h.
#[must_use]
pub fn report_context(config_digest: &Hash, epoch: u32, round: u8, extra_hash: &Hash) -> [Word; 3] {
    let mut epoch_and_round = [0; 32];
    epoch_and_round[27..31].copy_from_slice(&epoch.to_be_bytes());
    epoch_and_round[31] = round;
    [*config_digest, epoch_and_round, *extra_hash]
}

/// What oracles sign for the contract: keccak256(keccak256(report) ‖ context), without the text
/// prefix that wallets add.
#[must_use]
pub fn signing_hash(context: &[Word; 3], report: &[u8]) -> Hash {
    keccak256(&[&keccak256(&[report]), context.as_flattened()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(value: u8) -> Int192 {
        let mut bytes = [0; 24];
        bytes[23] = value;
        Int192::from_be_bytes(bytes)
    }

    fn observation(observer: u8, value: u8) -> AttributedObservation {
        AttributedObservation {
            timestamp: u32::from(observer) + 10,
            value: number(value),
            juels_per_fee_coin: number(observer),
            observer,
        }
    }

    /// Three observations: timestamp 11, observers 2, 0, 1 by value.
    fn report() -> Vec<u8> {
        let mut observations = [observation(0, 7), observation(1, 9), observation(2, 5)];
        build_report(&mut observations)
            .expect("three observations")
            .bytes
    }

    fn fault_of(bytes: &[u8]) -> &'static str {
        match decode_report(bytes) {
            Err(Error::Report { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_report_says_what_was_encoded() {
        let decoded = decode_report(&report()).expect("our own report");
        assert_eq!(decoded.timestamp, 11);
        assert_eq!(decoded.observers, [2, 0, 1]);
        assert_eq!(decoded.observations, [5, 7, 9].map(number));
        assert_eq!(decoded.juels_per_fee_coin, number(1));
    }

    #[test]
    fn a_report_of_none_or_too_many_is_refused() {
        assert!(build_report(&mut []).is_err());
        let mut most: Vec<_> = (0..32).map(|observer| observation(observer, 1)).collect();
        assert!(build_report(&mut most).is_ok());
        most.push(observation(32, 1));
        assert!(matches!(build_report(&mut most), Err(Error::Range { .. })));
    }

    #[test]
    fn what_go_ignores_is_ignored() {
        let mut bytes = report();
        let plain = decode_report(&bytes);
        bytes[63] = 9;
        bytes.extend([1, 2, 3]);
        assert_eq!(decode_report(&bytes), plain);
        // The array may start at any byte.
        let array = bytes[128..].to_vec();
        bytes.splice(128..128, [0xaa]);
        bytes[95] = 129;
        assert_eq!(bytes[129..], array);
        assert_eq!(decode_report(&bytes), plain);
    }

    #[test]
    fn what_go_refuses_is_refused_by_name() {
        assert_eq!(fault_of(&[]), "length");
        assert_eq!(fault_of(&report()[..127]), "length");
        let changed = |index: usize, byte| {
            let mut bytes = report();
            bytes[index] = byte;
            bytes
        };
        assert_eq!(fault_of(&changed(27, 1)), "observationsTimestamp");
        assert_eq!(fault_of(&changed(64, 1)), "offset of observations");
        assert_eq!(fault_of(&changed(94, 1)), "offset of observations");
        assert_eq!(fault_of(&changed(96, 1)), "juelsPerFeeCoin");
        assert_eq!(fault_of(&changed(128, 1)), "number of observations");
        assert_eq!(fault_of(&changed(159, 4)), "number of observations");
        assert_eq!(fault_of(&changed(159, 0)), "number of observations");
        assert_eq!(fault_of(&changed(160, 1)), "observation");
        assert_eq!(
            fault_of(&report()[..report().len() - 1]),
            "number of observations"
        );
    }

    #[test]
    fn the_context_holds_epoch_and_round_in_its_last_bytes() {
        let [digest, word, extra] = report_context(&[1; 32], 0x0102_0304, 5, &[2; 32]);
        assert_eq!((digest, extra), ([1; 32], [2; 32]));
        assert_eq!(word[27..], [1, 2, 3, 4, 5]);
        assert_eq!(word[..27], [0; 27]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode_report(&bytes);
        }

        #[test]
        fn a_report_survives_changed_bytes_without_panic(
            changes in prop::collection::vec((0_usize..256, any::<u8>()), 1..6),
        ) {
            let mut bytes = report();
            for (index, byte) in changes {
                bytes[index] = byte;
            }
            let _ = decode_report(&bytes);
        }
    }
}
