use datafusion::arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use datafusion::arrow::datatypes::DataType;

/// What a batch that is sent as `bytes` bytes, compressed, would be sent as by Spark, at most.
///
/// Columns of texts and lists have offsets, of which each is another number: LZ4 leaves them as they are. Spark's rows say in
/// each row how long its texts are and where in the row they begin, which is much the same in all rows and compresses to next
/// to nothing. All else takes less in columns than in rows. So offsets do not count; without them a result of short texts that
/// repeat would count five times what it counts in Spark.
pub(super) fn as_rows(batch: &RecordBatch, bytes: u64) -> u64 {
    let offsets: usize = batch.columns().iter().map(offsets_of).sum();
    // Where all texts are empty their offsets do compress.
    bytes.saturating_sub(offsets as u64).max(bytes / 8)
}

/// Bytes of offsets in an array of any type.
fn offsets_of(array: impl AsRef<dyn Array>) -> usize {
    const OF_32_BITS: usize = 4;
    const OF_64_BITS: usize = 8;
    let array = array.as_ref();
    let rows = array.len();
    match array.data_type() {
        DataType::Utf8 | DataType::Binary => OF_32_BITS * rows,
        DataType::LargeUtf8 | DataType::LargeBinary => OF_64_BITS * rows,
        DataType::Utf8View => OF_32_BITS * long(array.as_string_view().views()),
        DataType::BinaryView => OF_32_BITS * long(array.as_binary_view().views()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            OF_32_BITS * rows + offsets_of(shown(list.value_offsets(), list.values()))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            OF_64_BITS * rows + offsets_of(shown(list.value_offsets(), list.values()))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            OF_32_BITS * rows + offsets_of(shown(map.value_offsets(), map.entries()))
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(offsets_of).sum(),
        _ => 0,
    }
}

/// The items that these offsets show: a slice of an array has all its items.
fn shown<O: OffsetSizeTrait>(offsets: &[O], items: &dyn Array) -> ArrayRef {
    let first = offsets.first().map_or(0, |first| first.as_usize());
    let last = offsets.last().map_or(0, |last| last.as_usize());
    items.slice(first, last - first)
}

/// How many of these views point to a text instead of holding it.
fn long(views: &[u128]) -> usize {
    // The low half of the first half is the length.
    views.iter().filter(|view| **view as u32 > 12).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int64Array, ListArray, StringArray, StringViewArray};
    use datafusion::arrow::buffer::OffsetBuffer;
    use datafusion::arrow::datatypes::Field;

    use super::*;

    #[test]
    fn offsets_do_not_count_wherever_they_are() {
        let texts = Arc::new(StringArray::from(vec!["x", "y", "z"]));
        let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([1, 0, 2]), texts, None);
        let batch = RecordBatch::try_from_iter([
            ("n", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
            ("s", Arc::new(StringArray::from(vec!["a", "", "b"]))),
            (
                "v",
                Arc::new(StringViewArray::from(vec![
                    "short",
                    "longer than twelve",
                    "",
                ])),
            ),
            ("l", Arc::new(list)),
        ])
        .unwrap();
        let offsets = 4 * (3 + 1 + 3 + 3);
        assert_eq!(as_rows(&batch, 1000), 1000 - offsets);
        let first = 4 * (1 + 1 + 1);
        assert_eq!(as_rows(&batch.slice(0, 1), 1000), 1000 - first);
        assert_eq!(as_rows(&batch, 16), 2);
    }
}
