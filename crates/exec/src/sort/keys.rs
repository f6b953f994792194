use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray,
    StringArray, StringViewArray,
};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Int64Type, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::Result;
use datafusion::physical_expr::{LexOrdering, PhysicalExprRef};
use datafusion::physical_expr_common::utils::evaluate_expressions_to_arrays;

/// Makes the sort keys of batches.
pub(crate) struct KeyEncoder {
    expressions: Vec<PhysicalExprRef>,
    form: Form,
}

enum Form {
    /// One column of text or bytes: compared where it lies.
    Text(SortOptions),
    /// Arrow's row format, in which any order is the order of bytes.
    Rows(RowConverter),
}

/// The first bytes of a key: where two differ, they order the rows.
pub(crate) type Prefix = (u64, u64);

const PREFIX: usize = size_of::<Prefix>();

/// The sort keys of the rows of one batch.
pub(crate) enum BatchKeys {
    Text {
        values: Text,
        options: SortOptions,
        /// Bytes that the keys take beside the batch: those of a column that was computed.
        bytes: usize,
    },
    Rows(Rows),
    /// Keys no longer than a prefix. Arrow's rows say themselves where they end: short ones with the same
    /// prefix are equal, and a longer one has another.
    Short(Vec<Prefix>),
    /// Short ones that were taken along elsewhere.
    Taken,
}

impl KeyEncoder {
    /// Whether rows can be sorted in this order.
    pub(crate) fn supports(ordering: &LexOrdering, schema: &Schema) -> bool {
        fields(ordering, schema).is_ok_and(|fields| RowConverter::supports_fields(&fields))
    }

    /// # Errors
    /// If a type of the order has no row format.
    pub(crate) fn new(ordering: &LexOrdering, schema: &Schema) -> Result<Self> {
        let fields = fields(ordering, schema)?;
        let expressions = ordering.iter().map(|by| by.expr.clone()).collect();
        let first = ordering.first();
        let is_text = ordering.len() == 1 && Text::is(&first.expr.data_type(schema)?);
        let form = match is_text {
            true => Form::Text(first.options),
            false => Form::Rows(RowConverter::new(fields)?),
        };
        Ok(Self { expressions, form })
    }

    /// The keys of a batch.
    ///
    /// # Errors
    /// Those of the expressions that are sorted by.
    pub(crate) fn keys(&self, batch: &RecordBatch) -> Result<BatchKeys> {
        let columns = evaluate_expressions_to_arrays(&self.expressions, batch)?;
        match &self.form {
            Form::Rows(converter) => {
                let columns: Vec<_> = columns.into_iter().map(narrow).collect();
                Ok(BatchKeys::of_rows(converter.convert_columns(&columns)?))
            }
            Form::Text(options) => {
                let is_computed =
                    !self.expressions[0].is::<datafusion::physical_expr::expressions::Column>();
                let bytes = match is_computed {
                    true => columns[0].get_array_memory_size(),
                    false => 0,
                };
                Ok(BatchKeys::Text {
                    values: Text::of(&columns[0])?,
                    options: *options,
                    bytes,
                })
            }
        }
    }
}

fn fields(ordering: &LexOrdering, schema: &Schema) -> Result<Vec<SortField>> {
    let field = |by: &datafusion::physical_expr::PhysicalSortExpr| {
        let data_type = match by.expr.data_type(schema)? {
            data_type if is_narrow(&data_type) => DataType::Int64,
            data_type => data_type,
        };
        Ok(SortField::new_with_options(data_type, by.options))
    };
    ordering.iter().map(field).collect()
}

/// Whether these decimals are numbers of 64 bits, which makes for a key of half the length.
fn is_narrow(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(precision, _) if *precision <= 18)
}

fn narrow(column: ArrayRef) -> ArrayRef {
    match is_narrow(column.data_type()) {
        true => {
            let numbers = column.as_primitive::<Decimal128Type>();
            Arc::new(numbers.unary::<_, Int64Type>(|number| number as i64))
        }
        false => column,
    }
}

impl BatchKeys {
    fn of_rows(rows: Rows) -> Self {
        match rows.iter().all(|row| row.data().len() <= PREFIX) {
            true => Self::Short(rows.iter().map(|row| first_bytes(row.data())).collect()),
            false => Self::Rows(rows),
        }
    }

    /// The keys without the prefixes, for who has taken those along.
    pub(crate) fn without_prefixes(self) -> Self {
        match self {
            Self::Short(_) => Self::Taken,
            keys => keys,
        }
    }

    /// Bytes that the keys take beside their batch, without the prefixes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text { bytes, .. } => *bytes,
            Self::Rows(rows) => rows.size(),
            Self::Short(_) | Self::Taken => 0,
        }
    }

    /// The beginning of a row's key.
    pub(crate) fn prefix(&self, row: usize) -> Prefix {
        match self {
            Self::Rows(rows) => first_bytes(rows.row(row).data()),
            Self::Short(prefixes) => prefixes[row],
            Self::Taken => (0, 0),
            Self::Text {
                values, options, ..
            } => {
                // The first byte is 1 for a value, and below or above it for NULL.
                const VALUE: u64 = 1 << 56;
                let Some(value) = values.get(row) else {
                    return if options.nulls_first {
                        (0, 0)
                    } else {
                        (2 * VALUE, 0)
                    };
                };
                let (mut high, mut low) = first_bytes(value);
                if options.descending {
                    (high, low) = (!high, !low);
                }
                (VALUE | high >> 8, high << 56 | low >> 8)
            }
        }
    }

    /// How a row of this batch stands to a row of that one.
    pub(crate) fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        match (self, other) {
            (Self::Rows(rows), Self::Rows(others)) => rows.row(row).cmp(&others.row(other_row)),
            (
                Self::Text {
                    values, options, ..
                },
                Self::Text { values: others, .. },
            ) => match (values.get(row), others.get(other_row)) {
                (Some(value), Some(other)) if options.descending => other.cmp(value),
                (Some(value), Some(other)) => value.cmp(other),
                (None, None) => Ordering::Equal,
                (None, Some(_)) if options.nulls_first => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) if options.nulls_first => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
            },
            // Prefixes that are the same are of keys of one form, or of short ones.
            _ => Ordering::Equal,
        }
    }
}

/// The first bytes as numbers, with zeros for what is missing.
fn first_bytes(bytes: &[u8]) -> Prefix {
    let number = |chunk: &[u8; PREFIX]| {
        let number = u128::from_be_bytes(*chunk);
        ((number >> 64) as u64, number as u64)
    };
    match bytes.first_chunk() {
        Some(chunk) => number(chunk),
        None => {
            let mut chunk = [0; PREFIX];
            chunk[..bytes.len()].copy_from_slice(bytes);
            number(&chunk)
        }
    }
}

/// A column of text or bytes.
pub(crate) enum Text {
    Utf8(StringArray),
    LargeUtf8(LargeStringArray),
    Utf8View(StringViewArray),
    Binary(BinaryArray),
    LargeBinary(LargeBinaryArray),
    BinaryView(BinaryViewArray),
}

impl Text {
    fn is(data_type: &DataType) -> bool {
        matches!(
            data_type,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
        )
    }

    fn of(column: &ArrayRef) -> Result<Self> {
        Ok(match column.data_type() {
            DataType::Utf8 => Self::Utf8(column.as_string().clone()),
            DataType::LargeUtf8 => Self::LargeUtf8(column.as_string().clone()),
            DataType::Utf8View => Self::Utf8View(column.as_string_view().clone()),
            DataType::Binary => Self::Binary(column.as_binary().clone()),
            DataType::LargeBinary => Self::LargeBinary(column.as_binary().clone()),
            DataType::BinaryView => Self::BinaryView(column.as_binary_view().clone()),
            other => return datafusion::common::internal_err!("{other} is not sorted as text"),
        })
    }

    fn get(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Utf8(values) => values.is_valid(row).then(|| values.value(row).as_bytes()),
            Self::LargeUtf8(values) => values.is_valid(row).then(|| values.value(row).as_bytes()),
            Self::Utf8View(values) => values.is_valid(row).then(|| values.value(row).as_bytes()),
            Self::Binary(values) => values.is_valid(row).then(|| values.value(row)),
            Self::LargeBinary(values) => values.is_valid(row).then(|| values.value(row)),
            Self::BinaryView(values) => values.is_valid(row).then(|| values.value(row)),
        }
    }
}
