use datafusion::arrow::array::{
    Array, AsArray, Decimal256Array, DictionaryArray, Int32Array, LargeStringArray, ListArray,
    MapArray, NullArray, StringArray, StringViewArray, StructArray, TimestampNanosecondArray,
    UInt16Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{Int8Type, TimeUnit, i256};

use super::*;
use crate::ddl::{self, to_ddl};

fn encoder(batch: &RecordBatch) -> Encoder {
    Encoder::new(&batch.schema(), None, "Asia/Tokyo")
}

/// A batch of what scans give, and a list and a map with names that are not Spark's.
fn scanned() -> RecordBatch {
    let words: DictionaryArray<Int8Type> = vec![Some("x"), None, Some("x")].into_iter().collect();
    let item = Arc::new(Field::new("item", DataType::Utf8View, true));
    let items = Arc::new(StringViewArray::from(vec!["a", "b", "c"]));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([1, 0, 2]), items, None);
    let pair = vec![
        Field::new("keys", DataType::LargeUtf8, false),
        Field::new("values", DataType::UInt16, true),
    ];
    let keys: ArrayRef = Arc::new(LargeStringArray::from(vec!["k", "l"]));
    let values: ArrayRef = Arc::new(UInt16Array::from(vec![Some(65535), None]));
    let pairs = StructArray::new(pair.into(), vec![keys, values], None);
    let entries = Arc::new(Field::new("key_value", pairs.data_type().clone(), false));
    let map = MapArray::new(
        entries,
        OffsetBuffer::from_lengths([0, 2, 0]),
        pairs,
        None,
        false,
    );
    let instants = TimestampNanosecondArray::from(vec![1_000, 2_000, 3_000]).with_timezone("UTC");
    RecordBatch::try_from_iter([
        ("words", Arc::new(words) as ArrayRef),
        ("list", Arc::new(list)),
        ("map", Arc::new(map)),
        ("instants", Arc::new(instants)),
        ("nulls", Arc::new(NullArray::new(3))),
    ])
    .unwrap()
}

#[test]
fn the_client_sees_sparks_arrow_types() {
    let schema = encoder(&scanned()).schema();
    let expected = ddl::parse_schema(
        "words STRING, list ARRAY<STRING>, map MAP<STRING, INT>, instants TIMESTAMP, nulls VOID",
    )
    .unwrap();
    let types = |schema: &Schema| -> Vec<DataType> {
        let fields = schema.fields().iter();
        fields
            .map(|field| in_time_zone(field.data_type(), "Asia/Tokyo"))
            .collect()
    };
    assert_eq!(types(&schema), types(&expected));
    let tokyo = DataType::Timestamp(TimeUnit::Microsecond, Some("Asia/Tokyo".into()));
    assert_eq!(schema.field(3).data_type(), &tokyo);
}

#[test]
fn values_survive_the_wire() {
    let batch = scanned();
    let encoder = encoder(&batch);
    let (schema, batches) = decode_ipc(&encoder.encode(&batch).unwrap()).unwrap();
    assert_eq!(schema, encoder.schema());
    assert_eq!(batches.len(), 1);
    let columns = batches[0].columns();
    let words: Vec<_> = columns[0].as_string::<i32>().iter().collect();
    assert_eq!(words, [Some("x"), None, Some("x")]);
    let texts = crate::text::Texts::new(crate::text::Style::Pretty, "UTC").unwrap();
    let text = |column: usize| {
        let texts = texts.column(&columns[column]).unwrap();
        texts
            .iter()
            .flatten()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(text(1), ["[a]", "[]", "[b, c]"]);
    assert_eq!(text(2), ["{}", "{k -> 65535, l -> NULL}", "{}"]);
    assert_eq!(text(3)[2], "1970-01-01 00:00:00.000003");
}

#[test]
fn a_slice_sends_no_more_than_it_shows() {
    let batch = scanned().slice(2, 1);
    let (_, batches) = decode_ipc(&encoder(&batch).encode(&batch).unwrap()).unwrap();
    let list = batches[0].column(1).as_list::<i32>();
    assert_eq!(list.value(0).as_string::<i32>().value(1), "c");
    assert_eq!(batches[0].num_rows(), 1);
}

#[test]
fn an_empty_batch_carries_the_schema() {
    let encoder = encoder(&scanned());
    let empty = RecordBatch::new_empty(encoder.schema());
    let (schema, batches) = decode_ipc(&encoder.encode(&empty).unwrap()).unwrap();
    assert_eq!(schema, encoder.schema());
    assert_eq!(batches[0].num_rows(), 0);
}

#[test]
fn columns_take_the_names_of_the_answer() {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("#1", numbers.clone()), ("#2", numbers)]).unwrap();
    let names = ["a".to_owned(), "a".to_owned()];
    let encoder = Encoder::new(&batch.schema(), Some(&names), "UTC");
    let (schema, _) = decode_ipc(&encoder.encode(&batch).unwrap()).unwrap();
    assert_eq!(schema.field(0).name(), "a");
    assert_eq!(schema.field(1).name(), "a");
}

#[test]
fn metadata_are_in_the_schema_beside_the_data() {
    let schema = ddl::parse_schema("a INT COMMENT 'x'").unwrap();
    let encoder = Encoder::new(&schema, None, "UTC");
    assert_eq!(to_ddl(&encoder.schema()), "a INT COMMENT 'x'");
    let empty = RecordBatch::new_empty(encoder.schema());
    let (schema, _) = decode_ipc(&encoder.encode(&empty).unwrap()).unwrap();
    assert!(schema.field(0).metadata().is_empty());
}

#[test]
fn repeated_names_within_a_struct_are_numbered() {
    let schema = ddl::parse_schema("s array<struct<a:int,b:int,a:string>>").unwrap();
    let encoder = Encoder::new(&schema, None, "UTC");
    assert_eq!(to_ddl(&encoder.schema()), to_ddl(&schema));
    let empty = RecordBatch::new_empty(encoder.schema());
    let (schema, _) = decode_ipc(&encoder.encode(&empty).unwrap()).unwrap();
    let text = schema.field(0).data_type().to_string();
    for name in ["a_0", "\"b\"", "a_1"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn pieces_are_bounded_in_rows_and_bytes() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(100); 64]));
    let batch = RecordBatch::try_from_iter([("x", texts)]).unwrap();
    let encoder = encoder(&batch);
    let rows = |max_rows, max_bytes| -> Vec<usize> {
        let pieces = encoder.pieces(&batch, max_rows, max_bytes).unwrap();
        pieces.iter().map(RecordBatch::num_rows).collect()
    };
    assert_eq!(rows(30, usize::MAX), [30, 30, 4]);
    assert_eq!(rows(100, 2000), [16; 4]);
    assert_eq!(rows(100, 1), [1; 64]);
    assert_eq!(rows(0, usize::MAX), [1; 64]);
    // What a slice shows counts, and not the buffers behind it.
    let piece = encoder.pieces(&batch.slice(0, 2), 100, 300).unwrap();
    assert_eq!(piece.len(), 1);
}

#[test]
fn a_value_too_large_for_its_spark_type_is_an_error() {
    let decimals = Decimal256Array::from(vec![i256::MAX]);
    let batch = RecordBatch::try_from_iter([("x", Arc::new(decimals) as ArrayRef)]).unwrap();
    assert!(encoder(&batch).encode(&batch).is_err());
}

#[test]
fn hostile_bytes_are_refused_and_no_more() {
    let batch = scanned();
    let stream = encoder(&batch).encode(&batch).unwrap();
    assert!(decode_ipc(b"").is_err());
    assert!(decode_ipc(b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F").is_err());
    for length in 0..stream.len() {
        let _ = decode_ipc(&stream[..length]);
    }
    let mut mutated = stream.clone();
    for at in 0..stream.len() {
        for byte in [0x00, 0x7F, 0x80, 0xFF, stream[at].wrapping_add(1)] {
            mutated[at] = byte;
            let _ = decode_ipc(&mutated);
        }
        mutated[at] = stream[at];
    }
}
