use datafusion::execution::memory_pool::MemoryReservation;

/// What the open files of one writer may hold in memory at most, in bytes; Parquet files end their row groups
/// for it.
const MOST: usize = 32 << 20;

/// What open files hold in memory, on the books of their query.
pub(super) struct Held {
    reservation: MemoryReservation,
}

impl Held {
    pub(super) fn new(reservation: MemoryReservation) -> Self {
        Self { reservation }
    }

    /// Books that so much is held, and says whether it may be. If it may not, something has to be let go of.
    pub(super) fn may_be(&mut self, bytes: usize) -> bool {
        bytes <= MOST && self.reservation.try_resize(bytes).is_ok()
    }

    /// Books that so much is held of which nothing can be let go.
    pub(super) fn has_to_be(&mut self, bytes: usize) {
        self.reservation.resize(bytes);
    }
}
