use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::arrow::array::Array;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{JoinSide, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::build_side::{BuildSide, Left, View};
use super::gather::rows_of;
use super::keys::{Keys, partition_of};
use super::output::Output;
use super::probe_spill::ProbeSpill;
use super::probing::{Probing, Progress, Rows};
use super::resources::Resources;
use super::scatter::NOWHERE;
use super::spec::Spec;
use super::table::Table;
use crate::spill::Run;

/// One thread's part of a join: it probes the build side with the rows of one partition of the probe side.
pub(crate) struct Prober {
    pub(crate) spec: Arc<Spec>,
    pub(crate) build: Arc<BuildSide>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) output: Output,
    /// Rows whose partner may be on disk.
    spill: Option<ProbeSpill>,
}

impl Prober {
    pub(crate) fn new(build: Arc<BuildSide>, resources: Arc<Resources>, output: Output) -> Self {
        let spec = Arc::clone(&build.spec);
        Self {
            spec,
            build,
            resources,
            output,
            spill: None,
        }
    }

    /// Joins all rows of `probe`.
    ///
    /// # Errors
    /// Those of the input, of the join's expressions, and of the disk.
    pub(crate) async fn run(mut self, mut probe: SendableRecordBatchStream) -> Result<()> {
        let is_empty = self.build.rows == 0;
        if is_empty && self.spec.join_type.empty_build_side_produces_empty_result() {
            return Ok(());
        }
        if self.build.has_null {
            // Nothing is NOT IN a set with a NULL, for no probe row.
            return Ok(());
        }
        while let Some(batch) = probe.next().await.transpose()? {
            if batch.num_rows() == 0 {
                continue;
            }
            let metrics = &self.resources.metrics;
            metrics.input_batches.add(1);
            metrics.input_rows.add(batch.num_rows());
            let keys = Keys::of(&self.spec.probe_keys, &batch, self.spec.null_equality)?;
            if self.spec.probes_set() {
                let has_null = keys
                    .columns
                    .iter()
                    .any(|column| column.logical_null_count() > 0);
                self.build.note_probe_rows(has_null);
                if self.build.probe_has_null.load(Ordering::Relaxed) {
                    // Nothing is NOT IN a set with a NULL, for no build row.
                    return Ok(());
                }
            }
            let (batch, keys) = match &keys.matchable {
                // NULL NOT IN a set is unknown, unless the set is empty.
                Some(is_valid) if self.spec.builds_set() && !is_empty => {
                    let batch = filter_record_batch(&batch, &is_valid.inner().clone().into())?;
                    let keys = Keys::of(&self.spec.probe_keys, &batch, self.spec.null_equality)?;
                    (batch, keys)
                }
                _ => (batch, keys),
            };
            let view = self.build.view().await;
            let probing = self.route(view, batch, keys)?;
            self.deliver(probing).await?;
            if self.output.is_full() {
                return Ok(());
            }
        }
        drop(probe);
        let runs = match self.spill.take() {
            Some(spill) => spill.finish()?,
            None => Vec::new(),
        };
        self.leave(runs).await?;
        self.output.finish().await
    }

    /// Hands on all that comes of a probing, and returns what it knows of its rows.
    pub(crate) async fn deliver(&mut self, mut probing: Probing) -> Result<Vec<bool>> {
        loop {
            let timer = self.resources.metrics.join_time.timer();
            let progress = probing.next(&self.spec)?;
            timer.done();
            match progress {
                Progress::Rows(rows) => self.output.push(rows).await?,
                Progress::NoneYet => tokio::task::yield_now().await,
                Progress::Done => return Ok(probing.into_matched()),
            }
            if self.output.is_full() {
                return Ok(Vec::new());
            }
        }
    }

    /// Sends each row of a batch where its partners are: to a table, or to disk.
    fn route(&mut self, mut view: View, batch: RecordBatch, keys: Keys) -> Result<Probing> {
        let resources = Arc::clone(&self.resources);
        let _time = resources.metrics.join_time.timer();
        let Some(routes) = view.routes else {
            if let Some(table) = view.tables.pop() {
                return Probing::of_all(&self.spec, batch, keys, table);
            }
            let own = Rows::All(batch.num_rows());
            return Ok(Probing::new(
                &self.spec,
                batch,
                keys,
                Vec::new(),
                Vec::new(),
                Vec::new(),
                own,
            ));
        };
        if !self.spec.has_keys() {
            return self.route_to_one(view.tables.pop(), batch, keys);
        }
        let mut hashes = Vec::new();
        keys.hash(0, &mut hashes)?;
        let mut by_table: Vec<Vec<u32>> = vec![Vec::new(); view.tables.len()];
        let mut own = Vec::new();
        let mut targets = vec![NOWHERE; batch.num_rows()];
        let mut goes_to_disk = false;
        for (row, hash) in hashes.iter().enumerate() {
            let number = row as u32;
            if !keys.is_matchable(row) {
                own.push(number);
                continue;
            }
            let partition = partition_of(*hash, routes.len());
            match routes[partition] {
                Some(table) => {
                    by_table[table].push(number);
                    own.push(number);
                }
                None => {
                    targets[row] = partition as u32;
                    goes_to_disk = true;
                }
            }
        }
        if goes_to_disk {
            self.set_aside(batch.clone(), targets, routes.len())?;
        }
        let work = by_table
            .into_iter()
            .enumerate()
            .filter(|(_, rows)| !rows.is_empty());
        let work = work
            .map(|(table, rows)| (table, Rows::Some(rows)))
            .collect();
        let own = Rows::Some(own);
        Ok(Probing::new(
            &self.spec,
            batch,
            keys,
            hashes,
            view.tables,
            work,
            own,
        ))
    }

    /// Sends all rows of a batch to the only part that a build side without keys has: to its table, or to disk.
    fn route_to_one(
        &mut self,
        table: Option<Arc<Table>>,
        batch: RecordBatch,
        keys: Keys,
    ) -> Result<Probing> {
        if let Some(table) = table {
            return Probing::of_all(&self.spec, batch, keys, table);
        }
        self.set_aside(batch.clone(), vec![0; batch.num_rows()], 1)?;
        let none = Rows::Some(Vec::new());
        Ok(Probing::new(
            &self.spec,
            batch,
            keys,
            Vec::new(),
            Vec::new(),
            Vec::new(),
            none,
        ))
    }

    /// Sends rows to disk, for later.
    fn set_aside(
        &mut self,
        batch: RecordBatch,
        targets: Vec<u32>,
        partitions: usize,
    ) -> Result<()> {
        let spill = self.spill.get_or_insert_with(|| {
            ProbeSpill::new(&self.spec, &self.resources, partitions, self.build.stage)
        });
        spill.push(batch, targets)
    }

    /// Leaves the parts of the build side one by one: joins what is on disk, and tells of build rows
    /// where no other thread will.
    async fn leave(&mut self, runs: Vec<Run>) -> Result<()> {
        let mut runs = runs.into_iter();
        let mut nodes = Vec::new();
        let mut has_left_whole = false;
        for part in 0.. {
            let Some(left) = self.build.leave(part, &mut has_left_whole).await else {
                break;
            };
            let run = runs.next().unwrap_or_default();
            match left {
                Left::Nothing => {}
                Left::Report(table) => self.report_table(&table).await?,
                Left::Node(node) => nodes.push((node, run)),
            }
            if self.output.is_full() {
                return Ok(());
            }
        }
        nodes.reverse();
        self.join_nodes(nodes).await
    }

    /// Tells of the rows of a table, once all probe rows were seen.
    pub(crate) async fn report_table(&mut self, table: &Table) -> Result<()> {
        let size = self.spec.batch_size.max(1);
        for start in (0..table.rows()).step_by(size) {
            let length = size.min(table.rows() - start);
            let batch = table.batch.slice(start, length);
            self.report(&batch, |row| table.is_flagged(start + row))
                .await?;
            if self.output.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Tells of build rows, once all probe rows were seen.
    pub(crate) async fn report(
        &mut self,
        batch: &RecordBatch,
        is_matched: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let Some(report) = self.spec.of_build() else {
            return Ok(());
        };
        let spec = &self.spec;
        let mut is_null = None;
        if spec.probes_set() {
            if self.build.probe_has_null.load(Ordering::Relaxed) {
                return Ok(());
            }
            if self.build.probe_has_rows.load(Ordering::Relaxed) {
                // NULL NOT IN a set is unknown, unless the set is empty.
                is_null = Keys::of(&spec.build_keys, batch, spec.null_equality)?.matchable;
            }
        }
        let among = (0..batch.num_rows())
            .filter(|row| is_null.as_ref().is_none_or(|valid| valid.is_valid(*row)));
        let rows = rows_of(spec, JoinSide::Left, batch, among, report, is_matched)?;
        self.output.push(rows).await
    }
}
