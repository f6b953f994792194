use std::hint::black_box;

use datafusion::execution::memory_pool::MemoryReservation;

/// Reserves `bytes`, or takes them without being asked: for the least that an operator works with (a
/// batch, or the flags of rows that are on disk), which it cannot do without.
pub(crate) fn take_at_least(reservation: &MemoryReservation, bytes: usize) {
    if reservation.try_grow(bytes).is_err() {
        reservation.grow(bytes);
    }
}

/// So many default values, written. What `vec![0; n]` gives is a promise of the kernel's: a page that is read before
/// it is written costs two faults and an interrupt to every other core, which for tables that are filled at random
/// took longer than filling them.
pub(crate) fn written<T: Default>(values: usize) -> Vec<T> {
    // Hidden, since the compiler makes a promise of it again.
    let mut all = black_box(Vec::with_capacity(values));
    all.resize_with(values, T::default);
    all
}
