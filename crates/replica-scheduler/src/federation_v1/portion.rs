//! What a weighted round hands out before limits.

/// More than ever remains, with room to add to.
const LARGEST: i64 = 1 << 61;

/// One round's division of what remains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion {
    distributed: i64,
    weights: i64,
    /// ⌈2⁶⁴ / weights⌉ if all of the round's numbers are of 32 bits, else 0.
    reciprocal: u64,
}

// === impl Portion ===

impl Portion {
    /// `distributed` replicas over seats whose weights are at most `heaviest` and sum up to `weights`; both sums are
    /// positive.
    pub(super) fn new(distributed: i64, weights: i64, heaviest: i64) -> Self {
        let largest = distributed.checked_mul(heaviest.max(1)).and_then(|product| product.checked_add(weights));
        let small = weights > 1 && largest.is_some_and(|largest| u32::try_from(largest).is_ok());
        let reciprocal = if small { u64::MAX / weights as u64 + 1 } else { 0 };
        Self { distributed, weights, reciprocal }
    }

    /// ⌈distributed · weight / weights⌉. A negative weight gets 0: in v1 it only changed book-keeping, without effect.
    pub(super) fn of(self, weight: i64) -> i64 {
        let weight = weight.max(0);
        if self.reciprocal == 0 {
            return self.of_large(weight);
        }
        // The reciprocal r is (2⁶⁴ + e) / d with 0 <= e < d for the divisor d. For a dividend a, r·a / 2⁶⁴ is a/d + e·a / (d·2⁶⁴).
        // As e and a are below 2³², that is less than 1/d above a/d, which reaches no further integer: the division is exact.
        let dividend = (self.distributed * weight + self.weights - 1) as u64;
        ((u128::from(self.reciprocal) * u128::from(dividend)) >> 64) as i64
    }

    /// The smallest number to distribute of which `weight` still gets `portion`.
    pub(super) fn least_with(self, portion: i64, weight: i64) -> i64 {
        let least = i128::from(portion - 1) * i128::from(self.weights) / i128::from(weight) + 1;
        i64::try_from(least).unwrap_or(i64::MAX)
    }

    fn of_large(self, weight: i64) -> i64 {
        let dividend = i128::from(self.distributed) * i128::from(weight) + i128::from(self.weights) - 1;
        match i64::try_from(dividend) {
            Ok(dividend) => (dividend / self.weights).min(LARGEST),
            Err(_) => i64::try_from(dividend / i128::from(self.weights)).unwrap_or(LARGEST).min(LARGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_the_book(distributed: i64, weight: i64, weights: i64) -> i128 {
        let (distributed, weight, weights) = (i128::from(distributed), i128::from(weight), i128::from(weights));
        (distributed * weight + weights - 1) / weights
    }

    #[test]
    fn dividends_next_to_a_multiple_are_divided_exactly() {
        for weights in [1, 2, 3, 7, 641, 65_535, 65_536, 65_537, 6_700_417, (1 << 31) - 1] {
            for times in [1, 2, 3, (1i64 << 31) / weights / 2, (1i64 << 31) / weights] {
                for off in -2..=2 {
                    let distributed = (weights * times + off).max(1);
                    let portion = Portion::new(distributed, weights, 1);
                    let expected = by_the_book(distributed, 1, weights);
                    assert_eq!(i128::from(portion.of(1)), expected, "{distributed} / {weights}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn portions_are_rounded_up(
            distributed in prop_oneof![1i64..1 << 10, 1i64..1 << 32, 1i64..1 << 41],
            weight in prop_oneof![0i64..100, 0i64..1 << 22], more in prop_oneof![0i64..1000, 0i64..1 << 32],
        ) {
            let weights = weight + more + 1;
            let portion = Portion::new(distributed, weights, weight);
            prop_assert_eq!(i128::from(portion.of(weight)), by_the_book(distributed, weight, weights));
            prop_assert_eq!(portion.of(-weight), if weight == 0 { portion.of(0) } else { 0 });
        }
    }
}
