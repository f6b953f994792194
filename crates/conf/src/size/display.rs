//! Sizes on their way out: for people, and in Spark's own spelling.

use super::Unit;
use std::fmt;

/// Bytes as a person reads them: `434.4 MiB`, `4.6 GiB`, `8 GiB`. One decimal, none when it would be a zero.
pub fn fmt_bytes(bytes: u64) -> Bytes {
    Bytes(bytes)
}

/// A number of bytes that displays for people, made by [`fmt_bytes`]. Width and alignment of the format apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = u128::from(self.0);
        // 1023.96 MiB would round to 1024 MiB: half a tenth of the smaller unit below a unit already reads as that unit.
        let unit = Unit::DESCENDING
            .into_iter()
            .find(|unit| bytes + u128::from(unit.bytes() / 20_480) >= u128::from(unit.bytes()))
            .unwrap_or(Unit::Byte);
        let of_unit = u128::from(unit.bytes());
        let tenths = (bytes * 10 + of_unit / 2) / of_unit;
        let (whole, tenth) = (tenths / 10, tenths % 10);
        let text = match tenth {
            0 => format!("{whole} {}", unit.name()),
            _ => format!("{whole}.{tenth} {}", unit.name()),
        };
        f.pad(&text)
    }
}

/// Bytes in Spark's own spelling, exactly: the largest unit of which they are a whole number, `1536m`.
///
/// ```
/// # use plimsoll_conf::size::{spell_bytes, MIB};
/// assert_eq!(spell_bytes(1536 * MIB), "1536m");
/// assert_eq!(spell_bytes(1000), "1000b");
/// ```
pub fn spell_bytes(bytes: u64) -> String {
    let unit = Unit::DESCENDING
        .into_iter()
        .find(|unit| bytes >= unit.bytes() && bytes.is_multiple_of(unit.bytes()))
        .unwrap_or(Unit::Byte);
    format!("{}{}", bytes / unit.bytes(), unit.suffix())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::{GIB, MIB, parse_bytes};
    use proptest::prelude::*;

    #[test]
    fn people_read_one_decimal_and_no_zero() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (455_501_414, "434.4 MiB"),
            (4_965_217_075, "4.6 GiB"),
            (8 * GIB, "8 GiB"),
            (GIB - 1, "1 GiB"),
            (1000 * MIB, "1000 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(fmt_bytes(bytes).to_string(), text);
        }
        assert_eq!(format!("[{:>9}]", fmt_bytes(GIB)), "[    1 GiB]");
    }

    proptest! {
        #[test]
        fn a_spelled_size_reads_back_the_same(bytes in 0..=i64::MAX as u64) {
            prop_assert_eq!(parse_bytes(&spell_bytes(bytes), Unit::Byte), Ok(bytes));
        }

        #[test]
        fn a_displayed_size_is_within_a_twentieth_of_its_unit(bytes in any::<u64>()) {
            let text = fmt_bytes(bytes).to_string();
            let (number, name) = text.split_once(' ').unwrap();
            let unit = Unit::DESCENDING.into_iter().find(|unit| unit.name() == name).unwrap();
            let read = number.parse::<f64>().unwrap() * unit.bytes() as f64;
            prop_assert!((read - bytes as f64).abs() <= unit.bytes() as f64 * 0.0501);
        }
    }
}
