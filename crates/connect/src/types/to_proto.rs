use datafusion::arrow::datatypes::{DataType, Field, Fields, IntervalUnit, Schema};
use plimsoll_driver::spark_type;
use spark_connect_proto::{self as proto, data_type as message, data_type::Kind};

use super::{METADATA, key_and_value, message as named};

/// The client's message for a type of the engine's. A type that Spark has no counterpart for goes
/// under Arrow's name, which the client then refuses to read.
pub(crate) fn to_proto(data_type: &DataType) -> proto::DataType {
    named(match spark_type(data_type) {
        DataType::Null => Kind::Null(message::Null::default()),
        DataType::Boolean => Kind::Boolean(message::Boolean::default()),
        DataType::Int8 => Kind::Byte(message::Byte::default()),
        DataType::Int16 => Kind::Short(message::Short::default()),
        DataType::Int32 => Kind::Integer(message::Integer::default()),
        DataType::Int64 => Kind::Long(message::Long::default()),
        DataType::Float32 => Kind::Float(message::Float::default()),
        DataType::Float64 => Kind::Double(message::Double::default()),
        DataType::Decimal128(precision, scale) => decimal(precision, scale),
        DataType::Utf8 => string(),
        DataType::Binary => Kind::Binary(message::Binary::default()),
        DataType::Date32 => Kind::Date(message::Date::default()),
        DataType::Time64(_) => time(),
        DataType::Timestamp(_, Some(_)) => Kind::Timestamp(message::Timestamp::default()),
        DataType::Timestamp(_, None) => Kind::TimestampNtz(message::TimestampNtz::default()),
        DataType::Duration(_) => day_to_second(),
        DataType::Interval(IntervalUnit::YearMonth) => year_to_month(),
        DataType::Interval(_) => Kind::CalendarInterval(message::CalendarInterval::default()),
        DataType::List(item) => array(&item),
        DataType::Struct(fields) => structure(&fields),
        DataType::Map(entries, _) => map(&entries),
        other => Kind::Unparsed(message::Unparsed {
            data_type_string: other.to_string(),
        }),
    })
}

/// The struct type that a schema is.
pub(crate) fn schema_to_proto(schema: &Schema) -> proto::DataType {
    named(structure(schema.fields()))
}

fn decimal(precision: u8, scale: i8) -> Kind {
    Kind::Decimal(message::Decimal {
        precision: Some(i32::from(precision)),
        scale: Some(i32::from(scale)),
        type_variation_reference: 0,
    })
}

fn string() -> Kind {
    Kind::String(message::String {
        collation: "UTF8_BINARY".to_owned(),
        type_variation_reference: 0,
    })
}

fn time() -> Kind {
    Kind::Time(message::Time {
        precision: Some(6),
        type_variation_reference: 0,
    })
}

fn year_to_month() -> Kind {
    Kind::YearMonthInterval(message::YearMonthInterval {
        start_field: Some(0),
        end_field: Some(1),
        type_variation_reference: 0,
    })
}

fn day_to_second() -> Kind {
    Kind::DayTimeInterval(message::DayTimeInterval {
        start_field: Some(0),
        end_field: Some(3),
        type_variation_reference: 0,
    })
}

fn array(item: &Field) -> Kind {
    Kind::Array(Box::new(message::Array {
        element_type: Some(Box::new(to_proto(item.data_type()))),
        contains_null: item.is_nullable(),
        type_variation_reference: 0,
    }))
}

fn structure(fields: &Fields) -> Kind {
    let fields = fields.iter().map(|field| message::StructField {
        name: field.name().clone(),
        data_type: Some(to_proto(field.data_type())),
        nullable: field.is_nullable(),
        metadata: field.metadata().get(METADATA).cloned(),
    });
    Kind::Struct(message::Struct {
        fields: fields.collect(),
        type_variation_reference: 0,
    })
}

fn map(entries: &Field) -> Kind {
    let Some((key, value)) = key_and_value(entries) else {
        return Kind::Unparsed(message::Unparsed {
            data_type_string: "map".to_owned(),
        });
    };
    Kind::Map(Box::new(message::Map {
        key_type: Some(Box::new(to_proto(key.data_type()))),
        value_type: Some(Box::new(to_proto(value.data_type()))),
        value_contains_null: value.is_nullable(),
        type_variation_reference: 0,
    }))
}
