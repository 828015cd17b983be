//! Diffie-Hellman over Curve25519, for the shared secret of a configuration.

use curve25519_dalek::montgomery::MontgomeryPoint;
use zeroize::Zeroizing;

/// Length of a secret key, of a public key and of a shared point, in bytes.
pub const KEY_LENGTH: usize = 32;

/// The public key of a secret key.
#[must_use]
pub fn public_key(secret: &[u8; KEY_LENGTH]) -> [u8; KEY_LENGTH] {
    MontgomeryPoint::mul_base_clamped(*secret).to_bytes()
}

/// The shared point, as Go's `curve25519.X25519`: `None` if it is all zero, because `point` has a
/// low order and the result would be no secret.
#[must_use]
pub fn shared_point(
    secret: &[u8; KEY_LENGTH],
    point: &[u8; KEY_LENGTH],
) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    let shared = Zeroizing::new(MontgomeryPoint(*point).mul_clamped(*secret).to_bytes());
    (*shared != [0; KEY_LENGTH]).then_some(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_share_one_point() {
        let (a, b) = ([1; KEY_LENGTH], [2; KEY_LENGTH]);
        let shared = shared_point(&a, &public_key(&b));
        assert_eq!(shared, shared_point(&b, &public_key(&a)));
        assert!(shared.is_some());
    }

    #[test]
    fn a_point_of_low_order_shares_nothing() {
        for low in [0_u8, 1] {
            let mut point = [0; KEY_LENGTH];
            point[0] = low;
            assert_eq!(shared_point(&[7; KEY_LENGTH], &point), None);
        }
    }
}
