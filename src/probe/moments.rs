//! Mean and variance without keeping the values.

/// Number, mean and variance of whole numbers, from exact sums: nothing is lost to rounding before
/// the last division, however long the record.
///
/// The sum must stay below 2⁶⁴; that of the squares then stays below 2¹²⁸.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moments {
    count: u64,
    sum: u64,
    squares: u128,
}

impl Moments {
    /// Those of `count` values with this mean and sample variance, as near as whole numbers come.
    #[must_use]
    pub fn of(count: u64, mean: f64, variance: f64) -> Moments {
        let sum = (mean * count as f64).round() as u64;
        let deviations = variance * count.saturating_sub(1) as f64;
        // Σx² = Σ(x − mean)² + (Σx)²/n is whole; neither of its parts has to be.
        let (squared, n) = (u128::from(sum) * u128::from(sum), u128::from(count.max(1)));
        let rest = (deviations + (squared % n) as f64 / n as f64).round();
        Moments { count, sum, squares: squared / n + rest as u128 }
    }

    /// Adds a value.
    pub fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum += value;
        self.squares += u128::from(value) * u128::from(value);
    }

    /// The same with zeros added until there are `count` values.
    #[must_use]
    pub fn with_zeros(self, count: u64) -> Moments {
        Moments { count: self.count.max(count), ..self }
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Mean; none of no values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// Σ(x − mean)².
    #[must_use]
    pub fn squared_deviations(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let (quotient, rest) = (self.sum / self.count, self.sum % self.count);
        // Σ(x − q)² = Σx² − 2qΣx + nq² with the whole part q of the mean. It lies between 0 and
        // Σx², so it is exact although the terms may wrap around.
        let q = u128::from(quotient);
        let around = self
            .squares
            .wrapping_sub(q.wrapping_mul(u128::from(self.sum)).wrapping_mul(2))
            .wrapping_add(q.wrapping_mul(q).wrapping_mul(u128::from(self.count)));
        // What q lacks to the mean: Σ(x − mean)² = Σ(x − q)² − r²/n.
        (around as f64 - rest as f64 * (rest as f64 / self.count as f64)).max(0.0)
    }

    /// Sample variance, with n − 1; none of less than two values.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squared_deviations() / (self.count - 1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments(values: &[u64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.add(*value));
        moments
    }

    #[test]
    fn equal_values_have_no_variance_at_all() {
        for value in [0, 1, 3, 1_000_000_000_007, 1 << 60] {
            let moments = moments(&[value; 7]);
            assert_eq!(moments.variance(), Some(0.0), "{value}");
        }
    }

    #[test]
    fn a_picosecond_of_jitter_is_seen_after_a_day() {
        // 86400 s and one picosecond more or less: the variance of 0, 1, 2 is 1.
        let day = 86_400 * 1_000_000_000_000;
        assert_eq!(moments(&[day, day + 1, day + 2]).variance(), Some(1.0));
    }

    #[test]
    fn few_values() {
        assert_eq!(moments(&[]).mean(), None);
        assert_eq!(moments(&[5]).mean(), Some(5.0));
        assert_eq!(moments(&[5]).variance(), None);
        assert_eq!(moments(&[u64::MAX]).squared_deviations(), 0.0);
        // 2, 0, 0, 0: mean 1/2, squared deviations 9/4 + 3/4.
        let padded = moments(&[2]).with_zeros(4);
        assert_eq!((padded.mean(), padded.variance()), (Some(0.5), Some(1.0)));
    }

    proptest! {
        /// Small values, as counts are, exactly.
        #[test]
        fn mean_and_variance_give_small_moments_back(
            values in proptest::collection::vec(0_u64..1000, 2..50)
        ) {
            let moments = moments(&values);
            let (mean, variance) = (moments.mean().unwrap(), moments.variance().unwrap());
            prop_assert_eq!(Moments::of(moments.count(), mean, variance), moments);
        }

        #[test]
        fn mean_and_variance_give_the_moments_back(
            values in proptest::collection::vec(0_u64..1_000_000_000_000, 2..50)
        ) {
            let moments = moments(&values);
            let (mean, variance) = (moments.mean().unwrap(), moments.variance().unwrap());
            let again = Moments::of(moments.count(), mean, variance);
            prop_assert_eq!((again.count(), again.mean()), (moments.count(), Some(mean)));
            let error = (again.variance().unwrap() - variance).abs();
            prop_assert!(error <= 1e-12 * variance + 1.0, "{error}");
        }

        #[test]
        fn agrees_with_two_passes(values in proptest::collection::vec(0_u64..1_000_000, 2..50)) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<u64>() as f64 / n;
            let squares = values.iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>();
            let variance = moments(&values).variance().unwrap();
            prop_assert!((variance - squares / (n - 1.0)).abs() <= 1e-9 * variance.max(1.0));
        }
    }
}
