use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::arrow::temporal_conversions::as_datetime_with_timezone;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// The Gregorian calendar repeats itself, days of the week included.
const MICROS_PER_400_YEARS: i64 = 146_097 * MICROS_PER_DAY;

/// `2024-02-29`; with a sign before years of five digits, as Java's formatter has it.
pub(crate) fn date(days: i32) -> String {
    day(i64::from(days))
}

/// `2024-07-01 12:34:56.12`: in the zone if it has one, without the fraction's last zeros.
pub(crate) fn timestamp(micros: i64, zone: Option<Tz>) -> String {
    let local = i128::from(micros) + zone.map_or(0, |zone| i128::from(offset(micros, zone)));
    let micros_per_day = i128::from(MICROS_PER_DAY);
    // Both within 64 bits: the quotient of a 64-bit number and change, and the rest of a day.
    let days = local.div_euclid(micros_per_day) as i64;
    let rest = local.rem_euclid(micros_per_day) as i64;
    format!("{} {}", day(days), of_day(rest))
}

/// `12:34:56.12`.
pub(super) fn time(nanos: i64) -> String {
    of_day(nanos / 1000)
}

/// What to add to UTC, in microseconds. Instants so far off that the calendar library does not reach
/// them count as those a multiple of 400 years nearer.
fn offset(micros: i64, zone: Tz) -> i64 {
    let reachable = |micros: i64| {
        let local = as_datetime_with_timezone::<TimestampMicrosecondType>(micros, zone)?;
        Some(local.naive_local().and_utc().timestamp_micros() - micros)
    };
    reachable(micros)
        .or_else(|| reachable(micros % MICROS_PER_400_YEARS))
        .unwrap_or(0)
}

fn of_day(micros: i64) -> String {
    let seconds = micros / MICROS_PER_SECOND;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}{}",
        seconds % 60,
        fraction(micros % MICROS_PER_SECOND)
    )
}

/// `.12` for 120,000 microseconds, nothing for none.
pub(super) fn fraction(micros: i64) -> String {
    match micros {
        0 => String::new(),
        micros => format!(".{micros:06}").trim_end_matches('0').to_owned(),
    }
}

fn day(days: i64) -> String {
    let (year, month, day) = civil(days);
    let year = match year {
        10_000.. => format!("+{year}"),
        0..=9_999 => format!("{year:04}"),
        _ => format!("-{:04}", -year),
    };
    format!("{year}-{month:02}-{day:02}")
}

/// Days since 1970 as year, month and day of the proleptic Gregorian calendar: Howard Hinnant's
/// `civil_from_days`, whose years begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
