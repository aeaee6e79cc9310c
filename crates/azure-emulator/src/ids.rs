use std::collections::BTreeMap;

use uuid::{Builder, Uuid};

/// What an identifier is for. Each purpose has a sequence of its own, so that one more read does not change all later etags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    Etag = 1,
    Request,
    Operation,
    Token,
    NameServers,
    Fault,
}

/// Reproducible identifiers: the n-th of a purpose depends on the seed alone.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    seed: u64,
    drawn: BTreeMap<Purpose, u64>,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: BTreeMap::new() }
    }

    /// A version 4 GUID.
    pub(crate) fn guid(&mut self, purpose: Purpose) -> Uuid {
        let (high, low) = (self.number(purpose), self.number(purpose));
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// 64 evenly spread bits.
    pub(crate) fn number(&mut self, purpose: Purpose) -> u64 {
        let drawn = self.drawn.entry(purpose).or_default();
        *drawn += 1;
        let stream = split_mix(self.seed ^ (purpose as u64).rotate_left(56));
        split_mix(stream.wrapping_add(drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// An even draw from [0, 1).
    pub(crate) fn fraction(&mut self, purpose: Purpose) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.number(purpose) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn split_mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
