//! What a weighted round hands out before limits.

/// One round's division of what remains. It is the same for all seats of one weight, which stand together in the order.
pub(super) struct Portion {
    distributed: i64,
    weights: i64,
    last_weight: i64,
    last: i64,
}

// === impl Portion ===

impl Portion {
    /// `distributed` replicas over seats whose weights sum up to `weights`, which is positive.
    pub(super) fn new(distributed: i64, weights: i64) -> Self {
        Self { distributed, weights, last_weight: 0, last: 0 }
    }

    /// ⌈distributed · weight / weights⌉. A negative weight gets 0: in v1 it only changed book-keeping, without effect.
    pub(super) fn of(&mut self, weight: i64) -> i64 {
        if self.last_weight != weight {
            self.last_weight = weight;
            self.last = self.rounded_up(weight.max(0));
        }
        self.last
    }

    /// The smallest number to distribute of which `weight` still gets `portion`.
    pub(super) fn least_with(&self, portion: i64, weight: i64) -> i64 {
        let least = i128::from(portion - 1) * i128::from(self.weights) / i128::from(weight) + 1;
        i64::try_from(least).unwrap_or(i64::MAX)
    }

    fn rounded_up(&self, weight: i64) -> i64 {
        let dividend = self.distributed.checked_mul(weight).and_then(|product| product.checked_add(self.weights - 1));
        match dividend.map(|dividend| (dividend, u32::try_from(dividend), u32::try_from(self.weights))) {
            // Many processors divide 32 bits several times faster than 64.
            Some((_, Ok(dividend), Ok(weights))) => i64::from(dividend / weights),
            Some((dividend, ..)) => dividend / self.weights,
            None => self.rounded_up_wide(weight),
        }
    }

    #[cold]
    fn rounded_up_wide(&self, weight: i64) -> i64 {
        let weights = i128::from(self.weights);
        let dividend = i128::from(self.distributed) * i128::from(weight) + weights - 1;
        i64::try_from(dividend / weights).unwrap_or(i64::MAX)
    }
}
