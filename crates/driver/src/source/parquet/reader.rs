use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader,
};
use datafusion::parquet::file::page_index::offset_index::OffsetIndexMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::debug;

use super::pages::find_pages;
use super::slices::Sliced;

/// Reads Parquet files as DataFusion does; for parts of row groups with the places of their pages.
#[derive(Debug)]
pub(super) struct SlicingReaders(pub(super) CachedParquetFileReaderFactory);

impl ParquetFileReaderFactory for SlicingReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let sliced = file.extension::<Arc<Sliced>>().cloned();
        let path = file.extension::<PathBuf>().cloned();
        let reader = self.0.create_reader(partition, file, size_hint, metrics)?;
        Ok(match (sliced, path) {
            (Some(sliced), Some(path)) => Box::new(SliceReader {
                reader,
                sliced,
                path,
            }),
            _ => reader,
        })
    }
}

struct SliceReader {
    reader: Box<dyn AsyncFileReader>,
    sliced: Arc<Sliced>,
    path: PathBuf,
}

impl AsyncFileReader for SliceReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.reader.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.reader.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let sliced = Arc::clone(&self.sliced);
            let mut known = sliced.footer().lock().await;
            if let Some(footer) = known.upgrade() {
                return Ok(footer);
            }
            let footer = self.reader.get_metadata(options).await?;
            let footer = self.with_pages(footer).await?;
            *known = Arc::downgrade(&footer);
            Ok(footer)
        }
        .boxed()
    }
}

impl SliceReader {
    /// The footer with the places of the pages of sliced row groups, from the file if it has them.
    async fn with_pages(
        &mut self,
        footer: Arc<ParquetMetaData>,
    ) -> ParquetResult<Arc<ParquetMetaData>> {
        let has_index = |at: &usize| {
            let group = footer.row_group(*at);
            let mut columns = (0..group.num_columns()).filter(|at| self.sliced.reads(group, *at));
            columns.all(|at| group.column(at).offset_index_offset().is_some())
        };
        if self.sliced.groups().iter().all(has_index) {
            let mut index = ParquetMetaDataReader::new_with_metadata(footer.as_ref().clone())
                .with_column_index_policy(PageIndexPolicy::Skip)
                .with_offset_index_policy(PageIndexPolicy::Optional);
            index.load_page_index(&mut self.reader).await?;
            return index.finish().map(Arc::new);
        }
        let (found, sliced) = (Arc::clone(&footer), Arc::clone(&self.sliced));
        let path = self.path.clone();
        let find = move || pages_of_groups(&File::open(path)?, &found, &sliced);
        let pages = tokio::task::spawn_blocking(find)
            .await
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        match pages {
            Ok(pages) => {
                let footer = footer.as_ref().clone().into_builder();
                Ok(Arc::new(footer.set_offset_index(Some(pages)).build()))
            }
            // Column chunks are fetched whole then.
            Err(error) => {
                debug!("cannot find the pages of {}: {error}", self.path.display());
                Ok(footer)
            }
        }
    }
}

fn pages_of_groups(
    file: &File,
    footer: &ParquetMetaData,
    sliced: &Sliced,
) -> ParquetResult<Vec<Vec<OffsetIndexMetaData>>> {
    let groups = footer.row_groups().iter().enumerate();
    groups
        .map(|(at, group)| match sliced.groups().contains(&at) {
            true => find_pages(file.try_clone()?, group, |column| {
                sliced.reads(group, column)
            }),
            false => Ok(Vec::new()),
        })
        .collect()
}
