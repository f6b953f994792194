//! Casts, as Spark's `Cast` does them.

mod numbers;
mod parse;
mod text;
mod times;

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, ListArray, MapArray, StructArray, new_null_array,
};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::Expr;

use super::calendar::Zone;
use super::native::{Inputs, Kernel, Native, raise};
use super::{Argument, Environment, coercion};
use crate::error::{Error, Kind};

pub(super) use parse::{decimal as parse_decimal, parse_date, parse_timestamp};
pub(super) use text::{double_text, render, value as text_of};

/// The argument cast as `CAST` does, or as `try_cast`.
pub(crate) fn cast(
    argument: Argument,
    to: &DataType,
    try_cast: bool,
    environment: &Environment,
) -> Result<Expr, Error> {
    let from = coercion::canonical(&argument.data_type);
    if argument.data_type == *to {
        return Ok(argument.expr);
    }
    if from.is_null() || keeps_all_values(&from, to) {
        return Ok(datafusion::logical_expr::cast(argument.expr, to.clone()));
    }
    if !can_cast(&from, to) {
        return Err(Error::analysis(
            "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
            &[
                (
                    "sqlExpr",
                    &format!("\"CAST({} AS {})\"", argument.name, coercion::sql_name(to)),
                ),
                ("srcType", &format!("\"{}\"", coercion::sql_name(&from))),
                ("targetType", &format!("\"{}\"", coercion::sql_name(to))),
            ],
        ));
    }
    let nullable = argument.nullable || try_cast || coercion::cast_can_give_null(&from, to);
    let (name, kernel): (_, fn(&Inputs) -> DataFusionResult<ArrayRef>) = match try_cast {
        true => ("try_cast", |inputs| cast_column(inputs, true)),
        false => ("cast", |inputs| cast_column(inputs, false)),
    };
    Ok(
        Native::new(name, Kernel::Columns(kernel), 1, to.clone(), nullable)
            .in_session(environment)
            .call(vec![argument.expr]),
    )
}

fn cast_column(inputs: &Inputs, try_cast: bool) -> DataFusionResult<ArrayRef> {
    let mode = Mode {
        on_failure: if try_cast || !inputs.ansi {
            OnFailure::Null
        } else {
            OnFailure::Raise
        },
        wraps: !inputs.ansi && !try_cast,
        zone: Zone::parse(inputs.time_zone).map_err(raise)?,
    };
    cast_array(&inputs.array(0)?, inputs.return_type, &mode)
}

/// How values are treated that have no counterpart in the other type.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    on_failure: OnFailure,
    /// Whether integers lose their upper bits: Spark without ANSI mode.
    wraps: bool,
    zone: Zone,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    Null,
    Raise,
}

impl Mode {
    /// The value, or null, or the query's error.
    fn settle<T>(&self, value: Result<T, Error>) -> DataFusionResult<Option<T>> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.on_failure == OnFailure::Null => Ok(None),
            Err(error) => Err(raise(error)),
        }
    }
}

/// Casts that DataFusion does alike, and knows more about than about a function of ours.
fn keeps_all_values(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, Utf8,
    };
    match (from, to) {
        (from, to) if coercion::same_type(from, to) && !coercion::is_nested(to) => true,
        (Int8, Int16 | Int32 | Int64 | Float32 | Float64) => true,
        (Int16, Int32 | Int64 | Float32 | Float64) => true,
        (Int32, Int64 | Float32 | Float64) => true,
        (Int64, Float32 | Float64) | (Float32, Float64) => true,
        (Int8 | Int16 | Int32 | Int64 | Decimal128(..), Decimal128(precision, scale)) => {
            let held = coercion::integer_decimal(from);
            held.is_some_and(|(p, s)| {
                *scale >= s
                    && i16::from(*precision) - i16::from(*scale) >= i16::from(p) - i16::from(s)
            })
        }
        (Utf8, Binary) => true,
        (Date32, Timestamp(_, None)) => true,
        _ => false,
    }
}

fn can_cast(from: &DataType, to: &DataType) -> bool {
    use coercion::{element, is_date, is_interval, is_numeric, is_text, is_timestamp, map_entry};
    if from.is_null() || coercion::same_type(from, to) || is_text(to) {
        return true;
    }
    if let (Some(from), Some(to)) = (element(from), element(to)) {
        return can_cast(from.data_type(), to.data_type());
    }
    if let (Some((key, value)), Some((to_key, to_value))) = (map_entry(from), map_entry(to)) {
        return can_cast(key.data_type(), to_key.data_type())
            && can_cast(value.data_type(), to_value.data_type());
    }
    if let (DataType::Struct(from), DataType::Struct(to)) = (from, to) {
        return from.len() == to.len()
            && from
                .iter()
                .zip(to.iter())
                .all(|(from, to)| can_cast(from.data_type(), to.data_type()));
    }
    if coercion::is_nested(from) || coercion::is_nested(to) {
        return false;
    }
    let plain = |data_type: &DataType| is_numeric(data_type) || *data_type == DataType::Boolean;
    is_text(from)
        || (plain(from) && plain(to))
        || (plain(from) && is_timestamp(to))
        || (is_timestamp(from) && (plain(to) || is_date(to) || is_timestamp(to)))
        || (is_date(from) && is_timestamp(to))
        || (is_interval(from) && is_interval(to))
}

/// The array's values in another type.
pub(super) fn cast_array(
    array: &ArrayRef,
    to: &DataType,
    mode: &Mode,
) -> DataFusionResult<ArrayRef> {
    let from = coercion::canonical(array.data_type());
    let array = match *array.data_type() == from {
        true => Arc::clone(array),
        false => compute::cast(array, &from)?,
    };
    if from == *to {
        return Ok(array);
    }
    if from.is_null() {
        return Ok(new_null_array(to, array.len()));
    }
    if keeps_all_values(&from, to) {
        return Ok(compute::cast(&array, to)?);
    }
    if coercion::is_text(to) {
        return Ok(Arc::new(render(&array, mode.zone)?));
    }
    if coercion::is_nested(&from) {
        return nested(&array, to, mode);
    }
    if coercion::is_text(&from) {
        return parse::from_text(array.as_string::<i32>(), to, mode);
    }
    let times =
        |data_type: &DataType| coercion::is_timestamp(data_type) || coercion::is_date(data_type);
    if times(&from) || times(to) || coercion::is_interval(&from) {
        return times::cast(&array, to, mode);
    }
    numbers::cast(&array, to, mode)
}

fn nested(array: &ArrayRef, to: &DataType, mode: &Mode) -> DataFusionResult<ArrayRef> {
    match (array.data_type(), to) {
        (DataType::List(_), DataType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = cast_array(list.values(), field.data_type(), mode)?;
            let field = relaxed(field, &values);
            Ok(Arc::new(ListArray::try_new(
                field,
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            )?))
        }
        (DataType::List(_), DataType::FixedSizeList(field, size)) => {
            let values = cast_array(array.as_list::<i32>().values(), field.data_type(), mode)?;
            Ok(Arc::new(FixedSizeListArray::try_new(
                Arc::clone(field),
                *size,
                values,
                array.nulls().cloned(),
            )?))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let structs = array.as_struct();
            Ok(Arc::new(cast_fields(structs, fields, mode)?))
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(DataFusionError::Internal("a map of no entries".to_owned()));
            };
            let pairs = cast_fields(map.entries(), fields, mode)?;
            let field = Arc::new(Field::new(entries.name(), pairs.data_type().clone(), false));
            Ok(Arc::new(MapArray::try_new(
                field,
                map.offsets().clone(),
                pairs,
                map.nulls().cloned(),
                *sorted,
            )?))
        }
        _ => Err(DataFusionError::Internal(format!(
            "no cast from {} to {to}",
            array.data_type()
        ))),
    }
}

fn cast_fields(
    structs: &StructArray,
    fields: &Fields,
    mode: &Mode,
) -> DataFusionResult<StructArray> {
    let columns: DataFusionResult<Vec<_>> = structs
        .columns()
        .iter()
        .zip(fields.iter())
        .map(|(column, field)| cast_array(column, field.data_type(), mode))
        .collect();
    Ok(StructArray::try_new(
        fields.clone(),
        columns?,
        structs.nulls().cloned(),
    )?)
}

/// A field that may be null where a value became null.
fn relaxed(field: &Arc<Field>, values: &ArrayRef) -> Arc<Field> {
    if field.is_nullable() || values.null_count() == 0 {
        return Arc::clone(field);
    }
    Arc::new(field.as_ref().clone().with_nullable(true))
}

/// `CAST_INVALID_INPUT`
fn invalid_input(text: &str, to: &DataType) -> Error {
    let kind = match to {
        DataType::Date32 | DataType::Timestamp(..) => Kind::DateTime,
        DataType::Boolean => Kind::Runtime,
        _ => Kind::NumberFormat,
    };
    Error::new(
        kind,
        "CAST_INVALID_INPUT",
        &[
            (
                "expression",
                &format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            ),
            ("sourceType", "\"STRING\""),
            ("targetType", &format!("\"{}\"", coercion::sql_name(to))),
            ("ansiConfig", "\"spark.sql.ansi.enabled\""),
        ],
    )
}

/// `CAST_OVERFLOW`
fn overflow(value: &str, from: &DataType, to: &DataType) -> Error {
    Error::new(
        Kind::Arithmetic,
        "CAST_OVERFLOW",
        &[
            ("value", value),
            ("sourceType", &format!("\"{}\"", coercion::sql_name(from))),
            ("targetType", &format!("\"{}\"", coercion::sql_name(to))),
            ("ansiConfig", "\"spark.sql.ansi.enabled\""),
        ],
    )
}

/// `NUMERIC_VALUE_OUT_OF_RANGE`
fn out_of_range(value: &str, precision: u8, scale: i8) -> Error {
    Error::new(
        Kind::Arithmetic,
        "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
        &[
            ("value", value),
            ("precision", &precision.to_string()),
            ("scale", &scale.to_string()),
            ("config", "\"spark.sql.ansi.enabled\""),
        ],
    )
}
