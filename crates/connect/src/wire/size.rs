use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;

/// The bytes that a batch takes on the wire, near enough. Slices count for what they show, where
/// Arrow's own count would be of the buffers they share.
pub(super) fn of_batch(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| of(column)).sum()
}

/// Of an array in the client's form: no views and no dictionaries.
fn of(array: &dyn Array) -> usize {
    let rows = array.len();
    let offsets = 4 * (rows + 1);
    let validity = if array.nulls().is_some() { rows / 8 } else { 0 };
    validity
        + match array.data_type() {
            DataType::Null => 0,
            DataType::Boolean => rows / 8,
            DataType::Utf8 => offsets + span(array.as_string::<i32>().value_offsets()).1,
            DataType::Binary => offsets + span(array.as_binary::<i32>().value_offsets()).1,
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let (start, length) = span(list.value_offsets());
                offsets + of(&list.values().slice(start, length))
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let (start, length) = span(map.value_offsets());
                offsets + of(&map.entries().slice(start, length))
            }
            DataType::Struct(_) => {
                let columns = array.as_struct().columns();
                columns.iter().map(|column| of(column)).sum()
            }
            other => rows * other.primitive_width().unwrap_or(16),
        }
}

/// Where the values of a slice begin, and how many there are.
fn span(offsets: &[i32]) -> (usize, usize) {
    let at = |offset: Option<&i32>| offset.and_then(|offset| usize::try_from(*offset).ok());
    let start = at(offsets.first()).unwrap_or(0);
    let end = at(offsets.last()).unwrap_or(start);
    (start, end.saturating_sub(start))
}
