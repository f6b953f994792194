use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::execution::memory_pool::MemoryReservation;

use super::keys::{BatchKeys, Prefix};
use crate::batches::{content_bytes, select};

/// Where a row is, and how its key begins.
#[derive(Clone, Copy)]
struct Entry {
    prefix: Prefix,
    /// The batch's number, and [`SAME`].
    batch: u32,
    row: u32,
}

/// Set where the key is that of the entry before: where keys are few, most need not be compared again.
const SAME: u32 = 1 << 31;

impl Entry {
    fn batch(&self) -> usize {
        (self.batch & !SAME) as usize
    }

    fn is_same(&self) -> bool {
        self.batch & SAME != 0
    }
}

/// Bytes that sorting takes for a row beside the row and its key: its entry, twice while lists are merged.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>();

/// A batch that is held, with what is needed to put its rows in order.
pub(crate) struct Keyed {
    pub(crate) batch: RecordBatch,
    pub(crate) keys: BatchKeys,
    /// Bytes that a row takes, on average.
    pub(crate) row_bytes: usize,
}

impl Keyed {
    pub(crate) fn new(batch: RecordBatch, keys: BatchKeys) -> Self {
        let row_bytes = content_bytes(&batch) / batch.num_rows().max(1);
        Self {
            batch,
            keys,
            row_bytes: row_bytes.max(1),
        }
    }
}

/// A batch whose rows have entries.
struct Listed {
    batch: RecordBatch,
    keys: Arc<BatchKeys>,
    row_bytes: usize,
}

/// A row that stays when its batch goes: the last one that a limit still lets pass.
pub(crate) struct Bound {
    keys: Arc<BatchKeys>,
    row: usize,
    prefix: Prefix,
}

impl Bound {
    /// The rows of a batch that come before this one.
    pub(crate) fn passes(&self, keys: &BatchKeys, rows: usize) -> Vec<u32> {
        let comes_before = |row: &u32| {
            let row = *row as usize;
            let prefixes = keys.prefix(row).cmp(&self.prefix);
            prefixes.then_with(|| keys.compare(row, &self.keys, self.row)) == Ordering::Less
        };
        (0..rows as u32).filter(comes_before).collect()
    }
}

/// Rows in memory that are to be sorted.
pub(crate) struct Buffer {
    batches: Vec<Listed>,
    /// Lists of rows in order, each shorter than the one before it: together all rows, and as they come into
    /// being by merging lists of like length, hardly more than the logarithm of them.
    lists: Vec<Vec<Entry>>,
    rows: usize,
    counter: RecordBatchMemoryCounter,
    /// Covers the batches, their keys and the entries.
    memory: MemoryReservation,
}

impl Buffer {
    pub(crate) fn new(memory: MemoryReservation) -> Self {
        Self {
            batches: Vec::new(),
            lists: Vec::new(),
            rows: 0,
            counter: RecordBatchMemoryCounter::new(),
            memory,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn memory(&self) -> &MemoryReservation {
        &self.memory
    }

    /// Bytes that the batch will take here.
    pub(crate) fn bytes_for(&mut self, batch: &Keyed) -> usize {
        let rows = batch.batch.num_rows();
        self.counter.count_batch(&batch.batch) + batch.keys.bytes() + rows * ENTRY_BYTES
    }

    /// Adds a batch, for which memory is reserved.
    pub(crate) fn push(&mut self, batch: Keyed) {
        let number = self.batches.len() as u32;
        let rows = batch.batch.num_rows();
        let mut list: Vec<Entry> = (0..rows as u32)
            .map(|row| Entry {
                prefix: batch.keys.prefix(row as usize),
                batch: number,
                row,
            })
            .collect();
        let keys = batch.keys.without_prefixes();
        let compare = |a: &Entry, b: &Entry| {
            let prefixes = a.prefix.cmp(&b.prefix);
            prefixes.then_with(|| keys.compare(a.row as usize, &keys, b.row as usize))
        };
        list.sort_unstable_by(|a, b| compare(a, b).then(a.row.cmp(&b.row)));
        for row in 1..list.len() {
            if compare(&list[row - 1], &list[row]) == Ordering::Equal {
                list[row].batch |= SAME;
            }
        }
        self.batches.push(Listed {
            batch: batch.batch,
            keys: Arc::new(keys),
            row_bytes: batch.row_bytes,
        });
        self.rows += rows;
        while let Some(shorter) = self.lists.pop_if(|last| last.len() <= list.len()) {
            list = merge(&self.batches, shorter, list);
        }
        self.lists.push(list);
    }

    pub(crate) fn into_sorted(mut self, fetch: Option<usize>) -> Sorted {
        let mut order = self.lists.pop().unwrap_or_default();
        while let Some(list) = self.lists.pop() {
            order = merge(&self.batches, list, order);
        }
        order.truncate(fetch.unwrap_or(usize::MAX));
        Sorted {
            batches: self.batches,
            order,
            next: 0,
            memory: self.memory,
        }
    }
}

/// Both lists as one; of equal rows those of the first come first.
fn merge(batches: &[Listed], first: Vec<Entry>, second: Vec<Entry>) -> Vec<Entry> {
    let compare = |a: &Entry, b: &Entry| {
        a.prefix.cmp(&b.prefix).then_with(|| {
            let (keys, others) = (&batches[a.batch()].keys, &batches[b.batch()].keys);
            keys.compare(a.row as usize, others, b.row as usize)
        })
    };
    let mut merged = Vec::with_capacity(first.len() + second.len());
    let (mut a, mut b) = (0, 0);
    while a < first.len() && b < second.len() {
        let order = compare(&first[a], &second[b]);
        if order != Ordering::Greater {
            a = take_same(&first, a, &mut merged);
        }
        if order != Ordering::Less {
            let start = merged.len();
            b = take_same(&second, b, &mut merged);
            if order == Ordering::Equal {
                merged[start].batch |= SAME;
            }
        }
    }
    merged.extend_from_slice(&first[a..]);
    merged.extend_from_slice(&second[b..]);
    merged
}

/// Moves the entries of one key on, from the first of them, and returns where the next key begins.
fn take_same(list: &[Entry], from: usize, to: &mut Vec<Entry>) -> usize {
    to.push(list[from]);
    let mut next = from + 1;
    while let Some(entry) = list.get(next)
        && entry.is_same()
    {
        to.push(*entry);
        next += 1;
    }
    next
}

/// Rows in memory, in order, as far as they were not handed out.
pub(crate) struct Sorted {
    batches: Vec<Listed>,
    order: Vec<Entry>,
    next: usize,
    memory: MemoryReservation,
}

/// How much is handed out at once, at most, but at least a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

impl Sorted {
    pub(crate) fn memory(&self) -> &MemoryReservation {
        &self.memory
    }

    /// Rows that were not handed out yet.
    pub(crate) fn left(&self) -> usize {
        self.order.len() - self.next
    }

    /// Bytes that the rows take which were not handed out yet.
    pub(crate) fn bytes_left(&self) -> usize {
        self.order[self.next..]
            .iter()
            .map(|entry| self.batches[entry.batch()].row_bytes)
            .sum()
    }

    /// The row at this place of the order.
    pub(crate) fn bound_at(&self, place: usize) -> Option<Bound> {
        let entry = self.order.get(place)?;
        Some(Bound {
            keys: Arc::clone(&self.batches[entry.batch()].keys),
            row: entry.row as usize,
            prefix: entry.prefix,
        })
    }

    /// The next rows, in buffers of their own unless they are all that is in theirs; with `in_place`, for
    /// rows that are written at once, also where they stand one after the other in a batch.
    pub(crate) fn next(
        &mut self,
        schema: &SchemaRef,
        most: Piece,
        in_place: bool,
    ) -> Result<Option<RecordBatch>> {
        let rest = &self.order[self.next..];
        let Some(first) = rest.first() else {
            return Ok(None);
        };
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let was = bytes;
            bytes += self.batches[entry.batch()].row_bytes;
            was == 0 || bytes <= most.bytes
        };
        let count = rest.iter().take(most.rows.max(1)).take_while(fits).count();
        let chosen = &rest[..count];
        self.next += count;
        let batch = &self.batches[first.batch()].batch;
        let is_whole = count == batch.num_rows();
        let follows = |pair: &[Entry]| {
            pair[0].batch() == pair[1].batch() && pair[0].row.checked_add(1) == Some(pair[1].row)
        };
        if (in_place || is_whole) && chosen.windows(2).all(follows) {
            return Ok(Some(batch.slice(first.row as usize, count)));
        }
        let mut used: Vec<usize> = chosen.iter().map(Entry::batch).collect();
        used.sort_unstable();
        used.dedup();
        let batches: Vec<RecordBatch> = used
            .iter()
            .map(|number| self.batches[*number].batch.clone())
            .collect();
        let place = |entry: &Entry| {
            let batch = used.binary_search(&entry.batch()).unwrap_or_default();
            (batch, entry.row as usize)
        };
        let indices: Vec<_> = chosen.iter().map(place).collect();
        select(schema, &batches, &indices).map(Some)
    }
}
