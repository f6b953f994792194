use std::io::Read;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::Result;

use super::CsvOptions;
use super::decode::parse_boolean;
use super::tokens::Tokens;
use crate::source::compression;
use crate::source::files::DataFile;
use crate::source::records::Records;
use crate::temporal::Pattern;
use crate::values::{Decimal, parse_float};

/// The type of a column as far as its values have been seen: Spark's `CSVInferSchema`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Inferred {
    Nothing,
    Int,
    Long,
    /// Of so many digits, none behind the point.
    Decimal(u8),
    Double,
    Date,
    Timestamp,
    Boolean,
    String,
}

/// What the columns of CSV files are: their names from the first file's header, their types from all
/// values if types are to be inferred. Files are read as streams, the largest first as in Spark.
///
/// # Errors
/// If a file cannot be read, or a record has more bytes than `longest`.
pub(crate) fn infer(
    files: &[DataFile],
    options: &CsvOptions,
    time_zone: &str,
    longest: usize,
) -> Result<Schema> {
    let mut files: Vec<&DataFile> = files.iter().collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.size));
    let mut inference = Inference::new(options);
    for file in files {
        let reader = compression::open(&file.path)?;
        let mut records = Records::new(reader, options.split()).bounded(longest);
        if !inference.read(&mut records)? {
            break;
        }
    }
    Ok(inference.schema(time_zone))
}

struct Inference<'a> {
    options: &'a CsvOptions,
    /// What dates look like; without the option `dateFormat` only as `yyyy-MM-dd`.
    date: Option<Pattern>,
    tokens: Tokens,
    /// None before the first row.
    names: Option<Vec<String>>,
    types: Vec<Inferred>,
}

impl<'a> Inference<'a> {
    fn new(options: &'a CsvOptions) -> Self {
        let default = || Pattern::new("yyyy-MM-dd").ok();
        Self {
            options,
            date: options.formats.date.clone().or_else(default),
            tokens: Tokens::default(),
            names: None,
            types: Vec::new(),
        }
    }

    /// Reads a file, and says whether there is more to learn from others.
    fn read(&mut self, records: &mut Records<impl Read>) -> Result<bool> {
        let mut at_header = self.options.header;
        while let Some(record) = records.next()? {
            if !self.options.is_row(record) {
                continue;
            }
            let multi_line = self.options.multi_line;
            self.tokens
                .read(record, &self.options.dialect, multi_line, true);
            if self.names.is_none() {
                self.name();
            }
            if !self.options.infer_schema {
                return Ok(false);
            }
            if !std::mem::take(&mut at_header) {
                self.learn();
            }
        }
        Ok(true)
    }

    /// Names the columns by the first row: Spark's `CSVUtils.makeSafeHeader`.
    fn name(&mut self) {
        let value = |at| {
            let (text, quoted) = self.tokens.get(at)?;
            Some(self.options.value(&text, quoted)?.to_owned())
        };
        let row: Vec<Option<String>> = (0..self.tokens.len()).map(value).collect();
        let lower = |name: &Option<String>| name.as_ref().map(|name| name.to_lowercase());
        let is_twice = |name: &Option<String>| {
            row.iter()
                .filter(|other| lower(other) == lower(name))
                .count()
                > 1
        };
        let name = |(at, name): (usize, &Option<String>)| match name {
            Some(text) if self.options.header && is_twice(name) => format!("{text}{at}"),
            Some(text) if self.options.header => text.clone(),
            _ => format!("_c{at}"),
        };
        self.types = vec![Inferred::Nothing; row.len()];
        self.names = Some(row.iter().enumerate().map(name).collect());
    }

    fn learn(&mut self) {
        for at in 0..self.types.len() {
            let Some((text, quoted)) = self.tokens.get(at) else {
                break;
            };
            if let Some(text) = self.options.value(&text, quoted) {
                let seen = self.types[at];
                let found = self.type_of(text, seen);
                self.types[at] = self.widened(seen, found);
            }
        }
    }

    /// The narrowest type that a value has, of those that are not narrower than what was seen.
    fn type_of(&self, text: &str, seen: Inferred) -> Inferred {
        let from = |rank: u8| rank_of(seen) <= rank;
        let is_double =
            || parse_float::<f64>(text).is_some() || self.options.special_float(text).is_some();
        let digits = || {
            let number = Decimal::parse(&text.replace(',', ""))?;
            number.whole_digits().filter(|_| number.is_plain())
        };
        if seen == Inferred::String {
            return Inferred::String;
        }
        if from(0) && text.parse::<i32>().is_ok() {
            return Inferred::Int;
        }
        if from(1) && text.parse::<i64>().is_ok() {
            return Inferred::Long;
        }
        if from(2)
            && let Some(digits) = digits().filter(|&digits| digits <= 38)
        {
            return Inferred::Decimal(digits);
        }
        if from(3) && is_double() {
            return Inferred::Double;
        }
        if from(4) && self.options.prefer_date && self.is_date(text) {
            return Inferred::Date;
        }
        if from(5) && self.options.formats.parse_timestamp(text).is_some() {
            return Inferred::Timestamp;
        }
        match parse_boolean(text) {
            Some(_) => Inferred::Boolean,
            None => Inferred::String,
        }
    }

    fn is_date(&self, text: &str) -> bool {
        self.date
            .as_ref()
            .is_some_and(|pattern| pattern.parse_date(text).is_some())
    }

    /// The type that holds the values of both.
    fn widened(&self, one: Inferred, other: Inferred) -> Inferred {
        use Inferred::{Date, Decimal, Double, Int, Long, Nothing, String, Timestamp};

        let formats = &self.options.formats;
        match (one, other) {
            (one, other) if one == other => one,
            (Nothing, other) | (other, Nothing) => other,
            (Int, Long) | (Long, Int) => Long,
            (Decimal(one), Decimal(other)) => Decimal(one.max(other)),
            (Int, Decimal(digits)) | (Decimal(digits), Int) => Decimal(digits.max(10)),
            (Long, Decimal(digits)) | (Decimal(digits), Long) => Decimal(digits.max(20)),
            (Int | Long | Decimal(_), Double) | (Double, Int | Long | Decimal(_)) => Double,
            (Date, Timestamp) | (Timestamp, Date)
                if formats.date.is_none() && formats.timestamp.is_none() =>
            {
                Timestamp
            }
            _ => String,
        }
    }

    fn schema(self, time_zone: &str) -> Schema {
        let names = self.names.unwrap_or_default();
        let field = |(name, inferred): (String, Inferred)| {
            let data_type = match inferred {
                Inferred::Int => DataType::Int32,
                Inferred::Long => DataType::Int64,
                Inferred::Decimal(digits) => DataType::Decimal128(digits, 0),
                Inferred::Double => DataType::Float64,
                Inferred::Date => DataType::Date32,
                Inferred::Timestamp => {
                    DataType::Timestamp(TimeUnit::Microsecond, Some(time_zone.into()))
                }
                Inferred::Boolean => DataType::Boolean,
                Inferred::Nothing | Inferred::String => DataType::Utf8,
            };
            Field::new(name, data_type, true)
        };
        let fields: Vec<Field> = names.into_iter().zip(self.types).map(field).collect();
        Schema::new(fields)
    }
}

/// Where in the order of types, in which a value is tried, this one stands.
fn rank_of(inferred: Inferred) -> u8 {
    match inferred {
        Inferred::Nothing | Inferred::Int => 0,
        Inferred::Long => 1,
        Inferred::Decimal(_) => 2,
        Inferred::Double => 3,
        Inferred::Date => 4,
        Inferred::Timestamp => 5,
        Inferred::Boolean => 6,
        Inferred::String => 7,
    }
}
