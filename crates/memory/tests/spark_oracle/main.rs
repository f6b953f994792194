//! Replays what Spark's own `UnifiedMemoryManager` and `MemoryStore` answered, step by step, and asks
//! that every answer, every pool's size and every eviction be the same here.
//!
//! `tools/spark-oracle/` records the traces.

mod store;
mod trace;

use std::sync::Arc;

use plimsoll_memory::{Acquired, MemoryMode, TaskId, UnifiedMemory};

use store::BlockStore;
use trace::{Act, Step, Trace};

const TRACES: &str = include_str!("../spark/traces.txt");

/// The request of the task that waits; the recorder lets one wait at a time.
#[derive(Clone, Copy)]
struct Waiter {
    task: TaskId,
    mode: MemoryMode,
    bytes: u64,
}

struct Replay {
    memory: Arc<UnifiedMemory>,
    store: Arc<BlockStore>,
    waiter: Option<Waiter>,
}

impl Replay {
    fn new(trace: &Trace) -> Self {
        let memory = UnifiedMemory::new(trace.on_heap, trace.off_heap);
        let store = Arc::new(BlockStore::default());
        memory.set_evictor(Arc::clone(&store) as _);
        Self {
            memory,
            store,
            waiter: None,
        }
    }

    /// Does one step and says in what it differs from Spark's, if in anything.
    fn step(&mut self, step: &Step) -> Result<(), String> {
        self.act(&step.act)?;
        same(
            "on-heap pools",
            &self.memory.pools(MemoryMode::OnHeap),
            &step.on_heap,
        )?;
        same(
            "off-heap pools",
            &self.memory.pools(MemoryMode::OffHeap),
            &step.off_heap,
        )?;
        same("evicted blocks", &self.store.take_evicted(), &step.evicted)
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        match *act {
            Act::Acquire {
                task,
                mode,
                bytes,
                answer,
            } => {
                let acquired = self.memory.acquire_execution(task, bytes, mode);
                if acquired == Acquired::MustWait {
                    self.waiter = Some(Waiter { task, mode, bytes });
                }
                same("answer", &acquired, &answer)
            }
            Act::Wake { task, mode, answer } => {
                let waiter = self.waiter.expect("a task that waits");
                same("task that wakes", &waiter.task, &task)?;
                let acquired = self.memory.acquire_execution(task, waiter.bytes, mode);
                if acquired != Acquired::MustWait {
                    self.waiter = None;
                }
                same("answer", &acquired, &answer)
            }
            Act::Interrupt => {
                self.waiter = None;
                Ok(())
            }
            Act::Release { task, mode, bytes } => {
                self.memory.release_execution(task, bytes, mode);
                Ok(())
            }
            Act::ReleaseAll { task, freed } => same(
                "bytes freed",
                &self.memory.release_all_execution(task),
                &freed,
            ),
            Act::Cache {
                block,
                mode,
                bytes,
                stored,
            } => {
                let fits = self.memory.acquire_storage(block, bytes, mode);
                if fits {
                    self.store.put(block, mode, bytes);
                }
                same("stored", &fits, &stored)
            }
            Act::Read { block, found } => same("found", &self.store.touch(block), &found),
            Act::Lock { block } => {
                self.store.lock(block);
                Ok(())
            }
            Act::Unlock { block } => {
                self.store.unlock(block);
                Ok(())
            }
            Act::Remove { block } => {
                let (mode, bytes) = self.store.remove(block).ok_or("no such block")?;
                self.memory.release_storage(bytes, mode);
                Ok(())
            }
            Act::Unroll {
                block,
                mode,
                bytes,
                granted,
            } => same(
                "granted",
                &self.memory.acquire_unroll(block, bytes, mode),
                &granted,
            ),
            Act::ReleaseUnroll { mode, bytes } => {
                self.memory.release_storage(bytes, mode);
                Ok(())
            }
        }
    }

    /// A task that Spark left waiting when others gave memory back must be left waiting here too.
    fn still_waits(&self) -> Result<(), String> {
        let Some(waiter) = self.waiter else {
            return Ok(());
        };
        let before = self.memory.pools(waiter.mode);
        let acquired = self
            .memory
            .acquire_execution(waiter.task, waiter.bytes, waiter.mode);
        same(
            "answer to the task that waits",
            &acquired,
            &Acquired::MustWait,
        )?;
        same(
            "pools after it looked again",
            &self.memory.pools(waiter.mode),
            &before,
        )
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, spark: &T) -> Result<(), String> {
    if ours == spark {
        return Ok(());
    }
    Err(format!("{what}: ours {ours:?}, Spark's {spark:?}"))
}

#[test]
fn answers_every_recorded_step_as_spark_does() {
    let traces = trace::parse(TRACES);
    let mut steps = 0;
    for trace in &traces {
        let mut replay = Replay::new(trace);
        for (at, step) in trace.steps.iter().enumerate() {
            let outcome = replay.step(step).and_then(|()| {
                let woken = trace.steps.get(at + 1).map(|next| next.act);
                match (step.act, woken) {
                    (_, Some(Act::Wake { .. })) => Ok(()),
                    (Act::Release { .. } | Act::ReleaseAll { .. }, _) => replay.still_waits(),
                    _ => Ok(()),
                }
            });
            if let Err(difference) = outcome {
                panic!(
                    "trace {}, line {}: {:?}: {difference}",
                    trace.seed, step.line, step.act
                );
            }
            steps += 1;
        }
    }
    assert!(
        traces.len() >= 200 && steps >= 20_000,
        "{} traces, {steps} steps",
        traces.len()
    );
}
