use std::cmp::Ordering;
use std::collections::VecDeque;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::buffer::{Keyed, Piece};
use super::keys::{KeyEncoder, Prefix};
use super::sorter::Work;
use crate::batches::{bytes_of, select};
use crate::reserve::take_at_least;
use crate::spill::{Run, RunFile, RunReader};

/// The most runs that are merged at once: more would be compared longer than they would be written again.
const MOST_RUNS: usize = 128;

/// A merge takes at most this part of the memory, and no less than it needs for two runs: what is above it
/// needs memory at the same time.
const PART: usize = 8;

/// How often a run's largest block is in memory at once: as it is, with its keys, and as the block before
/// it, of which rows are on their way.
const BLOCKS: usize = 3;

/// Merges runs until they are so few that they can be merged at once, and returns that merge.
pub(crate) async fn merge(work: &Work, runs: Vec<Run>, fetch: Option<usize>) -> Result<Merger> {
    let mut runs: VecDeque<Run> = runs.into();
    loop {
        let memory = work.memory.new_empty();
        let at_once = reserve(work, &memory, &runs);
        if at_once == runs.len() {
            return Merger::new(work, runs.into(), memory, fetch).await;
        }
        // No more than needed, so that the others are written once only.
        let count = at_once.min(runs.len() - at_once + 1);
        let some = runs.drain(..count).collect();
        let file = RunFile::create(&work.disk, &work.schema)?;
        let mut merged = Run::default();
        let mut merger = Merger::new(work, some, memory, fetch).await?;
        while let Some(batch) = merger.next(work, work.block).await? {
            file.append(&mut merged, &batch, bytes_of(&batch))?;
        }
        work.metrics.merges.add(1);
        runs.push_back(merged);
    }
}

/// Reserves memory to merge as many of the runs as can be at once, and says how many.
fn reserve(work: &Work, memory: &MemoryReservation, runs: &VecDeque<Run>) -> usize {
    let mut count = 0;
    for run in runs.iter().take(MOST_RUNS) {
        let bytes = BLOCKS * run.largest;
        if count < 2 {
            take_at_least(memory, bytes);
        } else if memory.size() + bytes > work.limit / PART || memory.try_grow(bytes).is_err() {
            break;
        }
        count += 1;
    }
    count
}

/// A run that is being read.
struct Source {
    reader: RunReader,
    /// Its block, `None` after the last.
    block: Option<Keyed>,
    row: usize,
    prefix: Prefix,
    /// The block's place among those that rows are taken from, if it is there.
    place: Option<usize>,
}

impl Source {
    async fn open(run: &Run, encoder: &KeyEncoder) -> Result<Self> {
        let mut source = Self {
            reader: run.one_by_one(),
            block: None,
            row: 0,
            prefix: Prefix::default(),
            place: None,
        };
        source.read(encoder).await?;
        Ok(source)
    }

    async fn read(&mut self, encoder: &KeyEncoder) -> Result<()> {
        // Let go of before the next is there.
        self.block = None;
        self.place = None;
        self.row = 0;
        if let Some(batch) = self.reader.next().await? {
            let keys = encoder.keys(&batch)?;
            self.prefix = keys.prefix(0);
            self.block = Some(Keyed::new(batch, keys));
        }
        Ok(())
    }

    /// Goes to the next row of the block, if it has one.
    fn advance(&mut self) -> bool {
        self.row += 1;
        match &self.block {
            Some(block) if self.row < block.batch.num_rows() => {
                self.prefix = block.keys.prefix(self.row);
                true
            }
            _ => false,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (&self.block, &other.block) {
            (Some(block), Some(others)) => self
                .prefix
                .cmp(&other.prefix)
                .then_with(|| block.keys.compare(self.row, &others.keys, other.row)),
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
        }
    }
}

/// Reads runs as one: a tree of losers (Knuth, volume 3, section 5.4.1).
pub(crate) struct Merger {
    schema: SchemaRef,
    sources: Vec<Source>,
    /// The source that comes first, then for each inner node of the tree the one that lost there.
    tree: Vec<usize>,
    /// Rows that are still wanted.
    wanted: usize,
    _memory: MemoryReservation,
}

impl Merger {
    async fn new(
        work: &Work,
        runs: Vec<Run>,
        memory: MemoryReservation,
        fetch: Option<usize>,
    ) -> Result<Self> {
        let mut sources = Vec::with_capacity(runs.len());
        for run in &runs {
            sources.push(Source::open(run, &work.encoder).await?);
        }
        let mut merger = Self {
            schema: SchemaRef::clone(&work.schema),
            tree: vec![usize::MAX; sources.len()],
            sources,
            wanted: fetch.unwrap_or(usize::MAX),
            _memory: memory,
        };
        merger.play_all();
        Ok(merger)
    }

    /// The next rows, `None` after the last.
    pub(crate) async fn next(&mut self, work: &Work, most: Piece) -> Result<Option<RecordBatch>> {
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut indices = Vec::new();
        let mut bytes = 0;
        while indices.len() < most.rows.min(self.wanted) {
            let Some(&first) = self.tree.first() else {
                break;
            };
            let source = &mut self.sources[first];
            let Some(block) = &source.block else {
                break;
            };
            bytes += block.row_bytes;
            if bytes > most.bytes && !indices.is_empty() {
                break;
            }
            let place = *source.place.get_or_insert_with(|| {
                batches.push(block.batch.clone());
                batches.len() - 1
            });
            indices.push((place, source.row));
            if !source.advance() {
                source.read(&work.encoder).await?;
            }
            self.play(first);
        }
        self.sources
            .iter_mut()
            .for_each(|source| source.place = None);
        if indices.is_empty() {
            return Ok(None);
        }
        self.wanted -= indices.len();
        select(&self.schema, &batches, &indices).map(Some)
    }

    /// Whether source `a` comes after source `b`.
    fn is_after(&self, a: usize, b: usize) -> bool {
        let order = self.sources[a].compare(&self.sources[b]);
        order.then(a.cmp(&b)) == Ordering::Greater
    }

    fn play_all(&mut self) {
        for source in 0..self.sources.len() {
            let mut winner = source;
            let mut node = self.above(source);
            while node != 0 && self.tree[node] != usize::MAX {
                if self.is_after(winner, self.tree[node]) {
                    std::mem::swap(&mut winner, &mut self.tree[node]);
                }
                node /= 2;
            }
            self.tree[node] = winner;
        }
    }

    /// Finds the first source anew after `source`, which was it, has gone on.
    fn play(&mut self, source: usize) {
        let mut winner = source;
        let mut node = self.above(source);
        while node != 0 {
            if self.is_after(winner, self.tree[node]) {
                std::mem::swap(&mut winner, &mut self.tree[node]);
            }
            node /= 2;
        }
        self.tree[0] = winner;
    }

    /// The inner node above a source.
    fn above(&self, source: usize) -> usize {
        (source + self.sources.len()) / 2
    }
}
