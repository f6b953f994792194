use std::fmt;
use std::num::NonZeroU64;

use plimsoll_conf::fmt_bytes;

use crate::query::Query;

/// What of a result has been sent so far, against `spark.driver.maxResultSize`.
#[derive(Debug)]
pub(super) struct ResultSize {
    most: Option<NonZeroU64>,
    rows: u64,
    bytes: u64,
}

/// A result is more than it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exceeded {
    most: NonZeroU64,
    rows: u64,
    bytes: u64,
}

impl ResultSize {
    pub(super) fn new(most: Option<NonZeroU64>) -> Self {
        Self {
            most,
            rows: 0,
            bytes: 0,
        }
    }

    pub(super) fn add(&mut self, rows: u64, bytes: u64) -> Result<(), Exceeded> {
        self.rows += rows;
        self.bytes += bytes;
        match self.most {
            Some(most) if self.bytes > most.get() => Err(Exceeded {
                most,
                rows: self.rows,
                bytes: self.bytes,
            }),
            _ => Ok(()),
        }
    }
}

impl Exceeded {
    pub(super) fn of(self, query: &Query) -> ResultTooLarge {
        ResultTooLarge {
            tasks: query.tasks(),
            rows: self.rows,
            bytes: self.bytes,
            most: self.most.get(),
            rows_in_all: query.rows_expected(),
        }
    }
}

/// A result that is larger than `spark.driver.maxResultSize` lets it be, when that was found.
///
/// It begins with the words of Spark's `TaskSetManager`, and goes on with what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultTooLarge {
    /// How many partitions send rows.
    pub tasks: u64,
    /// Rows that were sent so far.
    pub rows: u64,
    /// The bytes of these as they are sent, compressed.
    pub bytes: u64,
    /// `spark.driver.maxResultSize`, in bytes.
    pub most: u64,
    /// Rows of the whole result, where that is known or can be estimated before it has run.
    pub rows_in_all: Option<u64>,
}

impl ResultTooLarge {
    /// About how many rows can be had: nine tenths of those that would fill `spark.driver.maxResultSize`, since the next
    /// rows may be wider. 0 if a single row is too large.
    pub fn rows_that_fit(&self) -> u64 {
        let fit = u128::from(self.rows) * u128::from(self.most) * 9 / 10;
        rounded_down((fit / u128::from(self.bytes.max(1))) as u64)
    }

    /// About what the whole result takes, in bytes, if it is known how many rows it has.
    pub fn bytes_in_all(&self) -> Option<u64> {
        let rows = self.rows_in_all.filter(|rows| *rows > self.rows)?;
        let bytes = u128::from(self.bytes) * u128::from(rows) / u128::from(self.rows.max(1));
        u64::try_from(bytes).ok()
    }

    /// A value of `spark.driver.maxResultSize` that lets the whole result through, with a quarter to spare, if it can be said.
    pub fn sufficient(&self) -> Option<String> {
        const MIB: u64 = 1 << 20;
        let bytes = self.bytes_in_all()?;
        let mib = bytes.saturating_add(bytes / 4).div_ceil(MIB);
        Some(match mib {
            ..2048 => format!("{mib}m"),
            _ => format!("{}g", mib.div_ceil(1024)),
        })
    }
}

impl fmt::Display for ResultTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Total size of serialized results of {} tasks ({}) is bigger than spark.driver.maxResultSize ({}). ",
            self.tasks,
            sparks(self.bytes),
            sparks(self.most)
        )?;
        match self.rows_that_fit() {
            0 => write!(f, "Select fewer columns")?,
            rows => write!(f, "About {rows} rows fit: limit({rows}), or LIMIT {rows}")?,
        }
        write!(
            f,
            "; write the rows to files (df.write.parquet, COPY ... TO)"
        )?;
        match (self.bytes_in_all(), self.sufficient()) {
            (Some(bytes), Some(value)) => write!(
                f,
                "; or set spark.driver.maxResultSize to {value}, for about {} in all (0: no limit)",
                fmt_bytes(bytes)
            ),
            _ => write!(
                f,
                "; or set spark.driver.maxResultSize higher (0: no limit)"
            ),
        }
    }
}

/// The number with two digits that are not 0, so that it does not look more exact than it is.
fn rounded_down(number: u64) -> u64 {
    let unit = 10u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(1));
    number / unit * unit
}

/// A size as Spark's `Utils.bytesToString` writes it: of the largest unit that there are two of.
fn sparks(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["EiB", "PiB", "TiB", "GiB", "MiB", "KiB"];
    let units = UNITS.iter().zip([60, 50, 40, 30, 20, 10]);
    let fits = |(_, shift): &(&&str, u32)| (bytes >> shift) >= 2;
    match units.into_iter().find(fits) {
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes}.0 B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_spark_writes_them() {
        for (bytes, text) in [
            (0, "0.0 B"),
            (2047, "2047.0 B"),
            (2048, "2.0 KiB"),
            (1 << 20, "1024.0 KiB"),
            (1_568_870, "1532.1 KiB"),
            (3 << 20, "3.0 MiB"),
            (1 << 30, "1024.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(sparks(bytes), text);
        }
    }

    #[test]
    fn the_numbers_in_the_advice_come_from_what_was_seen() {
        let mut error = ResultTooLarge {
            tasks: 8,
            rows: 200_000,
            bytes: 2 << 20,
            most: 1 << 20,
            rows_in_all: Some(3_000_000),
        };
        assert_eq!(
            error.to_string(),
            "Total size of serialized results of 8 tasks (2.0 MiB) is bigger than spark.driver.maxResultSize (1024.0 KiB). \
             About 90000 rows fit: limit(90000), or LIMIT 90000; write the rows to files (df.write.parquet, COPY ... TO); \
             or set spark.driver.maxResultSize to 38m, for about 30 MiB in all (0: no limit)"
        );
        error.rows_in_all = Some(100);
        error.rows = 1;
        let words = error.to_string();
        assert!(words.contains("Select fewer columns; write"), "{words}");
        error.rows_in_all = None;
        assert!(error.to_string().ends_with("higher (0: no limit)"));
    }

    #[test]
    fn without_a_bound_nothing_is_too_large() {
        assert!(ResultSize::new(None).add(1, u64::MAX).is_ok());
        let mut size = ResultSize::new(NonZeroU64::new(10));
        assert!(size.add(1, 10).is_ok());
        assert!(size.add(1, 1).is_err());
    }
}
