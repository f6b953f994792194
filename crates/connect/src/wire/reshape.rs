use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, FieldRef, Fields, TimeUnit, TimestampMicrosecondType,
};

use crate::error::Error;

/// The same values in another Arrow type for the same Spark type: other names within, other time
/// zones, no views, no dictionaries. A value that does not fit is an error.
pub(crate) fn reshape(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Error> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (DataType::Dictionary(_, value), _) => {
            let value = value.as_ref().clone();
            reshape(&cast(array, &value)?, target)
        }
        (DataType::RunEndEncoded(_, values), _) => {
            let value = values.data_type().clone();
            reshape(&cast(array, &value)?, target)
        }
        (DataType::List(_), DataType::List(item)) => list(array.as_list(), item),
        (
            DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _),
            DataType::List(_),
        ) => {
            let list = DataType::List(Arc::clone(item));
            reshape(&cast(array, &list)?, target)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Ok(Arc::new(structure(array.as_struct(), fields)?))
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            map(array.as_map(), entries, *sorted)
        }
        (
            DataType::Timestamp(_, from),
            DataType::Timestamp(TimeUnit::Microsecond, zone @ Some(_)),
        ) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, from.clone());
            let array = cast(array, &micros)?;
            let instants = array.as_primitive::<TimestampMicrosecondType>().clone();
            Ok(Arc::new(instants.with_timezone_opt(zone.clone())))
        }
        _ => cast(array, target),
    }
}

fn cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Error> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    Ok(cast_with_options(array, target, &options)?)
}

fn list(array: &ListArray, item: &FieldRef) -> Result<ArrayRef, Error> {
    let values = reshape(array.values(), item.data_type())?;
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(item),
        array.offsets().clone(),
        values,
        array.nulls().cloned(),
    )?))
}

fn structure(array: &StructArray, fields: &Fields) -> Result<StructArray, Error> {
    if array.num_columns() != fields.len() {
        return Err(Error::internal("a struct of other fields than announced"));
    }
    let columns = array.columns().iter().zip(fields);
    let columns: Result<Vec<ArrayRef>, Error> = columns
        .map(|(column, field)| reshape(column, field.data_type()))
        .collect();
    Ok(StructArray::try_new_with_length(
        fields.clone(),
        columns?,
        array.nulls().cloned(),
        array.len(),
    )?)
}

fn map(array: &MapArray, entries: &FieldRef, sorted: bool) -> Result<ArrayRef, Error> {
    let DataType::Struct(pair) = entries.data_type() else {
        return Err(Error::internal("a map's entries are no struct"));
    };
    Ok(Arc::new(MapArray::try_new(
        Arc::clone(entries),
        array.offsets().clone(),
        structure(array.entries(), pair)?,
        array.nulls().cloned(),
        sorted,
    )?))
}
