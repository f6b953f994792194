//! Numbers and truth values among each other.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, PrimitiveArray,
};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use datafusion::common::{DataFusionError, Result};

use super::{Mode, out_of_range, overflow, text};

pub(super) fn cast(array: &ArrayRef, to: &DataType, mode: &Mode) -> Result<ArrayRef> {
    if *array.data_type() == DataType::Boolean {
        let ones = compute::cast(array, &DataType::Int32)?;
        return Ok(compute::cast(&ones, to)?);
    }
    match to {
        DataType::Boolean => truth(array),
        DataType::Int8 => integers::<Int8Type>(array, to, mode, |v| v as i8),
        DataType::Int16 => integers::<Int16Type>(array, to, mode, |v| v as i16),
        DataType::Int32 => integers::<Int32Type>(array, to, mode, |v| v as i32),
        DataType::Int64 => integers::<Int64Type>(array, to, mode, |v| v as i64),
        DataType::Decimal128(precision, scale) => decimals(array, *precision, *scale, mode),
        DataType::Binary => bytes(array),
        _ => Ok(compute::cast(array, to)?),
    }
}

fn truth(array: &ArrayRef) -> Result<ArrayRef> {
    let doubles = compute::cast(array, &DataType::Float64)?;
    let truths: BooleanArray = doubles
        .as_primitive::<Float64Type>()
        .iter()
        .map(|value| value.map(|value| value != 0.0))
        .collect();
    Ok(Arc::new(truths))
}

/// Whole numbers of anything; digits after the point are cut off.
fn integers<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    to: &DataType,
    mode: &Mode,
    wrap: fn(i128) -> T::Native,
) -> Result<ArrayRef>
where
    T::Native: TryFrom<i128>,
{
    let values: PrimitiveArray<T> = match array.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let doubles = compute::cast(array, &DataType::Float64)?;
            let doubles = doubles.as_primitive::<Float64Type>();
            convert(doubles.iter(), |value| {
                let whole = value.trunc();
                let fits = value.is_finite() && whole.abs() < 1e38;
                let whole = fits
                    .then_some(whole as i128)
                    .and_then(|whole| T::Native::try_from(whole).ok());
                match whole {
                    Some(whole) => Ok(Some(whole)),
                    // Java's narrowing: to int or long at first, which stops at the ends of the range.
                    None if mode.wraps => Ok(Some(saturated::<T>(value, to, wrap))),
                    None => mode.settle(Err(overflow(&shown(value, array), array.data_type(), to))),
                }
            })?
        }
        DataType::Decimal128(precision, scale) => {
            let (unit, scale) = (10_i128.checked_pow(u32::from(scale.unsigned_abs())), *scale);
            let unit =
                unit.ok_or_else(|| DataFusionError::Internal("a scale beyond 38".to_owned()))?;
            let from = DataType::Decimal128(*precision, scale);
            convert(array.as_primitive::<Decimal128Type>().iter(), |value| {
                let whole = value / unit;
                whole_number::<T>(whole, mode, wrap, || {
                    overflow(
                        &format!("{}BD", text::decimal_text(value, scale)),
                        &from,
                        to,
                    )
                })
            })?
        }
        from => {
            let longs = compute::cast(array, &DataType::Int64)?;
            convert(longs.as_primitive::<Int64Type>().iter(), |value| {
                whole_number::<T>(i128::from(value), mode, wrap, || {
                    let suffix = if *from == DataType::Int64 { "L" } else { "" };
                    overflow(&format!("{value}{suffix}"), from, to)
                })
            })?
        }
    };
    Ok(Arc::new(values))
}

fn convert<V, T: ArrowPrimitiveType>(
    values: impl Iterator<Item = Option<V>>,
    one: impl Fn(V) -> Result<Option<T::Native>>,
) -> Result<PrimitiveArray<T>> {
    let values: Result<Vec<_>> = values.map(|value| value.map_or(Ok(None), &one)).collect();
    Ok(values?.into_iter().collect())
}

fn whole_number<T: ArrowPrimitiveType>(
    whole: i128,
    mode: &Mode,
    wrap: fn(i128) -> T::Native,
    error: impl Fn() -> crate::error::Error,
) -> Result<Option<T::Native>>
where
    T::Native: TryFrom<i128>,
{
    match T::Native::try_from(whole) {
        Ok(whole) => Ok(Some(whole)),
        Err(_) if mode.wraps => Ok(Some(wrap(whole))),
        Err(_) => mode.settle(Err(error())),
    }
}

fn saturated<T: ArrowPrimitiveType>(
    value: f64,
    to: &DataType,
    wrap: fn(i128) -> T::Native,
) -> T::Native {
    match to {
        DataType::Int64 => wrap(i128::from(value as i64)),
        _ => wrap(i128::from(value as i32)),
    }
}

fn shown(value: f64, array: &ArrayRef) -> String {
    match array.data_type() {
        DataType::Float32 => text::double_text(value),
        _ => format!("{}D", text::double_text(value)),
    }
}

fn decimals(array: &ArrayRef, precision: u8, scale: i8, mode: &Mode) -> Result<ArrayRef> {
    let texts: Box<dyn Iterator<Item = Option<String>>> = match array.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let doubles = compute::cast(array, &DataType::Float64)?;
            let doubles: Vec<_> = doubles.as_primitive::<Float64Type>().iter().collect();
            Box::new(
                doubles
                    .into_iter()
                    .map(|value| value.map(|value| format!("{value}"))),
            )
        }
        DataType::Decimal128(_, from) => {
            let from = *from;
            let values: Vec<_> = array.as_primitive::<Decimal128Type>().iter().collect();
            Box::new(
                values
                    .into_iter()
                    .map(move |value| value.map(|value| text::decimal_text(value, from))),
            )
        }
        _ => {
            let longs = compute::cast(array, &DataType::Int64)?;
            let longs: Vec<_> = longs.as_primitive::<Int64Type>().iter().collect();
            Box::new(
                longs
                    .into_iter()
                    .map(|value| value.map(|value| value.to_string())),
            )
        }
    };
    let values: Result<Vec<Option<i128>>> = texts
        .map(|text| match text {
            None => Ok(None),
            Some(text) => mode.settle(
                super::parse::decimal(&text, precision, scale)
                    .flatten()
                    .ok_or_else(|| out_of_range(&text, precision, scale)),
            ),
        })
        .collect();
    let array = Decimal128Array::from(values?).with_precision_and_scale(precision, scale)?;
    Ok(Arc::new(array))
}

/// An integer's bytes, the highest first.
fn bytes(array: &ArrayRef) -> Result<ArrayRef> {
    let width = array.data_type().primitive_width().unwrap_or(8);
    let longs = compute::cast(array, &DataType::Int64)?;
    let bytes: BinaryArray = longs
        .as_primitive::<Int64Type>()
        .iter()
        .map(|value| value.map(|value| value.to_be_bytes()[8 - width..].to_vec()))
        .collect();
    Ok(Arc::new(bytes))
}
