//! What goes wrong while a query runs, as Spark says it. Operators wrap errors so that often nothing
//! but their words is left; so it is by these that Arrow's are told.

use plimsoll_driver::Error as DriverError;

use super::{Error, Kind};

const ANSI: (&str, &str) = ("config", "\"spark.sql.ansi.enabled\"");
const ANSI_CONFIG: (&str, &str) = ("ansiConfig", "\"spark.sql.ansi.enabled\"");

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Self {
        let message = error.to_string();
        match error {
            DriverError::Sql(error) => error.into(),
            DriverError::NotSupported(words) if words.contains("cannot be written to text") => {
                Error {
                    message,
                    ..Error::analysis("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", &[])
                }
            }
            DriverError::NotSupported(_) => Error::of_message(Kind::UnsupportedOperation, message),
            DriverError::Setting(_) | DriverError::Layout(_) | DriverError::Option(_) => {
                Error::of_message(Kind::IllegalArgument, message)
            }
            DriverError::Table(_) => Error::of_message(Kind::Analysis, message),
            DriverError::PathNotFound(path) => {
                Error::analysis("PATH_NOT_FOUND", &[("path", &path)])
            }
            DriverError::PathExists(path) => {
                Error::analysis("PATH_ALREADY_EXISTS", &[("outputPath", &path)])
            }
            DriverError::OverwritesSource(path) => {
                Error::analysis("UNSUPPORTED_OVERWRITE.PATH", &[("path", &path)])
            }
            DriverError::ColumnExists(name) => Error::analysis(
                "COLUMN_ALREADY_EXISTS",
                &[("columnName", &Error::quoted([&name]))],
            ),
            DriverError::NoSchema(format) => {
                Error::analysis("UNABLE_TO_INFER_SCHEMA", &[("format", &format.to_string())])
            }
            DriverError::OutOfExecutionMemory(_) => Error {
                condition: Some("UNABLE_TO_ACQUIRE_MEMORY".to_owned()),
                ..Error::of_message(Kind::Spark, message)
            },
            // `DAGScheduler` ends the job of a `TaskSetManager` that gives up with these words.
            DriverError::ResultTooLarge(_) => Error::of_message(
                Kind::Spark,
                format!("Job aborted due to stage failure: {message}"),
            ),
            DriverError::Spill(_) | DriverError::System { .. } => {
                Error::of_message(Kind::Spark, message)
            }
            DriverError::Execution(words) => Error::running(&words),
        }
    }
}

impl Error {
    /// The error of a query that ran, by what was said of it.
    pub(crate) fn running(words: &str) -> Self {
        Self::known_at_run(words).unwrap_or_else(|| Self::of_message(Kind::Spark, words))
    }

    /// The errors of running queries that Spark has a condition for.
    pub(super) fn known_at_run(words: &str) -> Option<Self> {
        if let Some(raised) = crate::functions::raised(words) {
            return Some(raised);
        }
        if words.contains("Divide by zero") {
            return Some(Self::new(Kind::Arithmetic, "DIVIDE_BY_ZERO", &[ANSI]));
        }
        if words.contains("Parse Mode: FAILFAST") {
            return Some(Self {
                message: words.to_owned(),
                ..Self::new(Kind::Spark, "FAILED_READ_FILE.NO_HINT", &[("path", "")])
            });
        }
        if words.contains("Scalar subquery returned more than one row") {
            return Some(Self::new(Kind::Spark, "SCALAR_SUBQUERY_TOO_MANY_ROWS", &[]));
        }
        overflow(words)
            .or_else(|| malformed(words))
            .or_else(|| cast_overflow(words))
            .or_else(|| decimal_overflow(words))
    }
}

/// `Arithmetic overflow: Overflow happened on: 2147483647 + 1`.
fn overflow(words: &str) -> Option<Error> {
    let what = words.split_once("Arithmetic overflow: ")?.1;
    let operands = what
        .split_once("Overflow happened on: ")
        .map_or("", |(_, rest)| rest);
    let mut operands = operands.split(' ');
    let (left, operator, right) = (operands.next(), operands.next(), operands.next());
    let is_int = |text: Option<&str>| text.is_none_or(|text| text.parse::<i32>().is_ok());
    let message = match is_int(left) && is_int(right) {
        true => "integer overflow",
        false => "long overflow",
    };
    let function = match operator {
        Some("+") => Some("try_add"),
        Some("-") => right.map(|_| "try_subtract"),
        Some("*") => Some("try_multiply"),
        _ => None,
    };
    let alternative = function.map_or(String::new(), |function| {
        format!(" Use '{function}' to tolerate overflow and return NULL instead.")
    });
    Some(Error::new(
        Kind::Arithmetic,
        "ARITHMETIC_OVERFLOW",
        &[("message", message), ("alternative", &alternative), ANSI],
    ))
}

/// A string that is not what it is cast to.
fn malformed(words: &str) -> Option<Error> {
    let between = |before: &str, after: &str| {
        let rest = words.split_once(before)?.1;
        rest.rsplit_once(after)
    };
    let (value, target) = between("Cannot cast string '", "' to value of ")
        .or_else(|| between("Cannot cast value '", "' to value of "))
        .map(|(value, target)| (value, target.split(" type").next().unwrap_or(target)))
        .or_else(|| {
            let (value, _) = between("Error parsing timestamp from '", "': ")?;
            Some((value, "Timestamp"))
        })?;
    let target = spark_name(target);
    let kind = match target.as_str() {
        "DATE" | "TIMESTAMP" => Kind::DateTime,
        "BOOLEAN" => Kind::Runtime,
        _ => Kind::NumberFormat,
    };
    Some(Error::new(
        kind,
        "CAST_INVALID_INPUT",
        &[
            ("expression", &format!("'{value}'")),
            ("sourceType", "\"STRING\""),
            ("targetType", &format!("\"{target}\"")),
            ANSI_CONFIG,
        ],
    ))
}

/// `Can't cast value 3000000000 to type Int32`.
fn cast_overflow(words: &str) -> Option<Error> {
    let (value, target) = match words.split_once("Can't cast value ") {
        Some((_, rest)) => rest.split_once(" to type ")?,
        None => words
            .split_once("value of ")?
            .1
            .split_once(" is out of range ")?,
    };
    let (source, suffix) = match value.parse::<i64>() {
        Ok(value) if i32::try_from(value).is_ok() => ("INT", ""),
        Ok(_) => ("BIGINT", "L"),
        Err(_) => ("DOUBLE", "D"),
    };
    Some(Error::new(
        Kind::Arithmetic,
        "CAST_OVERFLOW",
        &[
            ("value", &format!("{value}{suffix}")),
            ("sourceType", &format!("\"{source}\"")),
            ("targetType", &format!("\"{}\"", spark_name(target))),
            ANSI_CONFIG,
        ],
    ))
}

/// `Cannot cast to Decimal128(3, 1). Overflowing on 99999`, or
/// `99999000 is too large to store in a Decimal128 of precision 3. Max is 999`.
fn decimal_overflow(words: &str) -> Option<Error> {
    let (value, precision, scale) = match words.split_once("Cannot cast to Decimal128(") {
        Some((_, rest)) => {
            let (size, rest) = rest.split_once("). ")?;
            let (precision, scale) = size.split_once(", ")?;
            (
                rest.strip_prefix("Overflowing on ").unwrap_or(""),
                precision,
                scale,
            )
        }
        None => {
            let (value, rest) = words
                .split_once(" is too large to store in a Decimal128 of precision ")
                .or_else(|| {
                    words.split_once(" is too small to store in a Decimal128 of precision ")
                })?;
            let value = value.rsplit(' ').next().unwrap_or(value);
            (value, rest.split('.').next().unwrap_or(rest), "0")
        }
    };
    Some(Error::new(
        Kind::Arithmetic,
        "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
        &[
            ("value", value),
            ("precision", precision),
            ("scale", scale),
            ANSI,
        ],
    ))
}

/// Spark's name of a type of Arrow's that is known by its name only.
pub(super) fn spark_name(arrow: &str) -> String {
    let name = match arrow {
        "Int8" => "TINYINT",
        "Int16" => "SMALLINT",
        "Int32" => "INT",
        "Int64" => "BIGINT",
        "Float32" => "FLOAT",
        "Float64" => "DOUBLE",
        "Boolean" => "BOOLEAN",
        "Utf8" | "LargeUtf8" | "Utf8View" => "STRING",
        "Binary" | "LargeBinary" | "BinaryView" => "BINARY",
        "Date32" | "Date64" => "DATE",
        "Null" => "VOID",
        _ if arrow.starts_with("Timestamp") => "TIMESTAMP",
        _ => return arrow.replace("Decimal128(", "DECIMAL(").replace(", ", ","),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What real Spark 4.1.4 raised for queries with these faults.
    #[test]
    fn arrows_words_become_sparks_conditions() {
        use Kind::{Arithmetic, DateTime, NumberFormat, Runtime};
        for (words, kind, condition, parameter) in [
            ("Divide by zero error", Arithmetic, "DIVIDE_BY_ZERO", ANSI),
            (
                "Arithmetic overflow: Overflow happened on: 2147483647 + 1",
                Arithmetic,
                "ARITHMETIC_OVERFLOW",
                ("message", "integer overflow"),
            ),
            (
                "Arithmetic overflow: Overflow happened on: 9223372036854775807 * 2",
                Arithmetic,
                "ARITHMETIC_OVERFLOW",
                ("message", "long overflow"),
            ),
            (
                "Cast error: Cannot cast string 'a' to value of b' to value of Int32 type",
                NumberFormat,
                "CAST_INVALID_INPUT",
                ("expression", "'a' to value of b'"),
            ),
            (
                "Cast error: Cannot cast value 'x' to value of Boolean type",
                Runtime,
                "CAST_INVALID_INPUT",
                ("targetType", "\"BOOLEAN\""),
            ),
            (
                "Parser error: Error parsing timestamp from 'abc': error parsing date",
                DateTime,
                "CAST_INVALID_INPUT",
                ("targetType", "\"TIMESTAMP\""),
            ),
            (
                "Cast error: Can't cast value 3000000000 to type Int32",
                Arithmetic,
                "CAST_OVERFLOW",
                ("value", "3000000000L"),
            ),
            (
                "Invalid argument error: 99999 is too large to store in a Decimal128 of precision 3. Max is 999",
                Arithmetic,
                "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
                ("value", "99999"),
            ),
        ] {
            let error = Error::running(words);
            assert_eq!(
                (error.kind, error.condition.as_deref()),
                (kind, Some(condition)),
                "{words}"
            );
            let (name, value) = parameter;
            assert_eq!(error.parameters.get(name).map(String::as_str), Some(value));
        }
        assert_eq!(Error::running("else").kind, Kind::Spark);
    }
}
