use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{AsArray, BooleanArray};
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, Statistics};
use datafusion::datasource::file_format::FileFormat as _;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as StorePath;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::{StreamExt, TryStreamExt};
use plimsoll_exec::row_size;

use super::budget::ScanBudget;
use super::files::{self, DataFile};
use super::scan::{TextFormat, TextSource};
use super::{compression, parquet, partitions};
use crate::format::FileFormat;
use crate::options::Options;

/// How the files of a table are read.
#[derive(Debug, Clone)]
pub(crate) enum Reader {
    Parquet,
    Text(TextFormat),
}

/// A table over files. What files there are is asked anew by each scan.
pub(crate) struct FileTable {
    pub(crate) paths: Vec<String>,
    pub(crate) options: Options,
    pub(crate) reader: Reader,
    /// The columns in the files, and those of their directories.
    pub(crate) schema: TableSchema,
    /// Where the columns are in `schema`, if the table has them in another order.
    pub(crate) order: Option<Vec<usize>>,
    pub(crate) zone: Tz,
}

/// What makes two tables over files the same: Spark's equality of a `HadoopFsRelation`. What is in the files is no
/// part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FileIdentity {
    paths: Vec<PathBuf>,
    /// By its name.
    format: &'static str,
    options: Options,
    schema: SchemaRef,
    /// How many of the columns are of directories.
    partition_columns: usize,
    order: Option<Vec<usize>>,
    /// By its name.
    zone: String,
}

impl Reader {
    fn format(&self) -> FileFormat {
        match self {
            Reader::Parquet => FileFormat::Parquet,
            Reader::Text(TextFormat::Csv(_)) => FileFormat::Csv,
            Reader::Text(TextFormat::Json(_)) => FileFormat::Json,
            Reader::Text(TextFormat::Text(_)) => FileFormat::Text,
        }
    }
}

impl fmt::Debug for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileTable({})", self.paths.join(", "))
    }
}

impl FileTable {
    /// What makes another table the same as this one.
    pub(crate) fn identity(&self) -> FileIdentity {
        // A path and its URL are the same.
        let path = |path: &String| files::local_path(path).unwrap_or_else(|_| path.into());
        FileIdentity {
            paths: self.paths.iter().map(path).collect(),
            format: self.reader.format().name(),
            options: self.options.clone(),
            schema: Arc::clone(self.schema.table_schema()),
            partition_columns: self.partition_columns().len(),
            order: self.order.clone(),
            zone: format!("{:?}", self.zone),
        }
    }

    /// Whether files of it are at a path or below it.
    pub(crate) fn is_at_or_below(&self, path: &str) -> bool {
        let Ok(path) = files::local_path(path) else {
            return false;
        };
        let is_there = |own: &String| {
            files::local_path(own).is_ok_and(|own| own.starts_with(&path) || path.starts_with(&own))
        };
        self.paths.iter().any(is_there)
            || files::list(&self.paths, &self.options)
                .is_ok_and(|files| files.iter().any(|file| file.path.starts_with(&path)))
    }

    /// Whether something that it reads is at a path or below it.
    pub(crate) fn reads_within(&self, path: &Path) -> bool {
        let roots = self.roots();
        let canonical = |file: &DataFile| file.path.canonicalize();
        roots.iter().any(|root| root.starts_with(path))
            || (roots.iter().any(|root| path.starts_with(root))
                && files::list(&self.paths, &self.options).is_ok_and(|files| {
                    let mut files = files.iter().filter_map(|file| canonical(file).ok());
                    files.any(|file| file.starts_with(path))
                }))
    }

    /// The files and directories that it is read from.
    fn roots(&self) -> Vec<PathBuf> {
        let roots = self
            .paths
            .iter()
            .filter_map(|path| files::resolve(path).ok());
        let canonical = |root: PathBuf| root.canonicalize().unwrap_or(root);
        roots.flatten().map(canonical).collect()
    }

    fn partition_columns(&self) -> &[FieldRef] {
        self.schema.table_partition_cols()
    }

    /// The files that can have rows for these filters, which are about partition columns.
    fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<PartitionedFile>> {
        let files = files::list(&self.paths, &self.options).map_err(external)?;
        let file = |file: DataFile| {
            let values = partitions::values(&file, self.partition_columns(), self.zone);
            let meta = PartitionedFile::new_from_meta(object_meta(&file)?);
            let values = values.map_err(external)?;
            Ok(meta.with_partition_values(values).with_extension(file.path))
        };
        let files: Vec<PartitionedFile> = files.into_iter().map(file).collect::<Result<_>>()?;
        match conjunction(filters.iter().cloned()) {
            Some(filter) if !files.is_empty() => self.pruned(state, files, filter),
            _ => Ok(files),
        }
    }

    fn pruned(
        &self,
        state: &dyn Session,
        files: Vec<PartitionedFile>,
        filter: Expr,
    ) -> Result<Vec<PartitionedFile>> {
        let column = |at: usize| {
            let values = files.iter().map(|file| file.partition_values[at].clone());
            ScalarValue::iter_to_array(values)
        };
        let fields = self.partition_columns();
        let columns = (0..fields.len()).map(column).collect::<Result<Vec<_>>>()?;
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let options = RecordBatchOptions::new().with_row_count(Some(files.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
        let filter = unqualified(filter)?;
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(schema)?)?;
        let kept = filter.evaluate(&batch)?.into_array(files.len())?;
        let kept: &BooleanArray = kept.as_boolean();
        let kept = kept.iter().map(|kept| kept == Some(true));
        Ok(files
            .into_iter()
            .zip(kept)
            .filter_map(|(file, kept)| kept.then_some(file))
            .collect())
    }

    /// Where the columns of a projection are in the files and directories.
    fn places(&self, projection: Option<&Vec<usize>>) -> Option<Vec<usize>> {
        match (&self.order, projection) {
            (None, projection) => projection.cloned(),
            (order, None) => order.clone(),
            (Some(order), Some(projection)) => {
                Some(projection.iter().map(|&at| order[at]).collect())
            }
        }
    }

    fn source(
        &self,
        state: &dyn Session,
        files: &[PartitionedFile],
    ) -> Result<Arc<dyn FileSource>> {
        let schema = self.schema.clone();
        Ok(match &self.reader {
            Reader::Parquet => Arc::new(parquet::source(state, schema)?),
            Reader::Text(format) => {
                let is_compressed = |file: &PartitionedFile| {
                    let path = file.extension::<std::path::PathBuf>();
                    path.is_some_and(|path| compression::is_compressed(path))
                };
                let compressed = files.iter().any(is_compressed);
                let budget = ScanBudget::of(state.config());
                Arc::new(TextSource::new(format.clone(), schema, compressed, budget))
            }
        })
    }

    /// The files with what their footers say about their rows, and what that comes to for all.
    async fn with_statistics(
        &self,
        state: &dyn Session,
        files: Vec<PartitionedFile>,
    ) -> Result<(Vec<PartitionedFile>, Statistics)> {
        let format = parquet::format();
        let store = state
            .runtime_env()
            .object_store(ObjectStoreUrl::local_filesystem())?;
        let (format, store) = (&format, &store);
        let at_once = state
            .config_options()
            .execution
            .meta_fetch_concurrency
            .get();
        let files: Vec<PartitionedFile> = futures::stream::iter(files)
            .map(|file| async move {
                let schema = Arc::clone(self.schema.file_schema());
                let meta = file.object_meta.clone();
                let statistics = format.infer_stats(state, store, schema, &meta).await?;
                Ok::<_, DataFusionError>(file.with_statistics(Arc::new(statistics)))
            })
            .buffered(at_once)
            .try_collect()
            .await?;
        let all = files.iter().filter_map(|file| file.statistics.as_deref());
        let statistics = Statistics::try_merge_iter(all, self.schema.table_schema())?;
        Ok((files, statistics))
    }

    /// What is known of files that say nothing of their rows: their length, of which the columns that are read have their
    /// share. Spark's `HadoopFsRelation.sizeInBytes` below a projection.
    fn size_of(
        &self,
        files: &[PartitionedFile],
        projection: Option<&Vec<usize>>,
    ) -> Result<Statistics> {
        let schema = self.schema();
        let part = row_size(datafusion::common::project_schema(&schema, projection)?.as_ref());
        let bytes: u64 = files.iter().map(|file| file.object_meta.size).sum();
        let bytes = u128::from(bytes) * u128::from(part) / u128::from(row_size(&schema));
        let mut statistics = Statistics::new_unknown(self.schema.table_schema());
        statistics.total_byte_size = Precision::Inexact(bytes as usize);
        Ok(statistics)
    }

    /// The files, those with large row groups in parts that fit the budget.
    async fn in_parts(
        &self,
        state: &dyn Session,
        files: Vec<PartitionedFile>,
        places: Option<&Vec<usize>>,
    ) -> Result<Vec<PartitionedFile>> {
        let in_files = self.schema.file_schema();
        let columns = in_files.fields().iter().enumerate();
        let columns = columns.filter(|(at, _)| places.is_none_or(|places| places.contains(at)));
        let columns: Vec<String> = columns.map(|(_, field)| field.name().clone()).collect();
        let store = state
            .runtime_env()
            .object_store(ObjectStoreUrl::local_filesystem())?;
        let most = ScanBudget::of(state.config()).chunks(state.config().target_partitions());
        parquet::slice(state, &store, files, &columns, most).await
    }
}

/// A file as object stores describe it.
pub(crate) fn object_meta(file: &DataFile) -> Result<ObjectMeta> {
    Ok(ObjectMeta {
        location: StorePath::from_absolute_path(&file.path)
            .map_err(|error| DataFusionError::External(Box::new(error)))?,
        last_modified: file.modified.into(),
        size: file.size,
        e_tag: None,
        version: None,
    })
}

fn external(error: crate::error::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The filter with its columns named without their table.
fn unqualified(filter: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};

    filter
        .transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => Transformed::yes(Expr::Column(
                    datafusion::common::Column::new_unqualified(column.name),
                )),
                other => Transformed::no(other),
            })
        })
        .map(|transformed| transformed.data)
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        let schema = self.schema.table_schema();
        let column = |&at: &usize| Arc::clone(&schema.fields()[at]);
        match &self.order {
            None => Arc::clone(schema),
            Some(order) => Arc::new(Schema::new(order.iter().map(column).collect::<Vec<_>>())),
        }
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let names: Vec<&str> = self
            .partition_columns()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let pushed = |filter: &&Expr| match &self.reader {
            _ if !names.is_empty() && expr_applicable_for_cols(&names, filter) => {
                TableProviderFilterPushDown::Exact
            }
            Reader::Parquet => TableProviderFilterPushDown::Inexact,
            Reader::Text(_) => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(pushed).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let filters: Vec<&Expr> = filters.iter().collect();
        let pushed = self.supports_filters_pushdown(&filters)?;
        let of_partitions: Vec<Expr> = filters
            .iter()
            .zip(pushed)
            .filter(|(_, pushed)| *pushed == TableProviderFilterPushDown::Exact)
            .map(|(filter, _)| (*filter).clone())
            .collect();
        let mut files = self.files(state, &of_partitions)?;
        if files.is_empty() {
            let schema = datafusion::common::project_schema(&self.schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let places = self.places(projection);
        let source = self.source(state, &files)?;
        let mut config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source);
        if matches!(self.reader, Reader::Parquet) && state.config().collect_statistics() {
            let statistics;
            (files, statistics) = self.with_statistics(state, files).await?;
            config = config.with_statistics(statistics);
        }
        if matches!(self.reader, Reader::Text(_)) {
            config = config.with_statistics(self.size_of(&files, projection)?);
        }
        if matches!(self.reader, Reader::Parquet) {
            files = self.in_parts(state, files, places.as_ref()).await?;
        }
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let config = config
            .with_file_groups(groups)
            .with_projection_indices(places)?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
