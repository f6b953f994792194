use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};

/// Spark's largest precision of a decimal.
const MAX_PRECISION: u8 = 38;

/// The one Arrow type that stands for the Spark type that `data_type` counts as: scans and functions
/// give views, dictionaries, unsigned integers and other units, of which Spark knows nothing. What
/// Spark's Parquet reader makes of such a column decides. Types without any counterpart stay.
pub fn spark_type(data_type: &DataType) -> DataType {
    use DataType::{
        Binary, Date32, Decimal128, Duration, Float32, Int16, Int32, Int64, Interval, List, Struct,
        Time64, Timestamp, Utf8,
    };
    match data_type {
        DataType::UInt8 => Int16,
        DataType::UInt16 => Int32,
        DataType::UInt32 => Int64,
        DataType::UInt64 => Decimal128(20, 0),
        DataType::Float16 => Float32,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => decimal(*precision, *scale),
        DataType::LargeUtf8 | DataType::Utf8View => Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Binary,
        DataType::Date64 => Date32,
        DataType::Time32(_) | Time64(_) => Time64(TimeUnit::Nanosecond),
        Timestamp(_, zone) => Timestamp(TimeUnit::Microsecond, zone.clone()),
        Duration(_) => Duration(TimeUnit::Microsecond),
        Interval(IntervalUnit::DayTime) => Interval(IntervalUnit::MonthDayNano),
        DataType::Dictionary(_, value) => spark_type(value),
        DataType::RunEndEncoded(_, values) => spark_type(values.data_type()),
        List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => List(renamed(item, "element", item.is_nullable())),
        Struct(fields) => Struct(fields.iter().map(|field| spark_field(field)).collect()),
        DataType::Map(entries, _) => map(entries).unwrap_or_else(|| data_type.clone()),
        other => other.clone(),
    }
}

/// A field with the type that [`spark_type`] gives, and all else as it is.
pub fn spark_field(field: &Field) -> FieldRef {
    Arc::new(field.clone().with_data_type(spark_type(field.data_type())))
}

fn renamed(field: &Field, name: &str, nullable: bool) -> FieldRef {
    Arc::new(Field::new(name, spark_type(field.data_type()), nullable))
}

/// Spark has no negative scales, and no decimals beyond 38 digits.
fn decimal(precision: u8, scale: i8) -> DataType {
    let zeros = u8::try_from(-i16::from(scale)).unwrap_or(0);
    let precision = precision.saturating_add(zeros).min(MAX_PRECISION);
    DataType::Decimal128(precision, scale.clamp(0, MAX_PRECISION as i8))
}

fn map(entries: &Field) -> Option<DataType> {
    let DataType::Struct(pair) = entries.data_type() else {
        return None;
    };
    let [key, value] = &pair[..] else {
        return None;
    };
    let pair = vec![
        renamed(key, "key", false),
        renamed(value, "value", value.is_nullable()),
    ];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    Some(DataType::Map(Arc::new(entries), false))
}

/// Spark's name of a type, as DESCRIBE prints it (`DataType.catalogString`). Types that Spark does
/// not have go by Arrow's name, in lower case.
pub fn spark_name(data_type: &DataType) -> String {
    match spark_type(data_type) {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "int".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 => "string".into(),
        DataType::Binary => "binary".into(),
        DataType::Date32 => "date".into(),
        DataType::Time64(_) => "time(6)".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp".into(),
        DataType::Timestamp(_, None) => "timestamp_ntz".into(),
        DataType::Duration(_) => "interval day to second".into(),
        DataType::Interval(IntervalUnit::YearMonth) => "interval year to month".into(),
        DataType::Interval(_) => "interval".into(),
        DataType::Null => "void".into(),
        DataType::List(item) => format!("array<{}>", spark_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| named(field)).collect();
            format!("struct<{}>", fields.join(","))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => format!(
                "map<{},{}>",
                spark_name(pair[0].data_type()),
                spark_name(pair[1].data_type())
            ),
            _ => "map".into(),
        },
        other => other.to_string().to_lowercase(),
    }
}

fn named(field: &Field) -> String {
    format!("{}:{}", field.name(), spark_name(field.data_type()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_types_are_named_inside_out() {
        let item = Field::new("item", DataType::Decimal128(15, 2), true);
        let list = DataType::List(item.into());
        let nested = DataType::Struct(vec![Field::new("prices", list, true)].into());
        assert_eq!(spark_name(&nested), "struct<prices:array<decimal(15,2)>>");
    }

    #[test]
    fn what_only_arrow_has_counts_as_what_sparks_parquet_reader_makes_of_it() {
        let dictionary = DataType::Dictionary(DataType::Int8.into(), DataType::Utf8View.into());
        let fixed = Field::new("item", DataType::UInt64, true);
        let name = |data_type: DataType| spark_name(&data_type);
        assert_eq!(name(DataType::UInt8), "smallint");
        assert_eq!(name(DataType::UInt32), "bigint");
        assert_eq!(name(dictionary), "string");
        assert_eq!(name(DataType::FixedSizeBinary(16)), "binary");
        assert_eq!(
            name(DataType::FixedSizeList(fixed.into(), 3)),
            "array<decimal(20,0)>"
        );
        assert_eq!(name(DataType::Decimal256(76, 4)), "decimal(38,4)");
        assert_eq!(name(DataType::Decimal128(5, -3)), "decimal(8,0)");
        assert_eq!(
            name(DataType::Duration(TimeUnit::Second)),
            "interval day to second"
        );
        assert_eq!(name(DataType::Date64), "date");
    }
}
