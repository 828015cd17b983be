//! The keyed permutation behind the transmission schedule.
//!
//! libocr `permutation/permutation.go`: Go's `math/rand` `Shuffle`, drawing from the keystream of
//! AES-128-CTR with a zero initialisation vector.

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};

use crate::error::Error;

/// Largest n, far above any committee and far below where Go changes to 63-bit draws (2^31-1).
pub const MAX_LENGTH: usize = u16::MAX as usize;

/// A permutation of 0 … n-1 that only holders of `key` can compute.
///
/// # Errors
/// [`Error::Range`] if n exceeds [`MAX_LENGTH`].
pub fn permutation(n: usize, key: &[u8; 16]) -> Result<Vec<u32>, Error> {
    let rule = "0 to 65535";
    let n = u16::try_from(n).map_err(|_| Error::range("n", n, rule))?;
    let mut source = Source::new(key);
    let mut result: Vec<u32> = (0..u32::from(n)).collect();
    for i in (1..n).rev() {
        let j = source.below(u32::from(i) + 1);
        result.swap(usize::from(i), j);
    }
    Ok(result)
}

/// `cryptoRandSource`, and the methods of `math/rand` that `Shuffle` uses.
struct Source(Ctr128BE<Aes128>);

impl Source {
    fn new(key: &[u8; 16]) -> Self {
        Self(Ctr128BE::<Aes128>::new(&(*key).into(), &[0; 16].into()))
    }

    /// `Int63() >> 31`: bits 31 to 62 of the next eight bytes, read little-endian.
    fn uint32(&mut self) -> u32 {
        let mut keystream = [0; 8];
        self.0.apply_keystream(&mut keystream);
        let int63 = u64::from_le_bytes(keystream) & (u64::MAX >> 1);
        let [a, b, c, d, ..] = (int63 >> 31).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// `int31n`: uniform in 0 … n-1 by Lemire's multiply-shift with rejection.
    fn below(&mut self, n: u32) -> usize {
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.uint32()) * u64::from(n);
            let [low_a, low_b, low_c, low_d, high @ ..] = product.to_le_bytes();
            let low = u32::from_le_bytes([low_a, low_b, low_c, low_d]);
            // Go computes the threshold, which is below n, only when low < n: the same draws.
            if low >= threshold {
                // The high half is below n, which is at most 65535.
                return usize::from(u16::from_le_bytes([high[0], high[1]]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn too_large_a_permutation_is_refused() {
        assert!(permutation(MAX_LENGTH, &[0; 16]).is_ok());
        assert!(matches!(
            permutation(MAX_LENGTH + 1, &[0; 16]),
            Err(Error::Range { .. })
        ));
    }

    proptest! {
        #[test]
        fn every_index_occurs_once(n in 0_usize..200, key: [u8; 16]) {
            let mut result = permutation(n, &key).expect("n is small");
            result.sort_unstable();
            prop_assert!(result.into_iter().eq((0..).take(n)));
        }
    }
}
