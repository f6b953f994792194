use datafusion::execution::memory_pool::MemoryReservation;

/// Reserves `bytes`, or takes them without being asked: for the least that an operator works with (a
/// batch, or the flags of rows that are on disk), which it cannot do without.
pub(crate) fn take_at_least(reservation: &MemoryReservation, bytes: usize) {
    if reservation.try_grow(bytes).is_err() {
        reservation.grow(bytes);
    }
}
