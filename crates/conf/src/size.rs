//! Sizes as Spark writes and reads them: `512m`, `4g`, `1024` in the property's own unit.
//!
//! Follows `JavaUtils.byteStringAs` and `ByteUnit`: case does not matter, neither do surrounding blanks; a number
//! without a suffix is in the unit of the property that is being set; what does not fill that unit is cut off
//! (`1500k` for a property in MiB is 1 MiB); every unit is a power of 1024, also `kb` and `mb`.

mod display;

pub use display::{Bytes, fmt_bytes, spell_bytes};

/// A unit in which Spark declares or a person writes a size. All are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// One byte, `b`.
    Byte,
    /// 1024 bytes, `k` or `kb`.
    Kibi,
    /// 1024² bytes, `m` or `mb`.
    Mebi,
    /// 1024³ bytes, `g` or `gb`.
    Gibi,
    /// 1024⁴ bytes, `t` or `tb`.
    Tebi,
    /// 1024⁵ bytes, `p` or `pb`.
    Pebi,
}

/// One mebibyte in bytes.
pub const MIB: u64 = Unit::Mebi.bytes();

/// One gibibyte in bytes.
pub const GIB: u64 = Unit::Gibi.bytes();

impl Unit {
    /// Largest first, the order in which a size looks for the unit that fits it.
    const DESCENDING: [Unit; 6] = [
        Unit::Pebi,
        Unit::Tebi,
        Unit::Gibi,
        Unit::Mebi,
        Unit::Kibi,
        Unit::Byte,
    ];

    /// How many bytes one of this unit is.
    pub const fn bytes(self) -> u64 {
        match self {
            Unit::Byte => 1,
            Unit::Kibi => 1 << 10,
            Unit::Mebi => 1 << 20,
            Unit::Gibi => 1 << 30,
            Unit::Tebi => 1 << 40,
            Unit::Pebi => 1 << 50,
        }
    }

    /// The one-letter suffix that Spark accepts for this unit.
    pub const fn suffix(self) -> &'static str {
        match self {
            Unit::Byte => "b",
            Unit::Kibi => "k",
            Unit::Mebi => "m",
            Unit::Gibi => "g",
            Unit::Tebi => "t",
            Unit::Pebi => "p",
        }
    }

    /// The unit's name as people read it, `MiB`.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Byte => "B",
            Unit::Kibi => "KiB",
            Unit::Mebi => "MiB",
            Unit::Gibi => "GiB",
            Unit::Tebi => "TiB",
            Unit::Pebi => "PiB",
        }
    }

    fn from_suffix(suffix: &str) -> Option<Unit> {
        Some(match suffix {
            "b" => Unit::Byte,
            "k" | "kb" => Unit::Kibi,
            "m" | "mb" => Unit::Mebi,
            "g" | "gb" => Unit::Gibi,
            "t" | "tb" => Unit::Tebi,
            "p" | "pb" => Unit::Pebi,
            _ => return None,
        })
    }
}

/// Why a text is not a size. Each message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// A fraction, which Spark does not read either.
    #[error("fractions are not read as sizes: write {instead} instead of {text}")]
    Fraction {
        /// What was written.
        text: String,
        /// The same size, cut to a smaller unit, in Spark's spelling.
        instead: String,
    },
    /// A number below zero.
    #[error(
        "a size cannot be negative, but {text} is: write a whole number with a unit, such as 512m or 4g"
    )]
    Negative {
        /// What was written.
        text: String,
    },
    /// A whole number with a suffix that is no unit.
    #[error(
        "{suffix:?} is no unit of size: write b, k, m, g, t or p after the number, such as 512m or 4g"
    )]
    UnknownUnit {
        /// The suffix in lower case.
        suffix: String,
    },
    /// More than a signed 64-bit number holds, in which Spark counts.
    #[error(
        "{text} is more than Spark can count ({} bytes at most): write a smaller size",
        i64::MAX
    )]
    TooLarge {
        /// What was written.
        text: String,
    },
    /// Anything else.
    #[error(
        "{text:?} is not a size: write a whole number with a unit (b, k, m, g, t or p), such as 512m or 4g"
    )]
    NotASize {
        /// What was written.
        text: String,
    },
}

/// Reads a size and counts it in `unit`, which is also the unit of a number without a suffix.
///
/// This is `JavaUtils.byteStringAs`, answer for answer: what does not fill a whole `unit` is cut off.
///
/// # Errors
/// [`SizeError`] where Spark throws `NumberFormatException` or `IllegalArgumentException`.
pub fn parse_in_unit(text: &str, unit: Unit) -> Result<u64, SizeError> {
    let lower = text.to_lowercase();
    let lower = lower.trim_matches(|c| c <= ' ');
    let (number, suffix) = split_suffix(lower);

    if let Some(positive) = number.strip_prefix('-')
        && is_number(positive)
    {
        return Err(SizeError::Negative { text: lower.into() });
    }
    if !suffix.is_empty() && !suffix.bytes().all(|c| c.is_ascii_lowercase()) || !is_number(number) {
        return Err(SizeError::NotASize { text: lower.into() });
    }
    let written = match suffix {
        "" => unit,
        _ => Unit::from_suffix(suffix).ok_or_else(|| SizeError::UnknownUnit {
            suffix: suffix.into(),
        })?,
    };
    if number.contains('.') {
        return Err(SizeError::Fraction {
            text: lower.into(),
            instead: whole_number_for(number, written),
        });
    }

    let too_large = || SizeError::TooLarge { text: lower.into() };
    let count: i64 = number.parse().map_err(|_| too_large())?;
    let count = count.unsigned_abs();
    if written > unit {
        let in_unit = count
            .checked_mul(written.bytes() / unit.bytes())
            .filter(|&c| i64::try_from(c).is_ok());
        in_unit.ok_or_else(too_large)
    } else {
        Ok(count / (unit.bytes() / written.bytes()))
    }
}

/// Reads a size for a property declared in `unit` and returns **bytes**, a whole multiple of `unit`.
///
/// # Errors
/// As [`parse_in_unit`], and [`SizeError::TooLarge`] when the bytes do not fit a signed 64-bit number.
///
/// ```
/// # use plimsoll_conf::size::{parse_bytes, Unit, MIB};
/// assert_eq!(parse_bytes("4g", Unit::Mebi), Ok(4096 * MIB));
/// assert_eq!(parse_bytes("1024", Unit::Mebi), Ok(1024 * MIB));
/// assert_eq!(parse_bytes("1500k", Unit::Mebi), Ok(MIB));
/// let error = parse_bytes("1.5g", Unit::Mebi).unwrap_err();
/// assert!(error.to_string().contains("write 1536m instead of 1.5g"));
/// ```
pub fn parse_bytes(text: &str, unit: Unit) -> Result<u64, SizeError> {
    parse_in_unit(text, unit)?
        .checked_mul(unit.bytes())
        .filter(|&bytes| i64::try_from(bytes).is_ok())
        .ok_or_else(|| SizeError::TooLarge {
            text: text.trim().into(),
        })
}

/// Digits, a dot and a sign to the left; the rest to the right.
fn split_suffix(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `12` or `1.5`, the two shapes that Spark's patterns know.
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    match text.split_once('.') {
        None => digits(text),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    }
}

/// The whole number to write for a fraction of a unit: in the next smaller unit, cut off; smaller still rather than 0.
fn whole_number_for(number: &str, unit: Unit) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // More decimals than these are beyond a byte of a pebibyte, and would not fit the arithmetic below.
    let fraction: String = fraction.chars().take(16).collect();
    let denominator = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let numerator = format!("{whole}{fraction}").parse::<u128>().ok();
    let bytes = numerator.and_then(|n| {
        n.checked_mul(u128::from(unit.bytes()))
            .map(|n| n / denominator)
    });
    let Some(bytes) = bytes else {
        return format!("{whole}{}", unit.suffix());
    };
    let smaller = Unit::DESCENDING
        .into_iter()
        .filter(|&u| u < unit || u == Unit::Byte);
    let fits = smaller
        .clone()
        .find(|u| bytes >= u128::from(u.bytes()))
        .unwrap_or(Unit::Byte);
    format!("{}{}", bytes / u128::from(fits.bytes()), fits.suffix())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_without_a_suffix_is_in_the_unit_of_the_property() {
        assert_eq!(parse_bytes("1024", Unit::Mebi), Ok(GIB));
        assert_eq!(parse_bytes("1024", Unit::Byte), Ok(1024));
    }

    #[test]
    fn suffixes_are_read_whatever_their_case_and_surroundings() {
        for text in ["4g", "4G", "4gb", "4GB", " 4g\t", "4096m", "4096MB"] {
            assert_eq!(parse_bytes(text, Unit::Mebi), Ok(4 * GIB), "{text:?}");
        }
    }

    #[test]
    fn what_does_not_fill_the_unit_is_cut_off() {
        assert_eq!(parse_bytes("2047k", Unit::Mebi), Ok(MIB));
        assert_eq!(parse_bytes("1023k", Unit::Mebi), Ok(0));
    }

    #[test]
    fn a_fraction_is_refused_with_the_whole_number_to_write() {
        for (text, instead) in [
            ("1.5g", "1536m"),
            ("0.5m", "512k"),
            ("1.3g", "1331m"),
            ("0.0001g", "104k"),
            ("2.5", "2560k"),
            ("1.5b", "1b"),
            ("1.00000000000000000000000001g", "1024m"),
        ] {
            match parse_bytes(text, Unit::Mebi) {
                Err(SizeError::Fraction { instead: said, .. }) => {
                    assert_eq!(said, instead, "{text}")
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn negatives_unknown_units_and_nonsense_are_told_apart() {
        assert!(matches!(
            parse_bytes("-1g", Unit::Byte),
            Err(SizeError::Negative { .. })
        ));
        assert!(matches!(
            parse_bytes("4gib", Unit::Byte),
            Err(SizeError::UnknownUnit { .. })
        ));
        for text in [
            "",
            "g",
            "4 g",
            "four",
            "4g4",
            "1.g",
            ".5g",
            "--1",
            "1-2",
            "4\u{66b}5g",
        ] {
            assert!(
                matches!(
                    parse_bytes(text, Unit::Byte),
                    Err(SizeError::NotASize { .. })
                ),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_spark_cannot_count_is_too_large() {
        assert!(matches!(
            parse_bytes("9223372036854775808", Unit::Byte),
            Err(SizeError::TooLarge { .. })
        ));
        assert!(matches!(
            parse_bytes("8192p", Unit::Byte),
            Err(SizeError::TooLarge { .. })
        ));
        assert!(matches!(
            parse_bytes("9223372036854775807", Unit::Mebi),
            Err(SizeError::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC*") {
            for unit in Unit::DESCENDING {
                let _ = parse_bytes(&text, unit);
            }
        }

        #[test]
        fn reading_what_looks_like_a_size_never_panics(text in "-?[0-9]{0,40}\\.?[0-9]{0,40}[kmgtpKMGTPb]{0,2}") {
            let _ = parse_bytes(&text, Unit::Mebi);
        }
    }
}
