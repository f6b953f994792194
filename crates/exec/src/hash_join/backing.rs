use datafusion::execution::memory_pool::MemoryReservation;
use plimsoll_memory::{DriverAccount, PinnedStorage};

/// On whose books build rows are.
pub(crate) enum Backing {
    /// Execution memory of the query, as all joins have it.
    Execution(MemoryReservation),
    /// The driver's part, for a broadcast while it is built.
    Driver(DriverAccount),
    /// Storage memory, for a broadcast that is built.
    Storage(PinnedStorage),
}

impl From<MemoryReservation> for Backing {
    fn from(memory: MemoryReservation) -> Self {
        Self::Execution(memory)
    }
}

impl Backing {
    /// What is held, in bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Execution(memory) => memory.size(),
            Self::Driver(account) => account.held() as usize,
            Self::Storage(pinned) => pinned.bytes() as usize,
        }
    }

    /// Whether the query's memory manager may ask for it back: a broadcast stays until the join is over.
    pub(crate) fn is_executions(&self) -> bool {
        matches!(self, Self::Execution(_))
    }

    /// Takes `bytes` more if it may, and says whether it did. What is in storage memory does not grow.
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        match self {
            Self::Execution(memory) => memory.try_grow(bytes).is_ok(),
            Self::Driver(account) => account.try_grow(bytes as u64),
            Self::Storage(_) => false,
        }
    }

    /// Gives back `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        match self {
            Self::Execution(memory) => memory.shrink(bytes),
            Self::Driver(account) => account.shrink(bytes as u64),
            Self::Storage(pinned) => {
                let left = pinned.bytes().saturating_sub(bytes as u64);
                pinned.shrink_to(left);
            }
        }
    }

    /// Holds just `bytes`, which is what there is by now: it is not refused.
    pub(crate) fn settle(&mut self, bytes: usize) {
        match self {
            Self::Execution(memory) => memory.resize(bytes),
            Self::Driver(account) => {
                let held = account.held();
                account.grow((bytes as u64).saturating_sub(held));
                account.shrink(held.saturating_sub(bytes as u64));
            }
            Self::Storage(pinned) => pinned.shrink_to(bytes as u64),
        }
    }
}
