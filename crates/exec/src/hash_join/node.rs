use std::sync::{Arc, Weak};

use datafusion::common::Result;
use tokio::sync::Mutex;

use super::flags::Flags;
use super::marks::{Marks, MarksFile, MarksWriter};
use super::partitions::Partitions;
use super::resources::Resources;
use super::spec::Spec;
use super::table::Table;
use crate::spill::Run;

/// How often rows are cut into partitions again before they are taken to be beyond it.
const MOST_DEPTH: usize = 6;

/// A partition of the build side that is on disk.
///
/// Each probing thread joins it with the rows that it has set aside for it. The first that comes finds out
/// what can be done: the rows fit into memory by now, or they are cut into partitions once more, or
/// (where the rows of one key alone are too many) they are joined chunk by chunk. Those who come later
/// follow, and share what the first has made as long as it is there.
pub(crate) struct Node {
    pub(crate) run: Run,
    pub(crate) depth: usize,
    /// Hardly smaller than what it was cut from: cutting it again would be in vain.
    is_stubborn: bool,
    state: Mutex<State>,
}

struct State {
    form: Form,
    /// Probing threads that are not done with the node.
    remaining: usize,
    /// Which rows were matched, as far as threads have said when they left.
    marks: Marks,
}

enum Form {
    Closed,
    Open(Weak<Table>),
    Cut(Arc<Vec<Arc<Node>>>),
    Chunks,
}

/// What a thread can do with a node.
pub(crate) enum Opened {
    Table(Arc<Table>),
    Cut(Arc<Vec<Arc<Node>>>),
    Chunks,
}

impl Node {
    /// A node of the rows in `run`, cut at `depth` from `rows` rows, for so many probing threads.
    pub(crate) fn new(run: Run, depth: usize, rows: usize, probes: usize, marks: Marks) -> Self {
        let is_stubborn = run.rows as u128 * 10 > rows as u128 * 9;
        Self {
            run,
            depth,
            is_stubborn,
            state: Mutex::new(State {
                form: Form::Closed,
                remaining: probes,
                marks,
            }),
        }
    }

    /// Finds out what to do with the rows.
    ///
    /// # Errors
    /// If the rows cannot be read, or written anew.
    pub(crate) async fn open(
        &self,
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
    ) -> Result<Opened> {
        let mut state = self.state.lock().await;
        match &state.form {
            Form::Cut(children) => return Ok(Opened::Cut(Arc::clone(children))),
            Form::Chunks => return Ok(Opened::Chunks),
            Form::Open(table) => {
                if let Some(table) = table.upgrade() {
                    return Ok(Opened::Table(table));
                }
            }
            Form::Closed => {}
        }
        if let Some(table) = self.load(spec, resources, &state.marks).await? {
            let table = Arc::new(table);
            state.form = Form::Open(Arc::downgrade(&table));
            return Ok(Opened::Table(table));
        }
        let is_beyond = self.is_stubborn || self.depth + 1 >= MOST_DEPTH;
        if self.is_stubborn {
            resources.metrics.hottest_key_rows.set_max(self.run.rows);
        }
        if is_beyond || self.run.rows <= spec.batch_size {
            state.form = Form::Chunks;
            return Ok(Opened::Chunks);
        }
        let marks = std::mem::take(&mut state.marks);
        let children = self.cut(spec, resources, &marks, state.remaining).await?;
        let children = Arc::new(children);
        state.form = Form::Cut(Arc::clone(&children));
        Ok(Opened::Cut(children))
    }

    /// The rows as a table, if memory has room for it.
    async fn load(
        &self,
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
        marks: &Marks,
    ) -> Result<Option<Table>> {
        let memory = resources.reservation();
        let index = spec.index_bytes(self.run.rows);
        if memory.try_grow(self.run.bytes + index).is_err() {
            return Ok(None);
        }
        let mut batches = Vec::new();
        let mut reader = self.run.reader(spec.batch_size);
        while let Some(batch) = reader.next().await? {
            batches.push(batch);
        }
        let held: usize = batches.iter().map(crate::batches::bytes_of).sum();
        let Some(extra) = Table::extra_bytes(spec, &batches) else {
            return Ok(None);
        };
        if memory.try_resize(held + extra).is_err() {
            return Ok(None);
        }
        let flags = match spec.of_build() {
            Some(_) => Some(self.flags(spec, marks).await?),
            None => None,
        };
        Table::new(spec, batches, flags, memory).await.map(Some)
    }

    async fn flags(&self, spec: &Spec, marks: &Marks) -> Result<Flags> {
        let flags = Flags::new(self.run.rows);
        let mut marks = marks.reader();
        let size = spec.batch_size.max(1);
        for start in (0..self.run.rows).step_by(size) {
            let marked = marks.next(size.min(self.run.rows - start)).await?;
            let marked = marked.iter().enumerate().filter(|(_, is_set)| **is_set);
            marked.for_each(|(row, _)| flags.set(start + row));
        }
        Ok(flags)
    }

    /// Cuts the rows into partitions, by a hash function of their own.
    async fn cut(
        &self,
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
        marks: &Marks,
        probes: usize,
    ) -> Result<Vec<Arc<Node>>> {
        let depth = self.depth + 1;
        let memory = resources.reservation();
        let mut partitions =
            Partitions::new(spec, resources, depth, self.run.bytes, memory).straight_to_disk();
        let has_marks = !matches!(marks, Marks::None);
        let mut marks = marks.reader();
        let mut reader = self.run.reader(spec.batch_size);
        while let Some(batch) = reader.next().await? {
            let marked = match has_marks {
                true => Some(marks.next(batch.num_rows()).await?),
                false => None,
            };
            partitions.push(batch, marked.as_deref())?;
        }
        let parts = partitions.into_parts()?;
        let node = |(mut part, _): (super::partitions::PartRows, _)| {
            let marks = part.marks()?;
            let node = Node::new(part.run, depth, self.run.rows, probes, marks);
            Ok(Arc::new(node))
        };
        parts.into_iter().map(node).collect()
    }

    /// Says that a thread is done with the node, and which rows it has seen matched. If others have cut the node
    /// meanwhile, the thread has to leave its parts instead.
    ///
    /// # Errors
    /// If the marks cannot be kept.
    pub(crate) async fn leave(&self, seen: Seen, resources: &Arc<Resources>) -> Result<Gone> {
        let mut state = self.state.lock().await;
        if let Form::Cut(children) = &state.form {
            return Ok(Gone::ToLeave(Arc::clone(children)));
        }
        state.remaining -= 1;
        let is_last = state.remaining == 0;
        let seen = match seen {
            Seen::Nothing => Marks::None,
            Seen::Marks(marks) => marks,
            Seen::Table(table) if is_last => return Ok(Gone::LastWithTable(table)),
            Seen::Table(table) => {
                let mut marks = MarksWriter::new(resources, &MarksFile::default());
                marks.push(table.flags().into_iter().flatten())?;
                marks.finish()?
            }
        };
        let marks = std::mem::take(&mut state.marks);
        state.marks = marks.or(seen, self.run.rows, resources).await?;
        Ok(match is_last {
            true => Gone::Last(std::mem::take(&mut state.marks)),
            false => Gone::Before,
        })
    }
}

/// What a thread has seen matched of a node's rows.
pub(crate) enum Seen {
    Nothing,
    Table(Arc<Table>),
    Marks(Marks),
}

/// What is left to do for a thread that is done with a node.
pub(crate) enum Gone {
    /// Nothing: others are there.
    Before,
    /// It was the last: the rows are to be told, with these marks.
    Last(Marks),
    /// It was the last, and has the rows and their flags here.
    LastWithTable(Arc<Table>),
    /// The node is in parts by now, which are to be left.
    ToLeave(Arc<Vec<Arc<Node>>>),
}
