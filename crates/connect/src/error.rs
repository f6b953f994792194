//! Errors as Spark raises them: a class, a condition with its parameters, and a message.

mod planning;
mod running;

use std::any::Any;
use std::collections::BTreeMap;

use crate::conditions;

/// The Java exception that Spark would raise; the client picks its Python class by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Analysis,
    Parse,
    Arithmetic,
    NumberFormat,
    DateTime,
    ArrayIndex,
    IllegalArgument,
    UnsupportedOperation,
    Runtime,
    NoSuchElement,
    /// A data source that is not there. No Python class stands for it.
    ClassNotFound,
    /// A handle, a cursor or an operation that is no more. No Python class stands for it.
    Sql,
    /// A plan that is not one.
    InvalidPlan,
    Spark,
    Internal,
}

impl Kind {
    /// The Java class and those it extends, the most particular first.
    pub(crate) fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Analysis => &[
                "org.apache.spark.sql.catalyst.ExtendedAnalysisException",
                "org.apache.spark.sql.AnalysisException",
                "java.lang.Exception",
            ],
            Self::Parse => &[
                "org.apache.spark.sql.catalyst.parser.ParseException",
                "org.apache.spark.sql.AnalysisException",
                "java.lang.Exception",
            ],
            Self::Arithmetic => &[
                "org.apache.spark.SparkArithmeticException",
                "java.lang.ArithmeticException",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::NumberFormat => &[
                "org.apache.spark.SparkNumberFormatException",
                "java.lang.NumberFormatException",
                "java.lang.IllegalArgumentException",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::DateTime => &[
                "org.apache.spark.SparkDateTimeException",
                "java.time.DateTimeException",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::ArrayIndex => &[
                "org.apache.spark.SparkArrayIndexOutOfBoundsException",
                "java.lang.ArrayIndexOutOfBoundsException",
                "java.lang.IndexOutOfBoundsException",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::IllegalArgument => &[
                "org.apache.spark.SparkIllegalArgumentException",
                "java.lang.IllegalArgumentException",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::UnsupportedOperation => &[
                "org.apache.spark.SparkUnsupportedOperationException",
                "java.lang.UnsupportedOperationException",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::Runtime => &[
                "org.apache.spark.SparkRuntimeException",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::NoSuchElement => &[
                "org.apache.spark.SparkNoSuchElementException",
                "java.util.NoSuchElementException",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::ClassNotFound => &[
                "org.apache.spark.SparkClassNotFoundException",
                "java.lang.ClassNotFoundException",
                "java.lang.ReflectiveOperationException",
                "java.lang.Exception",
            ],
            Self::Sql => &[
                "org.apache.spark.SparkSQLException",
                "java.sql.SQLException",
                "java.lang.Exception",
            ],
            Self::InvalidPlan => &[
                "org.apache.spark.sql.connect.common.InvalidPlanInput",
                "java.lang.RuntimeException",
                "java.lang.Exception",
            ],
            Self::Spark | Self::Internal => {
                &["org.apache.spark.SparkException", "java.lang.Exception"]
            }
        }
    }
}

/// An error as Spark raises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    /// Such as `TABLE_OR_VIEW_NOT_FOUND`.
    pub(crate) condition: Option<String>,
    /// The parameters of the condition's message, by name.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) message: String,
}

impl Error {
    /// An error of a condition; its message is made of the condition's parameters.
    pub(crate) fn new(kind: Kind, condition: &str, parameters: &[(&str, &str)]) -> Self {
        let parameters: BTreeMap<String, String> = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self {
            kind,
            condition: Some(condition.to_owned()),
            message: conditions::message(condition, &parameters),
            parameters,
        }
    }

    /// An error in what was asked for, before anything ran.
    pub(crate) fn analysis(condition: &str, parameters: &[(&str, &str)]) -> Self {
        Self::new(Kind::Analysis, condition, parameters)
    }

    /// A part of Spark that is not there; `what` names it.
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        let what = what.into();
        Self::new(
            Kind::UnsupportedOperation,
            "UNSUPPORTED_OPERATION",
            &[("operation", &what)],
        )
    }

    /// An error that a client can do nothing about.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(
            Kind::Internal,
            "INTERNAL_ERROR",
            &[("message", &message.into())],
        )
    }

    /// An error that Spark has no condition for.
    pub(crate) fn of_message(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            condition: None,
            parameters: BTreeMap::new(),
            message: message.into(),
        }
    }

    /// What ends an operation that was interrupted.
    pub(crate) fn canceled() -> Self {
        Self::new(Kind::Sql, "OPERATION_CANCELED", &[])
    }

    pub(crate) fn is_cancellation(&self) -> bool {
        self.condition.as_deref() == Some("OPERATION_CANCELED")
    }

    /// What a panic leaves behind.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let words = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::internal(format!(
            "Plimsoll failed at this, by a fault of its own: {}",
            words.unwrap_or("no words were left")
        ))
    }

    /// A name of several parts as Spark quotes it: `` `a`.`b` ``.
    pub(crate) fn quoted<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> String {
        parts
            .into_iter()
            .map(|part| format!("`{}`", part.as_ref().replace('`', "``")))
            .collect::<Vec<_>>()
            .join(".")
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
