/// Which region memory comes from; the first two are Spark's `MemoryMode`.
///
/// A native engine has no garbage-collected heap; the two regions are kept apart because their
/// sizes are set apart: `spark.executor.memory` for one, `spark.memory.offHeap.size` for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryMode {
    /// The region laid out from `spark.executor.memory` (or the line).
    OnHeap,
    /// The region of `spark.memory.offHeap.size`.
    OffHeap,
    /// Memory of other parts of the line (user, reserved) that they do not use, lent to execution and taken
    /// back under pressure (`spark.plimsoll.memory.lending`). Spark has no such region.
    Lent,
}
