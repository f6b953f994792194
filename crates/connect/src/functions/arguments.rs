//! A call on its way to an expression.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ScalarUDF, lit};
use std::cell::Cell;
use std::sync::Arc;

use super::native::{Kernel, Native};
use super::{Argument, Environment, coercion};
use crate::error::Error;

/// A function's name in lower case, its arguments, and the session.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: Vec<Argument>,
    pub(super) distinct: bool,
    pub(super) environment: &'a Environment<'a>,
    /// Whether an argument was cast in a way that can give null.
    forced: Cell<bool>,
}

/// `None` for a name of another area.
pub(super) type Resolved = Result<Option<Expr>, Error>;

impl<'a> Call<'a> {
    pub(super) fn new(
        name: &'a str,
        arguments: Vec<Argument>,
        distinct: bool,
        environment: &'a Environment<'a>,
    ) -> Self {
        Self {
            name,
            arguments,
            distinct,
            environment,
            forced: Cell::new(false),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.arguments.len()
    }

    /// Refuses a call with other than `least` to `most` arguments.
    pub(super) fn arity(&self, least: usize, most: usize) -> Result<(), Error> {
        let actual = self.arguments.len();
        if (least..=most).contains(&actual) {
            return Ok(());
        }
        let expected = match (least, most) {
            (least, usize::MAX) => format!("> {}", least - 1),
            (least, most) if least == most => least.to_string(),
            (least, most) if least + 1 == most => format!("[{least}, {most}]"),
            (least, most) => {
                let counts: Vec<_> = (least..=most).map(|n| n.to_string()).collect();
                format!("[{}]", counts.join(", "))
            }
        };
        Err(Error::analysis(
            "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            &[
                ("functionName", &format!("`{}`", self.name)),
                ("expectedNum", &expected),
                ("actualNum", &actual.to_string()),
                ("docroot", "https://spark.apache.org/docs/latest"),
            ],
        ))
    }

    /// The argument, which [`Self::arity`] made sure of.
    pub(super) fn argument(&self, index: usize) -> Result<&Argument, Error> {
        self.arguments
            .get(index)
            .ok_or_else(|| Error::internal(format!("{} has no argument {index}", self.name)))
    }

    pub(super) fn expr(&self, index: usize) -> Result<Expr, Error> {
        Ok(self.argument(index)?.expr.clone())
    }

    pub(super) fn data_type(&self, index: usize) -> Result<&DataType, Error> {
        Ok(&self.argument(index)?.data_type)
    }

    /// The argument cast to `to` where Spark does so by itself.
    pub(super) fn coerced(&self, index: usize, to: &DataType) -> Result<Expr, Error> {
        let argument = self.argument(index)?;
        if coercion::same_type(&argument.data_type, to) && argument.data_type == *to {
            return Ok(argument.expr.clone());
        }
        if !coercion::is_implicit(&argument.data_type, to) {
            return Err(self.unexpected_type(index, to));
        }
        let is_null = argument.data_type.is_null();
        if !is_null && coercion::cast_can_give_null(&argument.data_type, to) {
            self.forced.set(true);
        }
        super::cast(argument.clone(), to, false, self.environment)
    }

    /// The argument at `index` cast to `to`, or `default` if there is none.
    pub(super) fn coerced_or(
        &self,
        index: usize,
        to: &DataType,
        default: Expr,
    ) -> Result<Expr, Error> {
        match self.arguments.get(index) {
            Some(_) => self.coerced(index, to),
            None => Ok(default),
        }
    }

    pub(super) fn text(&self, index: usize) -> Result<Expr, Error> {
        self.coerced(index, &DataType::Utf8)
    }

    pub(super) fn int(&self, index: usize) -> Result<Expr, Error> {
        self.coerced(index, &DataType::Int32)
    }

    pub(super) fn double(&self, index: usize) -> Result<Expr, Error> {
        self.coerced(index, &DataType::Float64)
    }

    /// Whether any argument can be null.
    pub(super) fn nullable(&self) -> bool {
        self.forced.get() || self.arguments.iter().any(|argument| argument.nullable)
    }

    /// The value of a literal argument.
    pub(super) fn literal(&self, index: usize) -> Option<&ScalarValue> {
        literal(&self.arguments.get(index)?.expr)
    }

    /// The value of a literal argument that is a whole number.
    pub(super) fn literal_int(&self, index: usize) -> Option<i64> {
        match self.literal(index)?.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(value) => value,
            _ => None,
        }
    }

    /// The value of a literal argument that is a string.
    pub(super) fn literal_text(&self, index: usize) -> Option<&str> {
        self.literal(index)?.try_as_str().flatten()
    }

    /// A function that is null where an argument is, with a kernel of our own.
    pub(super) fn native(
        &self,
        kernel: Kernel,
        arguments: Vec<Expr>,
        return_type: DataType,
        nullable: bool,
    ) -> Expr {
        self.native_named(self.name, kernel, arguments, return_type, nullable)
    }

    /// As [`Self::native`], where several kernels go by one name.
    pub(super) fn native_named(
        &self,
        name: &str,
        kernel: Kernel,
        arguments: Vec<Expr>,
        return_type: DataType,
        nullable: bool,
    ) -> Expr {
        Native::new(
            name,
            kernel,
            arguments.len(),
            return_type,
            nullable || self.forced.get(),
        )
        .in_session(self.environment)
        .call(arguments)
    }

    /// A function of the session's registry.
    pub(super) fn registered(&self, name: &str, arguments: Vec<Expr>) -> Result<Expr, Error> {
        let function: Arc<ScalarUDF> = self.environment.registry.udf(name)?;
        Ok(function.call(arguments))
    }

    /// A function of the session's registry, told to have this type and nullability.
    pub(super) fn registered_as(
        &self,
        name: &str,
        arguments: Vec<Expr>,
        return_type: DataType,
        nullable: bool,
    ) -> Result<Expr, Error> {
        let expr = self.registered(name, arguments)?;
        Ok(super::native::declared(
            expr,
            return_type,
            nullable || self.forced.get(),
        ))
    }

    pub(super) fn unexpected_type(&self, index: usize, required: &DataType) -> Error {
        self.unexpected(index, &format!("\"{}\"", naming_type(required)))
    }

    /// `DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE` for an argument; `required` in quotes.
    pub(super) fn unexpected(&self, index: usize, required: &str) -> Error {
        let (name, given) = match self.arguments.get(index) {
            Some(argument) => (argument.name.clone(), naming_type(&argument.data_type)),
            None => (String::new(), String::new()),
        };
        Error::analysis(
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            &[
                ("sqlExpr", &format!("\"{}\"", self.display())),
                ("paramIndex", ordinal(index)),
                ("inputSql", &format!("\"{name}\"")),
                ("inputType", &format!("\"{given}\"")),
                ("requiredType", required),
            ],
        )
    }

    /// The whole call as Spark shows it.
    pub(super) fn display(&self) -> String {
        super::display_name(self.name, &self.arguments, self.distinct)
    }
}

/// The value of a literal, also below an alias or a cast that changes nothing.
pub(super) fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}

pub(super) fn text_literal(text: &str) -> Expr {
    lit(text.to_owned())
}

fn naming_type(data_type: &DataType) -> String {
    coercion::sql_name(data_type)
}

fn ordinal(index: usize) -> &'static str {
    const ORDINALS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    ORDINALS.get(index).copied().unwrap_or("last")
}
