use datafusion::arrow::datatypes::{IntervalUnit, Schema, TimeUnit};
use spark_connect_proto::data_type::Kind;

use super::to_proto::to_proto;
use super::*;
use crate::ddl;

fn arrow(text: &str) -> DataType {
    ddl::parse_type(text).unwrap()
}

#[test]
fn types_come_back_from_the_client_as_they_went() {
    for text in [
        "tinyint",
        "decimal(38,18)",
        "string",
        "binary",
        "date",
        "timestamp",
        "timestamp_ntz",
        "time",
        "void",
        "interval",
        "interval year to month",
        "interval day to second",
        "array<struct<a:int,b:map<string,float>>>",
    ] {
        let data_type = arrow(text);
        assert_eq!(
            to_arrow(&to_proto(&data_type)).unwrap(),
            data_type,
            "{text}"
        );
    }
}

#[test]
fn what_scans_give_is_counted_as_sparks_types() {
    let kind = |data_type: DataType| to_proto(&data_type).kind.unwrap();
    assert!(matches!(kind(DataType::UInt8), Kind::Short(_)));
    assert!(matches!(kind(DataType::UInt16), Kind::Integer(_)));
    assert!(matches!(kind(DataType::UInt32), Kind::Long(_)));
    assert!(
        matches!(kind(DataType::UInt64), Kind::Decimal(it) if it.precision == Some(20) && it.scale == Some(0))
    );
    assert!(matches!(kind(DataType::Utf8View), Kind::String(_)));
    assert!(matches!(kind(DataType::Date64), Kind::Date(_)));
    let seconds = DataType::Timestamp(TimeUnit::Second, Some("Asia/Tokyo".into()));
    assert!(matches!(kind(seconds), Kind::Timestamp(_)));
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
    assert!(matches!(kind(nanos), Kind::TimestampNtz(_)));
    let days = DataType::Interval(IntervalUnit::DayTime);
    assert!(matches!(kind(days), Kind::CalendarInterval(_)));
}

#[test]
fn nullability_and_metadata_travel_with_a_schema() {
    let schema = ddl::parse_schema("a INT NOT NULL COMMENT 'x', b ARRAY<INT>").unwrap();
    let message = schema_to_proto(&schema);
    let Some(Kind::Struct(fields)) = &message.kind else {
        panic!("not a struct");
    };
    let fields = &fields.fields;
    assert!(!fields[0].nullable);
    assert_eq!(fields[0].metadata.as_deref(), Some(r#"{"comment":"x"}"#));
    assert!(fields[1].nullable);
    assert_eq!(fields[1].metadata, None);
    assert_eq!(schema_to_arrow(&message).unwrap(), schema);
}

#[test]
fn sql_names_are_in_upper_case_and_say_what_is_not_null() {
    let text =
        "struct<a:int not null comment 'x', `b c` : array<map<string,decimal(5,2)>>, 1a:int>";
    assert_eq!(
        sql_string(&arrow(text)),
        "STRUCT<a: INT NOT NULL COMMENT 'x', `b c`: ARRAY<MAP<STRING, DECIMAL(5,2)>>, `1a`: INT>"
    );
    assert_eq!(sql_string(&DataType::Int64), "BIGINT");
    assert_eq!(
        sql_string(&arrow("interval day to second")),
        "INTERVAL DAY TO SECOND"
    );
}

#[test]
fn a_time_zone_reaches_the_innermost_timestamp() {
    let nested = arrow("struct<a:array<map<string,timestamp>>,b:timestamp_ntz>");
    let tokyo = in_time_zone(&nested, "Asia/Tokyo");
    assert!(tokyo.to_string().contains("Asia/Tokyo"));
    assert_eq!(in_time_zone(&tokyo, UTC), nested);
}

#[test]
fn what_the_engine_lacks_is_refused_by_name() {
    let variant = message(Kind::Variant(proto::data_type::Variant::default()));
    assert!(to_arrow(&variant).unwrap_err().message.contains("variant"));
    assert!(to_arrow(&proto::DataType { kind: None }).is_err());
    let empty = message(Kind::Array(Box::default()));
    assert!(to_arrow(&empty).is_err());
}

#[test]
fn a_bare_type_is_a_schema_of_one_field() {
    let schema = schema_to_arrow(&to_proto(&DataType::Int32)).unwrap();
    let expected = Schema::new(vec![Field::new("value", DataType::Int32, true)]);
    assert_eq!(schema, expected);
}
