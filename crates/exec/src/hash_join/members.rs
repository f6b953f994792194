//! Which keys a build side has, in a few bits for each.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef};
use datafusion::physical_expr_common::utils::evaluate_expressions_to_arrays;
use parking_lot::Mutex;

use super::keys::{Numbers, hash_columns};
use crate::reserve::written;

/// A Bloom filter of one 64-bit word a key, four bits of it (the "blocked" filter of Putze, Sanders and Singler,
/// *Cache-, Hash- and Space-Efficient Bloom Filters*, 2007, with a word for a block): a key costs one access to memory.
/// Numbers that lie side by side have one word, since they often come one after the other. Any number of threads may
/// insert at once.
pub(crate) struct Members {
    words: Vec<AtomicU64>,
    /// Covers the words for as long as somebody uses them.
    _memory: MemoryReservation,
}

/// Bits of a filter for each key, where their number is known.
const BITS_A_KEY: usize = 16;

/// Keys that a partition keeps as they are before a filter of full size is made.
const MOST_CODES: usize = 16 << 10;

/// The size of a filter for keys whose number is not known, in bytes: this part of the memory there is, within limits.
const PART_OF_MEMORY: usize = 32;
const FULL_SIZE: std::ops::RangeInclusive<usize> = (64 << 10)..=(16 << 20);

/// A filter in which more of the bits are set lets more than a third of all other keys pass.
const MOST_SET: f64 = 0.76;

/// A filter is made smaller, so that more of it is in the processor's caches, as long as no more bits are set: one other
/// key in a hundred passes.
const FEW_SET: f64 = 0.3;

/// What a filter takes for the key of a row.
struct Codes {
    codes: Vec<u64>,
    /// Whether they are the numbers themselves, and not hashes.
    are_numbers: bool,
}

impl Codes {
    fn of(keys: &[ArrayRef]) -> Result<Self> {
        if let Some(numbers) = numbers_of(keys) {
            let codes = (0..keys[0].len()).map(|row| numbers.get(row) as u64);
            return Ok(Self {
                codes: codes.collect(),
                are_numbers: true,
            });
        }
        let mut codes = Vec::new();
        hash_columns(keys, 0, &mut codes)?;
        Ok(Self {
            codes,
            are_numbers: false,
        })
    }
}

/// The numbers, if there is one key and it is one.
fn numbers_of(keys: &[ArrayRef]) -> Option<Numbers> {
    match keys {
        [column] => Numbers::of(column),
        _ => None,
    }
}

impl Members {
    /// A filter of so many bytes; `None` if memory for it is refused.
    fn of_bytes(bytes: usize, memory: &MemoryReservation) -> Option<Self> {
        let memory = memory.new_empty();
        memory.try_grow(bytes).ok()?;
        Some(Self {
            words: written(bytes / size_of::<u64>()),
            _memory: memory,
        })
    }

    #[inline]
    fn place(&self, code: u64, are_numbers: bool) -> (usize, u64) {
        // Eight numbers side by side share a word.
        let block = code >> if are_numbers { 3 } else { 0 };
        let high = |code: u64, factor: u64| code.wrapping_mul(factor) >> 32;
        let spread = high(block ^ (block >> 32), 0xa076_1d64_78bd_642f);
        let word = (spread * self.words.len() as u64) >> 32;
        let bits = high(code ^ (code >> 29), 0xe703_7ed1_a0b4_28db);
        let mask = 1 << (bits & 63)
            | 1 << ((bits >> 6) & 63)
            | 1 << ((bits >> 12) & 63)
            | 1 << ((bits >> 18) & 63);
        (word as usize, mask)
    }

    fn insert(&self, codes: &[u64], are_numbers: bool) {
        for code in codes {
            let (word, mask) = self.place(*code, are_numbers);
            let word = &self.words[word];
            // Keys that come again cost no write.
            if word.load(Ordering::Relaxed) & mask != mask {
                word.fetch_or(mask, Ordering::Relaxed);
            }
        }
    }

    #[inline]
    fn may_have(&self, code: u64, is_number: bool) -> bool {
        let (word, mask) = self.place(code, is_number);
        self.words[word].load(Ordering::Relaxed) & mask == mask
    }

    fn look_up(&self, keys: &[ArrayRef]) -> Result<BooleanBuffer> {
        Ok(match numbers_of(keys) {
            Some(Numbers::Of32(numbers)) => BooleanBuffer::collect_bool(numbers.len(), |row| {
                self.may_have(i64::from(numbers[row]) as u64, true)
            }),
            Some(Numbers::Of64(numbers)) => BooleanBuffer::collect_bool(numbers.len(), |row| {
                self.may_have(numbers[row] as u64, true)
            }),
            None => {
                let mut codes = Vec::new();
                hash_columns(keys, 0, &mut codes)?;
                BooleanBuffer::collect_bool(codes.len(), |row| self.may_have(codes[row], false))
            }
        })
    }

    /// The part of the bits that are set.
    fn set(&self) -> f64 {
        let set: u64 = self
            .words
            .iter()
            .map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()))
            .sum();
        set as f64 / (self.words.len() as f64 * 64.0)
    }

    /// The same keys in half, a quarter, … of the bytes. `None` if it is small enough.
    fn smaller(&self, memory: &MemoryReservation) -> Option<Self> {
        let (mut set, mut group) = (self.set(), 1);
        // Two words made one have the bits that are set in either.
        while 1.0 - (1.0 - set).powi(2) <= FEW_SET && self.words.len().is_multiple_of(group * 2) {
            set = 1.0 - (1.0 - set).powi(2);
            group *= 2;
        }
        if group == 1 {
            return None;
        }
        let smaller = Self::of_bytes(self.words.len() / group * size_of::<u64>(), memory)?;
        for (to, from) in smaller.words.iter().zip(self.words.chunks(group)) {
            let all = from
                .iter()
                .fold(0, |all, word| all | word.load(Ordering::Relaxed));
            to.store(all, Ordering::Relaxed);
        }
        Some(smaller)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Members({} bytes)", self.words.len() * size_of::<u64>())
    }
}

/// The filter of a build side, which may be built in several partitions. Who has it keeps the filter in memory.
#[derive(Debug)]
pub(crate) struct SharedMembers {
    made: Mutex<Made>,
    full_size: usize,
    memory: MemoryReservation,
}

#[derive(Debug)]
enum Made {
    NotYet,
    Filter(Arc<Members>),
    /// It would be of no use, or there is no memory for it.
    Never,
}

impl SharedMembers {
    pub(crate) fn new(pool: &Arc<dyn MemoryPool>, memory: MemoryReservation) -> Arc<Self> {
        let limit = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => usize::MAX,
        };
        let full_size = (limit / PART_OF_MEMORY).clamp(*FULL_SIZE.start(), *FULL_SIZE.end());
        Arc::new(Self {
            made: Mutex::new(Made::NotYet),
            // A power of two can be halved.
            full_size: 1 << full_size.ilog2(),
            memory,
        })
    }

    /// The filter, made with so many bytes if it is not there.
    fn get(&self, bytes: usize) -> Option<Arc<Members>> {
        let mut made = self.made.lock();
        if let Made::NotYet = *made {
            *made = match Members::of_bytes(bytes, &self.memory) {
                Some(members) => Made::Filter(Arc::new(members)),
                None => Made::Never,
            };
        }
        match &*made {
            Made::Filter(members) => Some(Arc::clone(members)),
            Made::NotYet | Made::Never => None,
        }
    }

    /// Lets go of the filter: not all keys are known.
    pub(crate) fn give_up(&self) {
        *self.made.lock() = Made::Never;
    }

    /// The filter of all keys, once each partition has said what it has not inserted itself. `None` if it would tell
    /// no keys apart, or there is no memory for it.
    pub(crate) fn finish(&self, rest: &[&Rest]) -> Option<Arc<Members>> {
        let keys: usize = rest.iter().map(|rest| rest.codes.len()).sum();
        let members = self.get((keys * BITS_A_KEY / 8).next_multiple_of(64).max(64))?;
        for rest in rest {
            members.insert(&rest.codes, rest.are_numbers);
        }
        let mut made = self.made.lock();
        *made = if members.set() > MOST_SET {
            Made::Never
        } else if let Some(smaller) = members.smaller(&self.memory) {
            Made::Filter(Arc::new(smaller))
        } else {
            Made::Filter(members)
        };
        match &*made {
            Made::Filter(members) => Some(Arc::clone(members)),
            Made::NotYet | Made::Never => None,
        }
    }
}

/// Keys of one partition that are not in the filter that all share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rest {
    codes: Vec<u64>,
    are_numbers: bool,
}

/// The keys of one partition of a build side, as they come.
pub(crate) struct Sketch {
    shared: Arc<SharedMembers>,
    kept: Kept,
}

enum Kept {
    Codes(Rest),
    Filter(Arc<Members>),
    /// There was no memory for a filter.
    Nothing,
}

impl Sketch {
    pub(crate) fn new(shared: Arc<SharedMembers>) -> Self {
        Self {
            shared,
            kept: Kept::Codes(Rest::default()),
        }
    }

    pub(crate) fn update(&mut self, keys: &[ArrayRef]) -> Result<()> {
        if matches!(self.kept, Kept::Nothing) {
            return Ok(());
        }
        let Codes { codes, are_numbers } = Codes::of(keys)?;
        if let Kept::Codes(kept) = &mut self.kept {
            if kept.codes.len() + codes.len() <= MOST_CODES {
                kept.codes.extend(codes);
                kept.are_numbers = are_numbers;
                return Ok(());
            }
            let Some(members) = self.shared.get(self.shared.full_size) else {
                self.kept = Kept::Nothing;
                return Ok(());
            };
            members.insert(&kept.codes, kept.are_numbers);
            self.kept = Kept::Filter(members);
        }
        if let Kept::Filter(members) = &self.kept {
            members.insert(&codes, are_numbers);
        }
        Ok(())
    }

    /// The keys that are not in the shared filter; `None` if some are missing in both.
    pub(crate) fn finish(self) -> Option<Rest> {
        match self.kept {
            Kept::Codes(rest) => Some(rest),
            Kept::Filter(_) => Some(Rest::default()),
            Kept::Nothing => None,
        }
    }
}

/// Whether the build side of a join may have a row's key: for the scan of the probe side. A NULL is hashed as a value is.
/// Once nobody probes any more all rows pass: a plan that outlives its run does not keep the filter in memory.
#[derive(Debug, Clone)]
pub(crate) struct MayMatch {
    keys: Vec<PhysicalExprRef>,
    members: Weak<Members>,
}

impl MayMatch {
    pub(crate) fn new(keys: Vec<PhysicalExprRef>, members: &Arc<Members>) -> Self {
        let members = Arc::downgrade(members);
        Self { keys, members }
    }
}

impl fmt::Display for MayMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "bloom_filter({})", keys.join(", "))
    }
}

impl PartialEq for MayMatch {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys && Weak::ptr_eq(&self.members, &other.members)
    }
}

impl Eq for MayMatch {}

impl Hash for MayMatch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.keys.hash(state);
        self.members.as_ptr().hash(state);
    }
}

impl PhysicalExpr for MayMatch {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let Some(members) = self.members.upgrade() else {
            return Ok(ColumnarValue::Scalar(true.into()));
        };
        let columns = evaluate_expressions_to_arrays(&self.keys, batch)?;
        let found = members.look_up(&columns)?;
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::new(
            found, None,
        ))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.keys.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let members = Weak::clone(&self.members);
        Ok(Arc::new(Self {
            keys: children,
            members,
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int64Array;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer};

    fn shared(limit: usize) -> (Arc<dyn MemoryPool>, Arc<SharedMembers>) {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(limit));
        let memory = MemoryConsumer::new("test").register(&pool);
        let shared = SharedMembers::new(&pool, memory);
        (pool, shared)
    }

    fn column(values: impl Iterator<Item = i64>) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(values))
    }

    /// How many of the keys pass.
    fn pass(members: &Arc<Members>, keys: ArrayRef) -> usize {
        let batch = RecordBatch::try_from_iter([("k", keys)]).unwrap();
        let key: PhysicalExprRef =
            datafusion::physical_expr::expressions::col("k", &batch.schema()).unwrap();
        let passed = MayMatch::new(vec![key], members).evaluate(&batch).unwrap();
        let passed = passed.into_array(batch.num_rows()).unwrap();
        datafusion::arrow::array::AsArray::as_boolean(&passed).true_count()
    }

    fn filter(shared: &Arc<SharedMembers>, batches: i64) -> Option<Arc<Members>> {
        let rest: Vec<Rest> = (0..2)
            .map(|partition| {
                let mut sketch = Sketch::new(Arc::clone(shared));
                for batch in (0..batches).filter(|batch| batch % 2 == partition) {
                    let keys = column(batch * 1000..batch * 1000 + 1000);
                    sketch.update(&[keys]).unwrap();
                }
                sketch.finish().unwrap()
            })
            .collect();
        shared.finish(&rest.iter().collect::<Vec<_>>())
    }

    #[test]
    fn few_keys_and_many_pass_and_most_others_do_not() {
        for batches in [0, 3, 500] {
            let (pool, shared) = shared(64 << 20);
            let members = filter(&shared, batches).unwrap();
            let keys = batches * 1000;
            assert_eq!(pass(&members, column(0..keys)), keys as usize);
            let others = pass(&members, column(1_000_000..1_100_000));
            assert!(others < 2_000, "{others} of 100,000 with {keys} keys");
            drop((shared, members));
            assert_eq!(pool.reserved(), 0);
        }
    }

    #[test]
    fn a_filter_that_would_let_all_pass_is_none() {
        // 64 KiB of it, and a million keys.
        let (_pool, shared) = shared(1 << 20);
        assert!(filter(&shared, 1000).is_none());
    }
}
