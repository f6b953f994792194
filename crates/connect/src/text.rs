//! Values as text: the cells of `show`, and casts to string (Spark's `ToStringBase`).

mod interval;
mod number;
mod time;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DecimalType, DurationMicrosecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, Time64NanosecondType, TimestampMicrosecondType,
};
use plimsoll_driver::spark_type;

use crate::error::Error;
use crate::wire::reshape;
use crate::zone::zone;

pub(crate) use number::{double, float};
pub(crate) use time::{date, timestamp};

/// Which of Spark's two ways to write values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `ToPrettyString`: `NULL`, and bytes as `[31 32]`.
    Pretty,
    /// `CAST(… AS STRING)`: `null` within arrays, maps and structs, and bytes as the UTF-8 they are.
    Cast,
}

/// Writes values as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts {
    zone: Tz,
    style: Style,
}

impl Texts {
    /// For timestamps in the given time zone.
    pub(crate) fn new(style: Style, time_zone: &str) -> Result<Self, Error> {
        let zone = zone(time_zone)
            .ok_or_else(|| Error::internal(format!("there is no time zone {time_zone}")))?;
        Ok(Self::in_zone(style, zone))
    }

    /// For timestamps in a time zone that has been looked up.
    pub(crate) fn in_zone(style: Style, zone: Tz) -> Self {
        Self { zone, style }
    }

    /// The text of each value. With [`Style::Cast`] nulls stay nulls.
    pub(crate) fn column(&self, array: &ArrayRef) -> Result<StringArray, Error> {
        let array = reshape(array, &spark_type(array.data_type()))?;
        let mut texts = StringBuilder::with_capacity(array.len(), array.len() * 8);
        let mut text = String::new();
        for row in 0..array.len() {
            if self.style == Style::Cast && is_null(&array, row) {
                texts.append_null();
            } else {
                text.clear();
                self.write(&mut text, &array, row);
                texts.append_value(&text);
            }
        }
        Ok(texts.finish())
    }

    /// Adds the text of one value. The array is of a type that `spark_type` gives.
    fn write(&self, out: &mut String, array: &dyn Array, row: usize) {
        if is_null(array, row) {
            out.push_str(match self.style {
                Style::Pretty => "NULL",
                Style::Cast => "null",
            });
            return;
        }
        match array.data_type() {
            DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
            DataType::Binary => self.bytes(out, array.as_binary::<i32>().value(row)),
            DataType::List(_) => {
                let items = array.as_list::<i32>().value(row);
                self.between(out, '[', ']', items.len(), |out, item| {
                    self.write(out, &items, item);
                });
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                self.between(out, '{', '}', fields.len(), |out, column| {
                    self.write(out, &columns[column], row);
                });
            }
            DataType::Map(..) => {
                let entries = array.as_map().value(row);
                let (keys, values) = (entries.column(0), entries.column(1));
                self.between(out, '{', '}', entries.len(), |out, entry| {
                    self.write(out, keys, entry);
                    out.push_str(" -> ");
                    self.write(out, values, entry);
                });
            }
            _ => out.push_str(&self.simple(array, row)),
        }
    }

    fn between(
        &self,
        out: &mut String,
        open: char,
        close: char,
        count: usize,
        write: impl Fn(&mut String, usize),
    ) {
        out.push(open);
        for index in 0..count {
            if index > 0 {
                out.push_str(", ");
            }
            write(out, index);
        }
        out.push(close);
    }

    fn bytes(&self, out: &mut String, bytes: &[u8]) {
        match self.style {
            Style::Cast => out.push_str(&String::from_utf8_lossy(bytes)),
            Style::Pretty => {
                let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                out.push_str(&format!("[{}]", pairs.join(" ")));
            }
        }
    }

    fn simple(&self, array: &dyn Array, row: usize) -> String {
        match array.data_type() {
            DataType::Boolean => array.as_boolean().value(row).to_string(),
            DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
            DataType::Float32 => float(array.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => double(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(precision, scale) => {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                Decimal128Type::format_decimal(value, *precision, *scale)
            }
            DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row)),
            DataType::Time64(_) => {
                time::time(array.as_primitive::<Time64NanosecondType>().value(row))
            }
            DataType::Timestamp(_, with_zone) => {
                let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
                timestamp(value, with_zone.as_ref().map(|_| self.zone))
            }
            DataType::Duration(_) => {
                let value = array.as_primitive::<DurationMicrosecondType>().value(row);
                interval::day_time(value)
            }
            DataType::Interval(IntervalUnit::YearMonth) => {
                interval::year_month(array.as_primitive::<IntervalYearMonthType>().value(row))
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                interval::calendar(array.as_primitive::<IntervalMonthDayNanoType>().value(row))
            }
            other => format!("<{other}>"),
        }
    }
}

/// An array of nothing but nulls has no bits to say so.
fn is_null(array: &dyn Array, row: usize) -> bool {
    array.is_null(row) || array.data_type() == &DataType::Null
}

/// The text of one cell, as `show` prints it.
pub(crate) fn cell(array: &dyn Array, row: usize, time_zone: &str) -> Result<String, Error> {
    let texts = Texts::new(Style::Pretty, time_zone)?;
    Ok(texts.column(&array.slice(row, 1))?.value(0).to_owned())
}

#[cfg(test)]
mod tests;
