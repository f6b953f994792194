use std::sync::Arc;

use datafusion::arrow::array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, NullBufferBuilder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{ArrayRef, ListArray, MapArray, NullArray, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::arrow::error::ArrowError;

use crate::error::Error;
use crate::options::Options;
use crate::temporal::{self, Pattern};
use crate::types::spark_name;

/// How dates and timestamps are written in text files.
#[derive(Debug, Clone)]
pub(crate) struct Formats {
    pub(crate) date: Option<Pattern>,
    pub(crate) timestamp: Option<Pattern>,
    pub(crate) timestamp_ntz: Option<Pattern>,
    pub(crate) zone: Tz,
}

impl Formats {
    /// # Errors
    /// If an option is not a pattern that can be read, or there is no such time zone.
    pub(crate) fn new(options: &Options, time_zone: &str) -> Result<Self, Error> {
        options.refuse(&[("locale", "en-US")])?;
        let pattern = |key| options.get(key).map(Pattern::new).transpose();
        Ok(Self {
            date: pattern("dateformat")?,
            timestamp: pattern("timestampformat")?,
            timestamp_ntz: pattern("timestampntzformat")?,
            zone: options.time_zone(time_zone)?,
        })
    }

    pub(crate) fn parse_date(&self, text: &str) -> Option<i32> {
        match &self.date {
            Some(pattern) => pattern.parse_date(text),
            None => temporal::parse_date(text),
        }
    }

    pub(crate) fn parse_timestamp(&self, text: &str) -> Option<i64> {
        match &self.timestamp {
            Some(pattern) => pattern.parse_timestamp(text, self.zone),
            None => temporal::parse_timestamp(text, self.zone),
        }
    }

    pub(crate) fn parse_timestamp_ntz(&self, text: &str) -> Option<i64> {
        match &self.timestamp_ntz {
            Some(pattern) => pattern.parse_timestamp_ntz(text),
            None => temporal::parse_timestamp_ntz(text),
        }
    }
}

/// A column of a batch while its values are read from text.
pub(crate) enum Column {
    Void(usize),
    Boolean(BooleanBuilder),
    Byte(Int8Builder),
    Short(Int16Builder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    TimestampNtz(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    List(Box<List>),
    Struct(Struct),
    Map(Box<Map>),
}

/// A column of arrays.
pub(crate) struct List {
    item: FieldRef,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    pub(crate) items: Column,
}

/// A column of structs.
pub(crate) struct Struct {
    pub(crate) fields: Fields,
    nulls: NullBufferBuilder,
    pub(crate) columns: Vec<Column>,
}

/// A column of maps from strings.
pub(crate) struct Map {
    entries: FieldRef,
    sorted: bool,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    pub(crate) keys: StringBuilder,
    pub(crate) values: Column,
}

impl Column {
    /// A column of this type.
    ///
    /// # Errors
    /// If values of this type are not read from `format` files.
    pub(crate) fn new(field: &Field, format: &str) -> Result<Self, Error> {
        Ok(match field.data_type() {
            DataType::Null => Column::Void(0),
            DataType::Boolean => Column::Boolean(BooleanBuilder::new()),
            DataType::Int8 => Column::Byte(Int8Builder::new()),
            DataType::Int16 => Column::Short(Int16Builder::new()),
            DataType::Int32 => Column::Int(Int32Builder::new()),
            DataType::Int64 => Column::Long(Int64Builder::new()),
            DataType::Float32 => Column::Float(Float32Builder::new()),
            DataType::Float64 => Column::Double(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let data_type = field.data_type().clone();
                let builder = Decimal128Builder::new().with_data_type(data_type);
                Column::Decimal(builder, *precision, *scale)
            }
            DataType::Date32 => Column::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                let data_type = field.data_type().clone();
                Column::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(data_type))
            }
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Column::TimestampNtz(TimestampMicrosecondBuilder::new())
            }
            DataType::Utf8 => Column::Text(StringBuilder::new()),
            DataType::Binary => Column::Binary(BinaryBuilder::new()),
            DataType::List(item) => Column::List(Box::new(List {
                item: Arc::clone(item),
                offsets: vec![0],
                nulls: NullBufferBuilder::new(0),
                items: Column::new(item, format)?,
            })),
            DataType::Struct(fields) => {
                let columns = fields.iter().map(|field| Column::new(field, format));
                Column::Struct(Struct {
                    fields: fields.clone(),
                    nulls: NullBufferBuilder::new(0),
                    columns: columns.collect::<Result<_, _>>()?,
                })
            }
            DataType::Map(entries, sorted) => match entries.data_type() {
                DataType::Struct(pair)
                    if pair.len() == 2 && pair[0].data_type() == &DataType::Utf8 =>
                {
                    Column::Map(Box::new(Map {
                        entries: Arc::clone(entries),
                        sorted: *sorted,
                        offsets: vec![0],
                        nulls: NullBufferBuilder::new(0),
                        keys: StringBuilder::new(),
                        values: Column::new(&pair[1], format)?,
                    }))
                }
                _ => return Err(not_read(field, format)),
            },
            _ => return Err(not_read(field, format)),
        })
    }

    pub(crate) fn append_null(&mut self) {
        match self {
            Column::Void(length) => *length += 1,
            Column::Boolean(builder) => builder.append_null(),
            Column::Byte(builder) => builder.append_null(),
            Column::Short(builder) => builder.append_null(),
            Column::Int(builder) => builder.append_null(),
            Column::Long(builder) => builder.append_null(),
            Column::Float(builder) => builder.append_null(),
            Column::Double(builder) => builder.append_null(),
            Column::Decimal(builder, ..) => builder.append_null(),
            Column::Date(builder) => builder.append_null(),
            Column::Timestamp(builder) | Column::TimestampNtz(builder) => builder.append_null(),
            Column::Text(builder) => builder.append_null(),
            Column::Binary(builder) => builder.append_null(),
            Column::List(list) => list.end(false),
            Column::Struct(column) => {
                column.columns.iter_mut().for_each(Column::append_null);
                column.end(false);
            }
            Column::Map(map) => map.end(false),
        }
    }

    fn len(&self) -> usize {
        use datafusion::arrow::array::ArrayBuilder;

        match self {
            Column::Void(length) => *length,
            Column::Boolean(builder) => builder.len(),
            Column::Byte(builder) => builder.len(),
            Column::Short(builder) => builder.len(),
            Column::Int(builder) => builder.len(),
            Column::Long(builder) => builder.len(),
            Column::Float(builder) => builder.len(),
            Column::Double(builder) => builder.len(),
            Column::Decimal(builder, ..) => builder.len(),
            Column::Date(builder) => builder.len(),
            Column::Timestamp(builder) | Column::TimestampNtz(builder) => builder.len(),
            Column::Text(builder) => builder.len(),
            Column::Binary(builder) => builder.len(),
            Column::List(list) => list.offsets.len() - 1,
            Column::Struct(column) => column.nulls.len(),
            Column::Map(map) => map.offsets.len() - 1,
        }
    }

    /// The values so far, which are then no longer in the column.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Column::Void(length) => Arc::new(NullArray::new(std::mem::take(length))),
            Column::Boolean(builder) => Arc::new(builder.finish()),
            Column::Byte(builder) => Arc::new(builder.finish()),
            Column::Short(builder) => Arc::new(builder.finish()),
            Column::Int(builder) => Arc::new(builder.finish()),
            Column::Long(builder) => Arc::new(builder.finish()),
            Column::Float(builder) => Arc::new(builder.finish()),
            Column::Double(builder) => Arc::new(builder.finish()),
            Column::Decimal(builder, ..) => Arc::new(builder.finish()),
            Column::Date(builder) => Arc::new(builder.finish()),
            Column::Timestamp(builder) | Column::TimestampNtz(builder) => {
                Arc::new(builder.finish())
            }
            Column::Text(builder) => Arc::new(builder.finish()),
            Column::Binary(builder) => Arc::new(builder.finish()),
            Column::List(list) => list.finish()?,
            Column::Struct(column) => column.finish()?,
            Column::Map(map) => map.finish()?,
        })
    }
}

/// The error of a column whose type is not read from `format` files.
pub(crate) fn not_read(field: &Field, format: &str) -> Error {
    Error::NotSupported(format!(
        "the column {} of the type {} cannot be read from {format} files",
        field.name(),
        spark_name(field.data_type())
    ))
}

/// The offsets so far, which are then the first offset again.
fn take_offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(std::mem::replace(offsets, vec![0]).into())
}

impl List {
    /// Ends a value with the items appended since the last.
    pub(crate) fn end(&mut self, valid: bool) {
        self.offsets.push(self.items.len() as i32);
        self.nulls.append(valid);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let offsets = take_offsets(&mut self.offsets);
        let items = self.items.finish()?;
        let nulls = self.nulls.finish();
        let list = ListArray::try_new(Arc::clone(&self.item), offsets, items, nulls)?;
        Ok(Arc::new(list))
    }
}

impl Struct {
    /// Ends a value whose fields have been appended.
    pub(crate) fn end(&mut self, valid: bool) {
        self.nulls.append(valid);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let length = self.nulls.len();
        let nulls = self.nulls.finish();
        let columns: Result<Vec<_>, _> = self.columns.iter_mut().map(Column::finish).collect();
        let fields = self.fields.clone();
        let array = StructArray::try_new_with_length(fields, columns?, nulls, length)?;
        Ok(Arc::new(array))
    }
}

impl Map {
    /// Ends a value with the entries appended since the last.
    pub(crate) fn end(&mut self, valid: bool) {
        self.offsets.push(self.values.len() as i32);
        self.nulls.append(valid);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let DataType::Struct(pair) = self.entries.data_type() else {
            return Err(ArrowError::SchemaError("a map has entries".into()));
        };
        let columns = vec![
            Arc::new(self.keys.finish()) as ArrayRef,
            self.values.finish()?,
        ];
        let entries = StructArray::try_new(pair.clone(), columns, None)?;
        let offsets = take_offsets(&mut self.offsets);
        let nulls = self.nulls.finish();
        let map = MapArray::try_new(
            Arc::clone(&self.entries),
            offsets,
            entries,
            nulls,
            self.sorted,
        )?;
        Ok(Arc::new(map))
    }
}
