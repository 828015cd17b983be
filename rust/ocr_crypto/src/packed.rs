//! The packed report of aggregator B: its bytes and what is signed over them.
//!
//! The rules are in `docs/contract-b.md` of the project. The order of the observations, and with it
//! the medians, are those of an OCR2 report.

use crate::committee::MAX_ORACLES;
use crate::error::{Error, hexadecimal};
use crate::hash::{Hash, keccak256};
use crate::int192::{INT192_LENGTH, Int192};
use crate::report::{AttributedObservation, Medians, Report, sort_as_codec};

/// Time (4 bytes), number of observations, bytes of the smallest one, bytes of a difference.
const HEAD_LENGTH: usize = 7;

/// Encodes a report; the observations are sorted as `ReportCodec.BuildReport` sorts them.
///
/// A follower calls [`crate::report::sort_as_should_report`] first, as for an OCR2 report.
///
/// # Errors
/// [`Error::Range`] if there are no observations, or more than a committee has oracles.
pub fn build_packed_report(observations: &mut [AttributedObservation]) -> Result<Report, Error> {
    let count = u8::try_from(observations.len())
        .ok()
        .filter(|&count| (1..=MAX_ORACLES).contains(&usize::from(count)))
        .ok_or_else(|| {
            let rule = "1 to 31, the oracles of a committee";
            Error::range("number of observations", observations.len(), rule)
        })?;
    let Medians {
        timestamp,
        value: median,
        juels_per_fee_coin,
    } = sort_as_codec(observations);
    let (smallest, largest) = (
        observations[0].value,
        observations[observations.len() - 1].value,
    );
    let value_width = smallest.width();
    let widest = largest.excess_over(smallest);
    let unused = widest.iter().take_while(|&&byte| byte == 0).count();
    let difference_width = INT192_LENGTH - unused;

    let mut bytes = Vec::with_capacity(
        HEAD_LENGTH
            + observations.len()
            + value_width
            + (observations.len() - 1) * difference_width,
    );
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend([count, narrow(value_width), narrow(difference_width)]);
    bytes.extend(observations.iter().map(|observation| observation.observer));
    bytes.extend(&smallest.to_be_bytes()[INT192_LENGTH - value_width..]);
    for observation in &observations[1..] {
        bytes.extend(&observation.value.excess_over(smallest)[unused..]);
    }
    Ok(Report {
        bytes,
        timestamp,
        median,
        juels_per_fee_coin,
    })
}

/// A width, which is 24 at most.
const fn narrow(width: usize) -> u8 {
    width.to_le_bytes()[0]
}

/// What the bytes of a packed report say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedPackedReport {
    /// Seconds since 1970.
    pub timestamp: u32,
    /// The oracle behind each observation, by index.
    pub observers: Vec<u8>,
    /// The observations in the order of the report; never empty. The contract's answer is the one
    /// at index ⌊k/2⌋.
    pub observations: Vec<Int192>,
}

/// Reads a report as leniently as the contract: numbers may be wider than they need be, and
/// differences stand in any order. An observation beyond `int192` is refused, which the contract
/// does for the answer alone.
///
/// # Errors
/// [`Error::Report`] naming the part at fault.
pub fn decode_packed_report(bytes: &[u8]) -> Result<DecodedPackedReport, Error> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_LENGTH>() else {
        return Err(fault(
            "length",
            bytes.len(),
            "at least the 7 bytes of the head",
        ));
    };
    let &[a, b, c, d, count, value_width, difference_width] = head;
    let [count, value_width, difference_width] =
        [count, value_width, difference_width].map(usize::from);
    if !(1..=MAX_ORACLES).contains(&count) {
        return Err(fault("number of observations", count, "1 to 31"));
    }
    if !(1..=INT192_LENGTH).contains(&value_width) {
        return Err(fault("width of the smallest", value_width, "1 to 24"));
    }
    if difference_width > INT192_LENGTH {
        return Err(fault("width of a difference", difference_width, "0 to 24"));
    }
    let length = HEAD_LENGTH + count + value_width + (count - 1) * difference_width;
    if bytes.len() != length {
        return Err(fault(
            "length",
            bytes.len(),
            "what number and widths make it",
        ));
    }
    let (observers, numbers) = rest.split_at(count);
    let (smallest, differences) = numbers.split_at(value_width);
    let smallest = Int192::from_shortened(smallest)
        .ok_or_else(|| fault("width of the smallest", value_width, "1 to 24"))?;
    let mut observations = vec![smallest; count];
    if difference_width > 0 {
        let pieces = differences.chunks_exact(difference_width);
        for (observation, piece) in observations.iter_mut().skip(1).zip(pieces) {
            *observation = smallest.exceeded_by(piece).ok_or_else(|| Error::Report {
                field: "difference",
                value: format!("0x{}", hexadecimal(piece)),
                rule: "one that leads to an int192",
            })?;
        }
    }
    Ok(DecodedPackedReport {
        timestamp: u32::from_be_bytes([a, b, c, d]),
        observers: observers.to_vec(),
        observations,
    })
}

fn fault(field: &'static str, value: usize, rule: &'static str) -> Error {
    Error::Report {
        field,
        value: value.to_string(),
        rule,
    }
}

/// What oracles sign for aggregator B: keccak256(configDigest ‖ epoch ‖ round ‖ report), without
/// the text prefix that wallets add.
#[must_use]
pub fn packed_signing_hash(config_digest: &Hash, epoch: u32, round: u8, report: &[u8]) -> Hash {
    keccak256(&[config_digest, &epoch.to_be_bytes(), &[round], report])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(value: i64) -> Int192 {
        Int192::from_shortened(&value.to_be_bytes()).expect("8 bytes")
    }

    fn observation(observer: u8, value: Int192) -> AttributedObservation {
        AttributedObservation {
            timestamp: 0x6553_f100,
            value,
            juels_per_fee_coin: number(1),
            observer,
        }
    }

    /// The example of docs/contract-b.md.
    fn example() -> Vec<u8> {
        let mut observations = [(2, -2), (0, 5), (3, 5), (1, 300)]
            .map(|(observer, value)| observation(observer, number(value)));
        build_packed_report(&mut observations)
            .expect("four observations")
            .bytes
    }

    fn fault_of(bytes: &[u8]) -> &'static str {
        match decode_packed_report(bytes) {
            Err(Error::Report { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        let report = example();
        assert_eq!(hex::encode(&report), "6553f10004010202000301fe00070007012e");
        let mut digest = [0; 32];
        digest[31] = 1;
        assert_eq!(
            hex::encode(packed_signing_hash(&digest, 7, 3, &report)),
            "aac0344585bf87a22e3077018b1f15cebaab43eca9911225c78ea44f6d660d91"
        );
    }

    #[test]
    fn a_report_of_none_or_too_many_is_refused() {
        assert!(build_packed_report(&mut []).is_err());
        let mut most: Vec<_> = (0..31)
            .map(|observer| observation(observer, number(1)))
            .collect();
        let alike = build_packed_report(&mut most).expect("31 observations");
        assert_eq!(
            alike.bytes.len(),
            7 + 31 + 1,
            "equal observations take no bytes"
        );
        most.push(observation(31, number(1)));
        assert!(matches!(
            build_packed_report(&mut most),
            Err(Error::Range { .. })
        ));
    }

    #[test]
    fn the_ends_of_int192_take_24_bytes_each() {
        let least = Int192::from_slice(&[&[0x80][..], &[0; 23]].concat()).expect("24 bytes");
        let largest = Int192::from_slice(&[&[0x7f][..], &[0xff; 23]].concat()).expect("24 bytes");
        let mut ends = [observation(0, largest), observation(1, least)];
        let report = build_packed_report(&mut ends).expect("two observations");
        assert_eq!(report.median, largest);
        assert_eq!(report.bytes[4..9], [2, 24, 24, 1, 0]);
        let decoded = decode_packed_report(&report.bytes).expect("our own report");
        assert_eq!(decoded.observations, [least, largest]);
    }

    #[test]
    fn wider_numbers_in_any_order_are_read_as_the_contract_reads_them() {
        let wide = [
            &[0, 0, 0, 9, 3, 2, 3, 7, 8, 9, 0xff, 0xfe][..],
            &[0, 1, 0, 0, 0, 1],
        ]
        .concat();
        let decoded = decode_packed_report(&wide).expect("readable");
        assert_eq!((decoded.timestamp, decoded.observers), (9, vec![7, 8, 9]));
        assert_eq!(decoded.observations, [-2, 254, -1].map(number));
    }

    #[test]
    fn what_the_contract_refuses_is_refused_by_name() {
        assert_eq!(fault_of(&[]), "length");
        assert_eq!(fault_of(&example()[..6]), "length");
        let changed = |index: usize, byte| {
            let mut bytes = example();
            bytes[index] = byte;
            bytes
        };
        assert_eq!(fault_of(&changed(4, 0)), "number of observations");
        assert_eq!(fault_of(&changed(4, 32)), "number of observations");
        assert_eq!(fault_of(&changed(4, 5)), "length");
        assert_eq!(fault_of(&changed(5, 0)), "width of the smallest");
        assert_eq!(fault_of(&changed(5, 25)), "width of the smallest");
        assert_eq!(fault_of(&changed(6, 25)), "width of a difference");
        assert_eq!(fault_of(&changed(6, 1)), "length");
        assert_eq!(fault_of(&example()[..17]), "length");
        assert_eq!(fault_of(&[&example()[..], &[0]].concat()), "length");
        let beyond = [&[0, 0, 0, 9, 2, 24, 1, 0, 1, 0x7f][..], &[0xff; 23], &[1]].concat();
        assert_eq!(fault_of(&beyond), "difference");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = decode_packed_report(&bytes);
        }

        #[test]
        fn a_report_survives_changed_bytes_without_panic(
            changes in prop::collection::vec((0_usize..18, any::<u8>()), 1..6),
        ) {
            let mut bytes = example();
            for (index, byte) in changes {
                bytes[index] = byte;
            }
            let _ = decode_packed_report(&bytes);
        }

        #[test]
        fn what_is_encoded_is_read_and_is_what_the_ocr2_report_says(
            values in prop::collection::vec((any::<[u8; 24]>(), 0_usize..24, any::<u32>()), 1..32),
        ) {
            let mut observations: Vec<_> = values
                .iter()
                .zip(0..)
                .map(|(&(bytes, cut, timestamp), observer)| AttributedObservation {
                    timestamp,
                    value: Int192::from_shortened(&bytes[cut..]).expect("1 to 24 bytes"),
                    juels_per_fee_coin: Int192::from_be_bytes(bytes),
                    observer,
                })
                .collect();
            let mut others = observations.clone();
            let packed = build_packed_report(&mut observations).expect("a report");
            let decoded = decode_packed_report(&packed.bytes).expect("our own report");
            let ocr2 = crate::report::build_report(&mut others).expect("a report");
            let of_ocr2 = crate::report::decode_report(&ocr2.bytes).expect("our own report");
            prop_assert_eq!(&decoded.observations, &of_ocr2.observations);
            prop_assert_eq!(decoded.observers, of_ocr2.observers);
            prop_assert_eq!(decoded.timestamp, of_ocr2.timestamp);
            prop_assert_eq!(packed.median, decoded.observations[decoded.observations.len() / 2]);
            prop_assert_eq!(packed.median, ocr2.median);
        }
    }
}
