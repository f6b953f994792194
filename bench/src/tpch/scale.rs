//! How much data: TPC-H's scale factor.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

/// TPC-H's scale factor: 1 is about a gigabyte of text, 6 million line items. From 0.001 to 1000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale(f64);

impl Scale {
    /// The factor as a number.
    pub fn factor(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Scale {
    type Error = Error;

    fn try_from(factor: f64) -> Result<Self> {
        // Under a thousandth there are fewer than ten suppliers, and the generator no longer finds four per part.
        ensure!(
            (0.001..=1000.0).contains(&factor),
            "a TPC-H scale is a number from 0.001 to 1000, not {factor}"
        );
        Ok(Self(factor))
    }
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let factor: f64 = text.trim().parse().with_context(|| {
            format!("a TPC-H scale is a number such as 1 or 0.01, not '{text}'")
        })?;
        Self::try_from(factor)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn whole_scales_are_written_without_a_fraction() {
        assert_eq!("1.0".parse::<Scale>().unwrap().to_string(), "1");
        assert_eq!(" 0.01".parse::<Scale>().unwrap().to_string(), "0.01");
    }

    #[test]
    fn what_is_no_scale_is_refused() {
        for text in ["", "one", "0", "-1", "0.0001", "1001", "NaN", "inf"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
    }
}
