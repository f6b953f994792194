//! Dates and timestamps as text, read and written as Spark does.
//!
//! Without a pattern text is read leniently, as Spark's `DateTimeUtils.stringToDate` and
//! `stringToTimestamp` do: `2024-1-2`, `2024-01`, `2024-01-02T03:04:05.6+01:00`. With a pattern it is
//! read and written as Java's `DateTimeFormatter` does; see [`Pattern`].

mod pattern;

use std::str::FromStr;

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset};
use chrono::{FixedOffset, TimeDelta, TimeZone, Utc};
use datafusion::arrow::array::timezone::Tz;

pub(crate) use pattern::Pattern;

/// The first day of the epoch, as chrono counts days.
const EPOCH_DAY: i32 = 719_163;

/// Days since 1970-01-01, as Arrow's `Date32` counts them.
pub(crate) fn days(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH_DAY
}

/// The date of so many days since 1970-01-01; none beyond the year 262142.
pub(crate) fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_DAY)?)
}

/// The instant of a local time in a zone, in microseconds. As in Java the earlier instant counts when
/// clocks are put back, and a time that clocks skip is moved on by what they skip.
pub(crate) fn micros(local: NaiveDateTime, zone: Tz) -> Option<i64> {
    let offset = match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) => offset,
        MappedLocalTime::Ambiguous(earlier, _) => earlier,
        MappedLocalTime::None => {
            let before = local.checked_sub_signed(TimeDelta::hours(24))?;
            zone.offset_from_local_datetime(&before).earliest()?
        }
    };
    let utc = local.checked_sub_offset(offset.fix())?;
    Some(utc.and_utc().timestamp_micros())
}

/// The local time in a zone at an instant in microseconds.
pub(crate) fn local(micros: i64, zone: Tz) -> Option<DateTime<FixedOffset>> {
    let utc = DateTime::<Utc>::from_timestamp_micros(micros)?;
    Some(utc.with_timezone(&zone).fixed_offset())
}

/// A text with the white space and control characters around it taken off, as Spark's `trimAll` does.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ' || c == '\u{7f}')
}

/// Reads a date in days: `[+-]yyyy[-[m]m[-[d]d[( |T)*]]]`.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let text = trimmed(text);
    let (negative, unsigned) = signed(text);
    let (date, rest) = match unsigned.find([' ', 'T']) {
        Some(end) => (&unsigned[..end], Some(&unsigned[end..])),
        None => (unsigned, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = number(parts.next()?, 4..=7)?;
    let month = parts.next().map(|part| number(part, 1..=2));
    let day = parts.next().map(|part| number(part, 1..=2));
    // Only a whole date may be followed by something.
    if rest.is_some() && day.is_none() {
        return None;
    }
    let year = i32::try_from(year).ok()? * if negative { -1 } else { 1 };
    let date = NaiveDate::from_ymd_opt(year, month.unwrap_or(Some(1))?, day.unwrap_or(Some(1))?)?;
    Some(days(date))
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits && digits.contains(&text.len()))
        .then(|| text.parse().ok())
        .flatten()
}

/// A time as it was read, before it is known what zone it is in.
#[derive(Debug, PartialEq)]
struct Reading<'a> {
    /// None if only a time of day was given.
    date: Option<NaiveDate>,
    time: NaiveTime,
    zone: Option<&'a str>,
}

/// Reads a timestamp in microseconds. Text without a zone is in `zone`; a time of day alone is of today.
pub(crate) fn parse_timestamp(text: &str, zone: Tz) -> Option<i64> {
    let reading = read(trimmed(text))?;
    let zone = match reading.zone {
        Some(name) => zone_of(name)?,
        None => zone,
    };
    let date = match reading.date {
        Some(date) => date,
        None => Utc::now().with_timezone(&zone).date_naive(),
    };
    micros(date.and_time(reading.time), zone)
}

/// Reads a timestamp without a time zone in microseconds; text with a zone is none.
pub(crate) fn parse_timestamp_ntz(text: &str) -> Option<i64> {
    let reading = read(trimmed(text))?;
    match reading.zone {
        Some(_) => None,
        None => Some(
            reading
                .date?
                .and_time(reading.time)
                .and_utc()
                .timestamp_micros(),
        ),
    }
}

fn read(text: &str) -> Option<Reading<'_>> {
    if let Some(time) = text.strip_prefix('T') {
        return time_of_day(time, None);
    }
    let (negative, unsigned) = signed(text);
    let end = unsigned.find([' ', 'T', ':']).unwrap_or(unsigned.len());
    if unsigned[end..].starts_with(':') {
        return (unsigned.len() == text.len())
            .then(|| time_of_day(text, None))
            .flatten();
    }
    let mut parts = unsigned[..end].splitn(3, '-');
    let year = number(parts.next()?, 4..=6)?;
    let month = parts.next().map(|part| number(part, 1..=2));
    let day = parts.next().map(|part| number(part, 1..=2));
    if end < unsigned.len() && day.is_none() {
        return None;
    }
    let year = i32::try_from(year).ok()? * if negative { -1 } else { 1 };
    let date = NaiveDate::from_ymd_opt(year, month.unwrap_or(Some(1))?, day.unwrap_or(Some(1))?)?;
    match unsigned.get(end + 1..) {
        Some(time) => time_of_day(time, Some(date)),
        None => Some(Reading {
            date: Some(date),
            time: NaiveTime::MIN,
            zone: None,
        }),
    }
}

/// `[h]h[:[m]m[:[s]s[.fraction][zone]]]`
fn time_of_day(text: &str, date: Option<NaiveDate>) -> Option<Reading<'_>> {
    let mut parts = text.splitn(3, ':');
    let hour = number(parts.next()?, 1..=2)?;
    let minute = parts.next().map_or(Some(0), |part| number(part, 1..=2))?;
    let (second, nanos, zone) = match parts.next() {
        Some(rest) => seconds(rest)?,
        None => (0, 0, None),
    };
    Some(Reading {
        date,
        time: NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?,
        zone,
    })
}

fn seconds(text: &str) -> Option<(u32, u32, Option<&str>)> {
    let end = digits(text);
    let second = number(&text[..end], 1..=2)?;
    let mut rest = &text[end..];
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = digits(fraction);
        // Spark keeps six digits.
        let micros: String = fraction[..end]
            .chars()
            .chain("000000".chars())
            .take(6)
            .collect();
        nanos = micros.parse::<u32>().ok()? * 1000;
        rest = &fraction[end..];
    }
    let zone = (!rest.is_empty()).then(|| rest.trim());
    Some((second, nanos, zone))
}

/// The length of the digits at the beginning.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// A zone by its name or offset: `Z`, `Europe/Berlin`, `+1`, `-01:30`, `UTC+01:00`.
pub(crate) fn zone_of(name: &str) -> Option<Tz> {
    let offset = ["UTC", "GMT", "UT"]
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    if offset.is_empty() || offset == "Z" {
        return Tz::from_str("+00:00").ok();
    }
    let Some(sign @ ('+' | '-')) = offset.chars().next() else {
        return Tz::from_str(name).ok();
    };
    let unsigned = &offset[1..];
    let (hours, minutes) = match unsigned.split_once(':') {
        Some((hours, minutes)) => (hours, minutes.split(':').next()?),
        None if unsigned.len() == 4 => unsigned.split_at_checked(2)?,
        None => (unsigned, "0"),
    };
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 1..=2)?);
    if hours > 18 || minutes > 59 {
        return None;
    }
    Tz::from_str(&format!("{sign}{hours:02}:{minutes:02}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc() -> Tz {
        Tz::from_str("UTC").unwrap()
    }

    fn text(micros: Option<i64>) -> String {
        micros.map_or("none".into(), |micros| {
            local(micros, utc()).unwrap().naive_utc().to_string()
        })
    }

    #[test]
    fn dates_are_read_leniently() {
        let parsed = |text| parse_date(text).map(|days| date(days).unwrap().to_string());
        for (text, expected) in [
            ("2024-01-02", Some("2024-01-02")),
            (" 2024-1-2 ", Some("2024-01-02")),
            ("2024", Some("2024-01-01")),
            ("2024-01", Some("2024-01-01")),
            ("2024-01-02T10:00", Some("2024-01-02")),
            ("2024-01-02 x", Some("2024-01-02")),
            ("2024-13-02", None),
            ("2024-02-30", None),
            ("24-01-02", None),
            ("2024/01/02", None),
            ("2024-01 x", None),
            ("", None),
        ] {
            assert_eq!(parsed(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn timestamps_are_read_leniently() {
        for (given, expected) in [
            ("2024-01-02 03:04:05", "2024-01-02 03:04:05"),
            ("2024-01-02T03:04:05.123Z", "2024-01-02 03:04:05.123"),
            (
                "2024-01-02T03:04:05.123456789",
                "2024-01-02 03:04:05.123456",
            ),
            ("2024-01-02T03:04:05+02:00", "2024-01-02 01:04:05"),
            (
                "2024-01-02 10:11:12.5 Europe/Berlin",
                "2024-01-02 09:11:12.500",
            ),
            ("2024-1-2 3:4:5", "2024-01-02 03:04:05"),
            ("2024-01-02 03:04", "2024-01-02 03:04:00"),
            ("2024-01", "2024-01-01 00:00:00"),
            ("1704164645", "none"),
            ("2024-01-02 25:00:00", "none"),
            ("x", "none"),
        ] {
            assert_eq!(text(parse_timestamp(given, utc())), expected, "{given}");
        }
        assert_eq!(parse_timestamp_ntz("2024-01-02T10:11:12Z"), None);
        assert!(parse_timestamp("10:11:12", utc()).is_some());
    }

    #[test]
    fn a_local_time_that_clocks_skip_is_moved_on() {
        let berlin = Tz::from_str("Europe/Berlin").unwrap();
        let skipped = parse_timestamp("2024-03-31 02:30:00", berlin);
        assert_eq!(text(skipped), "2024-03-31 01:30:00");
        let twice = parse_timestamp("2024-10-27 02:30:00", berlin);
        assert_eq!(text(twice), "2024-10-27 00:30:00");
    }

    #[test]
    fn offsets_are_read_in_all_forms() {
        for name in ["+1", "+01", "+01:00", "+0100", "UTC+1", "GMT+01:00", "+1:0"] {
            let zone = zone_of(name).unwrap();
            let seconds = zone.offset_from_utc_datetime(&NaiveDateTime::MIN).fix();
            assert_eq!(seconds.local_minus_utc(), 3600, "{name}");
        }
        assert!(zone_of("Z").is_some() && zone_of("Nowhere").is_none());
    }
}
