use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::collect::Reclaimer;
use super::marks::{Marks, MarksFile, MarksWriter};
use super::node::Node;
use super::partitions::Partitions;
use super::resources::Resources;
use super::spec::Spec;
use super::table::Table;
use crate::batches::select;
use crate::spill::{Run, RunFile};

/// Tables smaller than this, in bytes, are not worth taking back.
const LEAST_WORTH_SPILLING: usize = 16 << 10;

/// The build side of a join, ready to be probed by any number of threads.
///
/// It is one table where all of it fits, and partitions by hash otherwise, of which some are tables and
/// some are on disk. A table that nobody is probing at the moment can be moved to disk at any time.
pub(crate) struct BuildSide {
    pub(crate) spec: Arc<Spec>,
    pub(crate) resources: Arc<Resources>,
    /// Rows of the whole side, those that can match nothing included.
    pub(crate) rows: usize,
    /// Bytes that each probing thread may stage on the way to partitions on disk.
    pub(crate) stage: usize,
    state: Mutex<State>,
    /// Something is back from [`Held::Moving`].
    settled: Notify,
    /// What the memory manager reaches this by, for as long as somebody probes it.
    reclaimer: OnceLock<Arc<Reclaimer>>,
    /// For a `NOT IN` whose set this is: whether a key in it is NULL. Then its other rows are not here.
    pub(crate) has_null: bool,
    /// For a `NOT IN` whose set is the probe side: whether any probe row was seen, and whether any had a NULL key.
    pub(crate) probe_has_rows: AtomicBool,
    pub(crate) probe_has_null: AtomicBool,
}

struct State {
    /// Whether rows are told apart by hash. If not, there is one part.
    by_hash: bool,
    parts: Vec<Part>,
}

pub(crate) struct Part {
    held: Held,
    /// Probing threads that are not done with this part.
    remaining: usize,
}

enum Held {
    Table(Arc<Table>),
    OnDisk(Arc<Node>),
    /// On its way from memory to disk.
    Moving,
    /// Done with.
    Nothing,
}

/// The build side as it is at one moment, for one batch of probe rows.
pub(crate) struct View {
    pub(crate) tables: Vec<Arc<Table>>,
    /// For each partition the number of its table, or `None` if it is on disk; `None` if there are no
    /// partitions.
    pub(crate) routes: Option<Vec<Option<usize>>>,
}

/// What is left to do for a thread that has probed a part with all its rows.
pub(crate) enum Left {
    Nothing,
    /// It was the last: the part's own rows are to be told.
    Report(Arc<Table>),
    /// The rows it has set aside are to be joined with those on disk.
    Node(Arc<Node>),
}

impl BuildSide {
    pub(crate) fn of_table(
        spec: Arc<Spec>,
        resources: Arc<Resources>,
        table: Table,
        probes: usize,
    ) -> Self {
        let rows = table.rows();
        let parts = vec![Part {
            held: Held::Table(Arc::new(table)),
            remaining: probes,
        }];
        let stage = 0;
        Self::new(
            spec,
            resources,
            rows,
            stage,
            State {
                by_hash: false,
                parts,
            },
        )
    }

    pub(crate) fn of_partitions(
        spec: Arc<Spec>,
        resources: Arc<Resources>,
        rows: usize,
        stage: usize,
        parts: Vec<Part>,
    ) -> Self {
        resources.metrics.partitions.set_max(parts.len());
        Self::new(
            spec,
            resources,
            rows,
            stage,
            State {
                by_hash: true,
                parts,
            },
        )
    }

    fn new(
        spec: Arc<Spec>,
        resources: Arc<Resources>,
        rows: usize,
        stage: usize,
        state: State,
    ) -> Self {
        Self {
            spec,
            resources,
            rows,
            stage,
            state: Mutex::new(state),
            settled: Notify::new(),
            reclaimer: OnceLock::new(),
            has_null: false,
            probe_has_rows: AtomicBool::new(false),
            probe_has_null: AtomicBool::new(false),
        }
    }

    /// Keeps what the memory manager reaches it by.
    pub(crate) fn keep(&self, reclaimer: Arc<Reclaimer>) {
        let _ = self.reclaimer.set(reclaimer);
    }

    /// The build side as it is now. While the caller keeps the tables, they stay in memory.
    pub(crate) async fn view(&self) -> View {
        loop {
            let settled = self.settled.notified();
            if let Some(view) = self.try_view() {
                return view;
            }
            settled.await;
        }
    }

    /// `None` while something is on its way to disk.
    fn try_view(&self) -> Option<View> {
        let state = self.state.lock();
        let mut tables = Vec::new();
        let mut routes = Vec::new();
        for part in &state.parts {
            routes.push(match &part.held {
                Held::Table(table) => {
                    tables.push(Arc::clone(table));
                    Some(tables.len() - 1)
                }
                Held::OnDisk(_) | Held::Nothing => None,
                Held::Moving => return None,
            });
        }
        Some(View {
            tables,
            routes: state.by_hash.then_some(routes),
        })
    }

    /// Says that a thread has probed part number `part` with all its rows. `None` if there is no such
    /// part, or the thread has left the whole side as one already.
    pub(crate) async fn leave(&self, part: usize, has_left_whole: &mut bool) -> Option<Left> {
        if *has_left_whole {
            return None;
        }
        loop {
            let settled = self.settled.notified();
            {
                let mut state = self.state.lock();
                let by_hash = state.by_hash;
                let Part { held, remaining } = state.parts.get_mut(part)?;
                match held {
                    Held::Moving => {}
                    Held::Nothing => return Some(Left::Nothing),
                    Held::OnDisk(node) => return Some(Left::Node(Arc::clone(node))),
                    Held::Table(_) => {
                        *has_left_whole = !by_hash;
                        *remaining -= 1;
                        if *remaining > 0 {
                            return Some(Left::Nothing);
                        }
                        return Some(match std::mem::replace(held, Held::Nothing) {
                            Held::Table(table) => Left::Report(table),
                            _ => Left::Nothing,
                        });
                    }
                }
            }
            settled.await;
        }
    }

    pub(crate) fn note_probe_rows(&self, has_null: bool) {
        self.probe_has_rows.store(true, Ordering::Relaxed);
        if has_null {
            self.probe_has_null.store(true, Ordering::Relaxed);
        }
    }

    /// Bytes of tables that nobody is probing.
    pub(crate) fn idle(&self) -> usize {
        let Some(state) = self.state.try_lock() else {
            return 0;
        };
        state.parts.iter().filter_map(Part::idle).sum()
    }

    /// Moves idle tables to disk until `bytes` are free, and returns how many are.
    pub(crate) fn spill_idle(&self, bytes: usize) -> usize {
        let mut freed = 0;
        while freed < bytes {
            let Some((number, by_hash, table, remaining)) = self.take_idle() else {
                break;
            };
            let reserved = table.reserved();
            let moved = match by_hash {
                true => self.one_to_disk(&table, remaining).map(|part| vec![part]),
                false => self.all_to_disk(&table, remaining),
            };
            let is_moved = moved.is_ok();
            self.settle(number, by_hash, table, remaining, moved.ok());
            if !is_moved {
                // What cannot be written stays where it is: whoever wanted the memory is refused.
                break;
            }
            self.resources.metrics.reclaimed.add(1);
            freed += reserved;
        }
        freed
    }

    fn take_idle(&self) -> Option<(usize, bool, Arc<Table>, usize)> {
        let mut state = self.state.try_lock()?;
        let by_hash = state.by_hash;
        let idle = state.parts.iter().enumerate();
        let idle = idle.filter_map(|(number, part)| part.idle().map(|bytes| (bytes, number)));
        let (_, number) = idle.max()?;
        let part = &mut state.parts[number];
        match std::mem::replace(&mut part.held, Held::Moving) {
            Held::Table(table) => Some((number, by_hash, table, part.remaining)),
            held => {
                part.held = held;
                None
            }
        }
    }

    fn settle(
        &self,
        number: usize,
        by_hash: bool,
        table: Arc<Table>,
        remaining: usize,
        moved: Option<Vec<Part>>,
    ) {
        // A table that was moved lets go of its memory before anybody is told that it is free.
        let back = match moved.is_some() {
            true => {
                drop(table);
                None
            }
            false => Some(table),
        };
        let mut state = self.state.lock();
        match (moved, back) {
            (Some(mut parts), _) if by_hash => {
                if let Some(part) = parts.pop() {
                    state.parts[number] = part;
                }
            }
            (Some(parts), _) => {
                self.resources.metrics.partitions.set_max(parts.len());
                *state = State {
                    by_hash: true,
                    parts,
                };
            }
            (None, Some(table)) => {
                state.parts[number] = Part {
                    held: Held::Table(table),
                    remaining,
                }
            }
            (None, None) => {}
        }
        drop(state);
        self.settled.notify_waiters();
    }

    fn one_to_disk(&self, table: &Table, remaining: usize) -> Result<Part> {
        let file = RunFile::create(&self.resources.disk, &self.spec.build_schema)?;
        let mut run = Run::default();
        for (start, rows) in pieces(table.rows(), self.resources.batch_size) {
            let indices: Vec<_> = (start..start + rows).map(|row| (0, row)).collect();
            let batch = std::slice::from_ref(&table.batch);
            let piece = select(&self.spec.build_schema, batch, &indices)?;
            file.append(&mut run, &piece, crate::batches::bytes_of(&piece))?;
        }
        self.resources.metrics.spilled_partitions.add(1);
        let marks = MarksWriter::new(&self.resources, &MarksFile::default());
        let mut marks = marks.straight_to_disk();
        marks.push(table.flags().into_iter().flatten())?;
        Ok(Part::on_disk(run, marks.finish()?, self.rows, remaining))
    }

    fn all_to_disk(&self, table: &Table, remaining: usize) -> Result<Vec<Part>> {
        let bytes = table.reserved();
        let memory = self.resources.reservation();
        let mut partitions =
            Partitions::new(&self.spec, &self.resources, 0, bytes, memory).straight_to_disk();
        let has_flags = table.flags().is_some();
        for (start, rows) in pieces(table.rows(), self.resources.batch_size) {
            let piece: RecordBatch = table.batch.slice(start, rows);
            let share = (bytes as u128 * rows as u128 / table.rows() as u128) as usize;
            let flags: Vec<bool> = match has_flags {
                true => (start..start + rows)
                    .map(|row| table.is_flagged(row))
                    .collect(),
                false => Vec::new(),
            };
            partitions.push_counted(piece, share, has_flags.then_some(&flags))?;
        }
        let parts = partitions.into_parts()?;
        parts
            .into_iter()
            .map(|(mut rows, _)| {
                let marks = rows.marks()?;
                Ok(Part::on_disk(rows.run, marks, self.rows, remaining))
            })
            .collect()
    }
}

/// `rows` in pieces of at most `most`: where each begins and how long it is.
fn pieces(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows)
        .step_by(most.max(1))
        .map(move |start| (start, most.max(1).min(rows - start)))
}

impl Part {
    pub(crate) fn in_memory(table: Table, probes: usize) -> Self {
        Self {
            held: Held::Table(Arc::new(table)),
            remaining: probes,
        }
    }

    pub(crate) fn on_disk(run: Run, marks: Marks, rows: usize, probes: usize) -> Self {
        let node = Node::new(run, 0, rows, probes, marks);
        Self {
            held: Held::OnDisk(Arc::new(node)),
            remaining: probes,
        }
    }

    /// Bytes of the table, if it is one that nobody is probing, that is worth writing and that may be.
    fn idle(&self) -> Option<usize> {
        match &self.held {
            Held::Table(table)
                if Arc::strong_count(table) == 1
                    && table.is_reclaimable()
                    && table.reserved() >= LEAST_WORTH_SPILLING =>
            {
                Some(table.reserved())
            }
            _ => None,
        }
    }
}
