use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, exec_datafusion_err};

use super::keys::{Keys, Numbers, hash_columns};
use crate::reserve::written;

/// Rows hashed at a time while an index is made.
const PIECE: usize = 8192;

/// After how many of them others get their turn, and a query that was cancelled ends.
const PIECES_BETWEEN_YIELDS: usize = 64;

/// Finds the rows of a table by key. Rows of equal keys (and others that fell into the same slot) are
/// chained, in ascending order; row numbers are kept plus one, so that 0 ends a chain.
pub(crate) enum Index {
    Hashed(Hashed),
    Direct(Direct),
    /// There are no keys: every row is every key's.
    All,
}

impl Index {
    /// What an index of `rows` rows takes at most, in bytes.
    pub(crate) fn bytes(rows: usize) -> usize {
        Hashed::slots(rows) * size_of::<u64>() + rows * size_of::<u64>()
    }

    /// Bytes taken.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Hashed(hashed) => (hashed.slots.len() + hashed.entries.len()) * size_of::<u64>(),
            Self::Direct(direct) => (direct.slots.len() + direct.next.len()) * size_of::<u32>(),
            Self::All => 0,
        }
    }

    /// Indexes rows by `keys`, directly by number where the numbers lie densely enough and `room`, in bytes, is enough
    /// for it. It is never less than [`Index::bytes`].
    pub(crate) async fn new(keys: &Keys, rows: usize, room: usize) -> Result<Self> {
        if rows >= u32::MAX as usize {
            return Err(exec_datafusion_err!(
                "a part of a join's build side has {rows} rows, more than an index holds"
            ));
        }
        if keys.columns.is_empty() {
            return Ok(Self::All);
        }
        match Direct::new(keys, rows, room) {
            Some(direct) => Ok(Self::Direct(direct)),
            None => Hashed::new(keys, rows).await.map(Self::Hashed),
        }
    }

    pub(crate) fn needs_hashes(&self) -> bool {
        matches!(self, Self::Hashed(_))
    }
}

/// A hash table of chains. A slot holds, beside the first row of its chain, a filter of 16 bits for the
/// hashes in it, so that most keys that are not there cost one access; an entry holds 32 bits of its
/// row's hash, so that a key is compared only where it is probably equal.
pub(crate) struct Hashed {
    slots: Vec<u64>,
    shift: u32,
    entries: Vec<u64>,
}

impl Hashed {
    fn slots(rows: usize) -> usize {
        rows.next_power_of_two().max(16)
    }

    async fn new(keys: &Keys, rows: usize) -> Result<Self> {
        let slots = Self::slots(rows);
        let mut index = Self {
            slots: written(slots),
            shift: 64 - slots.trailing_zeros(),
            entries: written(rows),
        };
        let mut hashes = Vec::with_capacity(PIECE.min(rows));
        // From the last row to the first, so that chains ascend.
        for start in (0..rows).step_by(PIECE).rev() {
            let length = PIECE.min(rows - start);
            if start % (PIECE * PIECES_BETWEEN_YIELDS) == 0 {
                tokio::task::yield_now().await;
            }
            let piece: Vec<ArrayRef> = keys
                .columns
                .iter()
                .map(|column| column.slice(start, length))
                .collect();
            hash_columns(&piece, 0, &mut hashes)?;
            for (offset, hash) in hashes.iter().enumerate().rev() {
                if keys.is_matchable(start + offset) {
                    index.insert(start + offset, *hash);
                }
            }
        }
        Ok(index)
    }

    fn insert(&mut self, row: usize, hash: u64) {
        let slot = &mut self.slots[(Self::spread(hash) >> self.shift) as usize];
        self.entries[row] = (hash << 32) | (*slot & 0xffff_ffff);
        *slot = (*slot & !0xffff_ffff) | Self::filter_bit(hash) | (row as u64 + 1);
    }

    fn spread(hash: u64) -> u64 {
        hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn filter_bit(hash: u64) -> u64 {
        1 << (48 + ((hash >> 28) & 15))
    }

    /// The first row, plus one, of the chain in which rows of this hash are.
    #[inline]
    pub(crate) fn first(&self, hash: u64) -> u32 {
        let slot = self.slots[(Self::spread(hash) >> self.shift) as usize];
        if slot & Self::filter_bit(hash) == 0 {
            0
        } else {
            slot as u32
        }
    }

    /// Whether `row` may have this hash, and the row after it in the chain, plus one.
    #[inline]
    pub(crate) fn entry(&self, row: u32, hash: u64) -> (bool, u32) {
        let entry = self.entries[row as usize];
        ((entry >> 32) as u32 == hash as u32, entry as u32)
    }
}

/// Beyond so many numbers for each row a hash table has fewer slots to miss, and most of these would be empty.
const MOST_SLOTS_A_ROW: usize = 7;

/// Slots by number: the key less the least key.
pub(crate) struct Direct {
    least: i64,
    slots: Vec<u32>,
    /// The chains, unless all keys are different.
    next: Vec<u32>,
}

impl Direct {
    /// `None` if the key is no number, or the numbers lie too far apart.
    fn new(keys: &Keys, rows: usize, room: usize) -> Option<Self> {
        let [column] = keys.columns.as_slice() else {
            return None;
        };
        if keys.matchable.is_none() && column.null_count() > 0 {
            return None;
        }
        let numbers = Numbers::of(column)?;
        let matchable = || (0..rows).filter(|row| keys.is_matchable(*row));
        let (least, most) = matchable().fold((i64::MAX, i64::MIN), |(least, most), row| {
            let number = numbers.get(row);
            (least.min(number), most.max(number))
        });
        let range = match most.checked_sub(least) {
            Some(range) if (0..i64::MAX).contains(&range) => range as usize + 1,
            _ => return None,
        };
        let is_sparse = range > rows.saturating_mul(MOST_SLOTS_A_ROW);
        if is_sparse || (range + rows) * size_of::<u32>() > room {
            return None;
        }
        let mut slots: Vec<u32> = written(range);
        let mut next = Vec::new();
        for row in matchable().rev() {
            let slot = &mut slots[(numbers.get(row) - least) as usize];
            if *slot != 0 {
                if next.is_empty() {
                    next = written(rows);
                }
                next[row] = *slot;
            }
            *slot = row as u32 + 1;
        }
        Some(Self { least, slots, next })
    }

    #[inline]
    pub(crate) fn first(&self, number: i64) -> u32 {
        // A number below the least wraps to one far above the most.
        let slot = number.wrapping_sub(self.least) as u64;
        self.slots.get(slot as usize).copied().unwrap_or(0)
    }

    /// Whether no two rows have one key.
    pub(crate) fn is_unique(&self) -> bool {
        self.next.is_empty()
    }

    #[inline]
    pub(crate) fn next(&self, row: u32) -> u32 {
        self.next.get(row as usize).copied().unwrap_or(0)
    }
}
