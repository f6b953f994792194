//! Durations as Spark writes and reads them: `10s`, `100ms`, `5` in the property's own unit.
//!
//! Follows `JavaUtils.timeStringAs`: whole numbers with `us`, `ms`, `s`, `m` or `min`, `h`, `d`; case does not matter.

use std::time::Duration;

/// A unit of time that Spark declares properties in, or reads as a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeUnit {
    /// `us`
    Microseconds,
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
    /// `m` or `min`
    Minutes,
    /// `h`
    Hours,
    /// `d`
    Days,
}

impl TimeUnit {
    /// How many microseconds one of this unit is.
    pub const fn microseconds(self) -> u64 {
        match self {
            TimeUnit::Microseconds => 1,
            TimeUnit::Milliseconds => 1_000,
            TimeUnit::Seconds => 1_000_000,
            TimeUnit::Minutes => 60_000_000,
            TimeUnit::Hours => 3_600_000_000,
            TimeUnit::Days => 86_400_000_000,
        }
    }

    fn from_suffix(suffix: &str) -> Option<TimeUnit> {
        Some(match suffix {
            "us" => TimeUnit::Microseconds,
            "ms" => TimeUnit::Milliseconds,
            "s" => TimeUnit::Seconds,
            "m" | "min" => TimeUnit::Minutes,
            "h" => TimeUnit::Hours,
            "d" => TimeUnit::Days,
            _ => return None,
        })
    }
}

/// Why a text is not a duration. Each message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// A whole number with a suffix that is no unit of time.
    #[error(
        "{suffix:?} is no unit of time: write us, ms, s, min, h or d after the number, such as 10s or 100ms"
    )]
    UnknownUnit {
        /// The suffix in lower case.
        suffix: String,
    },
    /// A number below zero; Spark reads it, but no property that is ours can use it.
    #[error(
        "a time cannot be negative, but {text} is: write a whole number with a unit, such as 10s or 100ms"
    )]
    Negative {
        /// What was written.
        text: String,
    },
    /// More than a signed 64-bit number holds.
    #[error("{text} is more than Spark can count: write a shorter time")]
    TooLarge {
        /// What was written.
        text: String,
    },
    /// Anything else.
    #[error(
        "{text:?} is not a time: write a whole number with a unit (us, ms, s, min, h or d), such as 10s or 100ms"
    )]
    NotATime {
        /// What was written.
        text: String,
    },
}

/// Reads a time and counts it in `unit`, which is also the unit of a number without a suffix.
///
/// This is `JavaUtils.timeStringAs`, answer for answer, also for negative numbers: what does not fill a whole `unit`
/// is cut off, and what exceeds 64 bits becomes the largest (or smallest) number, as Java's `TimeUnit.convert` does.
///
/// # Errors
/// [`TimeError`] where Spark throws `NumberFormatException`.
pub fn parse_in_unit(text: &str, unit: TimeUnit) -> Result<i64, TimeError> {
    let lower = text.to_lowercase();
    let lower = lower.trim_matches(|c| c <= ' ');
    let digits = lower.strip_prefix('-').unwrap_or(lower);
    let end = lower.len()
        - digits
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .len();
    let (number, suffix) = lower.split_at(end);

    let no_digits = !number.bytes().any(|c| c.is_ascii_digit());
    if no_digits || !suffix.bytes().all(|c| c.is_ascii_lowercase()) {
        return Err(TimeError::NotATime { text: lower.into() });
    }
    let count: i64 = number
        .parse()
        .map_err(|_| TimeError::TooLarge { text: lower.into() })?;
    let written = match suffix {
        "" => unit,
        _ => TimeUnit::from_suffix(suffix).ok_or_else(|| TimeError::UnknownUnit {
            suffix: suffix.into(),
        })?,
    };
    let converted =
        i128::from(count) * i128::from(written.microseconds()) / i128::from(unit.microseconds());
    let clamped = converted.clamp(i64::MIN.into(), i64::MAX.into());
    Ok(i64::try_from(clamped).unwrap_or(i64::MAX))
}

/// Reads a time for a property declared in `unit`.
///
/// # Errors
/// As [`parse_in_unit`], and [`TimeError::Negative`] below zero.
///
/// ```
/// # use plimsoll_conf::time::{parse_duration, TimeUnit};
/// # use std::time::Duration;
/// assert_eq!(parse_duration("2min", TimeUnit::Milliseconds), Ok(Duration::from_secs(120)));
/// assert_eq!(parse_duration("250", TimeUnit::Milliseconds), Ok(Duration::from_millis(250)));
/// ```
pub fn parse_duration(text: &str, unit: TimeUnit) -> Result<Duration, TimeError> {
    let count = parse_in_unit(text, unit)?;
    let negative = |_| TimeError::Negative {
        text: text.trim().into(),
    };
    let count = u64::try_from(count).map_err(negative)?;
    Ok(Duration::from_micros(
        count.saturating_mul(unit.microseconds()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_read_in_the_unit_of_the_property() {
        assert_eq!(parse_in_unit("5", TimeUnit::Seconds), Ok(5));
        assert_eq!(parse_in_unit("5MIN", TimeUnit::Seconds), Ok(300));
        assert_eq!(parse_in_unit("1999ms", TimeUnit::Seconds), Ok(1));
        assert_eq!(parse_in_unit("-1500ms", TimeUnit::Seconds), Ok(-1));
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_to_write() {
        assert!(matches!(
            parse_in_unit("5w", TimeUnit::Seconds),
            Err(TimeError::UnknownUnit { .. })
        ));
        assert!(matches!(
            parse_duration("-5s", TimeUnit::Seconds),
            Err(TimeError::Negative { .. })
        ));
        for text in ["", "-", "s", "1.5s", "1 s", "--5"] {
            assert!(
                matches!(
                    parse_in_unit(text, TimeUnit::Seconds),
                    Err(TimeError::NotATime { .. })
                ),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_time_beyond_64_bits_stops_at_the_largest_number() {
        assert_eq!(
            parse_in_unit("9223372036854775807d", TimeUnit::Milliseconds),
            Ok(i64::MAX)
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC*") {
            let _ = parse_duration(&text, TimeUnit::Milliseconds);
        }
    }
}
