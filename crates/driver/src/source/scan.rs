use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::object_store::ObjectStore;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, apply_expression_roots};
use futures::StreamExt;

use super::budget::ScanBudget;
use super::compression;
use super::csv::{CsvDecoder, CsvOptions};
use super::decode::Decode;
use super::json::{JsonDecoder, JsonOptions};
use super::records::{Records, Split};
use super::text::{TextDecoder, TextOptions};
use super::width::row_width;
use crate::error::Error;

/// The most that a batch of records takes, in bytes, however much memory there is.
const BATCH_BYTES: usize = 4 << 20;

/// A format of text files, with its options.
#[derive(Debug, Clone)]
pub(crate) enum TextFormat {
    Csv(Arc<CsvOptions>),
    Json(Arc<JsonOptions>),
    Text(Arc<TextOptions>),
}

impl TextFormat {
    fn split(&self) -> Split {
        match self {
            TextFormat::Csv(options) => options.split(),
            TextFormat::Json(options) => options.split(),
            TextFormat::Text(options) => options.split(),
        }
    }

    /// What reads the columns `wanted` of those in `schema`.
    ///
    /// # Errors
    /// If a column's type is not read from such files.
    pub(crate) fn decoder(
        &self,
        schema: &Schema,
        wanted: SchemaRef,
        at_start: bool,
    ) -> Result<Box<dyn Decode>, Error> {
        Ok(match self {
            TextFormat::Csv(options) => {
                let at_header = at_start && options.header;
                let options = Arc::clone(options);
                Box::new(CsvDecoder::new(options, schema, wanted, at_header)?)
            }
            TextFormat::Json(options) => Box::new(JsonDecoder::new(Arc::clone(options), wanted)?),
            TextFormat::Text(_) => Box::new(TextDecoder::new(wanted)?),
        })
    }
}

/// A scan of text files.
#[derive(Clone)]
pub(crate) struct TextSource {
    format: TextFormat,
    table_schema: TableSchema,
    projection: SplitProjection,
    batch_size: usize,
    budget: ScanBudget,
    /// Whether a file can be read from anywhere.
    splits: bool,
    metrics: ExecutionPlanMetricsSet,
}

impl TextSource {
    /// A scan of all columns; of compressed files if `compressed`.
    pub(crate) fn new(
        format: TextFormat,
        table_schema: TableSchema,
        compressed: bool,
        budget: ScanBudget,
    ) -> Self {
        Self {
            splits: !compressed && format.split().can_start_anywhere(),
            projection: SplitProjection::unprojected(&table_schema),
            format,
            table_schema,
            batch_size: 8192,
            budget,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The rows of a file, or of the part of it that is asked for.
    fn read(&self, file: &PartitionedFile) -> Result<Batches> {
        let Some(path) = file.extension::<PathBuf>() else {
            return internal_err!("a file of a scan has no path");
        };
        let split = self.format.split();
        let range = file
            .range
            .as_ref()
            .map(|range| range.start as u64..range.end as u64);
        let at_start = range.as_ref().is_none_or(|range| range.start == 0);
        let records = match range {
            None => Records::new(compression::open(path)?, split),
            Some(range) => {
                let from = compression::open_at(path, range.start.saturating_sub(1))?;
                Records::in_range(Box::new(from) as Box<dyn Read + Send>, split, range)?
            }
        };
        let records = records.bounded(ScanBudget::RECORD);
        let schema = self.table_schema.file_schema();
        let wanted = Arc::new(schema.project(&self.projection.file_indices)?);
        let fixed = row_width(&wanted, &HashMap::new());
        let decoder = self
            .format
            .decoder(schema, wanted, at_start)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(Batches {
            records,
            decoder,
            rows: self.batch_size,
            bytes: self.budget.batch().min(BATCH_BYTES),
            fixed,
        })
    }
}

/// The rows of a file, batch by batch.
struct Batches {
    records: Records<Box<dyn Read + Send>>,
    decoder: Box<dyn Decode>,
    /// Rows in a batch, at most.
    rows: usize,
    /// Bytes after which no more records are put into a batch.
    bytes: usize,
    /// Bytes that a row takes beside its texts.
    fixed: usize,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}

impl Batches {
    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut bytes = 0;
        while self.decoder.rows().len() < self.rows && bytes < self.bytes {
            let Some(record) = self.records.next()? else {
                break;
            };
            bytes += record.len() + self.fixed;
            self.decoder.decode(record)?;
        }
        match self.decoder.rows().len() {
            0 if bytes == 0 => Ok(None),
            _ => Ok(Some(self.decoder.rows().finish()?)),
        }
    }
}

impl FileSource for TextSource {
    fn create_file_opener(
        &self,
        _store: Arc<dyn ObjectStore>,
        _config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let opener = Arc::new(Opener(self.clone()));
        ProjectionOpener::try_new(
            self.projection.clone(),
            opener,
            self.table_schema.file_schema(),
        )
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            batch_size,
            ..self.clone()
        })
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let projection = self.projection.source.try_merge(projection)?;
        Ok(Some(Arc::new(Self {
            projection: SplitProjection::new(self.table_schema.file_schema(), &projection),
            ..self.clone()
        })))
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        match self.format {
            TextFormat::Csv(_) => "csv",
            TextFormat::Json(_) => "json",
            TextFormat::Text(_) => "text",
        }
    }

    fn fmt_extra(&self, _how: DisplayFormatType, _to: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn supports_repartitioning(&self) -> bool {
        self.splits
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.projection.source.iter(), visit)
    }
}

struct Opener(TextSource);

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let source = self.0.clone();
        Ok(Box::pin(async move {
            Ok(futures::stream::iter(source.read(&file)?).boxed())
        }))
    }
}
