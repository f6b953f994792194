use std::collections::HashMap;

use crate::unified::{Acquired, TaskId};

/// The execution side of one region: how large it is now, and what each active task holds of it.
///
/// Follows Spark's `ExecutionMemoryPool`. With N active tasks each is granted at most 1/N of the
/// largest size the pool could reach, and is never told to spill before it has 1/2N of the size the
/// pool has.
#[derive(Debug, Default)]
pub(crate) struct ExecutionPool {
    size: u64,
    used: u64,
    /// Bytes held by each active task. A task is active from its first request until it has given
    /// everything back; one that waits is active with 0 bytes.
    held: HashMap<TaskId, u64>,
}

impl ExecutionPool {
    pub(crate) fn new(size: u64) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn free(&self) -> u64 {
        self.size - self.used
    }

    pub(crate) fn held_by(&self, task: TaskId) -> u64 {
        self.held.get(&task).copied().unwrap_or(0)
    }

    pub(crate) fn active_tasks(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn enlarge(&mut self, bytes: u64) {
        self.size += bytes;
    }

    pub(crate) fn lessen(&mut self, bytes: u64) {
        assert!(bytes <= self.free(), "only free memory leaves a pool");
        self.size -= bytes;
    }

    /// Makes `task` count among the N that share the pool.
    pub(crate) fn activate(&mut self, task: TaskId) {
        self.held.entry(task).or_insert(0);
    }

    /// The most that `task` may hold when the pool can grow to `reachable` bytes: 1/N of that, with
    /// the task itself among the N whether it has begun or not.
    pub(crate) fn cap_for(&self, task: TaskId, reachable: u64) -> u64 {
        let tasks = self.held.len() + usize::from(!self.held.contains_key(&task));
        reachable / tasks as u64
    }

    /// Grants `task` up to `bytes`, with the pool already grown as far as this request may grow it.
    pub(crate) fn acquire(&mut self, task: TaskId, bytes: u64, reachable: u64) -> Acquired {
        let tasks = self.held.len() as u64;
        let held = self.held_by(task);
        let floor = self.size / (2 * tasks);
        let granted = bytes
            .min(self.cap_for(task, reachable).saturating_sub(held))
            .min(self.free());
        if granted < bytes && held + granted < floor {
            return Acquired::MustWait;
        }
        self.held.insert(task, held + granted);
        self.used += granted;
        Acquired::Granted(granted)
    }

    /// Takes back up to `bytes` from `task` and returns how many it had to give. A task that holds
    /// nothing any more is no longer active.
    pub(crate) fn release(&mut self, task: TaskId, bytes: u64) -> u64 {
        let Some(held) = self.held.get_mut(&task) else {
            return 0;
        };
        let freed = bytes.min(*held);
        *held -= freed;
        if *held == 0 {
            self.held.remove(&task);
        }
        self.used -= freed;
        freed
    }
}
