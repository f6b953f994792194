//! Expectations recorded from Spark 4.1.4 in the time zone America/New_York.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    DurationMicrosecondArray, Int32Array, IntervalMonthDayNanoArray, IntervalYearMonthArray,
    ListArray, MapArray, NullArray, StringArray, StringViewArray, StructArray,
    Time64NanosecondArray, TimestampMicrosecondArray, TimestampSecondArray, UInt64Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{Field, Int8Type, IntervalMonthDayNano};

use super::*;
use crate::types::{list_of, map_of};

const ZONE: &str = "America/New_York";

fn shown(array: impl Array + 'static) -> Vec<String> {
    (0..array.len())
        .map(|row| cell(&array, row, ZONE).unwrap())
        .collect()
}

fn cast(array: impl Array + 'static) -> Vec<Option<String>> {
    let texts = Texts::new(Style::Cast, ZONE).unwrap();
    let array: ArrayRef = Arc::new(array);
    let column = texts.column(&array).unwrap();
    column.iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn doubles_are_javas() {
    let values = [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e7, "1.0E7"),
        (9_999_999.0, "9999999.0"),
        (12_345_678.9, "1.23456789E7"),
        (1e-3, "0.001"),
        (9.99e-4, "9.99E-4"),
        (1e10, "1.0E10"),
        (1e-5, "1.0E-5"),
        (1.5e300, "1.5E300"),
        (4.9e-324, "4.9E-324"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
        (100.0, "100.0"),
        (123_456.789, "123456.789"),
        (0.1 + 0.2, "0.30000000000000004"),
        (3.0 / 7.0, "0.42857142857142855"),
        (f64::MAX, "1.7976931348623157E308"),
        (-0.05, "-0.05"),
        (10.0, "10.0"),
    ];
    for (value, expected) in values {
        assert_eq!(double(value), expected);
    }
}

#[test]
fn floats_are_javas() {
    let values = [
        (1.1, "1.1"),
        (1e10, "1.0E10"),
        (16_777_216.0, "1.6777216E7"),
        (f32::MAX, "3.4028235E38"),
        (1.4e-45, "1.4E-45"),
        (0.001, "0.001"),
        (0.1 + 0.2, "0.3"),
        (f32::INFINITY, "Infinity"),
    ];
    for (value, expected) in values {
        assert_eq!(float(value), expected);
    }
}

#[test]
fn decimals_keep_their_scale() {
    let decimals = Decimal128Array::from(vec![0, 1000, -15_000_000_000])
        .with_precision_and_scale(20, 10)
        .unwrap();
    assert_eq!(
        shown(decimals),
        ["0.0000000000", "0.0000001000", "-1.5000000000"]
    );
}

#[test]
fn dates_have_a_sign_where_javas_have() {
    let days = [0, 19_782, -719_162, -735_525, 2_932_897, 35_804_721];
    let texts: Vec<String> = days.into_iter().map(date).collect();
    assert_eq!(
        texts,
        [
            "1970-01-01",
            "2024-02-29",
            "0001-01-01",
            "-0044-03-15",
            "+10000-01-01",
            "+99999-12-31"
        ]
    );
}

#[test]
fn timestamps_are_in_the_zone_and_end_with_the_last_digit_that_counts() {
    let instants = TimestampMicrosecondArray::from(vec![
        1_704_085_200_000_000,
        1_719_851_696_120_000,
        1_719_851_696_000_001,
        -1,
        i64::MAX,
        i64::MIN,
    ])
    .with_timezone("UTC");
    assert_eq!(
        shown(instants),
        [
            "2024-01-01 00:00:00",
            "2024-07-01 12:34:56.12",
            "2024-07-01 12:34:56.000001",
            "1969-12-31 18:59:59.999999",
            "+294247-01-09 23:00:54.775807",
            "-290308-12-21 15:03:03.224192",
        ]
    );
    let local = TimestampMicrosecondArray::from(vec![-1]);
    assert_eq!(shown(local), ["1969-12-31 23:59:59.999999"]);
}

#[test]
fn times_of_day_are_shown_like_the_ones_in_timestamps() {
    let times = Time64NanosecondArray::from(vec![45_296_000_000_000, 1_000]);
    assert_eq!(shown(times), ["12:34:56", "00:00:00.000001"]);
}

#[test]
fn intervals_are_shown_as_literals() {
    let months = IntervalYearMonthArray::from(vec![14, -14, 0, i32::MAX, i32::MIN]);
    assert_eq!(
        shown(months),
        [
            "INTERVAL '1-2' YEAR TO MONTH",
            "INTERVAL '-1-2' YEAR TO MONTH",
            "INTERVAL '0-0' YEAR TO MONTH",
            "INTERVAL '178956970-7' YEAR TO MONTH",
            "INTERVAL '-178956970-8' YEAR TO MONTH",
        ]
    );
    let times = DurationMicrosecondArray::from(vec![
        93_784_500_000,
        -93_784_123_456,
        1_000_001,
        i64::MAX,
        i64::MIN,
    ]);
    assert_eq!(
        shown(times),
        [
            "INTERVAL '1 02:03:04.5' DAY TO SECOND",
            "INTERVAL '-1 02:03:04.123456' DAY TO SECOND",
            "INTERVAL '0 00:00:01.000001' DAY TO SECOND",
            "INTERVAL '106751991 04:00:54.775807' DAY TO SECOND",
            "INTERVAL '-106751991 04:00:54.775808' DAY TO SECOND",
        ]
    );
}

#[test]
fn calendar_intervals_name_what_is_not_zero() {
    let interval = IntervalMonthDayNano::new;
    let intervals = IntervalMonthDayNanoArray::from(vec![
        interval(14, 25, 18_367_008_000_000),
        interval(-14, 0, -14_767_500_000_000),
        interval(0, 0, 0),
        interval(0, 0, -500_000_000),
        interval(14, 0, 360_000_000_000_000),
    ]);
    assert_eq!(
        shown(intervals),
        [
            "1 years 2 months 25 days 5 hours 6 minutes 7.008 seconds",
            "-1 years -2 months -4 hours -6 minutes -7.5 seconds",
            "0 seconds",
            "-0.5 seconds",
            "1 years 2 months 100 hours",
        ]
    );
}

fn numbers() -> ListArray {
    let DataType::List(item) = list_of(DataType::Int32, true) else {
        panic!("not a list");
    };
    let values = Arc::new(Int32Array::from(vec![Some(1), Some(2), None]));
    ListArray::new(item, OffsetBuffer::from_lengths([3, 0]), values, None)
}

#[test]
fn nulls_are_loud_in_show_and_quiet_in_casts() {
    assert_eq!(shown(numbers()), ["[1, 2, NULL]", "[]"]);
    assert_eq!(
        cast(numbers()),
        [Some("[1, 2, null]".to_owned()), Some("[]".to_owned())]
    );
    assert_eq!(shown(NullArray::new(1)), ["NULL"]);
    assert_eq!(cast(StringArray::new_null(1)), [None]);
    assert_eq!(cast(NullArray::new(1)), [None]);
}

#[test]
fn bytes_are_hexadecimal_in_show_and_text_in_casts() {
    let bytes = || BinaryArray::from_vec(vec![b"12", b"", &[0, 0xFF, 0x1A]]);
    assert_eq!(shown(bytes()), ["[31 32]", "[]", "[00 FF 1A]"]);
    assert_eq!(cast(bytes())[0].as_deref(), Some("12"));
}

#[test]
fn structs_and_maps_are_in_braces() {
    let fields = vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Boolean, true),
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1, 2])),
        Arc::new(BooleanArray::from(vec![Some(true), None])),
    ];
    let pairs = StructArray::new(fields.into(), columns, None);
    assert_eq!(shown(pairs), ["{1, true}", "{2, NULL}"]);

    let DataType::Map(entries, _) = map_of(DataType::Utf8, DataType::Int32, true) else {
        panic!("not a map");
    };
    let DataType::Struct(pair) = entries.data_type() else {
        panic!("not a struct");
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["k", "l"])),
        Arc::new(Int32Array::from(vec![Some(1), None])),
    ];
    let pairs = StructArray::new(pair.clone(), columns, None);
    let map = MapArray::new(
        entries,
        OffsetBuffer::from_lengths([2, 0]),
        pairs,
        None,
        false,
    );
    assert_eq!(shown(map), ["{k -> 1, l -> NULL}", "{}"]);
}

#[test]
fn what_only_arrow_has_is_shown_as_what_it_counts_as() {
    assert_eq!(shown(StringViewArray::from(vec!["é世界"])), ["é世界"]);
    assert_eq!(
        shown(UInt64Array::from(vec![u64::MAX])),
        ["18446744073709551615"]
    );
    assert_eq!(
        shown(TimestampSecondArray::from(vec![1])),
        ["1970-01-01 00:00:01"]
    );
    let words: DictionaryArray<Int8Type> = vec!["a", "b", "a"].into_iter().collect();
    assert_eq!(shown(words), ["a", "b", "a"]);
    assert_eq!(shown(Date32Array::from(vec![0])), ["1970-01-01"]);
}

#[test]
fn a_zone_that_is_none_is_an_error() {
    assert!(Texts::new(Style::Pretty, "Nowhere/City").is_err());
}
