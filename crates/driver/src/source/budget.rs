use std::sync::Arc;

use datafusion::prelude::SessionConfig;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What scans may hold, as shares of the memory that a query may use. It travels in the configuration of
/// the session, so that a scan is planned for the memory that there is then. Sizes are in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanBudget {
    memory: u64,
}

impl ScanBudget {
    /// The budget of scans in so much unified memory.
    pub(crate) fn new(memory: u64) -> Self {
        Self { memory }
    }

    /// The budget in a configuration; a small one if it says nothing.
    pub(crate) fn of(config: &SessionConfig) -> Self {
        let budget: Option<Arc<Self>> = config.get_extension();
        budget.map_or(Self::new(128 * MIB), |budget| *budget)
    }

    /// One batch: a 64th, because each of a plan's operators may have one or two in hand.
    pub(crate) fn batch(self) -> usize {
        (self.memory / 64).max(64 * KIB) as usize
    }

    /// The column chunks that one of so many partitions has fetched and not yet decoded: an eighth for all.
    pub(crate) fn chunks(self, partitions: usize) -> u64 {
        (self.memory / 8 / partitions.max(1) as u64).max(MIB)
    }

    /// The longest record of a text file: what its values can be as Arrow's texts, with room for escapes. One that
    /// does not fit in memory is mapped from disk.
    pub(crate) const RECORD: usize = 1 << 30;

    /// How many partitions may have so many columns open. Each column is a page that is being decoded, as a
    /// rule of up to 64 KiB, and what was read ahead of it; a quarter for all.
    pub(crate) fn partitions(self, columns: usize) -> usize {
        let each = (columns.max(1) as u64).saturating_mul(64 * KIB);
        (self.memory / 4 / each).max(1) as usize
    }

    /// The footers of Parquet files that are kept for the next query: a 32nd, and no more than DataFusion
    /// keeps.
    pub(crate) fn footers(self) -> usize {
        (self.memory / 32).clamp(MIB, 50 * MIB) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_memory_and_never_come_to_nothing() {
        let (large, small) = (ScanBudget::new(4096 * MIB), ScanBudget::new(MIB));
        assert_eq!(large.batch(), 64 << 20);
        assert_eq!(large.chunks(2), 256 * MIB);
        assert_eq!((large.partitions(16), large.partitions(5000)), (1024, 3));
        assert_eq!(large.footers(), 50 << 20);
        assert_eq!((small.batch(), small.chunks(8)), (64 << 10, MIB));
        assert_eq!(small.partitions(5000), 1);
    }
}
