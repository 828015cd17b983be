//! The observation of a median feed: its body and what its author signs.
//!
//! The body is `NumericalMedianObservationProto` (libocr `median/median.go`): 1 timestamp uint32,
//! 2 value, 3 juelsPerFeeCoin, 4 gasPriceSubunits, the last three `int192` of 24 bytes.

use crate::hash::{FieldHasher, Hash};
use crate::int192::Int192;
use crate::proto::{Value, append_varint, fields};

/// What an oracle observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Seconds since 1970.
    pub timestamp: u32,
    /// The answer, in the feed's own unit.
    pub value: Int192,
    /// Price of the fee coin in juels (10^-18 LINK).
    pub juels_per_fee_coin: Int192,
    /// Gas price in the chain's smallest unit, where the chain needs it.
    pub gas_price_subunits: Option<Int192>,
}

impl Observation {
    /// The body as Go's `proto.Marshal` writes it: fields ascending, a zero timestamp left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        if self.timestamp != 0 {
            out.push(0x08);
            append_varint(&mut out, u64::from(self.timestamp));
        }
        let values = [
            (0x12, Some(self.value)),
            (0x1a, Some(self.juels_per_fee_coin)),
            (0x22, self.gas_price_subunits),
        ];
        for (tag, value) in values {
            if let Some(value) = value {
                out.extend([tag, 24]);
                out.extend(value.to_be_bytes());
            }
        }
        out
    }

    /// Reads a body; `None` exactly when libocr's `parseAttributedObservation` leaves it out.
    ///
    /// Malformed protobuf is left out, and so is a value, juels or gas price that is not 24 bytes
    /// long. A gas price that is absent or empty is none; an absent timestamp is 0.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut timestamp = 0;
        let (mut value, mut juels, mut gas): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        for field in fields(body) {
            let field = field.ok()?;
            match (field.number, field.value) {
                (1, Value::Varint(number)) => timestamp = low_32_bits(number),
                (2, Value::Bytes(bytes)) => value = bytes,
                (3, Value::Bytes(bytes)) => juels = bytes,
                (4, Value::Bytes(bytes)) => gas = bytes,
                _ => {}
            }
        }
        Some(Self {
            timestamp,
            value: Int192::from_slice(value)?,
            juels_per_fee_coin: Int192::from_slice(juels)?,
            gas_price_subunits: if gas.is_empty() {
                None
            } else {
                Some(Int192::from_slice(gas)?)
            },
        })
    }
}

/// Go reads a uint32 field as `uint32(varint)`: the excess is dropped, not refused.
fn low_32_bits(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// An observation as the leader passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedObservation<'a> {
    /// The body that was signed.
    pub observation: &'a [u8],
    /// The observer's ed25519 signature.
    pub signature: &'a [u8],
    /// Index of the oracle.
    pub observer: u8,
}

/// The hash that signatures of observations are made over, for one query.
///
/// libocr `protocol/observation.go`: SHA-256 of configDigest ‖ epoch u32 ‖ round u8 ‖
/// len(query) u64 ‖ query ‖ len(observation) u64 ‖ observation. The part up to the query is hashed
/// once for all observations of a round.
#[derive(Clone)]
pub struct SignedMessage(FieldHasher);

impl SignedMessage {
    /// For the observations that answer `query` in a round.
    #[must_use]
    pub fn new(config_digest: &Hash, epoch: u32, round: u8, query: &[u8]) -> Self {
        Self(
            FieldHasher::new()
                .fixed(config_digest)
                .fixed(&epoch.to_be_bytes())
                .fixed(&[round])
                .sized(query),
        )
    }

    /// The hash to sign for one observation.
    #[must_use]
    pub fn of(&self, observation: &[u8]) -> Hash {
        self.0.clone().sized(observation).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn int192() -> impl Strategy<Value = Int192> {
        any::<[u8; 24]>().prop_map(Int192::from_be_bytes)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_left_out(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Observation::decode(&bytes);
        }

        #[test]
        fn bodies_round_trip(
            timestamp: u32,
            value in int192(),
            juels_per_fee_coin in int192(),
            gas_price_subunits in prop::option::of(int192()),
        ) {
            let observation = Observation { timestamp, value, juels_per_fee_coin, gas_price_subunits };
            prop_assert_eq!(Observation::decode(&observation.encode()), Some(observation));
        }

        #[test]
        fn a_body_survives_a_changed_byte_without_panic(
            value in int192(), index in 0_usize..58, byte: u8,
        ) {
            let mut body = Observation {
                timestamp: 1_700_000_000,
                value,
                juels_per_fee_coin: value,
                gas_price_subunits: None,
            }
            .encode();
            body[index] = byte;
            let _ = Observation::decode(&body);
        }
    }

    #[test]
    fn a_zero_timestamp_is_left_out() {
        let zero = Int192::from_be_bytes([0; 24]);
        let body = Observation {
            timestamp: 0,
            value: zero,
            juels_per_fee_coin: zero,
            gas_price_subunits: None,
        }
        .encode();
        assert_eq!(body.len(), 52);
        assert_eq!(
            Observation::decode(&body).map(|read| read.timestamp),
            Some(0)
        );
    }
}
