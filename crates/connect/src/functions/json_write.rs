//! Values as JSON: Spark's `JacksonGenerator`, which leaves out the fields of structs that are null.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::Result;

use super::calendar::{MICROS_PER_SECOND, Zone};
use super::cast::text_of;
use super::coercion::canonical;
use super::native::raise;
use super::patterns::Pattern;

/// The value in a row that is not null.
pub(super) fn text(array: &ArrayRef, row: usize, zone: Zone) -> Result<String> {
    let to = canonical(array.data_type());
    let array = if *array.data_type() == to {
        array.clone()
    } else {
        cast(array, &to)?
    };
    Ok(match array.data_type() {
        DataType::Struct(fields) => {
            let mut members = Vec::with_capacity(fields.len());
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                if column.is_valid(row) && !column.data_type().is_null() {
                    members.push(format!(
                        "{}:{}",
                        quoted(field.name()),
                        text(column, row, zone)?
                    ));
                }
            }
            format!("{{{}}}", members.join(","))
        }
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            let texts: Result<Vec<_>> = (0..values.len())
                .map(|at| or_null(&values, at, zone))
                .collect();
            format!("[{}]", texts?.join(","))
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let mut members = Vec::with_capacity(entries.len());
            for at in 0..entries.len() {
                let key = text_of(entries.column(0), at, zone)?;
                members.push(format!(
                    "{}:{}",
                    quoted(&key),
                    or_null(entries.column(1), at, zone)?
                ));
            }
            format!("{{{}}}", members.join(","))
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Decimal128(..) => text_of(&array, row, zone)?,
        DataType::Float32 | DataType::Float64 => {
            let number = text_of(&array, row, zone)?;
            if number.ends_with(|c: char| c.is_ascii_digit()) {
                number
            } else {
                quoted(&number)
            }
        }
        DataType::Timestamp(_, zoned) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let (pattern, offset) = match zoned {
                Some(_) => ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", zone.offset(micros)),
                None => ("yyyy-MM-dd'T'HH:mm:ss.SSS", 0),
            };
            let pattern = Pattern::new(pattern).map_err(raise)?;
            quoted(
                &pattern
                    .format(micros + offset * MICROS_PER_SECOND, offset, "")
                    .map_err(raise)?,
            )
        }
        DataType::Binary => quoted(&super::encoding::base64(
            array.as_binary::<i32>().value(row),
        )),
        _ => quoted(&text_of(&array, row, zone)?),
    })
}

fn or_null(array: &ArrayRef, row: usize, zone: Zone) -> Result<String> {
    match array.is_null(row) || array.data_type().is_null() {
        true => Ok("null".to_owned()),
        false => text(array, row, zone),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
