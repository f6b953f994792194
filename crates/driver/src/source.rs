//! Files read as tables, the way Spark's `DataFrameReader` reads them.
//!
//! [`open_source`] finds the files ([`files`]), what their directories say ([`partitions`]) and what
//! their columns are, and makes a [`table::FileTable`] of them. Parquet is read by DataFusion. CSV, JSON
//! and text are read here, because Spark reads them its own way: a file is cut into records
//! ([`records`]), and each record is decoded into columns ([`decode`]).
//!
//! What a scan holds follows the memory there is ([`budget`]): batches are bounded in bytes ([`width`]) and
//! hold on to nothing else ([`steady`]), row groups that are too large are read in slices
//! ([`parquet::slice`]).

mod budget;
mod columns;
mod compression;
mod csv;
mod decode;
mod files;
mod glob;
mod json;
mod parquet;
pub(crate) mod partitions;
mod records;
mod scan;
mod steady;
mod table;
mod text;
mod width;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;

use self::csv::CsvOptions;
use self::files::DataFile;
use self::json::JsonOptions;
use self::parquet::ParquetOptions;
use self::scan::TextFormat;
use self::table::Reader;
use self::text::TextOptions;
use crate::error::Error;
use crate::format::FileFormat;
use crate::options::{Options, unescaped};

pub(crate) use self::budget::ScanBudget;
pub(crate) use self::files::{local_path, url};
pub(crate) use self::parquet::type_in_spark;
pub(crate) use self::steady::SteadyScans;
pub(crate) use self::table::{FileIdentity, FileTable};
pub(crate) use self::width::Cut;

/// What is to be read: Spark's `spark.read.format(…).schema(…).options(…).load(paths)`.
#[derive(Debug, Clone)]
pub struct Source {
    /// The format of the files.
    pub format: FileFormat,
    /// Files, directories or glob patterns, as paths or `file:` URLs.
    pub paths: Vec<String>,
    /// The columns that the files are to be read as; none if the files are to tell them.
    pub schema: Option<Schema>,
    /// Spark's data source options; their keys count in any case.
    pub options: BTreeMap<String, String>,
}

impl Source {
    /// Files that tell their columns themselves.
    pub(crate) fn of_path(format: FileFormat, path: &str) -> Self {
        Self {
            format,
            paths: vec![path.to_owned()],
            schema: None,
            options: BTreeMap::new(),
        }
    }

    /// A CSV file with a header, and with types to be inferred: files that nobody described.
    pub(crate) fn self_describing(mut self) -> Self {
        // The other formats tell by themselves.
        if self.format == FileFormat::Csv {
            for key in ["header", "inferSchema"] {
                self.options.insert(key.to_owned(), "true".to_owned());
            }
        }
        self
    }
}

/// The options of all formats.
const COMMON: &[&str] = &[
    "path",
    "paths",
    "basepath",
    "recursivefilelookup",
    "pathglobfilter",
    "modifiedbefore",
    "modifiedafter",
];

/// What goes wrong when files of a format are opened.
struct Wrong<'a>(&'a Source);

impl Wrong<'_> {
    fn because(&self, error: &DataFusionError) -> Error {
        let why = error.strip_backtrace();
        let paths = self.0.paths.join(", ");
        Error::Table(format!("cannot read {paths} as {}: {why}", self.0.format))
    }
}

/// A table over the files of a source.
///
/// # Errors
/// [`Error::PathNotFound`] if there is nothing at a path, [`Error::NoSchema`] if there is no file to tell
/// the columns; and if files are not of this format, or an option is malformed or not supported.
pub(crate) async fn open_source(
    state: &dyn Session,
    source: &Source,
) -> Result<Arc<dyn TableProvider>, Error> {
    let options = Options::new(&source.options);
    let time_zone = time_zone(state);
    let zone = options.time_zone(&time_zone)?;
    let files = listed(source.paths.clone(), options.clone()).await?;
    let given = source.schema.as_ref();
    let directories = partitions::columns(&files, given, &time_zone);
    let opening = Opening {
        state,
        source,
        options: &options,
        time_zone: &time_zone,
        files,
    };
    let (reader, schema) = opening.reader_and_schema().await?;
    let is_directory = |field: &FieldRef| {
        let mut names = directories.iter().map(|directory| directory.name());
        names.any(|name| name.eq_ignore_ascii_case(field.name()))
    };
    let mut columns = schema.fields().iter().cloned().collect::<Vec<_>>();
    columns.retain(|field| !is_directory(field));
    let file_schema = Arc::new(Schema::new(columns));
    if let Reader::Text(format) = &reader {
        // Types that cannot be read are refused now and not by the first scan.
        format.decoder(&file_schema, Arc::clone(&file_schema), false)?;
    }
    let order = match given {
        // Columns of directories come last, wherever the given schema has them.
        Some(_) => None,
        None => order(&schema, &directories),
    };
    refuse_duplicates(&file_schema, &directories)?;
    let directories: Vec<FieldRef> = directories.into_iter().map(Arc::new).collect();
    Ok(Arc::new(FileTable {
        paths: source.paths.clone(),
        options,
        reader,
        schema: TableSchema::builder(file_schema)
            .with_table_partition_cols(directories)
            .build(),
        order,
        zone,
    }))
}

/// The places of the columns in the table, if they are not first those of the files and then those of the
/// directories: a column that is in the files too keeps its place.
fn order(schema: &Schema, directories: &[Field]) -> Option<Vec<usize>> {
    let directory = |name: &str| {
        let mut names = directories.iter();
        names.position(|directory| directory.name().eq_ignore_ascii_case(name))
    };
    let both: Vec<Option<usize>> = schema
        .fields()
        .iter()
        .map(|field| directory(field.name()))
        .collect();
    let in_files = both.iter().filter(|place| place.is_none()).count();
    if in_files == both.len() {
        return None;
    }
    let mut next = 0..in_files;
    let mut order: Vec<usize> = both
        .iter()
        .filter_map(|place| place.map(|at| in_files + at).or_else(|| next.next()))
        .collect();
    let others = (0..directories.len()).filter(|at| !both.contains(&Some(*at)));
    order.extend(others.map(|at| in_files + at));
    Some(order)
}

fn refuse_duplicates(file_schema: &Schema, directories: &[Field]) -> Result<(), Error> {
    let fields = file_schema.fields().iter().map(|field| field.name());
    let mut names = BTreeSet::new();
    for name in fields.chain(directories.iter().map(|field| field.name())) {
        if !names.insert(name.to_lowercase()) {
            return Err(Error::ColumnExists(name.to_lowercase()));
        }
    }
    Ok(())
}

async fn listed(paths: Vec<String>, options: Options) -> Result<Vec<DataFile>, Error> {
    tokio::task::spawn_blocking(move || files::list(&paths, &options))
        .await
        .map_err(|error| Error::Execution(error.to_string()))?
}

/// A source whose files are known.
struct Opening<'a> {
    state: &'a dyn Session,
    source: &'a Source,
    options: &'a Options,
    time_zone: &'a str,
    files: Vec<DataFile>,
}

impl Opening<'_> {
    async fn reader_and_schema(self) -> Result<(Reader, Schema), Error> {
        let given = self.source.schema.as_ref().map(nullable);
        let longest = ScanBudget::RECORD;
        match self.source.format {
            FileFormat::Parquet => {
                let parquet = ParquetOptions::new(self.options)?;
                let schema = match given {
                    Some(schema) => schema,
                    None => self.parquet_schema(&parquet).await?,
                };
                Ok((Reader::Parquet, schema))
            }
            FileFormat::Csv => {
                let csv = Arc::new(CsvOptions::new(self.options, self.time_zone)?);
                let reader = Reader::Text(TextFormat::Csv(Arc::clone(&csv)));
                let infer =
                    move |files: &[DataFile], zone: &str| csv::infer(files, &csv, zone, longest);
                Ok((reader, self.text_schema(given, infer).await?))
            }
            FileFormat::Json => {
                let json = Arc::new(JsonOptions::new(self.options, self.time_zone)?);
                let reader = Reader::Text(TextFormat::Json(Arc::clone(&json)));
                let infer =
                    move |files: &[DataFile], zone: &str| json::infer(files, &json, zone, longest);
                Ok((reader, self.text_schema(given, infer).await?))
            }
            FileFormat::Text => {
                let text = TextFormat::Text(Arc::new(TextOptions::new(self.options)?));
                Ok((Reader::Text(text), given.unwrap_or_else(text::schema)))
            }
        }
    }

    async fn parquet_schema(&self, options: &ParquetOptions) -> Result<Schema, Error> {
        let wrong = |error| Wrong(self.source).because(&error);
        let files: Result<Vec<_>, _> = self.files.iter().map(table::object_meta).collect();
        let files = files.map_err(wrong)?;
        if files.is_empty() {
            return Err(Error::NoSchema(FileFormat::Parquet));
        }
        let url = ObjectStoreUrl::local_filesystem();
        let store = self.state.runtime_env().object_store(url).map_err(wrong)?;
        parquet::infer(self.state, &store, &files, options, self.time_zone)
            .await
            .map_err(wrong)
    }

    /// The schema that was given, or what `infer` finds in the files, on a thread that may block.
    async fn text_schema(
        self,
        given: Option<Schema>,
        infer: impl FnOnce(&[DataFile], &str) -> datafusion::common::Result<Schema> + Send + 'static,
    ) -> Result<Schema, Error> {
        if let Some(schema) = given {
            return Ok(schema);
        }
        if self.files.is_empty() {
            return Err(Error::NoSchema(self.source.format));
        }
        let (files, time_zone) = (self.files, self.time_zone.to_owned());
        tokio::task::spawn_blocking(move || infer(&files, &time_zone))
            .await
            .map_err(|error| Error::Execution(error.to_string()))?
            .map_err(|error| Wrong(self.source).because(&error))
    }
}

/// The schema as Spark has it on reading: every column may be null.
fn nullable(schema: &Schema) -> Schema {
    let fields = schema.fields().iter();
    let fields: Vec<FieldRef> = fields
        .map(|field| Arc::new(field.as_ref().clone().with_nullable(true)))
        .collect();
    Schema::new(fields)
}

/// The session's time zone.
fn time_zone(state: &dyn Session) -> String {
    let zone = state.config_options().execution.time_zone.clone();
    zone.filter(|zone| Tz::from_str(zone).is_ok())
        .unwrap_or_else(|| "UTC".to_owned())
}

/// The option `lineSep`.
fn separator_of_records(options: &Options) -> Result<Option<Vec<u8>>, Error> {
    match options.get("linesep") {
        None => Ok(None),
        Some("") => Err(Error::Option("the option lineSep is empty".into())),
        Some("\n" | "\\n") => Ok(None),
        Some(separator) => Ok(Some(unescaped(separator).into_bytes())),
    }
}

/// Text files are read as UTF-8, and as the encodings that are a part of it.
pub(crate) fn refuse_other_encodings(options: &Options) -> Result<(), Error> {
    let encoding = options.either("encoding", "charset").unwrap_or("UTF-8");
    match encoding.to_uppercase().as_str() {
        "UTF-8" | "UTF8" | "US-ASCII" | "ASCII" => Ok(()),
        _ => Err(Error::NotSupported(format!(
            "the encoding {encoding} is not supported: text files are UTF-8"
        ))),
    }
}
