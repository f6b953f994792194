use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parking_lot::Mutex;
use plimsoll_memory::Reclaim;

use super::bounds::Bounds;
use super::build_side::{BuildSide, Part};
use super::keys::Keys;
use super::marks::Marks;
use super::partitions::Partitions;
use super::resources::Resources;
use super::spec::Spec;
use super::table::Table;
use super::whole::Whole;
use crate::batches::{bytes_of, largest_column, with_lean_dictionaries};

/// Build rows as they come: kept as they are while they fit, and cut into partitions from the moment
/// that memory is refused.
struct Collector {
    spec: Arc<Spec>,
    resources: Arc<Resources>,
    rows: usize,
    /// Bytes of one batch, and of its largest column: a table takes that column twice while it is made.
    sample: (usize, usize),
    /// What rows took before they were cut, and how many there were: with what they shared their buffers with, which
    /// pieces do without.
    uncut: (usize, usize),
    kept: Kept,
}

enum Kept {
    Whole(Whole),
    Cut(Partitions),
}

impl Collector {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if self.rows == 0 {
            let largest = largest_column(&[batch.clone(), batch.clone()]) / 2;
            self.sample = (bytes_of(&batch), largest);
        }
        self.rows += batch.num_rows();
        let batch = match &mut self.kept {
            Kept::Cut(partitions) => return partitions.push(batch, None),
            Kept::Whole(whole) => match whole.push(batch, &self.resources) {
                Ok(()) => return Ok(()),
                Err(batch) => batch,
            },
        };
        self.cut()?.push(batch, None)
    }

    /// Cuts what was kept whole into partitions.
    fn cut(&mut self) -> Result<&mut Partitions> {
        if let Kept::Whole(whole) = &mut self.kept {
            let whole = std::mem::replace(whole, Whole::new(&self.resources));
            self.uncut = (whole.bytes(), whole.rows());
            let partitions = whole.into_partitions(&self.spec, &self.resources)?;
            self.kept = Kept::Cut(partitions);
        }
        match &mut self.kept {
            Kept::Cut(partitions) => Ok(partitions),
            Kept::Whole(_) => {
                datafusion::common::internal_err!("a build side that was cut is whole")
            }
        }
    }

    /// Bytes that the rows would take as one table in memory, while it is made.
    fn in_full(&self, partitions: &Partitions) -> usize {
        let (uncut, rows) = self.uncut;
        let uncut = uncut as u128 * self.rows as u128 / rows.max(1) as u128;
        // Of the buffers that rows share, later rows share most: a quarter of them are taken to grow with the rows.
        let pieces = partitions.bytes();
        let bytes = pieces + (uncut as usize).saturating_sub(pieces) / 4;
        let (all, largest) = self.sample;
        let again = bytes as u128 * largest as u128 / all.max(1) as u128;
        bytes + again as usize + self.spec.index_bytes(self.rows)
    }

    /// Bytes that could be freed.
    fn reclaimable(&self) -> usize {
        match &self.kept {
            Kept::Whole(whole) => whole.reclaimable(),
            Kept::Cut(partitions) => partitions.spillable(),
        }
    }

    fn reclaim(&mut self, bytes: usize) -> Result<usize> {
        if self.reclaimable() == 0 {
            return Ok(0);
        }
        let partitions = self.cut()?;
        let mut freed = 0;
        while freed < bytes {
            match partitions.spill_largest()? {
                0 => break,
                more => freed += more,
            }
        }
        Ok(freed)
    }

    async fn finish(mut self, probes: usize) -> Result<BuildSide> {
        if let Kept::Whole(whole) = &mut self.kept {
            let whole = std::mem::replace(whole, Whole::new(&self.resources));
            match whole.into_table(&self.spec, &self.resources).await? {
                Ok(table) => {
                    self.resources.metrics.build_mem_used.add(table.reserved());
                    if table.is_reclaimable() {
                        self.resources.note_in_full(table.reserved());
                    }
                    return Ok(BuildSide::of_table(
                        self.spec,
                        self.resources,
                        table,
                        probes,
                    ));
                }
                Err(whole) => self.kept = Kept::Whole(whole),
            }
        }
        self.cut()?.flush()?;
        if let Kept::Cut(partitions) = &self.kept {
            self.resources.note_in_full(self.in_full(partitions));
        }
        let Kept::Cut(mut partitions) = self.kept else {
            return datafusion::common::internal_err!("a build side that was cut is whole");
        };
        let stage = partitions.stage();
        let aside = partitions.set_aside(stage * probes)?;
        let mut parts = Vec::new();
        for (rows, memory) in partitions.into_parts()? {
            parts.push(match rows.is_on_disk {
                true => Part::on_disk(rows.run, Marks::None, self.rows, probes),
                false => {
                    let table = Table::new(&self.spec, rows.batches, None, memory).await?;
                    self.resources.metrics.build_mem_used.add(table.reserved());
                    Part::in_memory(table, probes)
                }
            });
        }
        // From here on it is the probing threads'.
        drop(aside);
        Ok(BuildSide::of_partitions(
            self.spec,
            self.resources,
            self.rows,
            stage,
            parts,
        ))
    }
}

/// What the memory manager can take back from a build side, from its first row to its last.
#[derive(Default)]
pub(crate) struct Reclaimer {
    stage: Mutex<Stage>,
}

#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    Collecting(Box<Collector>),
    Built(std::sync::Weak<BuildSide>),
}

impl Reclaim for Reclaimer {
    fn reclaimable(&self) -> u64 {
        let Some(stage) = self.stage.try_lock() else {
            return 0;
        };
        let bytes = match &*stage {
            Stage::Idle => 0,
            Stage::Collecting(collector) => collector.reclaimable(),
            Stage::Built(build) => build.upgrade().map_or(0, |build| build.idle()),
        };
        bytes as u64
    }

    fn reclaim(&self, bytes: u64) -> u64 {
        let Some(mut stage) = self.stage.try_lock() else {
            return 0;
        };
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let freed = match &mut *stage {
            Stage::Idle => 0,
            Stage::Collecting(collector) => {
                let before = collector.reclaimable();
                let metrics = Arc::clone(&collector.resources);
                match collector.reclaim(bytes) {
                    Ok(freed) => {
                        metrics.metrics.reclaimed.add(usize::from(freed > 0));
                        freed
                    }
                    // What was written until then is freed all the same. The join itself meets the
                    // full disk when it is its turn to spill.
                    Err(_) => before.saturating_sub(collector.reclaimable()),
                }
            }
            Stage::Built(build) => {
                let build = build.upgrade();
                drop(stage);
                return build.map_or(0, |build| build.spill_idle(bytes)) as u64;
            }
        };
        freed as u64
    }
}

/// Reads the build side to its end.
///
/// # Errors
/// Those of the input, and if rows cannot be written to disk.
pub(crate) async fn collect(
    spec: Arc<Spec>,
    resources: Arc<Resources>,
    mut input: SendableRecordBatchStream,
    probes: usize,
    mut bounds: Option<Bounds>,
) -> Result<(Arc<BuildSide>, Option<Bounds>)> {
    let reclaimer = Arc::new(Reclaimer::default());
    let whole = Whole::new(&resources);
    if let Some(task) = &resources.task {
        let offer: std::sync::Weak<Reclaimer> = Arc::downgrade(&reclaimer);
        task.offer(&resources.reservation(), offer);
    }
    let set = spec.builds_set().then(|| Arc::clone(&spec));
    let mut has_null = false;
    *reclaimer.stage.lock() = Stage::Collecting(Box::new(Collector {
        spec,
        resources: Arc::clone(&resources),
        rows: 0,
        sample: (0, 0),
        uncut: (0, 0),
        kept: Kept::Whole(whole),
    }));
    while let Some(batch) = input.next().await.transpose()? {
        let _time = resources.metrics.build_time.timer();
        resources.metrics.build_input_batches.add(1);
        resources.metrics.build_input_rows.add(batch.num_rows());
        if batch.num_rows() == 0 {
            continue;
        }
        if let Some(spec) = &set {
            let keys = Keys::of(&spec.build_keys, &batch, spec.null_equality)?;
            has_null = keys.matchable.is_some();
            if has_null {
                // No row of the other side is asked for any more.
                break;
            }
        }
        let batch = with_lean_dictionaries(batch)?;
        if let Some(bounds) = &mut bounds {
            bounds.update(&batch)?;
        }
        // Held while memory is asked for: whoever wants to reclaim meanwhile finds it taken.
        if let Stage::Collecting(collector) = &mut *reclaimer.stage.lock() {
            collector.push(batch)?;
        }
    }
    drop(input);
    let _time = resources.metrics.build_time.timer();
    let stage = std::mem::take(&mut *reclaimer.stage.lock());
    let Stage::Collecting(collector) = stage else {
        return datafusion::common::internal_err!("a build side was collected twice");
    };
    let mut build = collector.finish(probes).await?;
    build.has_null = has_null;
    let build = Arc::new(build);
    *reclaimer.stage.lock() = Stage::Built(Arc::downgrade(&build));
    build.keep(reclaimer);
    Ok((build, bounds))
}
