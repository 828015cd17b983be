//! The few pieces of Ethereum's ABI encoding that a report and a configuration digest consist of.

/// One 32-byte word.
pub type Word = [u8; 32];

/// An unsigned number as a word.
#[must_use]
pub fn unsigned(value: u64) -> Word {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

/// A length or an offset as a word.
#[must_use]
pub fn size(value: usize) -> Word {
    // A usize never exceeds 64 bits on a supported platform.
    unsigned(value as u64)
}

/// An address as a word: left-padded.
#[must_use]
pub fn address(value: &[u8; 20]) -> Word {
    let mut word = [0; 32];
    word[12..].copy_from_slice(value);
    word
}

/// The number in a word, if it fits a `usize`.
#[must_use]
pub fn to_size(word: &Word) -> Option<usize> {
    let (high, low) = word.split_at(24);
    if high.iter().any(|&byte| byte != 0) {
        return None;
    }
    let low: [u8; 8] = low.try_into().ok()?;
    usize::try_from(u64::from_be_bytes(low)).ok()
}

/// Appends a dynamic byte string: its length, then its bytes padded with zeros to whole words.
pub fn append_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(size(bytes.len()));
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(32), 0);
}

/// Appends a dynamic array of addresses.
pub fn append_addresses(out: &mut Vec<u8>, addresses: &[[u8; 20]]) {
    out.extend(size(addresses.len()));
    for value in addresses {
        out.extend(address(value));
    }
}

/// The word of `data` that starts at byte `offset`.
#[must_use]
pub fn word_at(data: &[u8], offset: usize) -> Option<&Word> {
    data.get(offset..)?.first_chunk()
}
