//! What is made of several measurements.

/// The one in the middle, or the mean of the two that are. Not a number when there are none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ if values.is_empty() => f64::NAN,
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// What ratios come to on the whole: a half and a double come to one. Not a number when there are none.
pub fn geometric_mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    (values.map(f64::ln).sum::<f64>() / count).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middles_and_means() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
        assert!((geometric_mean([0.5, 2.0, 1.0].into_iter()) - 1.0).abs() < 1e-9);
        assert!(geometric_mean([].into_iter()).is_nan());
    }
}
