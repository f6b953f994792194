//! Parquet files, with the types that Spark gives their columns.

mod pages;
mod reader;
mod slices;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use datafusion::catalog::Session;
use datafusion::datasource::file_format::FileFormat as _;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::physical_plan::ParquetSource;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::object_store::{ObjectMeta, ObjectStore};

use self::reader::SlicingReaders;
pub(crate) use self::slices::slice;
use crate::error::Error;
use crate::options::Options;

const READ: &[&str] = &["mergeschema"];

/// Known, and without effect here.
const HARMLESS: &[&str] = &["compression", "codec"];

/// How Parquet files are read.
#[derive(Debug, Clone)]
pub(crate) struct ParquetOptions {
    merge_schema: bool,
}

impl ParquetOptions {
    /// # Errors
    /// If an option is malformed, or asks for what is not supported.
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        options.warn_of_others("Parquet", &[READ, HARMLESS, super::COMMON]);
        options.refuse(&[
            ("datetimerebasemode", "CORRECTED"),
            ("int96rebasemode", "CORRECTED"),
        ])?;
        Ok(Self {
            merge_schema: options.boolean("mergeschema", false)?,
        })
    }
}

/// The reader of Parquet files. Spark writes timestamps as INT96 by default, in UTC.
pub(crate) fn format() -> ParquetFormat {
    let mut format = ParquetFormat::default();
    let mut options = format.options().clone();
    options.global.coerce_int96 = Some("us".to_owned());
    options.global.coerce_int96_tz = Some("UTC".to_owned());
    format = format.with_options(options);
    format
}

/// A scan of Parquet files, which keeps footers within the session's cache.
///
/// # Errors
/// If there is no local file system.
pub(crate) fn source(
    state: &dyn Session,
    schema: TableSchema,
) -> datafusion::common::Result<ParquetSource> {
    let store = state
        .runtime_env()
        .object_store(ObjectStoreUrl::local_filesystem())?;
    let footers = state.runtime_env().cache_manager.get_file_metadata_cache();
    let readers = SlicingReaders(CachedParquetFileReaderFactory::new(store, footers));
    Ok(ParquetSource::new(schema)
        .with_table_parquet_options(format().options().clone())
        .with_parquet_file_reader_factory(Arc::new(readers)))
}

/// The columns of Parquet files: those of the first, or with `mergeSchema` of all.
///
/// # Errors
/// If a file is not Parquet, or their schemas do not fit together.
pub(crate) async fn infer(
    state: &dyn Session,
    store: &Arc<dyn ObjectStore>,
    files: &[ObjectMeta],
    options: &ParquetOptions,
    time_zone: &str,
) -> datafusion::common::Result<Schema> {
    let files = match options.merge_schema {
        true => files,
        false => files.get(..1).unwrap_or_default(),
    };
    let schema = format().infer_schema(state, store, files).await?;
    let fields = schema.fields().iter();
    let fields: Vec<FieldRef> = fields.map(|field| as_in_spark(field, time_zone)).collect();
    Ok(Schema::new(fields))
}

/// The column as Spark has it: nullable all through, and of one of Spark's types.
fn as_in_spark(field: &FieldRef, time_zone: &str) -> FieldRef {
    let data_type = type_in_spark(field.data_type(), time_zone);
    Arc::new(Field::new(field.name(), data_type, true))
}

/// The type that Spark has for columns of this one, with everything in it nullable.
pub(crate) fn type_in_spark(data_type: &DataType, time_zone: &str) -> DataType {
    match data_type {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some(time_zone.into()))
        }
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Dictionary(_, value) => type_in_spark(value, time_zone),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(as_in_spark(item, time_zone))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| as_in_spark(field, time_zone));
            DataType::Struct(fields.collect())
        }
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let key = type_in_spark(pair[0].data_type(), time_zone);
                let key = Arc::new(Field::new(pair[0].name(), key, false));
                let pair = DataType::Struct(vec![key, as_in_spark(&pair[1], time_zone)].into());
                DataType::Map(Arc::new(Field::new(entries.name(), pair, false)), *sorted)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}
