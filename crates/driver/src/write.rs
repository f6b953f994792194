//! Rows written as files, the way Spark's `DataFrameWriter` writes them.
//!
//! All files are written to a hidden directory beside the target and move there when the last is complete
//! ([`staging`]): a write that fails, is dropped or is killed leaves what was there as it was. Rows are
//! encoded as they come, on threads that may block, several if one is not fast enough ([`writers`]); what the open
//! files hold in memory is on the books of the query ([`parts`], [`held`]). Rows for more directories than files can
//! be open are sorted first ([`sorted`]).

mod cells;
mod columns;
mod csv;
mod encoder;
mod failed;
mod held;
mod json;
mod parquet;
mod partitions;
mod parts;
mod request;
mod sorted;
mod staging;
mod writers;

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::TaskContext;
use futures::{StreamExt, stream};
use uuid::Uuid;

use self::encoder::Encoder;
use self::failed::failed;
use self::partitions::PartitionBy;
use self::parts::Making;
use self::sorted::Sorted;
use self::staging::Staging;
use self::writers::Writers;
use crate::error::Error;
use crate::options::Options;
use crate::query::{Query, Rows};
use crate::record::Status;
use crate::source::refuse_other_encodings;

pub use self::request::{SaveMode, Target, WriteRequest, Written};

/// The empty file that says that a write is complete.
const SUCCESS: &str = "_SUCCESS";

/// The options of all formats.
const COMMON: &[&str] = &["path", "maxrecordsperfile", "partitionoverwritemode"];

/// The most files that are open at once. Rows for more directories are sorted by them, so that one is enough.
const MOST_OPEN: u64 = 64;

/// What a query has to be able to hold, in bytes, for each thread that encodes its rows.
const OF_A_WRITER: u64 = 64 << 20;

/// A write that nothing stands in the way of, before there are rows. Dropped, it leaves what was there.
pub(crate) struct Write {
    request: WriteRequest,
    staging: Staging,
}

/// What a write needs to know of the session.
pub(crate) struct Surroundings {
    /// What text without a time zone is in.
    pub(crate) time_zone: String,
    /// How many threads may encode.
    pub(crate) threads: usize,
    /// With the memory of the query and its disks.
    pub(crate) context: Arc<TaskContext>,
}

impl Write {
    /// Makes ready for a write; none if the mode says that there is nothing to do.
    ///
    /// # Errors
    /// [`Error::PathExists`] if there is something at the path and the mode does not allow for it; if the option
    /// `partitionOverwriteMode` has no such value; and if the disk refuses.
    pub(crate) fn begin(request: WriteRequest) -> Result<Option<Self>, Error> {
        let dynamic = is_dynamic(&Options::new(&request.options))?;
        let by_partition = dynamic && !request.partition_by.is_empty();
        let staging = Staging::begin(&request.path, request.target, request.mode, by_partition)?;
        Ok(staging.map(|staging| Self { request, staging }))
    }

    /// Writes the rows of a query, and ends the query.
    ///
    /// # Errors
    /// If an option is malformed or not supported, a column cannot be written in this format, the rows end with an
    /// error, or the disk refuses. What was at the path is then as it was.
    pub(crate) async fn run(self, mut rows: Rows, around: Surroundings) -> Result<Written, Error> {
        let Some(query) = rows.query() else {
            return Err(failed("these rows are of no query"));
        };
        query.begins_to_write();
        rows.leave_query_open();
        let task = Arc::clone(query.task());
        let written = task.at_work(self.all(rows, &query, around)).await;
        match &written {
            Ok(_) => query.end(Status::Finished, None),
            Err(error) => query.end(Status::Failed, Some(error.to_string())),
        }
        written
    }

    async fn all(
        self,
        rows: Rows,
        query: &Arc<Query>,
        around: Surroundings,
    ) -> Result<Written, Error> {
        let partition_by = PartitionBy::new(
            &rows.schema(),
            &self.request.partition_by,
            &around.time_zone,
        )?;
        let making = self.making(&rows, &partition_by, query, &around.time_zone)?;
        // One file has its rows in their order, and so have rows that were sorted.
        let is_one =
            self.request.target == Target::File || (partition_by.is_empty() && query.is_ordered());
        let most = match is_one {
            true => 1,
            false => (around.threads as u64).min(query.task().limit() / OF_A_WRITER),
        };
        let staging = Arc::new(self.staging);
        let mut writers = Writers::new(
            making,
            partition_by.others(),
            Arc::clone(&staging),
            Arc::clone(query),
            most.max(1) as usize,
        );
        let fed = match partition_by.is_empty() {
            true => feed(rows, &mut writers).await,
            false => feed_by_directory(rows, &partition_by, &mut writers, query, around).await,
        };
        if let Err(error) = fed {
            writers.give_up().await;
            return Err(error);
        }
        let made = writers.finish().await?;
        let staging = Arc::into_inner(staging).ok_or_else(|| failed("a thread goes on"))?;
        let committed = SpawnedTask::spawn_blocking(move || staging.commit());
        committed.join().await.map_err(failed)??;
        Ok(Written {
            rows: made.rows,
            files: made.files,
            bytes: made.bytes,
            is_ignored: false,
        })
    }

    /// How files are made of rows.
    fn making(
        &self,
        rows: &Rows,
        partition_by: &PartitionBy,
        query: &Query,
        time_zone: &str,
    ) -> Result<Making, Error> {
        let options = Options::new(&self.request.options);
        let format = self.request.format;
        let schema = columns::written(&rows.schema(), partition_by, format);
        let memory = query.task().limit();
        let encoder = Encoder::new(format, &schema, &options, time_zone, memory)?;
        // An eighth of the memory, so that files can hold more than they need to be open.
        let open = memory / 8 / (encoder.least_memory(&schema) as u64).max(1);
        Ok(Making {
            directory: self.staging.directory().to_owned(),
            target: self.staging.target().into(),
            id: Uuid::new_v4(),
            most_rows: match self.request.target {
                Target::Directory => most_rows(&options)?,
                Target::File => None,
            },
            most_open: open.clamp(1, MOST_OPEN) as usize,
            one_file: self.staging.file_name(),
            encoder,
            schema,
        })
    }
}

/// Passes rows on to whichever thread can take them.
async fn feed(mut rows: Rows, writers: &mut Writers) -> Result<(), Error> {
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        // A thread takes no more once it has failed.
        if batch.num_rows() > 0 && !writers.send(batch).await {
            return Ok(());
        }
    }
    writers.at_least_one_file().await;
    Ok(())
}

/// Passes rows on to the threads that have the files of their directories; sorted, from where there are more
/// directories than files can be open.
async fn feed_by_directory(
    mut rows: Rows,
    by: &PartitionBy,
    writers: &mut Writers,
    query: &Arc<Query>,
    around: Surroundings,
) -> Result<(), Error> {
    let schema = rows.schema();
    let mut directories = HashSet::new();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let groups = by.split(&batch)?;
        directories.extend(groups.iter().map(|(directory, _)| directory.clone()));
        if directories.len() > writers.most_open() {
            drop((groups, directories));
            let rest = stream::iter([Ok(batch)]).chain(rows);
            let sorted = Sorted::new(rest, &schema, by.places(), query, around.context)?;
            return feed_sorted(sorted, by, writers).await;
        }
        if !writers.send_groups(groups).await {
            return Ok(());
        }
    }
    Ok(())
}

async fn feed_sorted(
    mut rows: Sorted,
    by: &PartitionBy,
    writers: &mut Writers,
) -> Result<(), Error> {
    if !writers.one_at_a_time().await {
        return Ok(());
    }
    while let Some(batch) = rows.next().await? {
        if !writers.send_groups(by.split(&batch)?).await {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether the option `partitionOverwriteMode` says that only partitions with new rows are replaced.
fn is_dynamic(options: &Options) -> Result<bool, Error> {
    let mode = options.get("partitionoverwritemode").unwrap_or("static");
    match mode.to_lowercase().as_str() {
        "static" => Ok(false),
        "dynamic" => Ok(true),
        _ => Err(Error::Option(format!(
            "the option partitionOverwriteMode is static or dynamic, not '{mode}'"
        ))),
    }
}

/// The option `maxRecordsPerFile`.
fn most_rows(options: &Options) -> Result<Option<u64>, Error> {
    let Some(value) = options.get("maxrecordsperfile") else {
        return Ok(None);
    };
    let number: i64 = value.parse().map_err(|_| {
        Error::Option(format!(
            "the option maxRecordsPerFile is a number, not '{value}'"
        ))
    })?;
    Ok(u64::try_from(number).ok().filter(|&number| number > 0))
}
