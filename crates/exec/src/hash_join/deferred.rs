//! Joining what is on disk: each partition of the build side with the probe rows that were set aside for
//! it.

use std::sync::Arc;

use datafusion::common::{JoinSide, Result};

use super::flags::Flags;
use super::gather::rows_of;
use super::keys::Keys;
use super::node::{Node, Opened};
use super::probe_spill::ProbeSpill;
use super::probing::Probing;
use super::resources::Resources;
use super::spec::Spec;
use super::stream::Prober;
use super::table::{FlagsOf, Table};
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
                self.leave_node(&node, None, &mut pairs).await?;
            } else {
                match node.open(&self.spec, &self.resources).await? {
                    Opened::Table(table) => {
                        self.join_table(&table, &run).await?;
                        drop(run);
                        self.leave_node(&node, Some(table), &mut pairs).await?;
                    }
                    Opened::Cut(children) => {
                        self.cut_probe_rows(&children, &run, &mut pairs).await?
                    }
                    Opened::Chunks => {
                        self.join_chunks(&node, &run).await?;
                        drop(run);
                        self.leave_node(&node, None, &mut pairs).await?;
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
    /// rows. What was matched is remembered from chunk to chunk.
    async fn join_chunks(&mut self, node: &Node, run: &Run) -> Result<()> {
        let spec = Arc::clone(&self.spec);
        let build_flags = node.flags(&spec, &self.resources);
        let memory = self.resources.reservation();
        let matched = spec.of_probe().map(|report| {
            take_at_least(&memory, Flags::bytes(run.rows));
            (report, Flags::new(run.rows))
        });
        let mut first = 0;
        let mut chunks = Chunks {
            reader: node.run.reader(spec.batch_size),
            refused: None,
        };
        while let Some((batches, memory)) = chunks.next(&spec, &self.resources).await? {
            self.resources.metrics.passes.add(1);
            let flags = build_flags.clone().map(|flags| FlagsOf { flags, first });
            let table = Arc::new(Table::new(&spec, batches, flags, memory).await?);
            first += table.rows();
            let flags = matched.as_ref().map(|(_, flags)| flags);
            self.join_chunk(&table, run, flags).await?;
            if self.output.is_full() {
                return Ok(());
            }
        }
        let Some((report, flags)) = matched else {
            return Ok(());
        };
        let mut base = 0;
        let mut reader = run.reader(spec.batch_size);
        while let Some(batch) = reader.next().await? {
            let rows = 0..batch.num_rows();
            let is_matched = |row: usize| flags.get(base + row);
            let told = rows_of(&spec, JoinSide::Right, &batch, rows, report, is_matched)?;
            base += batch.num_rows();
            self.output.push(told).await?;
            if self.output.is_full() {
                break;
            }
        }
        Ok(())
    }

    async fn join_chunk(
        &mut self,
        table: &Arc<Table>,
        run: &Run,
        flags: Option<&Flags>,
    ) -> Result<()> {
        let mut base = 0;
        let mut reader = run.reader(self.spec.batch_size);
        while let Some(batch) = reader.next().await? {
            let rows = batch.num_rows();
            let keys = Keys::of(&self.spec.probe_keys, &batch, self.spec.null_equality)?;
            let probing = Probing::of_all(&self.spec, batch, keys, Arc::clone(table))?;
            let unmatched = vec![false; if flags.is_some() { rows } else { 0 }];
            let matched = self.deliver(probing.untold(unmatched)).await?;
            if self.output.is_full() {
                break;
            }
            if let Some(flags) = flags {
                let matched = matched.iter().enumerate().filter(|(_, matched)| **matched);
                matched.for_each(|(row, _)| flags.set(base + row));
            }
            base += rows;
        }
        Ok(())
    }

    /// Is done with a node. The last thread that is tells of its rows, from `table` if it has them there.
    async fn leave_node(
        &mut self,
        node: &Arc<Node>,
        table: Option<Arc<Table>>,
        pairs: &mut Vec<Pair>,
    ) -> Result<()> {
        match node.leave().await {
            // Another thread has cut it meanwhile: its parts are to be left.
            Err(children) => {
                pairs.extend(
                    children
                        .iter()
                        .map(|child| (Arc::clone(child), Run::default())),
                );
            }
            Ok(false) => {}
            Ok(true) if self.spec.of_build().is_none() => {}
            Ok(true) => match table {
                Some(table) => self.report_table(&table).await?,
                None => self.report_node(node).await?,
            },
        }
        Ok(())
    }

    async fn report_node(&mut self, node: &Node) -> Result<()> {
        let Some(flags) = node.flags(&self.spec, &self.resources) else {
            return Ok(());
        };
        let mut base = 0;
        let mut reader = node.run.reader(self.spec.batch_size);
        while let Some(batch) = reader.next().await? {
            self.report(&batch, |row| flags.get(base + row)).await?;
            base += batch.num_rows();
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
