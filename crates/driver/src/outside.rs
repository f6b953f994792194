use std::fmt;

use datafusion::common::{Result, resources_err};
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

/// The memory of what runs on a session's runtime and is none of its queries: there is none. Nobody would share it out, and
/// nobody would be told to spill.
#[derive(Debug)]
pub(crate) struct Outside;

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl MemoryPool for Outside {
    fn name(&self) -> &str {
        "plimsoll_outside"
    }

    fn grow(&self, _reservation: &MemoryReservation, _additional: usize) {}

    fn shrink(&self, _reservation: &MemoryReservation, _shrink: usize) {}

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        resources_err!(
            "{} asked for {additional} bytes outside of the session's queries, where nothing is granted: give the plan to \
             Session::run_plan, or make the DataFrame from Session::context",
            reservation.consumer().name()
        )
    }

    fn reserved(&self) -> usize {
        0
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(0)
    }
}
