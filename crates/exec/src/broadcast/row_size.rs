use datafusion::arrow::datatypes::{DataType, Schema};

/// What a row of these columns takes, in bytes, where nothing is known but their types: texts are taken to be 20 long, and
/// arrays and maps to have one element. Spark's `EstimationUtils.getSizePerRow` with the `defaultSize` of each type.
pub fn row_size(schema: &Schema) -> u64 {
    const OF_ROW: u64 = 8;
    let columns = schema.fields().iter();
    OF_ROW
        + columns
            .map(|field| default_size(field.data_type()))
            .sum::<u64>()
}

fn default_size(data_type: &DataType) -> u64 {
    const OF_TEXT: u64 = 20;
    const OF_BINARY: u64 = 100;
    match data_type {
        DataType::Null | DataType::Boolean => 1,
        // Spark keeps those that fit in a long as one.
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..=18, _) => 8,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => OF_BINARY,
        DataType::Struct(fields) => fields
            .iter()
            .map(|field| default_size(field.data_type()))
            .sum(),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _)
        | DataType::Map(element, _) => default_size(element.data_type()),
        DataType::Dictionary(_, values) => default_size(values),
        DataType::RunEndEncoded(_, values) => default_size(values.data_type()),
        other => other
            .primitive_width()
            .map_or(OF_TEXT, |width| width as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Field, Fields};

    use super::*;

    #[test]
    fn a_row_is_as_large_as_spark_takes_it_to_be() {
        let pair = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Int32, true),
        ]);
        let pair = DataType::Struct(pair);
        let element = Arc::new(Field::new("element", pair.clone(), true));
        let entries = Arc::new(Field::new("entries", pair.clone(), false));
        let sizes = [
            (DataType::Boolean, 1),
            (DataType::Date32, 4),
            (DataType::Utf8View, 20),
            (DataType::Binary, 100),
            (DataType::Decimal128(18, 2), 8),
            (DataType::Decimal128(38, 2), 16),
            (pair, 24),
            (DataType::List(element), 24),
            (DataType::Map(entries, false), 24),
        ];
        for (data_type, size) in sizes {
            let schema = Schema::new(vec![Field::new("c", data_type.clone(), true)]);
            assert_eq!(row_size(&schema), 8 + size, "{data_type}");
        }
    }
}
