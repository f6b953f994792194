//! Batches that hold their own rows and nothing else.

use std::sync::Arc;

use arrow_select::dictionary::garbage_collect_any_dictionary;
use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatchOptions, make_array};
use datafusion::arrow::compute::{concat, concat_batches, interleave, take};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::utils::memory::get_record_batch_memory_size;

/// Bytes that a batch holds in memory, each buffer once.
pub fn bytes_of(batch: &RecordBatch) -> usize {
    get_record_batch_memory_size(batch)
}

/// Bytes that the rows of a batch take, whatever else their buffers hold.
pub fn content_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(content_bytes_of).sum()
}

/// Bytes that the values of an array take, whatever else its buffers hold.
pub(crate) fn content_bytes_of(array: &ArrayRef) -> usize {
    let views = match array.data_type() {
        DataType::Utf8View => array.as_string_view().views(),
        DataType::BinaryView => array.as_binary_view().views(),
        _ => return copied_bytes(array),
    };
    // The low half of a view is the length of its value, which is in it if it is short.
    let lengths = views.iter().map(|view| *view as u32 as usize);
    let pointed_to: usize = lengths.filter(|length| *length > 12).sum();
    copied_bytes(array) + pointed_to
}

/// Bytes that a column may hold beyond what its rows take, whatever they take.
const SLACK: usize = 64 << 10;

/// The batch without values that its rows do not have, where these are most of it: those of a large
/// dictionary, what views of few rows share with the rows that are gone, or the rest of an array of which the batch
/// has a slice.
pub(crate) fn tidy(batch: RecordBatch) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let tidied = |array: &ArrayRef| {
        let array = lean(array)?;
        match array.data_type() {
            DataType::Utf8View | DataType::BinaryView => {
                let content = array.get_buffer_memory_size();
                match content > 2 * content_bytes_of(&array) {
                    true => compact(&array),
                    false => Ok(array),
                }
            }
            // A slice of something larger.
            _ if array.get_buffer_memory_size() > 2 * copied_bytes(&array) + SLACK => {
                let rows = UInt32Array::from_iter_values(0..array.len() as u32);
                Ok(take(&array, &rows, None)?)
            }
            _ => Ok(array),
        }
    };
    let columns = batch.columns().iter().map(tidied).collect::<Result<_>>()?;
    with_rows(batch.schema_ref(), columns, rows)
}

/// The batch without values of dictionaries that its rows do not have, where these are most of one. Of many small batches
/// each may come with a large dictionary of its own, all of which would be put together when rows of them are.
pub(crate) fn with_lean_dictionaries(batch: RecordBatch) -> Result<RecordBatch> {
    let types = batch.schema_ref().fields().iter();
    if !types
        .into_iter()
        .any(|field| has_dictionaries(field.data_type()))
    {
        return Ok(batch);
    }
    let columns = batch.columns().iter().map(lean);
    with_rows(
        batch.schema_ref(),
        columns.collect::<Result<_>>()?,
        batch.num_rows(),
    )
}

fn lean(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Dictionary(..) if array.as_any_dictionary().values().len() > 2 * array.len() => {
            garbage_collect_any_dictionary(array.as_any_dictionary())?
        }
        DataType::Dictionary(..) => Arc::clone(array),
        data_type if has_dictionaries(data_type) => {
            // Of a slice the children have all elements, unless it is copied.
            let rows = UInt32Array::from_iter_values(0..array.len() as u32);
            let data = take(array, &rows, None)?.to_data();
            let children = data.child_data().iter();
            let children =
                children.map(|child| lean(&make_array(child.clone())).map(|child| child.to_data()));
            let children = children.collect::<Result<Vec<_>>>()?;
            make_array(data.into_builder().child_data(children).build()?)
        }
        _ => Arc::clone(array),
    })
}

/// Whether there are dictionaries in arrays of this type, or of the types in it that can be copied.
fn has_dictionaries(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) => true,
        DataType::Struct(fields) => fields
            .iter()
            .any(|field| has_dictionaries(field.data_type())),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => has_dictionaries(field.data_type()),
        _ => false,
    }
}

/// The rows of `batches` at `indices` (batch, row), in buffers of their own.
pub(crate) fn select(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    indices: &[(usize, usize)],
) -> Result<RecordBatch> {
    if let [only] = batches {
        let rows = UInt32Array::from_iter_values(indices.iter().map(|(_, row)| *row as u32));
        return pick(schema, only, &rows);
    }
    let mut columns = Vec::with_capacity(schema.fields().len());
    for column in 0..schema.fields().len() {
        let parts: Vec<&dyn Array> = batches
            .iter()
            .map(|batch| batch.column(column).as_ref())
            .collect();
        columns.push(compact(&interleave(&parts, indices)?)?);
    }
    with_rows(schema, columns, indices.len())
}

/// One batch of all these, in buffers of its own that are no larger than they need to be.
///
/// # Errors
/// If offsets of 32 bits cannot reach all their texts.
pub fn owned(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    if let [only] = batches {
        let rows = UInt32Array::from_iter_values(0..only.num_rows() as u32);
        return shrunk(pick(schema, only, &rows)?);
    }
    let together = concat_batches(schema, batches)?;
    let columns = together.columns().iter().map(compact);
    shrunk(with_rows(
        schema,
        columns.collect::<Result<_>>()?,
        together.num_rows(),
    )?)
}

fn shrunk(batch: RecordBatch) -> Result<RecordBatch> {
    let (schema, mut columns, rows) = batch.into_parts();
    for column in &mut columns {
        if let Some(array) = Arc::get_mut(column) {
            array.shrink_to_fit();
        }
    }
    with_rows(&schema, columns, rows)
}

/// These rows of a batch, in buffers of their own.
///
/// # Errors
/// If one of them is not there.
pub fn pick(schema: &SchemaRef, batch: &RecordBatch, rows: &UInt32Array) -> Result<RecordBatch> {
    let columns = batch.columns().iter();
    let columns = columns.map(|column| compact(&take(column, rows, None)?));
    with_rows(schema, columns.collect::<Result<_>>()?, rows.len())
}

/// A batch of `rows` rows, also where there are no columns.
///
/// # Errors
/// If the columns are not of the schema, or not of as many rows.
pub fn with_rows(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// One batch of all, made column by column, the pieces of a column being let go of as soon as it is
/// whole: at no time is more than one column there twice.
pub(crate) async fn concat_by_column(
    schema: &SchemaRef,
    mut batches: Vec<RecordBatch>,
) -> Result<RecordBatch> {
    if batches.len() == 1 {
        return Ok(batches.remove(0));
    }
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut pieces: Vec<Vec<ArrayRef>> =
        vec![Vec::with_capacity(batches.len()); schema.fields().len()];
    for batch in batches {
        let (_, columns, _) = batch.into_parts();
        for (column, array) in columns.into_iter().enumerate() {
            pieces[column].push(array);
        }
    }
    let mut columns = Vec::with_capacity(pieces.len());
    for (column, pieces) in pieces.into_iter().enumerate() {
        // A column may be long: others get their turn in between, and a query that was cancelled ends.
        tokio::task::yield_now().await;
        let arrays: Vec<&dyn Array> = pieces.iter().map(|array| array.as_ref()).collect();
        columns.push(match arrays.is_empty() {
            true => datafusion::arrow::array::new_empty_array(schema.field(column).data_type()),
            false => concat(&arrays)?,
        });
    }
    with_rows(schema, columns, rows)
}

/// Bytes that [`concat_by_column`] takes beside the batches themselves, at most: its largest column.
pub(crate) fn largest_column(batches: &[RecordBatch]) -> usize {
    let [first, _, ..] = batches else {
        return 0;
    };
    let column_bytes = |column: usize| -> usize {
        let arrays = batches.iter().map(|batch| batch.column(column));
        arrays.map(copied_bytes).sum()
    };
    (0..first.num_columns())
        .map(column_bytes)
        .max()
        .unwrap_or(0)
}

/// Whether one array cannot hold a column of all these batches: offsets of 32 bits reach 2 GiB.
pub(crate) fn overflows_offsets(batches: &[RecordBatch]) -> bool {
    let Some(first) = batches.first() else {
        return false;
    };
    (0..first.num_columns()).any(|column| {
        has_short_offsets(first.column(column).data_type())
            && batches
                .iter()
                .map(|batch| copied_bytes(batch.column(column)))
                .sum::<usize>()
                > i32::MAX as usize
    })
}

fn has_short_offsets(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::Binary | DataType::List(_) | DataType::Map(..) => true,
        DataType::Struct(fields) => fields
            .iter()
            .any(|field| has_short_offsets(field.data_type())),
        DataType::FixedSizeList(field, _) | DataType::LargeList(field) => {
            has_short_offsets(field.data_type())
        }
        _ => false,
    }
}

/// Bytes that a copy of the array takes. Views are copied without what they point to.
fn copied_bytes(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8View | DataType::BinaryView => array.len() * size_of::<u128>(),
        _ => array
            .to_data()
            .get_slice_memory_size()
            .unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

/// The array without what its views do not point to: views taken from an array share all its buffers, so
/// that letting go of the others would free nothing.
fn compact(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Utf8View if !array.as_string_view().data_buffers().is_empty() => {
            Arc::new(array.as_string_view().gc())
        }
        DataType::BinaryView if !array.as_binary_view().data_buffers().is_empty() => {
            Arc::new(array.as_binary_view().gc())
        }
        DataType::Dictionary(..) if array.as_any_dictionary().values().len() > array.len() => {
            garbage_collect_any_dictionary(array.as_any_dictionary())?
        }
        data_type if has_views(data_type) || has_dictionaries(data_type) => {
            let data = array.to_data();
            let children = data.child_data().iter();
            let children = children
                .map(|child| compact(&make_array(child.clone())).map(|child| child.to_data()))
                .collect::<Result<Vec<_>>>()?;
            make_array(data.into_builder().child_data(children).build()?)
        }
        _ => Arc::clone(array),
    })
}

/// The array of few views without the many buffers that they do not point to. Rows picked from what many batches were put
/// together to refer to the texts of all of them, and what is put together of such batches would refer to all as often as
/// there are batches.
pub(crate) fn with_few_buffers(array: ArrayRef) -> ArrayRef {
    let many = |buffers: usize| buffers > 8 + array.len() / 16;
    match array.data_type() {
        DataType::Utf8View if many(array.as_string_view().data_buffers().len()) => {
            Arc::new(array.as_string_view().gc())
        }
        DataType::BinaryView if many(array.as_binary_view().data_buffers().len()) => {
            Arc::new(array.as_binary_view().gc())
        }
        _ => array,
    }
}

/// Whether arrays of this type refer to values that a slice of them has in full.
pub(crate) fn shares_values(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(..)) || data_type.is_nested() || has_views(data_type)
}

fn has_views(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8View | DataType::BinaryView => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_views(field.data_type())),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => has_views(field.data_type()),
        DataType::Dictionary(_, values) => has_views(values),
        DataType::RunEndEncoded(_, values) => has_views(values.data_type()),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_views(field.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{
        DictionaryArray, ListArray, StringArray, StringViewArray, StructArray,
    };
    use datafusion::arrow::buffer::OffsetBuffer;
    use datafusion::arrow::datatypes::{Field, Int32Type, Schema};

    /// A column of dictionaries, one of lists of them, and one of structs, with a thousand values each.
    fn batch(rows: usize) -> RecordBatch {
        let names = (0..1000).map(|number| format!("a name {number}"));
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(names));
        let keys = (0..rows as i32).map(|row| (row % 7 != 3).then_some(row % 1000));
        let column: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(keys.collect(), values));
        let item = Arc::new(Field::new("item", column.data_type().clone(), true));
        let lengths = OffsetBuffer::from_lengths(std::iter::repeat_n(1, rows));
        let lists = ListArray::new(Arc::clone(&item), lengths, Arc::clone(&column), None);
        let structs = StructArray::from(vec![(item, Arc::clone(&column))]);
        let columns: Vec<ArrayRef> = vec![column, Arc::new(lists), Arc::new(structs)];
        let fields = columns
            .iter()
            .map(|column| Field::new("c", column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        with_rows(&schema, columns, rows).unwrap()
    }

    #[test]
    fn dictionaries_of_a_few_rows_have_their_values_alone_at_any_depth() {
        let whole = batch(500);
        for (start, rows) in [(0, 5), (3, 1), (490, 10), (7, 0)] {
            let slice = whole.slice(start, rows);
            let lean = with_lean_dictionaries(slice.clone()).unwrap();
            assert_eq!(lean, slice);
            assert!(bytes_of(&lean) < 4 << 10, "{} bytes", bytes_of(&lean));
            assert_eq!(tidy(slice.clone()).unwrap(), slice);
        }
        let pieces: Vec<RecordBatch> = (0..500)
            .map(|row| with_lean_dictionaries(whole.slice(row, 1)).unwrap())
            .collect();
        let indices: Vec<(usize, usize)> = (0..500).rev().map(|row| (row, 0)).collect();
        let together = select(whole.schema_ref(), &pieces, &indices).unwrap();
        assert!(bytes_of(&together) < 200 << 10);
        let reversed = UInt32Array::from_iter_values((0..500).rev());
        assert_eq!(
            together,
            pick(whole.schema_ref(), &whole, &reversed).unwrap()
        );
    }

    #[test]
    fn few_views_do_not_refer_to_the_texts_of_many_batches() {
        let text = |row: usize| format!("a text that is no part of its view, {row}");
        let batch = |at: usize| {
            let texts = (at * 4..at * 4 + 4).map(text);
            Arc::new(StringViewArray::from_iter_values(texts)) as ArrayRef
        };
        let pieces: Vec<ArrayRef> = (0..500).map(batch).collect();
        let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        let all = concat(&pieces).unwrap();
        assert_eq!(all.as_string_view().data_buffers().len(), 500);
        let rows = UInt32Array::from_iter_values((0..100).map(|row| row * 20));
        let few = with_few_buffers(take(&all, &rows, None).unwrap());
        assert_eq!(few.as_string_view().data_buffers().len(), 1);
        assert_eq!(few.as_string_view().value(99), text(99 * 20));
        let many = all.as_string_view().data_buffers().as_ptr();
        let kept = with_few_buffers(all);
        // A buffer for every four rows is more than is worth keeping.
        assert_ne!(kept.as_string_view().data_buffers().as_ptr(), many);
    }
}
