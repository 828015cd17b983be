//! Protocol-buffer wire format, read exactly as leniently as Go's `proto.Unmarshal` reads it.
//!
//! A committee stays together only if every member draws the same meaning from the same signed
//! bytes, malformed ones included, so this follows google.golang.org/protobuf
//! (`encoding/protowire/wire.go`, `internal/impl/decode.go`) and not the specification alone:
//!
//! - varints have up to 10 bytes, need not be minimal, and the tenth byte is 0 or 1;
//! - so do tags; field numbers are 1 … 2^29-1, but up to 2^31-1 inside a skipped group;
//! - groups are skipped, nested at most 10001 deep, and must end with their own number;
//! - a known field with another wire type is an unknown field: the caller ignores it, which is
//!   why all fields are handed out, in order; the last one of a scalar wins, embedded messages
//!   concatenate.

use thiserror::Error;

/// `protowire.MaxValidNumber`.
const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;
/// `protowire.DecodeTag` takes numbers up to this inside groups, for the sake of message sets.
const MAX_FIELD_NUMBER_IN_GROUP: u64 = i32::MAX as u64;
/// `protowire.DefaultRecursionLimit` is 10000, and Go refuses a group when it has dropped below 0.
const MAX_NESTED_GROUPS: usize = 10_001;

/// What makes bytes no message at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The bytes end inside a field.
    #[error("message ends inside a field")]
    Truncated,
    /// A varint exceeds 64 bits.
    #[error("varint exceeds 64 bits")]
    Overflow,
    /// A field number is 0 or too large.
    #[error("field number {0} is out of range")]
    FieldNumber(u64),
    /// Wire type 6 or 7.
    #[error("wire type {0} does not exist")]
    WireType(u8),
    /// A group ends that did not start, or another one.
    #[error("group {0} ends without having started")]
    EndGroup(u64),
    /// Groups nested too deeply.
    #[error("groups are nested more than {MAX_NESTED_GROUPS} deep")]
    Nesting,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0, not yet truncated to the field's type.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a byte string, string, embedded message or packed list.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
    /// Wire type 3, skipped.
    Group,
}

impl Value<'_> {
    /// The wire type, as on the wire.
    #[must_use]
    pub const fn wire_type(&self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Group => 3,
            Self::Fixed32(_) => 5,
        }
    }
}

/// A field: number and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// 1 … 2^29-1.
    pub number: u32,
    /// The value.
    pub value: Value<'a>,
}

/// The fields of a message in their order. After an error there is nothing more.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    input: Input<'a>,
}

/// Reads the fields of a message. A message is well-formed only if every item is `Ok`.
#[must_use]
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields {
        input: Input { rest: message },
    }
}

/// Reads a packed list of varints to its end (`consumeUint32Slice` and its like).
///
/// # Errors
/// [`Malformed`] if the bytes are not a sequence of whole varints.
pub fn packed_varints(bytes: &[u8]) -> Result<Vec<u64>, Malformed> {
    let mut input = Input { rest: bytes };
    let mut values = Vec::new();
    while !input.rest.is_empty() {
        values.push(input.varint()?);
    }
    Ok(values)
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.input.rest.is_empty() {
            return None;
        }
        let field = self.input.field();
        if field.is_err() {
            self.input.rest = &[];
        }
        Some(field)
    }
}

#[derive(Debug, Clone)]
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn field(&mut self) -> Result<Field<'a>, Malformed> {
        let (number, wire_type) = self.tag(MAX_FIELD_NUMBER)?;
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.bytes()?),
            3 => {
                self.skip_group(number)?;
                Value::Group
            }
            4 => return Err(Malformed::EndGroup(number)),
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed::WireType(wire_type)),
        };
        let number = u32::try_from(number).map_err(|_| Malformed::FieldNumber(number))?;
        Ok(Field { number, value })
    }

    /// Skips to the end of group `number`. The stack stands for Go's recursion.
    fn skip_group(&mut self, number: u64) -> Result<(), Malformed> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, wire_type) = self.tag(MAX_FIELD_NUMBER_IN_GROUP)?;
            match wire_type {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => drop(self.bytes()?),
                3 if open.len() >= MAX_NESTED_GROUPS => return Err(Malformed::Nesting),
                3 => open.push(number),
                4 if number == innermost => drop(open.pop()),
                4 => return Err(Malformed::EndGroup(number)),
                5 => drop(self.array::<4>()?),
                _ => return Err(Malformed::WireType(wire_type)),
            }
        }
        Ok(())
    }

    fn tag(&mut self, max_number: u64) -> Result<(u64, u8), Malformed> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > max_number {
            return Err(Malformed::FieldNumber(number));
        }
        Ok((number, tag.to_le_bytes()[0] & 7))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for index in 0..10 {
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed::Truncated)?;
            self.rest = rest;
            if index == 9 && byte > 1 {
                return Err(Malformed::Overflow);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        // The tenth byte is at most 1, so the loop has returned.
        Err(Malformed::Overflow)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed::Truncated)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

/// Appends a varint in its minimal form.
pub fn append_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        fields(message)
            .map(|field| field.map(|field| (field.number, field.value)))
            .collect()
    }

    fn tag(number: u64, wire_type: u64) -> Vec<u8> {
        let mut out = Vec::new();
        append_varint(&mut out, number << 3 | wire_type);
        out
    }

    #[test]
    fn fields_come_in_order_and_repeated() {
        assert_eq!(
            read(b"\x08\x05\x12\x01a\x08\x06\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0"),
            Ok(vec![
                (1, Value::Varint(5)),
                (2, Value::Bytes(b"a")),
                (1, Value::Varint(6)),
                (3, Value::Fixed32(1)),
                (4, Value::Fixed64(2)),
            ])
        );
    }

    #[test]
    fn varints_may_be_long_and_must_not_overflow() {
        assert_eq!(
            read(b"\x88\x80\x00\x85\x80\x00"),
            Ok(vec![(1, Value::Varint(5))])
        );
        let mut longest = vec![0x08];
        longest.extend([0xff; 9]);
        longest.push(1);
        assert_eq!(read(&longest), Ok(vec![(1, Value::Varint(u64::MAX))]));
        longest.pop();
        assert_eq!(read(&longest), Err(Malformed::Truncated));
        longest.push(2);
        assert_eq!(read(&longest), Err(Malformed::Overflow));
        longest.pop();
        longest.extend([0x81, 0]);
        assert_eq!(read(&longest), Err(Malformed::Overflow));
    }

    #[test]
    fn field_numbers_have_a_range_that_is_wider_in_groups() {
        assert_eq!(read(b"\x00\x00"), Err(Malformed::FieldNumber(0)));
        let with = |number| [tag(number, 0), vec![0]].concat();
        let grouped = |number| [tag(1, 3), with(number), tag(1, 4)].concat();
        assert!(read(&with((1 << 29) - 1)).is_ok());
        assert_eq!(read(&with(1 << 29)), Err(Malformed::FieldNumber(1 << 29)));
        assert_eq!(read(&grouped(1 << 29)), Ok(vec![(1, Value::Group)]));
        assert!(read(&grouped((1 << 31) - 1)).is_ok());
        assert_eq!(
            read(&grouped(1 << 31)),
            Err(Malformed::FieldNumber(1 << 31))
        );
        assert_eq!(read(&grouped(0)), Err(Malformed::FieldNumber(0)));
    }

    #[test]
    fn groups_are_skipped_if_they_end_with_their_number() {
        assert_eq!(
            read(b"\x0b\x08\x01\x13\x14\x12\x01a\x15\0\0\0\0\x11\0\0\0\0\0\0\0\0\x0c\x10\x07"),
            Ok(vec![(1, Value::Group), (2, Value::Varint(7))])
        );
        assert_eq!(read(b"\x0b\x14"), Err(Malformed::EndGroup(2)));
        assert_eq!(read(b"\x0b"), Err(Malformed::Truncated));
        assert_eq!(read(b"\x0c"), Err(Malformed::EndGroup(1)));
    }

    #[test]
    fn groups_nest_as_deep_as_in_go() {
        let nested = |depth: usize| [vec![0x0b; depth], vec![0x0c; depth]].concat();
        assert_eq!(read(&nested(10_001)), Ok(vec![(1, Value::Group)]));
        assert_eq!(read(&nested(10_002)), Err(Malformed::Nesting));
        assert_eq!(read(&vec![0x0b; 1 << 20]), Err(Malformed::Nesting));
    }

    #[test]
    fn reserved_wire_types_are_refused_everywhere() {
        assert_eq!(read(b"\x0e"), Err(Malformed::WireType(6)));
        assert_eq!(read(b"\x0b\x0f"), Err(Malformed::WireType(7)));
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        assert_eq!(read(b"\x0a\x02a"), Err(Malformed::Truncated));
        let huge = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a";
        assert_eq!(read(huge), Err(Malformed::Truncated));
        assert_eq!(read(b"\x0d\0\0\0"), Err(Malformed::Truncated));
        assert_eq!(read(b"\x09\0\0\0"), Err(Malformed::Truncated));
    }

    #[test]
    fn packed_lists_hold_whole_varints() {
        assert_eq!(packed_varints(b""), Ok(vec![]));
        assert_eq!(packed_varints(b"\x01\x85\x00"), Ok(vec![1, 5]));
        assert_eq!(packed_varints(b"\x01\x85"), Err(Malformed::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut after_error = fields(&bytes).skip_while(Result::is_ok).skip(1);
            prop_assert!(after_error.next().is_none());
            let _ = packed_varints(&bytes);
        }

        #[test]
        fn varints_round_trip(value: u64) {
            let mut bytes = Vec::new();
            append_varint(&mut bytes, value);
            prop_assert_eq!(packed_varints(&bytes), Ok(vec![value]));
        }
    }
}
