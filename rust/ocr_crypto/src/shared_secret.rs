//! The secret that the oracles of one configuration share, and the keys derived from it.
//!
//! libocr `internal/config/shared_secret.go` and `shared_secret_encrypt.go`: each oracle's copy is
//! one AES-128 block under keccak256(X25519)[..16], and the configuration commits to
//! keccak256(secret), so that an oracle notices a dealer that deals different secrets.

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::error::{Error, hexadecimal};
use crate::hash::{Hash, keccak256, keccak256_key};
use crate::x25519;

/// Length of the shared secret, of its encryptions and of the derived keys, in bytes.
pub const SECRET_LENGTH: usize = 16;

const LEADER_LABEL: &[u8] = b"chainlink offchain reporting v1 leader selection key";
const TRANSMISSION_LABEL: &[u8] = b"chainlink offchain reporting v1 transmission order key";

/// The shared secret as it stands in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSecretEncryptions {
    /// Public key of the dealer's ephemeral secret.
    pub diffie_hellman_point: [u8; x25519::KEY_LENGTH],
    /// keccak256 of the secret.
    pub shared_secret_hash: Hash,
    /// The secret encrypted to each oracle, by index.
    pub encryptions: Vec<[u8; SECRET_LENGTH]>,
}

/// The key that selects leaders: "v1" although this is OCR2, as in libocr.
#[must_use]
pub fn leader_key(secret: &[u8; SECRET_LENGTH]) -> [u8; 16] {
    keccak256_key(&[secret, LEADER_LABEL])
}

/// The key that orders transmissions.
#[must_use]
pub fn transmission_key(secret: &[u8; SECRET_LENGTH]) -> [u8; 16] {
    keccak256_key(&[secret, TRANSMISSION_LABEL])
}

/// Encrypts the secret to every oracle's config-encryption key.
///
/// # Errors
/// [`Error::OracleLowOrder`] naming the oracle whose key is a point of low order.
pub fn encrypt(
    secret: &[u8; SECRET_LENGTH],
    ephemeral_secret: &[u8; x25519::KEY_LENGTH],
    public_keys: &[[u8; x25519::KEY_LENGTH]],
) -> Result<SharedSecretEncryptions, Error> {
    let encryptions = public_keys
        .iter()
        .enumerate()
        .map(|(oracle, key)| {
            let shared = x25519::shared_point(ephemeral_secret, key).ok_or_else(|| {
                let value = hexadecimal(key);
                Error::OracleLowOrder { oracle, value }
            })?;
            let mut block = *secret;
            cipher(&shared).encrypt_block((&mut block).into());
            Ok(block)
        })
        .collect::<Result<_, Error>>()?;
    Ok(SharedSecretEncryptions {
        diffie_hellman_point: x25519::public_key(ephemeral_secret),
        shared_secret_hash: keccak256(&[secret]),
        encryptions,
    })
}

/// Decrypts one oracle's copy of the secret and holds it against the configuration's hash.
///
/// # Errors
/// [`Error::LowOrder`] if the point is of low order, [`Error::SharedSecretHash`] if the copy is
/// not the secret that the configuration commits to.
pub fn decrypt(
    own_secret: &[u8; x25519::KEY_LENGTH],
    diffie_hellman_point: &[u8; x25519::KEY_LENGTH],
    shared_secret_hash: &Hash,
    encryption: &[u8; SECRET_LENGTH],
) -> Result<Zeroizing<[u8; SECRET_LENGTH]>, Error> {
    let shared = x25519::shared_point(own_secret, diffie_hellman_point).ok_or_else(|| {
        let value = hexadecimal(diffie_hellman_point);
        Error::LowOrder {
            field: "Diffie-Hellman point",
            value,
        }
    })?;
    let mut secret = Zeroizing::new(*encryption);
    cipher(&shared).decrypt_block((&mut *secret).into());
    let hash = keccak256(&[&*secret]);
    if hash != *shared_secret_hash {
        return Err(Error::SharedSecretHash {
            expected: hexadecimal(shared_secret_hash),
            got: hexadecimal(&hash),
        });
    }
    Ok(secret)
}

fn cipher(shared_point: &[u8; x25519::KEY_LENGTH]) -> Aes128 {
    let key = Zeroizing::new(keccak256_key(&[shared_point]));
    Aes128::new((&*key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oracle_decrypts_its_copy_and_no_other() {
        let secrets = [[1; 32], [2; 32], [3; 32]];
        let keys = secrets.each_ref().map(x25519::public_key);
        let encrypted = encrypt(&[9; 16], &[8; 32], &keys).expect("honest keys");
        let decrypted = |secret, index: usize| {
            decrypt(
                secret,
                &encrypted.diffie_hellman_point,
                &encrypted.shared_secret_hash,
                &encrypted.encryptions[index],
            )
        };
        for (index, secret) in secrets.iter().enumerate() {
            assert_eq!(decrypted(secret, index).as_deref(), Ok(&[9; 16]));
            let other = decrypted(secret, (index + 1) % 3);
            assert!(matches!(other, Err(Error::SharedSecretHash { .. })));
        }
    }

    #[test]
    fn points_of_low_order_are_refused_by_name() {
        let low = [0; 32];
        assert!(matches!(
            encrypt(&[9; 16], &[8; 32], &[[9; 32], low]),
            Err(Error::OracleLowOrder { oracle: 1, .. })
        ));
        assert!(matches!(
            decrypt(&[1; 32], &low, &[0; 32], &[0; 16]),
            Err(Error::LowOrder {
                field: "Diffie-Hellman point",
                ..
            })
        ));
    }
}
