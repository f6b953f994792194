use spark_connect_proto::{self as proto, data_type as message, data_type::Kind};

use crate::error::Error;
use crate::types::decimal_type;

/// The types that are a word, perhaps with a size in parentheses.
pub(super) fn simple(word: &str, parameters: &[i32]) -> Option<Kind> {
    Some(match (word, parameters) {
        ("boolean", []) => Kind::Boolean(message::Boolean::default()),
        ("tinyint" | "byte", []) => Kind::Byte(message::Byte::default()),
        ("smallint" | "short", []) => Kind::Short(message::Short::default()),
        ("int" | "integer", []) => Kind::Integer(message::Integer::default()),
        ("bigint" | "long", []) => Kind::Long(message::Long::default()),
        ("float" | "real", []) => Kind::Float(message::Float::default()),
        ("double", []) => Kind::Double(message::Double::default()),
        ("decimal" | "dec" | "numeric", []) => decimal_kind(10, 0),
        ("date", []) => Kind::Date(message::Date::default()),
        ("timestamp" | "timestamp_ltz", []) => Kind::Timestamp(message::Timestamp::default()),
        ("timestamp_ntz", []) => Kind::TimestampNtz(message::TimestampNtz::default()),
        ("time", []) => time(6),
        ("time", [precision @ 0..=6]) => time(*precision),
        ("string", []) => collated("UTF8_BINARY".to_owned()),
        ("char" | "character", [length]) => Kind::Char(message::Char {
            length: *length,
            type_variation_reference: 0,
        }),
        ("varchar", [length]) => Kind::VarChar(message::VarChar {
            length: *length,
            type_variation_reference: 0,
        }),
        ("binary", []) => Kind::Binary(message::Binary::default()),
        ("void", []) => Kind::Null(message::Null::default()),
        ("variant", []) => Kind::Variant(message::Variant::default()),
        _ => return None,
    })
}

/// A decimal, if Spark has one of that precision and scale.
pub(super) fn decimal(precision: i32, scale: i32) -> Result<Kind, Error> {
    decimal_type(precision, scale)?;
    Ok(decimal_kind(precision, scale))
}

fn decimal_kind(precision: i32, scale: i32) -> Kind {
    Kind::Decimal(message::Decimal {
        precision: Some(precision),
        scale: Some(scale),
        type_variation_reference: 0,
    })
}

fn time(precision: i32) -> Kind {
    Kind::Time(message::Time {
        precision: Some(precision),
        type_variation_reference: 0,
    })
}

/// A string that compares by a collation.
pub(super) fn collated(collation: String) -> Kind {
    Kind::String(message::String {
        collation,
        type_variation_reference: 0,
    })
}

/// Whether a unit is one of years and months, and its number among its like.
pub(super) fn unit(word: &str) -> Option<(bool, i32)> {
    Some(match word.to_ascii_lowercase().as_str() {
        "year" => (true, 0),
        "month" => (true, 1),
        "day" => (false, 0),
        "hour" => (false, 1),
        "minute" => (false, 2),
        "second" => (false, 3),
        _ => return None,
    })
}

/// The interval from one unit to another of the same sort.
pub(super) fn interval(years: bool, start: i32, end: i32) -> Kind {
    if years {
        Kind::YearMonthInterval(message::YearMonthInterval {
            start_field: Some(start),
            end_field: Some(end),
            type_variation_reference: 0,
        })
    } else {
        Kind::DayTimeInterval(message::DayTimeInterval {
            start_field: Some(start),
            end_field: Some(end),
            type_variation_reference: 0,
        })
    }
}

/// An array type.
pub(super) fn array(element: proto::DataType, contains_null: bool) -> Kind {
    Kind::Array(Box::new(message::Array {
        element_type: Some(Box::new(element)),
        contains_null,
        type_variation_reference: 0,
    }))
}

/// A map type.
pub(super) fn map(key: proto::DataType, value: proto::DataType, value_contains_null: bool) -> Kind {
    Kind::Map(Box::new(message::Map {
        key_type: Some(Box::new(key)),
        value_type: Some(Box::new(value)),
        value_contains_null,
        type_variation_reference: 0,
    }))
}

/// A struct type.
pub(super) fn structure(fields: Vec<message::StructField>) -> Kind {
    Kind::Struct(message::Struct {
        fields,
        type_variation_reference: 0,
    })
}
