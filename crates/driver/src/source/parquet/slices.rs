//! Row groups that are larger than their budget, read in slices.
//!
//! A reader of Parquet fetches the chunk of each column that it needs of a row group whole, which for a
//! large row group is more than a small memory has. If it is told which rows it is to read, and where the
//! pages of the chunks begin, it fetches only the pages that have these rows. So a file with such a row
//! group becomes several parts, each with the [`ParquetAccessPlan`] of some of its rows; and where the
//! file does not say where its pages are, [`super::pages`] finds out when the first part is opened.
//!
//! What stays: a page of each column is decoded whole, and with it the dictionary of its chunk, once for
//! each slice. Slices are therefore not smaller than the dictionaries, which at most doubles the work.

use std::sync::{Arc, Weak};

use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::object_store::ObjectStore;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Mutex;

/// Writers begin a page at least every so many rows, and then those of all columns at once.
const ROWS_OF_PAGES: u64 = 20_000;

/// Fewer rows are not read at once.
const FEWEST_ROWS: u64 = 1024;

/// What the slices of a file share.
#[derive(Debug)]
pub(super) struct Sliced {
    /// The columns at the root of the schema that are read.
    columns: Vec<String>,
    /// The row groups that are sliced.
    groups: Vec<usize>,
    /// The footer with the places of pages, for as long as a slice is being read.
    footer: Mutex<Weak<ParquetMetaData>>,
}

impl Sliced {
    /// Whether a column chunk is read.
    pub(super) fn reads(&self, group: &RowGroupMetaData, column: usize) -> bool {
        is_read(&self.columns, group, column)
    }

    pub(super) fn groups(&self) -> &[usize] {
        &self.groups
    }

    pub(super) fn footer(&self) -> &Mutex<Weak<ParquetMetaData>> {
        &self.footer
    }
}

/// Cuts files with row groups of which these columns take more than `most` bytes, as they are stored.
///
/// # Errors
/// If a footer cannot be read.
pub(crate) async fn slice(
    state: &dyn Session,
    store: &Arc<dyn ObjectStore>,
    files: Vec<PartitionedFile>,
    columns: &[String],
    most: u64,
) -> Result<Vec<PartitionedFile>> {
    let cache = &state.runtime_env().cache_manager.get_file_metadata_cache();
    let at_once = state
        .config_options()
        .execution
        .meta_fetch_concurrency
        .get();
    let parts = futures::stream::iter(files).map(|file| async move {
        if file.object_meta.size <= most {
            return Ok::<_, DataFusionError>(vec![file]);
        }
        let footer = DFParquetMetadata::new(store.as_ref(), &file.object_meta)
            .with_file_metadata_cache(Some(Arc::clone(cache)))
            .with_page_index_policy(Some(PageIndexPolicy::Skip))
            .fetch_metadata()
            .await?;
        Ok(parts(file, &footer, columns, most))
    });
    let parts: Vec<Vec<PartitionedFile>> = parts.buffered(at_once).try_collect().await?;
    Ok(parts.into_iter().flatten().collect())
}

/// The parts of a file in the order of its rows.
fn parts(
    file: PartitionedFile,
    footer: &ParquetMetaData,
    columns: &[String],
    most: u64,
) -> Vec<PartitionedFile> {
    let rows: Vec<Option<u64>> = footer
        .row_groups()
        .iter()
        .map(|group| rows_at_once(group, columns, most))
        .collect();
    let groups: Vec<usize> = (0..rows.len()).filter(|at| rows[*at].is_some()).collect();
    if groups.is_empty() {
        return vec![file];
    }
    let sliced = Arc::new(Sliced {
        columns: columns.to_vec(),
        groups,
        footer: Mutex::default(),
    });
    let none = || ParquetAccessPlan::new_none(rows.len());
    let mut parts = Vec::new();
    let mut whole = none();
    for (at, group) in footer.row_groups().iter().enumerate() {
        let Some(at_once) = rows[at] else {
            whole.scan(at);
            continue;
        };
        let before = std::mem::replace(&mut whole, none());
        if !before.row_group_indexes().is_empty() {
            parts.push(file.clone().with_extension(before));
        }
        let count = group.num_rows() as u64;
        for start in (0..count).step_by(at_once as usize) {
            let length = at_once.min(count - start);
            let selection = RowSelection::from(vec![
                RowSelector::skip(start as usize),
                RowSelector::select(length as usize),
                RowSelector::skip((count - start - length) as usize),
            ]);
            let mut plan = none();
            plan.set(at, RowGroupAccess::Selection(selection));
            let part = file.clone().with_extension(plan);
            parts.push(part.with_extension(Arc::clone(&sliced)));
        }
    }
    if !whole.row_group_indexes().is_empty() {
        parts.push(file.with_extension(whole));
    }
    parts
}

/// How many rows of a row group are read at once; none if it is read whole.
fn rows_at_once(group: &RowGroupMetaData, columns: &[String], most: u64) -> Option<u64> {
    let (mut bytes, mut dictionaries) = (0, 0);
    for (at, chunk) in group.columns().iter().enumerate() {
        if is_read(columns, group, at) {
            let (start, length) = chunk.byte_range();
            bytes += length;
            if chunk.dictionary_page_offset().is_some() {
                dictionaries += (chunk.data_page_offset() as u64).saturating_sub(start);
            }
        }
    }
    let most = most.max(dictionaries);
    if bytes <= most {
        return None;
    }
    let count = group.num_rows() as u64;
    let rows = (u128::from(count) * u128::from(most) / u128::from(bytes)) as u64;
    let rows = match rows / ROWS_OF_PAGES {
        0 => rows.max(FEWEST_ROWS),
        pages => pages * ROWS_OF_PAGES,
    };
    (rows < count).then_some(rows)
}

fn is_read(columns: &[String], group: &RowGroupMetaData, column: usize) -> bool {
    let path = group.column(column).column_path().parts();
    path.first().is_some_and(|root| columns.contains(root))
}
