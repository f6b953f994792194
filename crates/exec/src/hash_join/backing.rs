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
    /// Goes on in `storage`, of which it keeps as much as it holds. If it has come to hold more than that, `take` is asked
    /// for all of it; where that gets nothing, the bytes stay on the books that they are on.
    pub(crate) fn move_to(
        &mut self,
        storage: PinnedStorage,
        take: impl FnOnce(usize) -> Option<PinnedStorage>,
    ) {
        let held = self.size();
        let storage = match storage.bytes() < held as u64 {
            true => {
                // First, so that it is not in the way.
                drop(storage);
                take(held)
            }
            false => Some(storage),
        };
        if let Some(mut storage) = storage {
            storage.shrink_to(held as u64);
            *self = Self::Storage(storage);
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_memory::{DriverMemory, DriverUse, MemoryMode, Region, UnifiedMemory};

    use super::*;

    #[test]
    fn what_has_grown_beyond_its_storage_is_on_the_books_in_full() {
        let driver = DriverMemory::new(1000);
        let memory = UnifiedMemory::new(Region::new(1000, 400), Region::EMPTY);
        let stored = || memory.pools(MemoryMode::OnHeap).storage_used;
        // What is held by the driver, what there is of storage at first, and where it is in the end.
        for (held, first, on_drivers, in_storage) in
            [(300, 400, 0, 300), (350, 300, 0, 350), (500, 400, 500, 0)]
        {
            let mut backing = Backing::Driver(driver.account(DriverUse::Broadcasts));
            backing.settle(held);
            let storage = PinnedStorage::acquire(&memory, first).unwrap();
            backing.move_to(storage, |bytes| {
                PinnedStorage::acquire(&memory, bytes as u64)
            });
            assert_eq!(backing.size(), held);
            assert_eq!(driver.usage().broadcasts.now, on_drivers);
            assert_eq!(stored(), in_storage);
        }
    }
}
