//! A fingerprint of a document, for its address. Not a cryptographic one: it only tells a new document from the one before.

/// Two FNV-1a hashes with different offsets, in hexadecimal.
pub(super) fn of(bytes: &[u8]) -> String {
    format!("{:016X}{:016X}", fnv(bytes, 0xcbf2_9ce4_8422_2325), fnv(bytes, 0x6c62_272e_07bb_0142))
}

fn fnv(bytes: &[u8], offset: u64) -> u64 {
    bytes.iter().fold(offset, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
