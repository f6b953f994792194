use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::time::fraction;

const MICROS_PER_SECOND: u64 = 1_000_000;

/// `INTERVAL '1-2' YEAR TO MONTH`.
pub(super) fn year_month(months: i32) -> String {
    let sign = if months < 0 { "-" } else { "" };
    let months = months.unsigned_abs();
    format!(
        "INTERVAL '{sign}{}-{}' YEAR TO MONTH",
        months / 12,
        months % 12
    )
}

/// `INTERVAL '1 02:03:04.5' DAY TO SECOND`.
pub(super) fn day_time(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, micros) = split(micros.unsigned_abs());
    format!(
        "INTERVAL '{sign}{} {:02}:{:02}:{:02}{}' DAY TO SECOND",
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        fraction(micros)
    )
}

/// `1 years 2 months 25 days 5 hours 6 minutes 7.008 seconds`: each part with its own sign, parts
/// of zero left out.
pub(super) fn calendar(interval: IntervalMonthDayNano) -> String {
    let micros = interval.nanoseconds / 1000;
    let (seconds, fraction_micros) = split(micros.unsigned_abs());
    let sign = if micros < 0 { -1 } else { 1 };
    // At most 2^63 / 10^6, so the conversion is exact.
    let signed = |part: u64| sign * i64::try_from(part).unwrap_or(i64::MAX);
    let mut parts = vec![];
    let whole = [
        (i64::from(interval.months / 12), "years"),
        (i64::from(interval.months % 12), "months"),
        (i64::from(interval.days), "days"),
        (signed(seconds / 3600), "hours"),
        (signed(seconds / 60 % 60), "minutes"),
    ];
    for (count, unit) in whole {
        if count != 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    if seconds % 60 != 0 || fraction_micros != 0 {
        let sign = if micros < 0 { "-" } else { "" };
        parts.push(format!(
            "{sign}{}{} seconds",
            seconds % 60,
            fraction(fraction_micros)
        ));
    }
    match parts.is_empty() {
        true => "0 seconds".to_owned(),
        false => parts.join(" "),
    }
}

/// Whole seconds, and the microseconds left over.
fn split(micros: u64) -> (u64, i64) {
    // Less than a million.
    let rest = (micros % MICROS_PER_SECOND) as i64;
    (micros / MICROS_PER_SECOND, rest)
}
