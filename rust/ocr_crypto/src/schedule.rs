//! Who leads an epoch and who transmits when.

use crate::error::Error;
use crate::hash::{Hash, keccak256, keccak256_key};
use crate::permutation::permutation;

/// The leader of an epoch (`Leader` in libocr `protocol/pacemaker.go`).
///
/// keccak256(key ‖ epoch u64 little-endian) as a big-endian number, modulo n.
///
/// # Errors
/// [`Error::Range`] if n is not 1 … 255.
pub fn leader(leader_key: &[u8; 16], epoch: u32, n: usize) -> Result<u8, Error> {
    let divisor = u8::try_from(n)
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| Error::range("n", n, "1 to 255"))?;
    let hash = keccak256(&[leader_key, &u64::from(epoch).to_le_bytes()]);
    let remainder = hash.iter().fold(0_u16, |remainder, &byte| {
        (remainder << 8 | u16::from(byte)) % u16::from(divisor)
    });
    // Below the divisor, which is a u8.
    Ok(remainder.to_le_bytes()[0])
}

/// The stage in which each oracle transmits a report; `None` for one that never does.
///
/// `transmitDelays` in libocr `protocol/transmission.go`: a keyed permutation maps oracles to
/// positions, and the stages take positions in turn. Sizes may add up to more or less than n.
///
/// # Errors
/// [`Error::Range`] if n is larger than a permutation can be.
pub fn transmission_stages(
    transmission_key: &[u8; 16],
    config_digest: &Hash,
    epoch: u32,
    round: u8,
    n: usize,
    stage_sizes: &[usize],
) -> Result<Vec<Option<usize>>, Error> {
    let key = keccak256_key(&[
        transmission_key,
        config_digest,
        &u64::from(epoch).to_le_bytes(),
        &u64::from(round).to_le_bytes(),
    ]);
    let stage_of_position: Vec<_> = stage_sizes
        .iter()
        .enumerate()
        .flat_map(|(stage, &size)| std::iter::repeat_n(stage, size))
        .take(n)
        .collect();
    let positions = permutation(n, &key)?;
    Ok(positions
        .into_iter()
        .map(|position| {
            let position = usize::try_from(position).ok()?;
            stage_of_position.get(position).copied()
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_needs_a_committee() {
        assert!(matches!(leader(&[0; 16], 1, 0), Err(Error::Range { .. })));
        assert!(matches!(leader(&[0; 16], 1, 256), Err(Error::Range { .. })));
        assert_eq!(leader(&[0; 16], 1, 1), Ok(0));
    }

    #[test]
    fn stages_share_out_the_oracles_and_leave_the_rest() {
        let stages = |sizes: &[usize]| {
            let mut stages =
                transmission_stages(&[1; 16], &[2; 32], 3, 4, 5, sizes).expect("five oracles");
            stages.sort_unstable();
            stages
        };
        assert_eq!(stages(&[1, 0, 2]), [None, None, Some(0), Some(2), Some(2)]);
        assert_eq!(stages(&[]), [None; 5]);
        assert_eq!(
            stages(&[3, usize::MAX, usize::MAX])
                .iter()
                .flatten()
                .sum::<usize>(),
            2
        );
    }
}
