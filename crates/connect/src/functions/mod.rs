//! Spark's functions: from a name and its arguments to DataFusion's expression with Spark's meaning.
//!
//! Each area has a file that maps names to expressions. Three ways lead there: DataFusion's own
//! operators where they mean the same, functions of the session's registry, and [`native`] functions,
//! which are bound to their types when the call is resolved. The arguments' types are known by then, so
//! that all of Spark's implicit casts ([`coercion`]) are written into the expression.

mod aggregate;
mod arguments;
mod arithmetic;
mod calendar;
mod cast;
mod coercion;
mod collected;
mod collection;
mod conditional;
mod datetime;
mod decimal;
mod editing;
mod encoding;
mod entries;
mod format;
mod hashing;
mod higher_order;
mod identifiers;
mod in_sql;
mod instants;
mod intervals;
mod json;
mod json_read;
mod json_write;
mod known;
mod lambda_arrays;
mod lambda_maps;
mod lambdas;
mod lists;
mod maps;
mod math;
mod misc;
mod naming;
mod native;
mod operators;
mod parts;
mod parts_of_text;
mod pattern;
mod patterns;
mod printf;
mod raised;
mod random;
mod rounding;
mod sequence;
mod sets;
mod string;
mod structs;
#[cfg(test)]
mod tests;
mod text;
mod time_arithmetic;
mod tumbling;
mod window;

use datafusion::arrow::datatypes::DataType;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::Expr;

use crate::error::Error;
use arguments::Call;

pub(crate) use cast::cast;
pub(crate) use higher_order::{Parameters, higher_order, lambda_parameters};
pub use in_sql::register_functions;
pub(crate) use naming::display_name;
pub(crate) use native::declared;
pub(crate) use raised::raised;
pub(crate) use window::window;

/// An argument of a call: resolved, and with what Spark's analyzer would know of it.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) expr: Expr,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    /// How Spark shows the argument in the name of a column.
    pub(crate) name: String,
}

/// What a function's meaning depends on beside its arguments.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a> {
    /// The session's functions.
    pub(crate) registry: &'a dyn FunctionRegistry,
    /// `spark.sql.ansi.enabled`
    pub(crate) ansi: bool,
    /// `spark.sql.session.timeZone`
    pub(crate) time_zone: &'a str,
}

/// The expression of a scalar or an aggregate call. Names are those of Spark's `FunctionRegistry`, in
/// any case, and the client's operators.
///
/// An aggregate may come wrapped in casts.
pub(crate) fn call(
    name: &str,
    arguments: Vec<Argument>,
    distinct: bool,
    environment: &Environment,
) -> Result<Expr, Error> {
    let lower = name.to_lowercase();
    let mut call = Call::new(&lower, arguments, distinct, environment);
    let areas = [
        operators::resolve,
        conditional::resolve,
        math::resolve,
        string::resolve,
        datetime::resolve,
        collection::resolve,
        misc::resolve,
        aggregate::resolve,
    ];
    for resolve in areas {
        if let Some(expr) = resolve(&mut call)? {
            return Ok(expr);
        }
    }
    Err(known::missing(name))
}

/// The type that values of these types are cast to when they meet in a column; `None` if there is none.
pub(crate) fn common_type(types: &[DataType]) -> Option<DataType> {
    coercion::common_type_of(types)
}

/// Whether the function makes rows: the caller plans it as a `Generate`.
pub(crate) fn is_generator(name: &str) -> bool {
    const GENERATORS: [&str; 10] = [
        "explode",
        "explode_outer",
        "posexplode",
        "posexplode_outer",
        "inline",
        "inline_outer",
        "stack",
        "json_tuple",
        "variant_explode",
        "variant_explode_outer",
    ];
    GENERATORS.contains(&name.to_lowercase().as_str())
}
