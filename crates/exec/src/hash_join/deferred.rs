//! Joining what is on disk: each partition of the build side with the probe rows that were set aside for
//! it.

use std::sync::Arc;

use datafusion::common::{JoinSide, Result};

use super::gather::rows_of;
use super::keys::Keys;
use super::marks::{Marks, MarksFile, MarksWriter};
use super::node::{Gone, Node, Opened, Seen};
use super::probe_spill::ProbeSpill;
use super::probing::Probing;
use super::resources::Resources;
use super::spec::{Report, Spec};
use super::stream::Prober;
use super::table::Table;
use crate::batches::bytes_of;
use crate::reserve::take_at_least;
use crate::spill::{Run, RunReader};

/// A partition of the build side and this thread's probe rows for it.
type Pair = (Arc<Node>, Run);

impl Prober {
    /// Joins pairs from the last to the first, and those that come of them.
    pub(crate) async fn join_nodes(&mut self, mut pairs: Vec<Pair>) -> Result<()> {
        while let Some((node, run)) = pairs.pop() {
            if run.is_empty() {
                self.leave_node(&node, Seen::Nothing, &mut pairs).await?;
            } else {
                match node.open(&self.spec, &self.resources).await? {
                    Opened::Table(table) => {
                        self.join_table(&table, &run).await?;
                        drop(run);
                        self.leave_node(&node, Seen::Table(table), &mut pairs)
                            .await?;
                    }
                    Opened::Cut(children) => {
                        self.cut_probe_rows(&children, &run, &mut pairs).await?
                    }
                    Opened::Chunks => {
                        let marks = self.join_chunks(&node, &run).await?;
                        drop(run);
                        self.leave_node(&node, Seen::Marks(marks), &mut pairs)
                            .await?;
                    }
                }
            }
            if self.output.is_full() {
                break;
            }
        }
        Ok(())
    }

    async fn join_table(&mut self, table: &Arc<Table>, run: &Run) -> Result<()> {
        let mut reader = run.reader(self.spec.batch_size);
        while let Some(batch) = reader.next().await? {
            let keys = Keys::of(&self.spec.probe_keys, &batch, self.spec.null_equality)?;
            let probing = Probing::of_all(&self.spec, batch, keys, Arc::clone(table))?;
            self.deliver(probing).await?;
            if self.output.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Cuts probe rows as the build rows were cut.
    async fn cut_probe_rows(
        &mut self,
        children: &[Arc<Node>],
        run: &Run,
        pairs: &mut Vec<Pair>,
    ) -> Result<()> {
        let depth = children.first().map_or(0, |child| child.depth);
        let stage = Resources::stage_for(run.bytes);
        let mut spill = ProbeSpill::new(&self.spec, &self.resources, children.len(), stage);
        let mut reader = run.reader(self.spec.batch_size);
        while let Some(batch) = reader.next().await? {
            spill.push_all(batch, depth)?;
        }
        let runs = spill.finish()?;
        pairs.extend(children.iter().cloned().zip(runs).rev());
        Ok(())
    }

    /// Joins rows of which no table can hold all: build rows a chunk at a time, each chunk with all probe
    /// rows. What was matched is remembered from chunk to chunk. Returns the build rows that were.
    async fn join_chunks(&mut self, node: &Node, run: &Run) -> Result<Marks> {
        let spec = Arc::clone(&self.spec);
        let mut of_build = MarksWriter::new(&self.resources, &MarksFile::default());
        let mut of_probe = Marks::None;
        let mut chunks = Chunks {
            reader: node.run.reader(spec.batch_size),
            refused: None,
        };
        while let Some((batches, memory)) = chunks.next(&spec, &self.resources).await? {
            self.resources.metrics.passes.add(1);
            let table = Arc::new(Table::new(&spec, batches, None, memory).await?);
            of_probe = self.join_chunk(&table, run, of_probe).await?;
            if self.output.is_full() {
                return Ok(Marks::None);
            }
            of_build.push(table.flags().into_iter().flatten())?;
        }
        if let Some(report) = spec.of_probe() {
            self.report_probe_rows(run, &of_probe, report).await?;
        }
        of_build.finish()
    }

    /// Joins a chunk of the build rows with all probe rows, of which those in `matched` were matched before. Returns
    /// those that are now.
    async fn join_chunk(&mut self, table: &Arc<Table>, run: &Run, matched: Marks) -> Result<Marks> {
        let has_marks = self.spec.of_probe().is_some();
        let mut before = matched.reader();
        let mut after = MarksWriter::new(&self.resources, &MarksFile::default());
        let mut reader = run.reader(self.spec.batch_size);
        while let Some(batch) = reader.next().await? {
            let keys = Keys::of(&self.spec.probe_keys, &batch, self.spec.null_equality)?;
            let marks = match has_marks {
                true => before.next(batch.num_rows()).await?,
                false => Vec::new(),
            };
            let probing = Probing::of_all(&self.spec, batch, keys, Arc::clone(table))?;
            let marks = self.deliver(probing.untold(marks)).await?;
            if self.output.is_full() {
                break;
            }
            after.push(marks)?;
        }
        after.finish()
    }

    /// Tells of probe rows, once all build rows were seen.
    async fn report_probe_rows(
        &mut self,
        run: &Run,
        matched: &Marks,
        report: Report,
    ) -> Result<()> {
        let mut matched = matched.reader();
        let mut reader = run.reader(self.spec.batch_size);
        while let Some(batch) = reader.next().await? {
            let rows = 0..batch.num_rows();
            let marks = matched.next(batch.num_rows()).await?;
            let is_matched = |row: usize| marks[row];
            let told = rows_of(
                &self.spec,
                JoinSide::Right,
                &batch,
                rows,
                report,
                is_matched,
            )?;
            self.output.push(told).await?;
            if self.output.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Is done with a node, of whose rows it has seen some matched. The last thread that is tells of them.
    async fn leave_node(
        &mut self,
        node: &Arc<Node>,
        seen: Seen,
        pairs: &mut Vec<Pair>,
    ) -> Result<()> {
        match node.leave(seen, &self.resources).await? {
            Gone::ToLeave(children) => {
                pairs.extend(
                    children
                        .iter()
                        .map(|child| (Arc::clone(child), Run::default())),
                );
            }
            Gone::Before => {}
            _ if self.spec.of_build().is_none() => {}
            Gone::LastWithTable(table) => self.report_table(&table).await?,
            Gone::Last(marks) => self.report_node(node, &marks).await?,
        }
        Ok(())
    }

    async fn report_node(&mut self, node: &Node, matched: &Marks) -> Result<()> {
        let mut matched = matched.reader();
        let mut reader = node.run.reader(self.spec.batch_size);
        while let Some(batch) = reader.next().await? {
            let marks = matched.next(batch.num_rows()).await?;
            self.report(&batch, |row| marks[row]).await?;
            if self.output.is_full() {
                break;
            }
        }
        Ok(())
    }
}

/// Bytes of memory for a chunk beyond which it gets no more rows: offsets of 32 bits are to reach all of a column.
const LARGEST_CHUNK: usize = 2 << 30;

/// Build rows in as large chunks as memory has room for, and of one batch at least.
struct Chunks {
    reader: RunReader,
    /// The batch for which there was no room any more.
    refused: Option<datafusion::arrow::record_batch::RecordBatch>,
}

type Chunk = (
    Vec<datafusion::arrow::record_batch::RecordBatch>,
    datafusion::execution::memory_pool::MemoryReservation,
);

impl Chunks {
    async fn next(&mut self, spec: &Spec, resources: &Resources) -> Result<Option<Chunk>> {
        let first = match self.refused.take() {
            Some(batch) => Some(batch),
            None => self.reader.next().await?,
        };
        let Some(first) = first else {
            return Ok(None);
        };
        // Twice the rows: a column at a time they are there twice while the chunk is made one.
        let bytes = |batch: &datafusion::arrow::record_batch::RecordBatch| {
            2 * bytes_of(batch) + spec.index_bytes(batch.num_rows())
        };
        let memory = resources.reservation();
        take_at_least(&memory, bytes(&first));
        let mut batches = vec![first];
        while let Some(batch) = self.reader.next().await? {
            let is_full = memory.size() > LARGEST_CHUNK;
            if is_full || memory.try_grow(bytes(&batch)).is_err() {
                self.refused = Some(batch);
                break;
            }
            batches.push(batch);
        }
        Ok(Some((batches, memory)))
    }
}
