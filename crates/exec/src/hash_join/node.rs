use std::sync::{Arc, Weak};

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use parking_lot::Mutex;

use super::flags::Flags;
use super::partitions::Partitions;
use super::resources::Resources;
use super::spec::Spec;
use super::table::{FlagsOf, Table};
use crate::reserve::take_at_least;
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
    flags: Mutex<Option<Arc<Flags>>>,
    flags_memory: Mutex<Option<MemoryReservation>>,
    form: tokio::sync::Mutex<(Form, usize)>,
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
    pub(crate) fn new(
        run: Run,
        depth: usize,
        rows: usize,
        probes: usize,
        flags: Option<Arc<Flags>>,
    ) -> Self {
        let is_stubborn = run.rows as u128 * 10 > rows as u128 * 9;
        Self {
            run,
            depth,
            is_stubborn,
            flags: Mutex::new(flags),
            flags_memory: Mutex::new(None),
            form: tokio::sync::Mutex::new((Form::Closed, probes)),
        }
    }

    /// The flags of the rows, made at the first call.
    pub(crate) fn flags(&self, spec: &Spec, resources: &Resources) -> Option<Arc<Flags>> {
        spec.of_build()?;
        let mut flags = self.flags.lock();
        if flags.is_none() {
            let memory = resources.reservation();
            take_at_least(&memory, Flags::bytes(self.run.rows));
            *self.flags_memory.lock() = Some(memory);
            *flags = Some(Arc::new(Flags::new(self.run.rows)));
        }
        flags.clone()
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
        let mut form = self.form.lock().await;
        match &form.0 {
            Form::Cut(children) => return Ok(Opened::Cut(Arc::clone(children))),
            Form::Chunks => return Ok(Opened::Chunks),
            Form::Open(table) => {
                if let Some(table) = table.upgrade() {
                    return Ok(Opened::Table(table));
                }
            }
            Form::Closed => {}
        }
        if let Some(table) = self.load(spec, resources).await? {
            let table = Arc::new(table);
            form.0 = Form::Open(Arc::downgrade(&table));
            return Ok(Opened::Table(table));
        }
        let is_beyond = self.is_stubborn || self.depth + 1 >= MOST_DEPTH;
        if is_beyond || self.run.rows <= spec.batch_size {
            form.0 = Form::Chunks;
            return Ok(Opened::Chunks);
        }
        let children = Arc::new(self.cut(spec, resources, form.1).await?);
        form.0 = Form::Cut(Arc::clone(&children));
        Ok(Opened::Cut(children))
    }

    /// The rows as a table, if memory has room for it.
    async fn load(&self, spec: &Arc<Spec>, resources: &Arc<Resources>) -> Result<Option<Table>> {
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
        let flags = self
            .flags(spec, resources)
            .map(|flags| FlagsOf { flags, first: 0 });
        Table::new(spec, batches, flags, memory).await.map(Some)
    }

    /// Cuts the rows into partitions, by a hash function of their own.
    async fn cut(
        &self,
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
        probes: usize,
    ) -> Result<Vec<Arc<Node>>> {
        let depth = self.depth + 1;
        let memory = resources.reservation();
        let mut partitions =
            Partitions::new(spec, resources, depth, self.run.bytes, memory).straight_to_disk();
        let flags = self.flags.lock().clone();
        let mut reader = self.run.reader(spec.batch_size);
        let mut first = 0;
        while let Some(batch) = reader.next().await? {
            let rows = first..first + batch.num_rows();
            first = rows.end;
            let set: Option<Vec<bool>> = flags
                .as_ref()
                .map(|flags| rows.map(|row| flags.get(row)).collect());
            partitions.push(batch, set.as_deref())?;
        }
        let parts = partitions.into_parts()?;
        let node = |(mut part, _): (super::partitions::PartRows, _)| {
            let flags = part.flags();
            Arc::new(Node::new(part.run, depth, self.run.rows, probes, flags))
        };
        Ok(parts.into_iter().map(node).collect())
    }

    /// Says that a thread is done with the node. True if it was the last. If others have cut the node
    /// meanwhile, the thread has to leave its parts instead.
    pub(crate) async fn leave(&self) -> std::result::Result<bool, Arc<Vec<Arc<Node>>>> {
        let mut form = self.form.lock().await;
        if let Form::Cut(children) = &form.0 {
            return Err(Arc::clone(children));
        }
        form.1 -= 1;
        Ok(form.1 == 0)
    }
}
