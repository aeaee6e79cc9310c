//! What a weighted round hands out before limits.

use crate::federation_v1::number::{Number, scale};

/// One round's division of what remains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion<N> {
    distributed: N,
    weights: N,
    /// ⌈2⁶⁴ / weights⌉ if the largest dividend times the weights is of 64 bits, else 0.
    reciprocal: u64,
}

// === impl Portion ===

impl<N: Number> Portion<N> {
    /// `distributed` replicas over seats whose weights are at most `heaviest` and sum up to `weights`; both sums are
    /// positive.
    pub(super) fn new(distributed: N, weights: N, heaviest: i64) -> Self {
        let product = |all: i64, sum: i64| all.checked_mul(heaviest.max(1))?.checked_add(sum)?.checked_mul(sum);
        let reciprocal = match (distributed.narrow(), weights.narrow()) {
            (Some(all), Some(sum @ 2..)) if product(all, sum).is_some() => u64::MAX / sum as u64 + 1,
            _ => 0,
        };
        Self { distributed, weights, reciprocal }
    }

    /// ⌈distributed · weight / weights⌉. A negative weight gets 0: in v1 it only changed book-keeping, without effect.
    #[inline]
    pub(super) fn of(self, weight: i64) -> N {
        let weight = weight.max(0);
        if self.reciprocal == 0 {
            return self.of_large(weight);
        }
        // The reciprocal r is (2⁶⁴ + e) / d with 0 <= e < d for the divisor d. For a dividend a, r·a / 2⁶⁴ is a/d + e·a / (d·2⁶⁴).
        // As e·a < d·a < 2⁶⁴, that is less than 1/d above a/d, which reaches no further integer: the division is exact.
        let dividend = (self.distributed.told() * weight + self.weights.told() - 1) as u64;
        N::from(((u128::from(self.reciprocal) * u128::from(dividend)) >> 64) as i64)
    }

    /// The smallest number to distribute of which `weight` still gets `portion`.
    pub(super) fn least_with(self, portion: N, weight: i64) -> N {
        let (least, _) = scale(portion.into() - 1, self.weights.into(), weight.into());
        N::at_most_unlimited(least + 1)
    }

    /// The smallest number to distribute of which `weight`'s portion leaves `others`; less than all weights together.
    pub(super) fn least_beside(self, others: N, weight: i64) -> N {
        let (least, rest) = scale(others.into(), self.weights.into(), self.weights.into() - i128::from(weight));
        N::at_most_unlimited(least + i128::from(rest > 0))
    }

    /// The sum of `weight`'s portions over so many rounds, each of which distributes `given` less than the one before; none
    /// where that does not fit.
    pub(super) fn sum_over(self, rounds: N, given: N, weight: i64) -> Option<N> {
        let (rounds, weights) = (rounds.into(), self.weights.into());
        let last = self.distributed.into() - given.into() * (rounds - 1);
        self.distributed.into().checked_mul(weight.into())?.checked_add(weights)?;
        let sum =
            sum_of_floors(rounds, weights, given.into() * i128::from(weight), last * i128::from(weight) + weights - 1);
        Some(N::at_most_unlimited(sum))
    }

    #[inline(never)]
    fn of_large(self, weight: i64) -> N {
        let dividend = |all: i64, sum: i64| all.checked_mul(weight)?.checked_add(sum - 1);
        if let (Some(all), Some(sum)) = (self.distributed.narrow(), self.weights.narrow())
            && let Some(dividend) = dividend(all, sum)
        {
            return N::from(dividend / sum);
        }
        let (whole, rest) = scale(self.distributed.into(), weight.into(), self.weights.into());
        N::at_most_unlimited(whole + i128::from(rest > 0))
    }
}

/// The sum of ⌊(a · i + b) / divisor⌋ for all i from 0 below `count`: Euclid's algorithm, turned on its side.
///
/// With none negative, and room for a · count + b and for the sum.
fn sum_of_floors(mut count: i128, mut divisor: i128, mut a: i128, mut b: i128) -> i128 {
    let mut sum = 0;
    loop {
        if a >= divisor {
            sum += count * (count - 1) / 2 * (a / divisor);
            a %= divisor;
        }
        sum += count * (b / divisor);
        b %= divisor;
        let top = a * count + b;
        if top < divisor {
            return sum;
        }
        (count, b) = (top / divisor, top % divisor);
        (divisor, a) = (a, divisor);
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

    #[test]
    fn what_no_plan_reaches_is_no_limit() {
        assert_eq!(Portion::new(1 << 60, 1, i64::MAX).of(i64::MAX), i64::UNLIMITED);
        assert_eq!(Portion::new(1 << 96, 1, i64::MAX).of(i64::MAX), i128::UNLIMITED);
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
            let wide = Portion::new(i128::from(distributed), i128::from(weights), weight);
            prop_assert_eq!(wide.of(weight), by_the_book(distributed, weight, weights));
        }

        #[test]
        fn portions_of_many_rounds_add_up(
            last in 1i64..1 << 20, given in prop_oneof![0i64..5, 0i64..1 << 20], rounds in 1i64..200,
            weight in 1i64..1 << 20, more in prop_oneof![0i64..100, 0i64..1 << 40],
        ) {
            let portion = |distributed| Portion::new(distributed, weight + more, weight);
            let sum = (0..rounds).map(|round| portion(last + round * given).of(weight)).sum();
            prop_assert_eq!(portion(last + (rounds - 1) * given).sum_over(rounds, given, weight), Some(sum));
        }

        #[test]
        fn others_have_theirs_beside_a_portion(
            others in prop_oneof![1i64..100, 1i64..1 << 40], weight in 1i64..1 << 20, more in prop_oneof![1i64..100, 1i64..1 << 40],
        ) {
            let left = |distributed: i64| distributed - Portion::new(distributed, weight + more, weight).of(weight);
            let least = Portion::new(1, weight + more, weight).least_beside(others, weight);
            prop_assert!(left(least) >= others && left(least - 1) < others, "{least}");
        }

        #[test]
        fn a_portion_needs_no_less_than_the_least_with_it(
            distributed in prop_oneof![1i128..1 << 20, 1i128..1 << 70], weight in prop_oneof![1i64..100, 1i64..=i64::MAX],
            more in prop_oneof![0i128..1000, 0i128..1 << 70],
        ) {
            let weights = i128::from(weight) + more;
            let portion = |distributed| Portion::new(distributed, weights, weight).of(weight);
            let least = Portion::new(distributed, weights, weight).least_with(portion(distributed), weight);
            prop_assert!(least <= distributed);
            prop_assert_eq!(portion(least), portion(distributed));
            prop_assert!(least == 1 || portion(least - 1) < portion(distributed));
        }
    }
}
