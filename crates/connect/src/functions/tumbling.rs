//! `window(time, duration[, slide[, start]])`: windows of time that follow each other without overlapping.
//! Those that overlap would make several rows of one, which no expression can.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StructArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, TimestampMicrosecondType};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, Resolved};
use super::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use super::coercion::{canonical, timestamp};
use super::native::Kernel;
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "window" => window(call)?,
        "window_time" => {
            call.arity(1, 1)?;
            let DataType::Struct(fields) = call.data_type(0)? else {
                return Err(call.unexpected(0, "a \"STRUCT\" of a window"));
            };
            let to = fields
                .get(1)
                .map_or(DataType::Null, |end| canonical(end.data_type()));
            let end = datafusion::functions::core::get_field()
                .call(vec![call.expr(0)?, super::arguments::text_literal("end")]);
            let kernel = Kernel::Timestamp(|row| Ok(Some(row.timestamp(0)? - 1)));
            call.native(kernel, vec![end], to, call.nullable())
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

fn window(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 4)?;
    let duration = |index: usize| match call.literal_text(index).map(|text| (text, micros(text))) {
        Some((_, Some(micros))) => Ok(micros),
        Some((text, None)) => Err(Error::analysis(
            "INVALID_INTERVAL_FORMAT.UNRECOGNIZED_NUMBER",
            &[("input", text)],
        )),
        None => Err(call.unexpected(index, "a foldable \"STRING\"")),
    };
    let length = duration(1)?;
    let slide = if call.len() > 2 { duration(2)? } else { length };
    let start = if call.len() > 3 { duration(3)? } else { 0 };
    if slide != length {
        return Err(Error::unsupported("windows of time that overlap"));
    }
    if length <= 0 {
        return Err(Error::analysis(
            "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            &[
                ("sqlExpr", "\"window\""),
                ("exprName", "window duration"),
                ("valueRange", "(0, 9223372036854775807]"),
                ("currentValue", &format!("{length}L")),
            ],
        ));
    }
    let time = match canonical(call.data_type(0)?) {
        time @ DataType::Timestamp(..) => time,
        _ => timestamp(call.environment.time_zone),
    };
    let bounds = ["start", "end"].map(|name| Field::new(name, time.clone(), true));
    let to = DataType::Struct(bounds.to_vec().into());
    let kernel = Kernel::Columns(|inputs| {
        let (times, lengths, starts) = (inputs.array(0)?, inputs.array(1)?, inputs.array(2)?);
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let (lengths, starts) = (
            lengths.as_primitive::<Int64Type>(),
            starts.as_primitive::<Int64Type>(),
        );
        let DataType::Struct(fields) = inputs.return_type else {
            return Err(DataFusionError::Internal("a window is a struct".to_owned()));
        };
        let zone = match times.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let starting = |row: usize| {
            let (time, length) = (times.value(row), lengths.value(row));
            times
                .is_valid(row)
                .then(|| time - (time - starts.value(row)).rem_euclid(length))
        };
        let from: TimestampMicrosecondArray = (0..inputs.rows).map(starting).collect();
        let to: TimestampMicrosecondArray = (0..inputs.rows)
            .map(|row| starting(row).map(|start| start + lengths.value(row)))
            .collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(from.with_timezone_opt(zone.clone())),
            Arc::new(to.with_timezone_opt(zone)),
        ];
        Ok(Arc::new(StructArray::try_new(
            fields.clone(),
            columns,
            None,
        )?))
    });
    Ok(call.native(
        kernel,
        vec![call.coerced(0, &time)?, lit(length), lit(start)],
        to,
        false,
    ))
}

/// `1 hour 30 minutes`, with or without `interval` before it.
fn micros(text: &str) -> Option<i64> {
    let text = text.trim().to_lowercase();
    let mut words = text
        .strip_prefix("interval")
        .unwrap_or(&text)
        .split_whitespace();
    let mut total: i64 = 0;
    let mut any = false;
    while let Some(number) = words.next() {
        let unit = match words.next()?.trim_end_matches('s') {
            "microsecond" => 1,
            "millisecond" => 1000,
            "second" => MICROS_PER_SECOND,
            "minute" => 60 * MICROS_PER_SECOND,
            "hour" => 3600 * MICROS_PER_SECOND,
            "day" => MICROS_PER_DAY,
            "week" => 7 * MICROS_PER_DAY,
            _ => return None,
        };
        let count: i64 = number.parse().ok()?;
        total = total.checked_add(count.checked_mul(unit)?)?;
        any = true;
    }
    any.then_some(total)
}
