//! Aggregates.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::{average, count, first_last};
use datafusion::logical_expr::expr::{AggregateFunction, Case, NullTreatment};
use datafusion::logical_expr::{AggregateUDF, Expr, cast, lit};

use super::arguments::{Call, Resolved, text_literal};
use super::native::{Kernel, declared};
use super::{coercion, collected};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "count" => count_rows(call)?,
        "count_if" => {
            call.arity(1, 1)?;
            let condition = call.coerced(0, &DataType::Boolean)?;
            aggregate(
                call,
                count::count_udaf(),
                vec![only_if(condition, lit(1_i64))],
                None,
            )
        }
        "sum" | "try_sum" => sum(call)?,
        "avg" | "mean" | "try_avg" => average(call)?,
        "min" | "max" => {
            call.arity(1, 1)?;
            let value = call.coerced(0, &coercion::canonical(call.data_type(0)?))?;
            registered(call, call.name, vec![value])?
        }
        "min_by" | "max_by" => by(call)?,
        "stddev" | "std" | "stddev_samp" => doubles(call, "stddev", 1)?,
        "stddev_pop" => doubles(call, "stddev_pop", 1)?,
        "variance" | "var_samp" => doubles(call, "var", 1)?,
        "var_pop" => doubles(call, "var_pop", 1)?,
        "corr" | "covar_pop" | "covar_samp" | "regr_avgx" | "regr_avgy" | "regr_intercept"
        | "regr_r2" | "regr_slope" | "regr_sxx" | "regr_sxy" | "regr_syy" => {
            doubles(call, call.name, 2)?
        }
        "regr_count" => {
            call.arity(2, 2)?;
            let both = call.expr(0)?.is_not_null().and(call.expr(1)?.is_not_null());
            aggregate(
                call,
                count::count_udaf(),
                vec![only_if(both, lit(1_i64))],
                None,
            )
        }
        "first" | "first_value" | "any_value" => {
            first_or_last(call, first_last::first_value_udaf())?
        }
        "last" | "last_value" => first_or_last(call, first_last::last_value_udaf())?,
        "collect_list" | "array_agg" => collect(call, "collect_list")?,
        "collect_set" => collect(call, "collect_set")?,
        "approx_count_distinct" | "approxcountdistinct" => {
            call.arity(1, 2)?;
            let distinct = registered(call, "approx_distinct", vec![call.expr(0)?])?;
            declared(cast(distinct, DataType::Int64), DataType::Int64, false)
        }
        "bool_and" | "every" => truths(call, "bool_and")?,
        "bool_or" | "some" | "any" => truths(call, "bool_or")?,
        "bit_and" | "bit_or" | "bit_xor" => {
            call.arity(1, 1)?;
            registered(call, call.name, vec![call.expr(0)?])?
        }
        "listagg" | "string_agg" => {
            call.arity(1, 2)?;
            let delimiter = call.literal_text(1).unwrap_or_default().to_owned();
            registered(
                call,
                "string_agg",
                vec![call.text(0)?, text_literal(&delimiter)],
            )?
        }
        "grouping" => {
            call.arity(1, 1)?;
            let bit = cast(
                registered(call, "grouping", vec![call.expr(0)?])?,
                DataType::Int8,
            );
            declared(bit, DataType::Int8, false)
        }
        "grouping_id" => {
            let keys = call
                .arguments
                .iter()
                .map(|argument| argument.expr.clone())
                .collect();
            let bits = cast(registered(call, "grouping", keys)?, DataType::Int64);
            declared(bits, DataType::Int64, false)
        }
        _ => return collected::resolve(call),
    };
    Ok(Some(expr))
}

/// An aggregate of these arguments.
pub(super) fn aggregate(
    call: &Call,
    function: Arc<AggregateUDF>,
    arguments: Vec<Expr>,
    nulls: Option<NullTreatment>,
) -> Expr {
    Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        arguments,
        call.distinct,
        None,
        vec![],
        nulls,
    ))
}

/// An aggregate of the session's registry.
fn registered(call: &Call, name: &str, arguments: Vec<Expr>) -> Result<Expr, Error> {
    Ok(aggregate(
        call,
        call.environment.registry.udaf(name)?,
        arguments,
        None,
    ))
}

fn only_if(condition: Expr, value: Expr) -> Expr {
    Expr::Case(Case::new(
        None,
        vec![(Box::new(condition), Box::new(value))],
        None,
    ))
}

/// Rows in which no argument is null.
fn count_rows(call: &Call) -> Result<Expr, Error> {
    call.arity(1, usize::MAX)?;
    let value = match call.arguments.as_slice() {
        [value] => value.expr.clone(),
        arguments => {
            let present = arguments
                .iter()
                .filter(|argument| argument.nullable)
                .map(|argument| argument.expr.clone().is_not_null())
                .reduce(Expr::and);
            let values: Vec<_> = arguments
                .iter()
                .map(|argument| argument.expr.clone())
                .collect();
            let value = match call.distinct {
                true => datafusion::functions::core::r#struct().call(values),
                false => lit(1_i64),
            };
            match present {
                Some(present) => only_if(present, value),
                None => value,
            }
        }
    };
    Ok(aggregate(call, count::count_udaf(), vec![value], None))
}

/// The type that numbers are added up in.
fn summed(call: &Call) -> Result<DataType, Error> {
    call.arity(1, 1)?;
    match coercion::canonical(call.data_type(0)?) {
        data_type if data_type.is_integer() => Ok(DataType::Int64),
        data_type if coercion::is_decimal(&data_type) => Ok(data_type),
        data_type
            if data_type.is_floating() || coercion::is_text(&data_type) || data_type.is_null() =>
        {
            Ok(DataType::Float64)
        }
        data_type if coercion::is_interval(&data_type) => Ok(data_type),
        _ => Err(call.unexpected(0, "(\"NUMERIC\" or \"ANSI INTERVAL\")")),
    }
}

fn sum(call: &Call) -> Result<Expr, Error> {
    let data_type = summed(call)?;
    let value = super::cast(
        call.argument(0)?.clone(),
        &data_type,
        false,
        call.environment,
    )?;
    let name = if call.name == "try_sum" && !call.distinct {
        "try_sum"
    } else {
        "sum"
    };
    registered(call, name, vec![value])
}

fn average(call: &Call) -> Result<Expr, Error> {
    let data_type = match summed(call)? {
        DataType::Int64 => DataType::Float64,
        other => other,
    };
    let value = super::cast(
        call.argument(0)?.clone(),
        &data_type,
        false,
        call.environment,
    )?;
    Ok(aggregate(call, average::avg_udaf(), vec![value], None))
}

/// The value in the row whose other value is the greatest: the greatest pair of both.
fn by(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    let order = call.argument(1)?;
    let pair = datafusion::functions::core::named_struct().call(vec![
        text_literal("order"),
        order.expr.clone(),
        text_literal("value"),
        call.expr(0)?,
    ]);
    let pair = match order.nullable {
        true => only_if(order.expr.clone().is_not_null(), pair),
        false => pair,
    };
    let name = if call.name == "max_by" { "max" } else { "min" };
    let extreme = registered(call, name, vec![pair])?;
    Ok(datafusion::functions::core::get_field().call(vec![extreme, text_literal("value")]))
}

fn doubles(call: &Call, name: &str, count: usize) -> Result<Expr, Error> {
    call.arity(count, count)?;
    let arguments: Result<Vec<_>, _> = (0..count).map(|index| call.double(index)).collect();
    registered(call, name, arguments?)
}

fn truths(call: &Call, name: &str) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    registered(call, name, vec![call.coerced(0, &DataType::Boolean)?])
}

/// With `ignoreNulls` as the second argument.
fn first_or_last(call: &Call, function: Arc<AggregateUDF>) -> Result<Expr, Error> {
    call.arity(1, 2)?;
    let ignores = matches!(call.literal(1), Some(ScalarValue::Boolean(Some(true))));
    let nulls = ignores.then_some(NullTreatment::IgnoreNulls);
    Ok(aggregate(call, function, vec![call.expr(0)?], nulls))
}

/// All values that are not null; an empty array where there are none.
pub(super) fn collect(call: &Call, name: &str) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let element = coercion::canonical(call.data_type(0)?);
    let all = registered(call, name, vec![call.coerced(0, &element)?])?;
    let kernel = Kernel::Columns(|inputs| {
        let lists = inputs.array(0)?;
        super::editing::without_nulls(&lists, inputs.return_type, true)
    });
    let to = coercion::array_of(element, false);
    Ok(call.native_named("collected", kernel, vec![all], to, false))
}
