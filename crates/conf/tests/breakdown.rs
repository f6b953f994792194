//! The drawing of layouts, beside what a person agreed to in `tests/expected/`.
//!
//! After a change on purpose, `PLIMSOLL_UPDATE_EXPECTED=1 cargo nextest run -p plimsoll-conf` writes those files anew.

use plimsoll_conf::breakdown::Breakdown;
use plimsoll_conf::container::ContainerLimit;
use plimsoll_conf::{ConfBuilder, Machine, MemoryLayout, Surroundings};
use std::path::Path;

const GIB: u64 = 1 << 30;

fn assert_drawn(name: &str, options: &[(&str, &str, &str)], machine: &Machine) {
    let builder = options.iter().fold(
        ConfBuilder::new(Surroundings::default()),
        |builder, (flag, key, value)| builder.option(flag, key, value),
    );
    let settings = builder.build().unwrap().settings().unwrap();
    let layout = MemoryLayout::new(&settings, machine).unwrap();
    let drawn = Breakdown(&layout).to_string();
    for line in drawn.lines() {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expected")
        .join(name);
    if std::env::var_os("PLIMSOLL_UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    assert_eq!(
        drawn,
        std::fs::read_to_string(&path).unwrap(),
        "{}",
        path.display()
    );
}

#[test]
fn an_executor_of_8g_is_drawn_beside_its_driver() {
    let options = [("--executor-memory", "spark.executor.memory", "8g")];
    assert_drawn("executor-8g.txt", &options, &Machine::with_memory(16 * GIB));
}

#[test]
fn a_line_of_1g_is_drawn_as_one_pool() {
    let options = [("--memory", "spark.plimsoll.memory", "1g")];
    assert_drawn("memory-1g.txt", &options, &Machine::with_memory(16 * GIB));
}

#[test]
fn off_heap_memory_is_drawn_on_top_and_a_small_machine_is_warned_of() {
    let options = [
        ("--conf", "spark.memory.offHeap.enabled", "true"),
        ("--conf", "spark.memory.offHeap.size", "2g"),
        ("--driver-memory", "spark.driver.memory", "4g"),
    ];
    assert_drawn("off-heap.txt", &options, &Machine::with_memory(4 * GIB));
}

#[test]
fn a_small_container_without_settings_is_drawn_in_halves() {
    let container = ContainerLimit {
        bytes: 512 << 20,
        file: "/sys/fs/cgroup/memory.max".into(),
    };
    let machine = Machine {
        container: Some(container),
        ..Machine::with_memory(16 * GIB)
    };
    assert_drawn("container-512m.txt", &[], &machine);
}
