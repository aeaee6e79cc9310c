//! What a plan counts in: 64 bits, or 128 where a sum of the numbers asked for might not fit into 64.
//!
//! Both give the same plan wherever both can; the wide one is several times slower, and only for numbers that no cluster has.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// A number of replicas, or a sum of weights.
pub(super) trait Number:
    Copy
    + Debug
    + Ord
    + From<i64>
    + Into<i128>
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + SubAssign
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Sum
{
    const ZERO: Self;
    const ONE: Self;
    /// A limit that is not there. No number of replicas reaches it, and sums with it fit.
    const UNLIMITED: Self;

    /// Whether sums over as many members of numbers like these fit.
    fn holds(numbers: [i64; 5]) -> bool;
    /// Over how many members [`holds`](Self::holds) promises that.
    fn holds_members(members: usize) -> bool;
    /// [`UNLIMITED`](Self::UNLIMITED) for what is beyond it.
    fn at_most_unlimited(number: i128) -> Self;
    fn saturating_mul(self, times: usize) -> Self;
    /// In 64 bits, if it fits.
    fn narrow(self) -> Option<i64>;
    /// As others are told of it, in 64 bits: what is beyond them is the last that they hold.
    fn told(self) -> i64;
}

/// ⌊a · b / divisor⌋ and the rest, or [`Number::UNLIMITED`] for what is beyond that. The product itself may take more than
/// 128 bits. No argument is negative, and each is below 2¹²⁵.
pub(super) fn scale(a: i128, b: i128, divisor: i128) -> (i128, i128) {
    if let Some(product) = a.checked_mul(b) {
        // Unsigned, one division takes half the time; and the rest needs no second one.
        let whole = (product as u128 / divisor as u128) as i128;
        return (whole, product - whole * divisor);
    }
    // Multiplied and divided side by side, bit by bit.
    let (mut whole, mut rest) = (0, 0);
    for bit in (0..i128::BITS - b.leading_zeros()).rev() {
        rest = 2 * rest + if (b >> bit) & 1 == 1 { a } else { 0 };
        whole = 2 * whole + rest / divisor;
        rest %= divisor;
        if whole >= i128::UNLIMITED {
            return (i128::UNLIMITED, 0);
        }
    }
    (whole, rest)
}

// === impl Number ===

impl Number for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const UNLIMITED: Self = i64::MAX / 2;

    /// Less than 2⁴⁰ away from 0.
    fn holds(numbers: [i64; 5]) -> bool {
        let shifted = |number: i64| number.wrapping_add(1 << 40) as u64;
        numbers.into_iter().fold(0, |bits, number| bits | shifted(number)) >> 41 == 0
    }

    /// 2²⁰ such numbers add up to less than 2⁶⁰.
    fn holds_members(members: usize) -> bool {
        members <= 1 << 20
    }

    fn at_most_unlimited(number: i128) -> Self {
        i64::try_from(number).unwrap_or(Self::UNLIMITED).min(Self::UNLIMITED)
    }

    fn saturating_mul(self, times: usize) -> Self {
        self.saturating_mul(times as i64)
    }

    fn narrow(self) -> Option<i64> {
        Some(self)
    }

    fn told(self) -> i64 {
        self
    }
}

impl Number for i128 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    /// 2³² members with numbers of 64 bits each are far below.
    const UNLIMITED: Self = 1 << 120;

    fn holds(_: [i64; 5]) -> bool {
        true
    }

    fn holds_members(_: usize) -> bool {
        true
    }

    fn at_most_unlimited(number: i128) -> Self {
        number.min(Self::UNLIMITED)
    }

    fn saturating_mul(self, times: usize) -> Self {
        self.saturating_mul(times as i128)
    }

    fn narrow(self) -> Option<i64> {
        self.try_into().ok()
    }

    fn told(self) -> i64 {
        self.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn products_beyond_128_bits_are_divided_exactly(
            a in 0i128..1 << 97, b in prop_oneof![0i128..1 << 20, 0i128..1 << 97], divisor in prop_oneof![1i128..1 << 20, 1i128..1 << 97],
        ) {
            let (whole, rest) = scale(a, b, divisor);
            // a · b = whole · divisor + rest holds if it does for the remainders by two large primes and by 2¹²⁸.
            for prime in [(1i128 << 61) - 1, (1 << 31) - 1] {
                let product = (a % prime) * (b % prime) % prime;
                prop_assert!(whole == i128::UNLIMITED || product == ((whole % prime) * (divisor % prime) + rest) % prime);
            }
            prop_assert!(whole == i128::UNLIMITED || a.wrapping_mul(b) == whole.wrapping_mul(divisor).wrapping_add(rest));
            prop_assert!((0..divisor).contains(&rest));
            // As far as floating point tells, what is beyond is beyond.
            prop_assert!(whole < i128::UNLIMITED || a as f64 * b as f64 / divisor as f64 > 0.99 * i128::UNLIMITED as f64);
        }
    }
}
