//! Which rows on disk were matched: a bit for each, in the rows' order, in memory where there is room for them and on
//! disk beside the rows where there is none.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use parking_lot::Mutex;

use super::resources::Resources;
use crate::batches::with_rows;
use crate::reserve::take_at_least;
use crate::spill::{Run, RunFile, RunReader};

/// Marks that are gathered before they are written to disk: a kilobyte of them.
const PIECE: usize = 8 << 10;

/// The marks of some rows, written once and read from the first to the last as often as one likes.
#[derive(Clone, Default)]
pub(crate) enum Marks {
    /// No row is marked.
    #[default]
    None,
    Held(Arc<Held>),
    OnDisk(Run),
}

pub(crate) struct Held {
    marks: BooleanBuffer,
    _memory: MemoryReservation,
}

/// The file that marks go to which are written together.
pub(crate) type MarksFile = Arc<Mutex<Option<Arc<RunFile>>>>;

/// Takes marks in the rows' order.
pub(crate) struct MarksWriter {
    resources: Arc<Resources>,
    file: MarksFile,
    /// Marks that are not on disk.
    held: Vec<u64>,
    len: usize,
    run: Run,
    is_any: bool,
    /// Whether no memory is asked for.
    is_straight: bool,
    memory: MemoryReservation,
}

impl MarksWriter {
    pub(crate) fn new(resources: &Arc<Resources>, file: &MarksFile) -> Self {
        Self {
            resources: Arc::clone(resources),
            file: Arc::clone(file),
            held: Vec::new(),
            len: 0,
            run: Run::default(),
            is_any: false,
            is_straight: false,
            memory: resources.reservation(),
        }
    }

    /// Sends to disk whatever comes: for who is asked for memory, and must not ask for some in turn.
    pub(crate) fn straight_to_disk(self) -> Self {
        Self {
            is_straight: true,
            ..self
        }
    }

    /// # Errors
    /// If there is neither memory nor disk for the marks.
    pub(crate) fn push(&mut self, marks: impl IntoIterator<Item = bool>) -> Result<()> {
        for is_set in marks {
            if self.len.is_multiple_of(64) {
                if self.held.len() == self.held.capacity() {
                    self.make_room()?;
                }
                self.held.push(0);
            }
            if let Some(word) = self.held.last_mut() {
                *word |= u64::from(is_set) << (self.len % 64);
            }
            self.is_any |= is_set;
            self.len += 1;
        }
        Ok(())
    }

    /// Makes room for more words: as many again, or a piece where others are on disk or have to go there.
    fn make_room(&mut self) -> Result<()> {
        let words = self.held.capacity().max(PIECE / 64);
        let may_ask = self.run.is_empty() && !self.is_straight;
        let is_granted = may_ask && self.memory.try_grow(words * size_of::<u64>()).is_ok();
        if is_granted {
            self.held.reserve_exact(words);
            return Ok(());
        }
        self.write()?;
        self.held.reserve_exact(PIECE / 64);
        self.memory.free();
        match self.is_straight {
            true => self.memory.grow(PIECE / 8),
            false => take_at_least(&self.memory, PIECE / 8),
        }
        Ok(())
    }

    /// Writes what is held, if it is anything.
    fn write(&mut self) -> Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        let file = {
            let mut file = self.file.lock();
            match &*file {
                Some(file) => Arc::clone(file),
                None => {
                    Arc::clone(file.insert(RunFile::of_marks(&self.resources.disk, &schema())?))
                }
            }
        };
        let held = std::mem::take(&mut self.held);
        let marks = buffer(held, std::mem::take(&mut self.len));
        for start in (0..marks.len()).step_by(PIECE) {
            let piece = marks.slice(start, PIECE.min(marks.len() - start));
            let rows = piece.len();
            let column = Arc::new(BooleanArray::new(piece, None));
            let batch = with_rows(&schema(), vec![column], rows)?;
            file.append(&mut self.run, &batch, rows.div_ceil(8))?;
        }
        Ok(())
    }

    /// # Errors
    /// If the marks cannot be written.
    pub(crate) fn finish(mut self) -> Result<Marks> {
        if !self.is_any {
            return Ok(Marks::None);
        }
        if self.run.is_empty() {
            return Ok(Marks::Held(Arc::new(Held {
                marks: buffer(self.held, self.len),
                _memory: self.memory,
            })));
        }
        self.write()?;
        Ok(Marks::OnDisk(self.run))
    }
}

fn schema() -> SchemaRef {
    let mark = Field::new("mark", DataType::Boolean, false);
    Arc::new(Schema::new(vec![mark]))
}

fn buffer(words: Vec<u64>, len: usize) -> BooleanBuffer {
    BooleanBuffer::new(words.into(), 0, len)
}

impl Marks {
    pub(crate) fn reader(&self) -> MarksReader {
        MarksReader {
            left: match self {
                Self::None => Left::None,
                Self::Held(held) => Left::Held(held.marks.clone()),
                Self::OnDisk(run) => Left::OnDisk(run.one_by_one(), BooleanBuffer::new_unset(0)),
            },
            _marks: self.clone(),
        }
    }

    /// The rows, `rows` in number, that are marked in either.
    ///
    /// # Errors
    /// If marks on disk cannot be read or written.
    pub(crate) async fn or(
        self,
        other: Self,
        rows: usize,
        resources: &Arc<Resources>,
    ) -> Result<Self> {
        match (self, other) {
            (Self::None, marks) | (marks, Self::None) => Ok(marks),
            (left, right) => {
                let (mut left, mut right) = (left.reader(), right.reader());
                let mut either = MarksWriter::new(resources, &MarksFile::default());
                for start in (0..rows).step_by(PIECE) {
                    let length = PIECE.min(rows - start);
                    let right = right.next(length).await?;
                    let left = left.next(length).await?;
                    either.push(left.iter().zip(right).map(|(left, right)| left | right))?;
                }
                either.finish()
            }
        }
    }
}

/// Reads marks in the rows' order.
pub(crate) struct MarksReader {
    left: Left,
    /// Keeps what is read, and the memory that it has reserved.
    _marks: Marks,
}

enum Left {
    None,
    Held(BooleanBuffer),
    OnDisk(RunReader, BooleanBuffer),
}

impl MarksReader {
    /// The marks of the next rows.
    ///
    /// # Errors
    /// If the file is gone, or is not what was written.
    pub(crate) async fn next(&mut self, rows: usize) -> Result<Vec<bool>> {
        let mut marks = Vec::with_capacity(rows);
        match &mut self.left {
            Left::None => marks.resize(rows, false),
            Left::Held(held) => take(held, rows, &mut marks),
            Left::OnDisk(reader, held) => {
                take(held, rows, &mut marks);
                while marks.len() < rows {
                    let Some(batch) = reader.next().await? else {
                        break;
                    };
                    *held = batch.column(0).as_boolean().values().clone();
                    take(held, rows, &mut marks);
                }
            }
        }
        match marks.len() == rows {
            true => Ok(marks),
            false => internal_err!("a join has {rows} rows and marks of {}", marks.len()),
        }
    }
}

/// Moves marks over until there are so many.
fn take(held: &mut BooleanBuffer, rows: usize, marks: &mut Vec<bool>) {
    let taken = held.len().min(rows - marks.len());
    marks.extend(held.slice(0, taken).iter());
    *held = held.slice(taken, held.len() - taken);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_join::JoinMetrics;
    use datafusion::execution::TaskContext;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

    fn resources(limit: usize) -> Arc<Resources> {
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(limit, 1.0);
        let context = TaskContext::default().with_runtime(runtime.build_arc().unwrap());
        let metrics = JoinMetrics::new(0, &ExecutionPlanMetricsSet::new());
        Resources::new("test".to_owned(), &context, 4, metrics, None)
    }

    fn written(resources: &Arc<Resources>, marks: &[bool]) -> Marks {
        let mut writer = MarksWriter::new(resources, &MarksFile::default());
        for piece in marks.chunks(1000) {
            writer.push(piece.iter().copied()).unwrap();
        }
        writer.finish().unwrap()
    }

    async fn read(marks: &Marks, rows: usize) -> Vec<bool> {
        let mut reader = marks.reader();
        let mut all = Vec::new();
        while all.len() < rows {
            all.extend(reader.next((rows - all.len()).min(777)).await.unwrap());
        }
        assert!(reader.next(1).await.is_err() || matches!(marks, Marks::None));
        all
    }

    #[tokio::test]
    async fn marks_are_the_same_in_memory_and_on_disk() {
        let rows = 300_001;
        let thirds: Vec<bool> = (0..rows).map(|row| row % 3 == 0).collect();
        let fifths: Vec<bool> = (0..rows).map(|row| row % 5 == 0).collect();
        let either: Vec<bool> = (0..rows).map(|row| row % 3 == 0 || row % 5 == 0).collect();
        for (limit, is_on_disk) in [(1 << 20, false), (10 << 10, true), (0, true)] {
            let resources = resources(limit);
            let left = written(&resources, &thirds);
            assert_eq!(matches!(left, Marks::OnDisk(_)), is_on_disk, "{limit}");
            assert_eq!(read(&left, rows).await, thirds);
            let right = written(&resources, &fifths);
            let both = left.or(right, rows, &resources).await.unwrap();
            assert_eq!(read(&both, rows).await, either);
            assert_eq!(resources.metrics.spill.spilled_rows.value(), 0);
        }
    }

    #[tokio::test]
    async fn no_mark_takes_nothing() {
        let resources = resources(0);
        let none = written(&resources, &[false; 100_000]);
        assert!(matches!(none, Marks::None));
        let some = written(&resources, &[true]);
        let or = none.or(some, 1, &resources).await.unwrap();
        assert_eq!(read(&or, 1).await, [true]);
    }
}
