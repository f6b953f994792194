use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    Float64Array, Int8Array, Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray,
    StructArray, TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::{cast, concat, take};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type};
use datafusion::common::config::SpillCompression;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::{Packed, bytes_of_array};

/// Numbers that are near to each other, or far apart.
fn numbers() -> impl Strategy<Value = Vec<Option<i64>>> {
    let near = (any::<i64>(), 0..20_i64).prop_flat_map(|(base, bits)| {
        let number = (0..1_i64 << bits).prop_map(move |far| base.wrapping_add(far));
        vec(weighted(0.9, number), 0..300)
    });
    let edge = prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        Just(0),
        Just(-1),
        any::<i64>()
    ];
    prop_oneof![near, vec(weighted(0.9, edge), 0..300)]
}

/// Texts that are few, many, long, empty or no ASCII.
fn texts() -> impl Strategy<Value = Vec<Option<String>>> {
    let few = (0..9).prop_map(|word| format!("word {word}"));
    let long = (0..900).prop_map(|word| format!("a text that is no part of its view, {word}"));
    let any_text = prop_oneof![Just(String::new()), few.clone(), long, "\\PC{0,20}"];
    prop_oneof![
        vec(weighted(0.9, few), 0..900),
        vec(weighted(0.9, any_text), 0..900)
    ]
}

/// Arrays of many types that hold these.
fn arrays(numbers: &[Option<i64>], texts: &[Option<String>]) -> Vec<ArrayRef> {
    let wide = numbers
        .iter()
        .map(|number| number.map(|number| i128::from(number) * 7));
    let wide = wide.collect::<Decimal128Array>();
    let of = |number: &Option<i64>, bits: u32| number.map(|number| number >> (64 - bits));
    let floats = numbers.iter().map(|number| {
        number.map(|number| match number % 5 {
            0 => f64::NAN,
            1 => -0.0,
            _ => number as f64,
        })
    });
    let longs: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
    let words: DictionaryArray<Int32Type> = texts.iter().map(Option::as_deref).collect();
    let views: ArrayRef = Arc::new(StringViewArray::from_iter(texts.iter()));
    let field = Arc::new(Field::new("text", views.data_type().clone(), true));
    let nested: ArrayRef = Arc::new(StructArray::from(vec![(field, Arc::clone(&views))]));
    let lists = numbers
        .iter()
        .map(|number| number.map(|number| vec![Some(number), None]));
    let lists =
        ListArray::from_iter_primitive::<datafusion::arrow::datatypes::Int64Type, _, _>(lists);
    let bytes = texts.iter().map(|text| text.as_deref().map(str::as_bytes));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter(bytes));
    vec![
        Arc::new(Int8Array::from_iter(
            numbers.iter().map(|number| of(number, 8).map(|n| n as i8)),
        )),
        Arc::new(Date32Array::from_iter(
            numbers
                .iter()
                .map(|number| of(number, 32).map(|n| n as i32)),
        )),
        Arc::new(UInt64Array::from_iter(
            numbers.iter().map(|number| number.map(|n| n as u64)),
        )),
        Arc::new(TimestampMicrosecondArray::from(numbers.to_vec()).with_timezone("UTC")),
        Arc::new(wide.with_precision_and_scale(38, 4).unwrap()),
        Arc::new(Float64Array::from_iter(floats)),
        Arc::new(BooleanArray::from_iter(
            numbers.iter().map(|number| number.map(|n| n > 0)),
        )),
        longs,
        Arc::new(StringArray::from_iter(texts.iter())),
        Arc::new(LargeStringArray::from_iter(texts.iter())),
        cast(&bytes, &DataType::BinaryView).unwrap(),
        bytes,
        Arc::new(words),
        views,
        nested,
        Arc::new(lists),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_is_unpacked_whole_and_in_parts(
        numbers in numbers(),
        texts in texts(),
        from in 0..50_usize,
        places in vec(0..900_u32, 0..40),
    ) {
        let codecs = [SpillCompression::Lz4Frame, SpillCompression::Zstd, SpillCompression::Uncompressed];
        for (at, array) in arrays(&numbers, &texts).into_iter().enumerate() {
            let from = from.min(array.len());
            let slice = array.slice(from, array.len() - from);
            for array in [array, slice] {
                let packed = Packed::new(&array, codecs[at % 3]).unwrap();
                prop_assert_eq!(&packed.unpack(None).unwrap(), &array);
                let places = places.iter().map(|place| place % (array.len().max(1) as u32));
                let places: Vec<u32> = places.filter(|_| !array.is_empty()).collect();
                let places = UInt32Array::from(places);
                let expected = take(&array, &places, None).unwrap();
                prop_assert_eq!(&packed.unpack(Some(&places)).unwrap(), &expected);
            }
        }
    }
}

/// How many times less memory an array takes when it is packed.
fn saved(array: ArrayRef) -> usize {
    let before = bytes_of_array(&array);
    before
        / Packed::new(&array, SpillCompression::Lz4Frame)
            .unwrap()
            .bytes()
}

#[test]
fn structure_saves_memory() {
    let prices = (0..10_000).map(|row| i128::from(row * 7919 % 5000));
    assert!(saved(Arc::new(Decimal128Array::from_iter_values(prices))) >= 7);
    assert!(saved(Arc::new(Int64Array::from(vec![42; 10_000]))) >= 100);
    let words = (0..10_000).map(|row| ["RAIL", "TRUCK", "DELIVER IN PERSON"][row % 3]);
    assert!(saved(Arc::new(StringViewArray::from_iter_values(words))) >= 15);
    let texts = (0..10_000).map(|row| format!("a text of its own, number {row}"));
    assert!(saved(Arc::new(StringViewArray::from_iter_values(texts))) >= 4);
    // What has no structure is left as it is.
    let noise =
        (0..10_000_u64).map(|row| f64::from_bits(row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2));
    let noise: ArrayRef = Arc::new(Float64Array::from_iter_values(noise));
    let packed = Packed::new(&noise, SpillCompression::Lz4Frame).unwrap();
    assert!(matches!(packed, Packed::Array(array) if Arc::ptr_eq(&array, &noise)));
}

#[test]
fn many_views_of_one_text_are_not_written_out() {
    let long = "x".repeat(1 << 20);
    let one: ArrayRef = Arc::new(StringViewArray::from_iter_values([long.as_str()]));
    let many = take(&one, &UInt32Array::from(vec![0; 1000]), None).unwrap();
    let some = concat(&[
        many.as_ref(),
        &StringViewArray::from_iter_values((0..999).map(|n| n.to_string())),
    ])
    .unwrap();
    let packed = Packed::new(&some, SpillCompression::Uncompressed).unwrap();
    assert!(packed.bytes() < 3 << 20, "{}", packed.bytes());
    assert_eq!(&packed.unpack(None).unwrap(), &some);
}
