//! Days, months and time zones: the arithmetic of the proleptic Gregorian calendar, as in Java's `time`.

use chrono::{MappedLocalTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;

use crate::error::{Error, Kind};

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A day: year, month 1 to 12, day 1 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i32,
    pub(super) month: i32,
    pub(super) day: i32,
}

impl Civil {
    /// The day that is `days` after 1970-01-01 (Howard Hinnant's `civil_from_days`).
    pub(super) fn of(days: i32) -> Self {
        let z = i64::from(days) + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        Self {
            year: year as i32,
            month: month as i32,
            day: day as i32,
        }
    }

    /// `None` if there is no such day.
    pub(super) fn new(year: i32, month: i32, day: i32) -> Option<Self> {
        let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        valid.then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01.
    pub(super) fn days(self) -> i32 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = i64::from(self.month);
        let shifted = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) as i32
    }

    /// The same day of another month, or that month's last.
    pub(super) fn plus_months(self, months: i32) -> Self {
        let total = i64::from(self.year) * 12 + i64::from(self.month) - 1 + i64::from(months);
        let (year, month) = (total.div_euclid(12) as i32, total.rem_euclid(12) as i32 + 1);
        Self {
            year,
            month,
            day: self.day.min(days_in_month(year, month)),
        }
    }

    pub(super) fn day_of_year(self) -> i32 {
        self.days()
            - Self {
                year: self.year,
                month: 1,
                day: 1,
            }
            .days()
            + 1
    }

    pub(super) fn quarter(self) -> i32 {
        (self.month - 1) / 3 + 1
    }

    /// The ISO week and the year that it belongs to.
    pub(super) fn iso_week(self) -> (i32, i32) {
        let thursday = Self::of(self.days() - weekday(self.days()) + 3);
        (thursday.year, (thursday.day_of_year() - 1) / 7 + 1)
    }
}

pub(super) fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Monday is 0.
pub(super) fn weekday(days: i32) -> i32 {
    (i64::from(days) + 3).rem_euclid(7) as i32
}

/// A time zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone(Tz);

impl Zone {
    /// A zone by its identifier, or by its offset as Spark writes one (`+5`, `UTC+01:00`, `Z`).
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        normalized(text).parse().map(Self).map_err(|_| {
            Error::new(
                Kind::DateTime,
                "INVALID_TIMEZONE",
                &[("timeZone", &format!("'{text}'"))],
            )
        })
    }

    /// The offset to UTC in seconds, at an instant.
    pub(super) fn offset(self, micros: i64) -> i64 {
        let seconds = micros.div_euclid(MICROS_PER_SECOND);
        match chrono::DateTime::from_timestamp(seconds, 0) {
            Some(instant) => i64::from(
                self.0
                    .offset_from_utc_datetime(&instant.naive_utc())
                    .fix()
                    .local_minus_utc(),
            ),
            None => 0,
        }
    }

    /// The instant's wall clock, in microseconds since 1970-01-01 00:00 of that clock.
    pub(super) fn to_local(self, micros: i64) -> i64 {
        micros.saturating_add(self.offset(micros) * MICROS_PER_SECOND)
    }

    /// The instant of a wall clock: the earlier of two, and moved on by the gap if there is none.
    pub(super) fn to_utc(self, local: i64) -> i64 {
        let seconds = local.div_euclid(MICROS_PER_SECOND);
        let Some(clock) = chrono::DateTime::from_timestamp(seconds, 0) else {
            return local;
        };
        let offset = match self.0.offset_from_local_datetime(&clock.naive_utc()) {
            MappedLocalTime::Single(offset) => i64::from(offset.fix().local_minus_utc()),
            MappedLocalTime::Ambiguous(one, other) => i64::from(
                one.fix()
                    .local_minus_utc()
                    .max(other.fix().local_minus_utc()),
            ),
            MappedLocalTime::None => self.offset(local - MICROS_PER_DAY),
        };
        local.saturating_sub(offset * MICROS_PER_SECOND)
    }

    /// The day of an instant.
    pub(super) fn day(self, micros: i64) -> i32 {
        self.to_local(micros).div_euclid(MICROS_PER_DAY) as i32
    }

    /// The first instant of a day.
    pub(super) fn midnight(self, day: i32) -> i64 {
        self.to_utc(i64::from(day) * MICROS_PER_DAY)
    }
}

fn normalized(text: &str) -> String {
    let offset = ["UTC", "GMT", "UT"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(text);
    if matches!(offset, "Z" | "z") {
        return "+00:00".to_owned();
    }
    let Some(sign) = offset.chars().next().filter(|c| matches!(c, '+' | '-')) else {
        return text.to_owned();
    };
    let parts: Vec<&str> = offset[1..].split(':').collect();
    match parts.as_slice() {
        [hours] if hours.len() <= 2 => format!("{sign}{hours:0>2}:00"),
        [hours, minutes, ..] => format!("{sign}{hours:0>2}:{minutes:0>2}"),
        _ => offset.to_owned(),
    }
}

/// A zone's short name at an offset, such as `EST`: of the zones that have one in English.
pub(super) fn abbreviation(zone: &str, offset: i64) -> String {
    const NAMES: [(&str, i64, &str, &str); 8] = [
        ("America/New_York", -5, "EST", "EDT"),
        ("America/Chicago", -6, "CST", "CDT"),
        ("America/Denver", -7, "MST", "MDT"),
        ("America/Los_Angeles", -8, "PST", "PDT"),
        ("Europe/London", 0, "GMT", "BST"),
        ("Europe/Paris", 1, "CET", "CEST"),
        ("Europe/Berlin", 1, "CET", "CEST"),
        ("Asia/Tokyo", 9, "JST", "JST"),
    ];
    match NAMES.iter().find(|(name, ..)| *name == zone) {
        Some((_, hours, standard, _)) if hours * 3600 == offset => (*standard).to_owned(),
        Some((.., summer)) => (*summer).to_owned(),
        None => zone.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        for days in (-800_000..800_000).step_by(37) {
            let civil = Civil::of(days);
            assert_eq!(civil.days(), days);
            assert_eq!(Civil::new(civil.year, civil.month, civil.day), Some(civil));
        }
        assert_eq!(
            Civil::of(0),
            Civil {
                year: 1970,
                month: 1,
                day: 1
            }
        );
    }

    #[test]
    fn a_wall_clock_that_never_was_moves_on() {
        let zone = Zone::parse("America/New_York").unwrap();
        let gap = i64::from(
            Civil {
                year: 2024,
                month: 3,
                day: 10,
            }
            .days(),
        ) * MICROS_PER_DAY
            + 9_000 * MICROS_PER_SECOND;
        assert_eq!(
            zone.to_local(zone.to_utc(gap)),
            gap + 3_600 * MICROS_PER_SECOND
        );
    }
}
