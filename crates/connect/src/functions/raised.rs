//! Spark's errors out of a running query. On their way operators and the driver keep nothing of an error
//! but its words; so the words hold it whole.

use std::fmt;

use datafusion::common::DataFusionError;
use serde_json::{Value, json};

use crate::error::{Error, Kind};

/// Stands around an error in words.
const MARK: char = '\u{1}';

/// An error of Spark's, as a kernel raises it.
#[derive(Debug)]
struct Raised(Error);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = json!({
            "kind": format!("{:?}", self.0.kind),
            "condition": self.0.condition,
            "parameters": self.0.parameters,
            "message": self.0.message,
        });
        write!(f, "{}{MARK}{whole}{MARK}", self.0.message)
    }
}

impl std::error::Error for Raised {}

/// The error for DataFusion to carry.
pub(super) fn raise(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(Raised(error)))
}

/// The error that was raised, if these are the words of one.
pub(crate) fn raised(words: &str) -> Option<Error> {
    let whole: Value = serde_json::from_str(words.split(MARK).nth(1)?).ok()?;
    let kinds = [
        Kind::Arithmetic,
        Kind::NumberFormat,
        Kind::DateTime,
        Kind::ArrayIndex,
        Kind::IllegalArgument,
        Kind::UnsupportedOperation,
        Kind::NoSuchElement,
        Kind::Analysis,
        Kind::Runtime,
    ];
    let kind = whole["kind"].as_str()?;
    let kind = kinds
        .into_iter()
        .find(|other| format!("{other:?}") == kind)
        .unwrap_or(Kind::Spark);
    let mut error = Error::of_message(kind, whole["message"].as_str()?);
    error.condition = whole["condition"].as_str().map(str::to_owned);
    error.parameters = whole["parameters"]
        .as_object()?
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    Some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_as_words() {
        let error = Error::new(
            Kind::Arithmetic,
            "DIVIDE_BY_ZERO",
            &[("config", "\"ansi\"")],
        );
        let words = format!("External error: {}", raise(error.clone()));
        let back = raised(&words).unwrap();
        assert_eq!(back.kind, error.kind);
        assert_eq!(back.condition, error.condition);
        assert_eq!(back.parameters, error.parameters);
    }
}
