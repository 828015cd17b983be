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
        fn median_is_the_middle_of_the_sorted_values(numbers in prop::collection::vec(any::<i128>(), 1..70)) {
            let mut values: Vec<_> = numbers.iter().copied().map(from_i128).collect();
            let mut sorted = numbers;
            sorted.sort_unstable();
            prop_assert_eq!(median(&mut values), Ok(from_i128(sorted[sorted.len() / 2])));
        }
    }
}
