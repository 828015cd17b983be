//! The 192-bit signed integer of a median feed's answers.
//!
//! 24 bytes, big-endian two's complement everywhere outside (libocr `median/value.go`). Inside,
//! the sign bit is flipped, so that comparing bytes compares values and no big-integer
//! arithmetic is needed.

use crate::abi::Word;
use crate::error::Error;

/// Length of an [`Int192`] in bytes (`byteWidth` in libocr).
pub const INT192_LENGTH: usize = 24;

/// A signed integer of 192 bits, ordered by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int192 {
    /// The two's complement with its top bit flipped: value + 2^191 as an unsigned number.
    biased: [u8; INT192_LENGTH],
}

const SIGN_BIT: u8 = 0x80;

impl Int192 {
    /// From 24 bytes of big-endian two's complement.
    #[must_use]
    pub const fn from_be_bytes(mut bytes: [u8; INT192_LENGTH]) -> Self {
        bytes[0] ^= SIGN_BIT;
        Self { biased: bytes }
    }

    /// From a slice, as libocr's `DecodeValue`: 24 bytes, or no value at all.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }

    /// 24 bytes of big-endian two's complement.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; INT192_LENGTH] {
        let mut bytes = self.biased;
        bytes[0] ^= SIGN_BIT;
        bytes
    }

    /// From 1 to 24 bytes of big-endian two's complement, sign-extended.
    #[must_use]
    pub fn from_shortened(bytes: &[u8]) -> Option<Self> {
        let first = bytes.first()?;
        let mut whole = [if first & SIGN_BIT == 0 { 0x00 } else { 0xff }; INT192_LENGTH];
        let start = INT192_LENGTH.checked_sub(bytes.len())?;
        whole[start..].copy_from_slice(bytes);
        Some(Self::from_be_bytes(whole))
    }

    /// The fewest bytes, at least one, that hold the number in two's complement.
    #[must_use]
    pub fn width(self) -> usize {
        let bytes = self.to_be_bytes();
        let fill = extension(&bytes);
        let spare = bytes.windows(2).take_while(|pair| {
            // The next byte still begins with the sign.
            pair[0] == fill && (pair[1] ^ fill) & SIGN_BIT == 0
        });
        INT192_LENGTH - spare.count()
    }

    /// How much larger it is than `smaller`, big-endian and unsigned; modulo 2^192 if it is not.
    #[must_use]
    pub fn excess_over(self, smaller: Self) -> [u8; INT192_LENGTH] {
        let mut excess = [0; INT192_LENGTH];
        let mut borrow = false;
        // The bias is the same on both sides.
        for index in (0..INT192_LENGTH).rev() {
            let (byte, first) = self.biased[index].overflowing_sub(smaller.biased[index]);
            let (byte, second) = byte.overflowing_sub(u8::from(borrow));
            excess[index] = byte;
            borrow = first || second;
        }
        excess
    }

    /// The number that is larger by at most 24 bytes of big-endian excess; `None` beyond 192 bits.
    #[must_use]
    pub fn exceeded_by(self, excess: &[u8]) -> Option<Self> {
        let start = INT192_LENGTH.checked_sub(excess.len())?;
        let mut padded = [0; INT192_LENGTH];
        padded[start..].copy_from_slice(excess);
        let mut biased = self.biased;
        let mut carry = false;
        for (byte, more) in biased.iter_mut().zip(padded).rev() {
            let (sum, first) = byte.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u8::from(carry));
            *byte = sum;
            carry = first || second;
        }
        (!carry).then_some(Self { biased })
    }

    /// The ABI encoding of `int192`: sign-extended to a word.
    #[must_use]
    pub fn to_word(self) -> Word {
        let bytes = self.to_be_bytes();
        let mut word = [extension(&bytes); 32];
        word[8..].copy_from_slice(&bytes);
        word
    }

    /// From an ABI word, if the number fits 192 bits.
    #[must_use]
    pub fn from_word(word: &Word) -> Option<Self> {
        let value = Self::from_slice(&word[8..])?;
        (value.to_word() == *word).then_some(value)
    }
}

/// The byte that extends two's complement to the left.
fn extension(bytes: &[u8; INT192_LENGTH]) -> u8 {
    if bytes[0] & SIGN_BIT == 0 { 0x00 } else { 0xff }
}

/// The element at index ⌊k/2⌋ of the sorted values: what libocr and the contract call the median.
///
/// # Errors
/// [`Error::Range`] if there are no values.
pub fn median(values: &mut [Int192]) -> Result<Int192, Error> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return Err(Error::range("number of values", 0, "at least 1"));
    }
    Ok(*values.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from_i128(value: i128) -> Int192 {
        let mut bytes = [if value < 0 { 0xff } else { 0 }; INT192_LENGTH];
        bytes[8..].copy_from_slice(&value.to_be_bytes());
        Int192::from_be_bytes(bytes)
    }

    #[test]
    fn a_word_is_sign_extended_and_checked() {
        assert_eq!(from_i128(-5).to_word(), {
            let mut word = [0xff; 32];
            word[31] = 0xfb;
            word
        });
        let mut word = from_i128(-5).to_word();
        word[7] = 0;
        assert_eq!(Int192::from_word(&word), None);
        let mut word = from_i128(5).to_word();
        word[0] = 1;
        assert_eq!(Int192::from_word(&word), None);
    }

    #[test]
    fn widths_are_the_least_that_hold_the_sign() {
        for (value, width) in [
            (0, 1),
            (-1, 1),
            (127, 1),
            (128, 2),
            (-128, 1),
            (-129, 2),
            (32_767, 2),
            (32_768, 3),
            (-32_768, 2),
            (-32_769, 3),
            (i128::MAX, 16),
            (i128::MIN, 16),
        ] {
            assert_eq!(from_i128(value).width(), width, "{value}");
        }
        let mut least = [0; INT192_LENGTH];
        least[0] = 0x80;
        assert_eq!(Int192::from_be_bytes(least).width(), INT192_LENGTH);
        assert_eq!(Int192::from_shortened(&[]), None);
        assert_eq!(Int192::from_shortened(&[0; 25]), None);
    }

    #[test]
    fn sums_end_at_192_bits() {
        let largest = Int192::from_slice(&[&[0x7f][..], &[0xff; 23]].concat()).expect("24 bytes");
        let least = Int192::from_slice(&[&[0x80][..], &[0; 23]].concat()).expect("24 bytes");
        assert_eq!(largest.excess_over(least), [0xff; INT192_LENGTH]);
        assert_eq!(least.exceeded_by(&[0xff; INT192_LENGTH]), Some(largest));
        assert_eq!(largest.exceeded_by(&[]), Some(largest));
        assert_eq!(largest.exceeded_by(&[1]), None);
        assert_eq!(least.exceeded_by(&[0; 25]), None);
        assert_eq!(
            from_i128(1).excess_over(from_i128(2)),
            [0xff; INT192_LENGTH]
        );
    }

    #[test]
    fn a_median_of_nothing_is_an_error() {
        assert!(matches!(median(&mut []), Err(Error::Range { .. })));
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_numbers(a: i128, b: i128) {
            prop_assert_eq!(from_i128(a).cmp(&from_i128(b)), a.cmp(&b));
        }

        #[test]
        fn bytes_and_words_round_trip(bytes: [u8; INT192_LENGTH]) {
            let value = Int192::from_be_bytes(bytes);
            prop_assert_eq!(value.to_be_bytes(), bytes);
            prop_assert_eq!(Int192::from_word(&value.to_word()), Some(value));
        }

        #[test]
        fn the_least_width_keeps_the_number_and_one_byte_less_does_not(value: i128, shift in 0_u32..128) {
            let number = from_i128(value >> shift);
            let (bytes, width) = (number.to_be_bytes(), number.width());
            prop_assert_eq!(Int192::from_shortened(&bytes[INT192_LENGTH - width..]), Some(number));
            if width > 1 {
                let shorter = Int192::from_shortened(&bytes[INT192_LENGTH - width + 1..]);
                prop_assert_ne!(shorter, Some(number));
            }
        }

        #[test]
        fn what_one_exceeds_the_other_by_leads_from_one_to_the_other(a: [u8; 24], b: [u8; 24]) {
            let (a, b) = (Int192::from_be_bytes(a), Int192::from_be_bytes(b));
            let (smaller, larger) = (a.min(b), a.max(b));
            prop_assert_eq!(smaller.exceeded_by(&larger.excess_over(smaller)), Some(larger));
        }

        #[test]
        fn median_is_the_middle_of_the_sorted_values(numbers in prop::collection::vec(any::<i128>(), 1..70)) {
            let mut values: Vec<_> = numbers.iter().copied().map(from_i128).collect();
            let mut sorted = numbers;
            sorted.sort_unstable();
            prop_assert_eq!(median(&mut values), Ok(from_i128(sorted[sorted.len() / 2])));
        }
    }
}
