use datafusion::arrow::datatypes::{DataType, Field};

/// Spark's name of a type, as DESCRIBE prints it (`DataType.simpleString`). Types that Spark does
/// not have go by Arrow's name, in lower case.
pub(crate) fn spark_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "int".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp".into(),
        DataType::Timestamp(_, None) => "timestamp_ntz".into(),
        DataType::Null => "void".into(),
        DataType::Dictionary(_, value) => spark_name(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            format!("array<{}>", spark_name(item.data_type()))
        }
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
}
