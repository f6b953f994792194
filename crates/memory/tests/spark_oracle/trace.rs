//! The recorded traces, parsed; `tools/spark-oracle/README.md` describes the format.

use plimsoll_memory::{Acquired, BlockId, MemoryMode, PoolSizes, Region, TaskId};

pub struct Trace {
    pub seed: u64,
    pub on_heap: Region,
    pub off_heap: Region,
    pub steps: Vec<Step>,
}

pub struct Step {
    /// The line of the file, for messages.
    pub line: usize,
    pub act: Act,
    pub on_heap: PoolSizes,
    pub off_heap: PoolSizes,
    pub evicted: Vec<BlockId>,
}

#[derive(Debug, Clone, Copy)]
pub enum Act {
    Acquire {
        task: TaskId,
        mode: MemoryMode,
        bytes: u64,
        answer: Acquired,
    },
    /// The task that waits was woken and has looked again.
    Wake {
        task: TaskId,
        mode: MemoryMode,
        answer: Acquired,
    },
    /// The task that waits was interrupted.
    Interrupt,
    Release {
        task: TaskId,
        mode: MemoryMode,
        bytes: u64,
    },
    ReleaseAll {
        task: TaskId,
        freed: u64,
    },
    Cache {
        block: BlockId,
        mode: MemoryMode,
        bytes: u64,
        stored: bool,
    },
    Read {
        block: BlockId,
        found: bool,
    },
    Lock {
        block: BlockId,
    },
    Unlock {
        block: BlockId,
    },
    Remove {
        block: BlockId,
    },
    Unroll {
        block: BlockId,
        mode: MemoryMode,
        bytes: u64,
        granted: bool,
    },
    ReleaseUnroll {
        mode: MemoryMode,
        bytes: u64,
    },
}

pub fn parse(text: &str) -> Vec<Trace> {
    let mut traces: Vec<Trace> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(head) = line.strip_prefix("T ") {
            let n: Vec<u64> = numbers(head);
            traces.push(Trace {
                seed: n[0],
                on_heap: Region::new(n[1], n[2]),
                off_heap: Region::new(n[3], n[4]),
                steps: Vec::new(),
            });
        } else {
            let trace = traces.last_mut().expect("a trace begins with T");
            trace.steps.push(step(number + 1, line));
        }
    }
    traces
}

fn step(line: usize, text: &str) -> Step {
    let mut fields = text.split(" | ");
    let act = act(fields.next().expect("an act"));
    let n = numbers(fields.next().expect("the pools"));
    let evicted = fields.next().map_or_else(Vec::new, |blocks| {
        blocks.split(',').map(evicted_block).collect()
    });
    Step {
        line,
        act,
        on_heap: pools(&n[..4]),
        off_heap: pools(&n[4..]),
        evicted,
    }
}

fn act(text: &str) -> Act {
    let (request, answer) = match text.split_once(" = ") {
        Some((request, answer)) => (request, answer),
        None => (text, ""),
    };
    let words: Vec<&str> = request.split(' ').collect();
    let number = |at: usize| words[at].parse().expect("a number");
    let task = || TaskId(number(1));
    let block = || BlockId {
        dataset: number(1),
        partition: number(2),
    };
    let yes = answer == "1";
    match words[0] {
        "a" => Act::Acquire {
            task: task(),
            mode: mode(words[2]),
            bytes: number(3),
            answer: acquired(answer),
        },
        "w" => Act::Wake {
            task: task(),
            mode: mode(words[2]),
            answer: acquired(answer),
        },
        "i" => Act::Interrupt,
        "r" => Act::Release {
            task: task(),
            mode: mode(words[2]),
            bytes: number(3),
        },
        "R" => Act::ReleaseAll {
            task: task(),
            freed: answer.parse().expect("a number"),
        },
        "c" => Act::Cache {
            block: block(),
            mode: mode(words[3]),
            bytes: number(4),
            stored: yes,
        },
        "g" => Act::Read {
            block: block(),
            found: yes,
        },
        "l" => Act::Lock { block: block() },
        "u" => Act::Unlock { block: block() },
        "d" => Act::Remove { block: block() },
        "n" => Act::Unroll {
            block: block(),
            mode: mode(words[3]),
            bytes: number(4),
            granted: yes,
        },
        "N" => Act::ReleaseUnroll {
            mode: mode(words[1]),
            bytes: number(2),
        },
        other => panic!("no step is called {other:?}"),
    }
}

fn acquired(answer: &str) -> Acquired {
    match answer {
        "wait" => Acquired::MustWait,
        granted => Acquired::Granted(granted.parse().expect("bytes")),
    }
}

fn mode(letter: &str) -> MemoryMode {
    match letter {
        "h" => MemoryMode::OnHeap,
        "o" => MemoryMode::OffHeap,
        other => panic!("no memory mode is called {other:?}"),
    }
}

fn pools(n: &[u64]) -> PoolSizes {
    PoolSizes {
        execution: n[0],
        execution_used: n[1],
        storage: n[2],
        storage_used: n[3],
    }
}

fn evicted_block(text: &str) -> BlockId {
    let (dataset, partition) = text.split_once('_').expect("dataset_partition");
    BlockId {
        dataset: dataset.parse().expect("a dataset"),
        partition: partition.parse().expect("a partition"),
    }
}

fn numbers(text: &str) -> Vec<u64> {
    text.split(' ')
        .map(|n| n.parse().expect("a number"))
        .collect()
}
