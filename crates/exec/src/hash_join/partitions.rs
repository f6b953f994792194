use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::keys::Keys;
use super::marks::{Marks, MarksFile, MarksWriter};
use super::resources::Resources;
use super::scatter::{Piece, Scatter};
use super::spec::Spec;
use crate::batches::bytes_of;
use crate::reserve::take_at_least;
use crate::spill::{Run, RunFile};

/// A build side cut into partitions by hash, some in memory and some on disk.
///
/// Each row is there once: in a batch of its partition, in a file, or for a moment among the rows that
/// are staged for both. When memory is refused, the partition that holds most goes to disk and what
/// comes for it later follows it there.
pub(crate) struct Partitions {
    spec: Arc<Spec>,
    resources: Arc<Resources>,
    /// What distinguishes the hash function from that of other depths.
    depth: usize,
    scatter: Scatter,
    /// Bytes of what is staged, and how many may be.
    staged: usize,
    stage: usize,
    /// Flags of the rows that are staged, where they had any.
    staged_flags: Vec<bool>,
    parts: Vec<PartRows>,
    file: Option<Arc<RunFile>>,
    marks_file: MarksFile,
    /// Whether all goes to disk as it comes.
    is_straight: bool,
    /// Covers the stage and all rows in memory.
    memory: MemoryReservation,
}

/// The rows of one partition.
#[derive(Default)]
pub(crate) struct PartRows {
    pub(crate) batches: Vec<RecordBatch>,
    /// Bytes of `batches`.
    pub(crate) bytes: usize,
    pub(crate) run: Run,
    pub(crate) is_on_disk: bool,
    /// Whether each row was matched, if any row came with that.
    marks: Option<MarksWriter>,
}

impl PartRows {
    /// Which of the rows were matched before they came here.
    ///
    /// # Errors
    /// If that cannot be written.
    pub(crate) fn marks(&mut self) -> Result<Marks> {
        self.marks
            .take()
            .map_or(Ok(Marks::None), MarksWriter::finish)
    }
}

impl Partitions {
    /// Partitions for rows that come to fill `bytes` of memory. `memory` may already hold what the rows
    /// take that will be pushed with [`push_counted`](Self::push_counted).
    pub(crate) fn new(
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
        depth: usize,
        bytes: usize,
        memory: MemoryReservation,
    ) -> Self {
        let stage = Resources::stage_for(bytes);
        let partitions = match spec.has_keys() {
            true => resources.partitions_for(stage),
            false => 1,
        };
        let mut parts = Vec::new();
        parts.resize_with(partitions, PartRows::default);
        resources.metrics.depth.set_max(depth + 1);
        Self {
            spec: Arc::clone(spec),
            resources: Arc::clone(resources),
            depth,
            scatter: Scatter::new(&spec.build_schema, partitions),
            staged: 0,
            stage,
            staged_flags: Vec::new(),
            parts,
            file: None,
            marks_file: MarksFile::default(),
            is_straight: false,
            memory,
        }
    }

    /// Bytes that rows on their way to these partitions may take at a time.
    pub(crate) fn stage(&self) -> usize {
        self.stage
    }

    /// Takes in a batch for which nothing is reserved yet.
    pub(crate) fn push(&mut self, batch: RecordBatch, flags: Option<&[bool]>) -> Result<()> {
        let bytes = bytes_of(&batch);
        if self.staged + bytes > self.stage {
            self.flush()?;
        }
        self.make_room(bytes)?;
        self.stage_batch(batch, bytes, flags)
    }

    /// Takes in a batch for which so many bytes are reserved already.
    pub(crate) fn push_counted(
        &mut self,
        batch: RecordBatch,
        bytes: usize,
        flags: Option<&Vec<bool>>,
    ) -> Result<()> {
        self.stage_batch(batch, bytes, flags.map(Vec::as_slice))?;
        if self.staged >= self.stage {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn stage_batch(
        &mut self,
        batch: RecordBatch,
        bytes: usize,
        flags: Option<&[bool]>,
    ) -> Result<()> {
        let rows = batch.num_rows();
        let keys = Keys::of(&self.spec.build_keys, &batch, self.spec.null_equality)?;
        let drops = self.spec.drops_unmatchable_build_rows();
        let targets = self.scatter.targets(&keys, rows, self.depth, drops)?;
        self.scatter.stage(batch, targets);
        if let Some(flags) = flags {
            self.staged_flags.extend_from_slice(flags);
        }
        self.staged += bytes;
        Ok(())
    }

    /// Reserves `bytes`, for which partitions go to disk if they must.
    fn make_room(&mut self, bytes: usize) -> Result<()> {
        while self.memory.try_grow(bytes).is_err() {
            if self.spill_largest()? == 0 {
                self.flush()?;
                take_at_least(&self.memory, bytes);
                break;
            }
        }
        Ok(())
    }

    /// Moves what is staged to its partitions.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.scatter.is_empty() {
            return Ok(());
        }
        let flags = std::mem::take(&mut self.staged_flags);
        let mut scatter =
            std::mem::replace(&mut self.scatter, Scatter::new(&self.spec.build_schema, 0));
        let scattered = scatter.empty(|piece| self.settle(piece, &flags));
        self.scatter = scatter;
        let staged = std::mem::take(&mut self.staged);
        self.memory.shrink(staged.min(self.memory.size()));
        scattered
    }

    /// Puts rows where their partition is.
    fn settle(&mut self, piece: Piece, flags: &[bool]) -> Result<()> {
        let bytes = bytes_of(&piece.batch);
        let partition = piece.partition;
        if !flags.is_empty() {
            let marks = self.parts[partition].marks.get_or_insert_with(|| {
                let marks = MarksWriter::new(&self.resources, &self.marks_file);
                match self.is_straight {
                    true => marks.straight_to_disk(),
                    false => marks,
                }
            });
            marks.push(piece.origins.iter().map(|row| flags[*row]))?;
        }
        while !self.parts[partition].is_on_disk && self.memory.try_grow(bytes).is_err() {
            if self.spill_largest()? == 0 {
                self.send_to_disk(partition)?;
            }
        }
        let file = match self.parts[partition].is_on_disk {
            true => Some(self.file()?),
            false => None,
        };
        let part = &mut self.parts[partition];
        match file {
            Some(file) => file.append(&mut part.run, &piece.batch, bytes)?,
            None => {
                part.bytes += bytes;
                part.batches.push(piece.batch);
            }
        }
        Ok(())
    }

    /// Writes the partition that holds most memory to disk, and returns how many bytes that freed: 0 if
    /// none holds any.
    pub(crate) fn spill_largest(&mut self) -> Result<usize> {
        let parts = self
            .parts
            .iter()
            .enumerate()
            .filter(|(_, part)| part.bytes > 0);
        let Some((largest, _)) = parts.max_by_key(|(_, part)| part.bytes) else {
            return Ok(0);
        };
        self.send_to_disk(largest)
    }

    /// Bytes that could be freed by writing partitions to disk.
    pub(crate) fn spillable(&self) -> usize {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Bytes that all rows take, those in memory and those on disk.
    pub(crate) fn bytes(&self) -> usize {
        self.parts
            .iter()
            .map(|part| part.bytes + part.run.bytes)
            .sum()
    }

    fn send_to_disk(&mut self, partition: usize) -> Result<usize> {
        let file = self.file()?;
        let part = &mut self.parts[partition];
        part.is_on_disk = true;
        for batch in part.batches.drain(..) {
            file.append(&mut part.run, &batch, bytes_of(&batch))?;
        }
        let freed = std::mem::take(&mut part.bytes);
        self.memory.shrink(freed.min(self.memory.size()));
        Ok(freed)
    }

    fn file(&mut self) -> Result<Arc<RunFile>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = RunFile::create(&self.resources.disk, &self.spec.build_schema)?;
        Ok(Arc::clone(self.file.insert(file)))
    }

    /// Reserves `bytes` for later, for which partitions go to disk; with none left in memory, as much as
    /// there is.
    pub(crate) fn set_aside(&mut self, bytes: usize) -> Result<MemoryReservation> {
        let aside = self.memory.new_empty();
        while aside.try_grow(bytes).is_err() {
            if self.spill_largest()? == 0 {
                break;
            }
        }
        Ok(aside)
    }

    /// Sends to disk whatever comes.
    pub(crate) fn straight_to_disk(mut self) -> Self {
        self.is_straight = true;
        self.parts
            .iter_mut()
            .for_each(|part| part.is_on_disk = true);
        self
    }

    /// Sees to it that every partition in memory has what a table of it takes beside its rows; those for
    /// which there is not enough go to disk. Returns the partitions, each with its memory.
    pub(crate) fn into_parts(mut self) -> Result<Vec<(PartRows, MemoryReservation)>> {
        self.flush()?;
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by_key(|partition| self.parts[*partition].bytes);
        let extras: Vec<MemoryReservation> =
            self.parts.iter().map(|_| self.memory.new_empty()).collect();
        for partition in order {
            while !self.parts[partition].is_on_disk {
                let batches = &self.parts[partition].batches;
                match super::table::Table::extra_bytes(&self.spec, batches) {
                    Some(extra) if extras[partition].try_grow(extra).is_ok() => break,
                    Some(_) if self.spill_largest()? > 0 => {}
                    // Nothing else is left to write: others hold the memory.
                    _ => {
                        self.send_to_disk(partition)?;
                    }
                };
                let on_disk = self
                    .parts
                    .iter()
                    .zip(&extras)
                    .filter(|(part, _)| part.is_on_disk);
                on_disk.for_each(|(_, extra)| {
                    extra.free();
                });
            }
        }
        let spilled = self
            .parts
            .iter()
            .filter(|part| !part.run.is_empty())
            .count();
        self.resources.metrics.spilled_partitions.add(spilled);
        let parts = std::mem::take(&mut self.parts);
        let with_memory = |(part, extra): (PartRows, MemoryReservation)| {
            match part.is_on_disk {
                true => {
                    extra.free();
                }
                false => {
                    // What the rows take moves over to what their table takes.
                    self.memory.shrink(part.bytes.min(self.memory.size()));
                    extra.grow(part.bytes);
                }
            }
            (part, extra)
        };
        Ok(parts.into_iter().zip(extras).map(with_memory).collect())
    }
}
