//! Functions over a window only.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_window::{cume_dist, lead_lag, nth_value, ntile, rank, row_number};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::{Expr, WindowFunctionDefinition, cast, lit};
use std::sync::Arc;

use super::arguments::Call;
use super::native::declared;
use super::{Argument, Environment, coercion};
use crate::error::Error;

/// A function that only makes sense over a window, without its window. `None` for other names.
pub(crate) fn window(
    name: &str,
    arguments: Vec<Argument>,
    environment: &Environment,
) -> Option<Result<Expr, Error>> {
    let lower = name.to_lowercase();
    let call = Call::new(&lower, arguments, false, environment);
    Some(match lower.as_str() {
        "row_number" => ranking(&call, row_number::row_number_udwf(), DataType::Int32),
        "rank" => ranking(&call, rank::rank_udwf(), DataType::Int32),
        "dense_rank" => ranking(&call, rank::dense_rank_udwf(), DataType::Int32),
        "percent_rank" => ranking(&call, rank::percent_rank_udwf(), DataType::Float64),
        "cume_dist" => ranking(&call, cume_dist::cume_dist_udwf(), DataType::Float64),
        "ntile" => tiles(&call),
        "lag" => shifted(&call, lead_lag::lag_udwf()),
        "lead" => shifted(&call, lead_lag::lead_udwf()),
        "nth_value" => nth(&call),
        _ => return None,
    })
}

type Function = Arc<datafusion::logical_expr::WindowUDF>;

fn over(function: Function, arguments: Vec<Expr>, nulls: Option<NullTreatment>) -> Expr {
    let mut function =
        WindowFunction::new(WindowFunctionDefinition::WindowUDF(function), arguments);
    function.params.null_treatment = nulls;
    Expr::WindowFunction(Box::new(function))
}

fn ranking(call: &Call, function: Function, to: DataType) -> Result<Expr, Error> {
    call.arity(0, 0)?;
    let rank = over(function, vec![], None);
    Ok(if to == DataType::Float64 {
        declared(rank, to, false)
    } else {
        declared(cast(rank, to.clone()), to, false)
    })
}

fn tiles(call: &Call) -> Result<Expr, Error> {
    call.arity(0, 1)?;
    let buckets = if call.len() == 0 {
        1
    } else {
        constant(call, 0, "buckets")?
    };
    let tile = over(ntile::ntile_udwf(), vec![lit(buckets)], None);
    Ok(declared(
        cast(tile, DataType::Int32),
        DataType::Int32,
        false,
    ))
}

fn constant(call: &Call, index: usize, name: &str) -> Result<i64, Error> {
    call.literal_int(index).ok_or_else(|| {
        Error::analysis(
            "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
            &[
                ("sqlExpr", &format!("\"{}\"", call.display())),
                ("inputName", &format!("`{name}`")),
                ("inputType", "\"INT\""),
                (
                    "inputExpr",
                    &format!("\"{}\"", call.arguments.get(index).map_or("", |a| &a.name)),
                ),
            ],
        )
    })
}

/// `lag` and `lead`, with an offset, a default, and whether nulls are passed over.
fn shifted(call: &Call, function: Function) -> Result<Expr, Error> {
    call.arity(1, 4)?;
    let offset = if call.len() > 1 {
        constant(call, 1, "offset")?
    } else {
        1
    };
    let data_type = coercion::canonical(call.data_type(0)?);
    let mut arguments = vec![call.coerced(0, &data_type)?, lit(offset)];
    match call.literal(2) {
        Some(default) if !default.is_null() => arguments.push(lit(default.cast_to(&data_type)?)),
        Some(_) => {}
        None if call.len() > 2 => {
            return Err(Error::unsupported(format!(
                "{} with a default that is no literal",
                call.name
            )));
        }
        None => {}
    }
    Ok(over(function, arguments, ignoring(call, 3)))
}

fn nth(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 3)?;
    let offset = constant(call, 1, "offset")?;
    let arguments = vec![call.expr(0)?, lit(offset)];
    Ok(over(
        nth_value::nth_value_udwf(),
        arguments,
        ignoring(call, 2),
    ))
}

fn ignoring(call: &Call, index: usize) -> Option<NullTreatment> {
    matches!(call.literal(index), Some(ScalarValue::Boolean(Some(true))))
        .then_some(NullTreatment::IgnoreNulls)
}
