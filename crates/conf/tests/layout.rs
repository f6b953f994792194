//! Which settings make the line, how it is divided, and which combinations are refused.

use plimsoll_conf::container::ContainerLimit;
use plimsoll_conf::layout::{FLOOR, SPARK_FLOOR, Shape};
use plimsoll_conf::size::{GIB, MIB};
use plimsoll_conf::{Conf, LayoutError, Machine, MemoryLayout, Origin};
use proptest::prelude::*;

const MEMORY: &str = "spark.plimsoll.memory";
const DRIVER: &str = "spark.driver.memory";
const EXECUTOR: &str = "spark.executor.memory";

type Values<'a> = &'a [(&'a str, &'a str)];

fn lay_out(values: Values<'_>, machine: &Machine) -> Result<MemoryLayout, LayoutError> {
    let mut conf = Conf::default();
    for (key, value) in values {
        conf.set(key, value, Origin::Conf("--conf".into())).unwrap();
    }
    MemoryLayout::new(&conf.settings().unwrap(), machine)
}

fn machine() -> Machine {
    Machine::with_memory(64 * GIB)
}

fn container(bytes: u64) -> Machine {
    let limit = ContainerLimit {
        bytes,
        file: "/sys/fs/cgroup/memory.max".into(),
    };
    Machine {
        container: Some(limit),
        ..machine()
    }
}

#[test]
fn an_executor_of_8g_has_the_unified_memory_that_spark_gives_it() {
    let layout = lay_out(&[(EXECUTOR, "8g")], &machine()).unwrap();
    assert_eq!(layout.executor.unified.bytes, 4_965_217_075);
    assert_eq!(layout.executor.storage_region.bytes, 2_482_608_537);
    assert_eq!(
        (layout.line.bytes, layout.driver.total.bytes),
        (9 * GIB, GIB)
    );
    assert_eq!(layout.executor.requests.yarn.container, 9011 * MIB);
}

#[test]
fn what_is_set_makes_the_line() {
    let cases: [(Values<'_>, Shape, u64, u64); 6] = [
        (&[], Shape::DriverAndExecutor, 2 * GIB, GIB),
        (&[(MEMORY, "3g")], Shape::OnePool, 3 * GIB, 3 * GIB),
        (
            &[(MEMORY, "3g"), (EXECUTOR, "8g")],
            Shape::OnePool,
            3 * GIB,
            3 * GIB,
        ),
        (&[(DRIVER, "4g")], Shape::OnePool, 4 * GIB, 4 * GIB),
        (
            &[(EXECUTOR, "4g")],
            Shape::DriverAndExecutor,
            5 * GIB,
            4 * GIB,
        ),
        (
            &[(DRIVER, "2g"), (EXECUTOR, "4g")],
            Shape::DriverAndExecutor,
            6 * GIB,
            4 * GIB,
        ),
    ];
    for (values, shape, line, executor) in cases {
        let layout = lay_out(values, &machine()).unwrap();
        let ours = (layout.shape, layout.line.bytes, layout.executor.total.bytes);
        assert_eq!(ours, (shape, line, executor), "{values:?}");
    }
}

#[test]
fn off_heap_memory_is_added_to_every_line() {
    let off_heap = [
        ("spark.memory.offHeap.enabled", "true"),
        ("spark.memory.offHeap.size", "1g"),
    ];
    let cases: [(Values<'_>, u64); 4] = [
        (&[], 3),
        (&[(MEMORY, "3g")], 4),
        (&[(DRIVER, "4g")], 5),
        (&[(EXECUTOR, "4g")], 6),
    ];
    for (values, gibibytes) in cases {
        let layout = lay_out(&[values, &off_heap].concat(), &machine()).unwrap();
        assert_eq!(layout.line.bytes, gibibytes * GIB, "{values:?}");
        assert_eq!(layout.executor.off_heap_storage_region.bytes, GIB / 2);
    }
}

#[test]
fn auto_is_the_limit_of_the_container_with_off_heap_memory_inside_it() {
    let layout = lay_out(&[(MEMORY, "auto")], &container(2 * GIB)).unwrap();
    assert_eq!(
        (layout.line.bytes, layout.executor.total.bytes),
        (2 * GIB, 2 * GIB)
    );

    let off_heap = [
        (MEMORY, "auto"),
        ("spark.memory.offHeap.enabled", "true"),
        ("spark.memory.offHeap.size", "1g"),
    ];
    let layout = lay_out(&off_heap, &container(2 * GIB)).unwrap();
    assert_eq!(
        (layout.line.bytes, layout.executor.total.bytes),
        (2 * GIB, GIB)
    );
    assert!(matches!(
        lay_out(&off_heap, &container(GIB)),
        Err(LayoutError::NoRoomBesideOffHeap { .. })
    ));
}

#[test]
fn auto_without_a_container_is_most_of_the_machine() {
    let layout = lay_out(&[(MEMORY, "auto")], &Machine::with_memory(10 * GIB)).unwrap();
    assert_eq!(layout.line.bytes, 8 * GIB);
    assert_eq!(layout.warnings, []);
}

#[test]
fn with_nothing_set_driver_and_executor_shrink_with_the_container() {
    let layout = lay_out(&[], &container(512 * MIB)).unwrap();
    assert_eq!(layout.line.bytes, 512 * MIB);
    assert_eq!(
        (layout.driver.total.bytes, layout.executor.total.bytes),
        (256 * MIB, 256 * MIB)
    );
    assert!(
        layout
            .executor
            .total
            .formula
            .starts_with("half of the container's limit")
    );

    let roomy = lay_out(&[], &container(2 * GIB)).unwrap();
    assert_eq!(roomy.executor.total.formula, EXECUTOR);
}

#[test]
fn a_line_above_the_container_is_refused_with_the_numbers_and_the_settings() {
    let error = lay_out(&[(EXECUTOR, "4g")], &container(4 * GIB))
        .unwrap_err()
        .to_string();
    for part in [
        "5 GiB",
        "driver 1 GiB + executor 4 GiB",
        "4 GiB",
        "memory.max",
        "spark.executor.memory or spark.driver.memory",
    ] {
        assert!(error.contains(part), "{part} is missing: {error}");
    }
}

#[test]
fn a_line_above_the_machine_is_warned_of() {
    let layout = lay_out(&[(EXECUTOR, "4g")], &Machine::with_memory(4 * GIB)).unwrap();
    assert_eq!(layout.warnings.len(), 1);
}

#[test]
fn a_pool_under_sparks_floor_is_refused_with_the_setting_to_change() {
    for key in [EXECUTOR, DRIVER] {
        let error = lay_out(&[(key, "449m")], &machine())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("{key} is 449 MiB (--conf)")),
            "{error}"
        );
        assert!(
            error.contains("450 MiB") && error.contains(&format!("set {key} to 450m or more")),
            "{error}"
        );
        assert!(lay_out(&[(key, "450m")], &machine()).is_ok());
    }
}

#[test]
fn a_driver_beside_an_executor_may_be_small() {
    assert!(lay_out(&[(EXECUTOR, "1g"), (DRIVER, "100m")], &machine()).is_ok());
}

#[test]
fn memory_goes_below_sparks_floor_and_reserves_less() {
    for (memory, reserved) in [
        ("1g", 300),
        ("450m", 300),
        ("400m", 250),
        ("256m", 106),
        ("200m", 50),
        ("64m", 16),
    ] {
        let layout = lay_out(&[(MEMORY, memory)], &machine()).unwrap();
        assert_eq!(layout.executor.reserved.bytes, reserved * MIB, "{memory}");
    }
    let error = lay_out(&[(MEMORY, "63m")], &machine())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("63 MiB (spark.plimsoll.memory, --conf)") && error.contains("is 64 MiB"),
        "{error}"
    );
}

#[test]
fn what_is_reserved_can_be_set_and_must_leave_something() {
    let reserved = "spark.plimsoll.memory.reserved";
    let layout = lay_out(&[(MEMORY, "1g"), (reserved, "100m")], &machine()).unwrap();
    assert_eq!(
        layout.executor.unified.bytes,
        (924.0 * MIB as f64 * 0.6) as u64
    );
    assert!(lay_out(&[(EXECUTOR, "150m"), (reserved, "100m")], &machine()).is_ok());

    let error = lay_out(&[(MEMORY, "1g"), (reserved, "1g")], &machine()).unwrap_err();
    assert!(
        matches!(error, LayoutError::ReservedTooLarge { .. }),
        "{error}"
    );
    let error = lay_out(&[(EXECUTOR, "1g"), (reserved, "700m")], &machine()).unwrap_err();
    assert!(
        matches!(error, LayoutError::BelowSparkFloor { .. }),
        "{error}"
    );
}

#[test]
fn fractions_that_leave_no_execution_memory_are_refused() {
    let error = lay_out(&[("spark.memory.fraction", "1e-12")], &machine()).unwrap_err();
    assert!(
        matches!(error, LayoutError::NoExecutionMemory { .. }),
        "{error}"
    );
}

#[test]
fn sizes_beyond_the_arithmetic_do_not_overflow() {
    let most = "8796093022207m";
    let values = [
        (EXECUTOR, most),
        (DRIVER, most),
        ("spark.executor.pyspark.memory", most),
        ("spark.memory.offHeap.enabled", "true"),
        ("spark.memory.offHeap.size", most),
        ("spark.executor.memoryOverhead", most),
    ];
    assert_eq!(lay_out(&values, &machine()).unwrap().line.bytes, u64::MAX);
}

#[test]
fn json_has_every_part_in_bytes() {
    let values = [(EXECUTOR, "8g"), ("spark.executor.pyspark.memory", "2g")];
    let json = serde_json::to_value(lay_out(&values, &machine()).unwrap()).unwrap();
    let executor = &json["executor"];
    assert_eq!(json["line"], 9 * GIB);
    assert_eq!(json["shape"], "driver_and_executor");
    assert_eq!(executor["total"], 8 * GIB);
    assert_eq!(executor["reserved"], 300 * MIB);
    assert_eq!(executor["unified"], 4_965_217_075_u64);
    assert_eq!(executor["storage_region"], 2_482_608_537_u64);
    assert_eq!(executor["user"], 3_310_144_717_u64);
    assert_eq!(executor["off_heap"], 0);
    assert_eq!(executor["overhead"], 819 * MIB);
    assert_eq!(executor["pyspark"], 2 * GIB);
    assert_eq!(executor["container"], (8192 + 819 + 2048) * MIB);
    assert_eq!(executor["kubernetes_python"]["overhead"], 3276 * MIB);
    assert_eq!(json["driver"]["total"], GIB);
    assert_eq!(json["driver"]["max_result_size"], GIB);
    assert_eq!(json["driver"]["container"], 1408 * MIB);
}

#[test]
fn memory_for_python_is_that_of_all_workers_and_says_what_each_has() {
    let values = [
        ("spark.executor.pyspark.memory", "2g"),
        ("spark.executor.cores", "3"),
    ];
    let pyspark = lay_out(&values, &machine()).unwrap().executor.pyspark;
    assert_eq!(pyspark.bytes, 2 * GIB);
    assert!(
        pyspark.formula.ends_with("682 MiB for each of 3 cores"),
        "{}",
        pyspark.formula
    );
}

#[test]
fn a_live_change_is_the_same_road_again() {
    let mut conf = Conf::default();
    let unified = |conf: &Conf| {
        let layout = MemoryLayout::new(&conf.settings().unwrap(), &machine()).unwrap();
        layout.executor.unified.bytes
    };
    let before = unified(&conf);
    conf.set("spark.memory.fraction", "0.8", Origin::Set)
        .unwrap();
    assert!(unified(&conf) > before);
    conf.unset_all();
    assert_eq!(unified(&conf), before);
}

proptest! {
    #[test]
    fn parts_sum_to_the_whole(
        mebibytes in 64..1_000_000_u64,
        fraction in 0.01..=1.0_f64,
        storage in 0.0..0.99_f64,
    ) {
        let (memory, fraction, storage) = (format!("{mebibytes}m"), fraction.to_string(), storage.to_string());
        let values = [(MEMORY, &*memory), ("spark.memory.fraction", &fraction), ("spark.memory.storageFraction", &storage)];
        let executor = lay_out(&values, &Machine::with_memory(u64::MAX)).unwrap().executor;
        prop_assert_eq!(executor.total.bytes, mebibytes * MIB);
        prop_assert_eq!(executor.reserved.bytes + executor.unified.bytes + executor.user.bytes, executor.total.bytes);
        prop_assert!(executor.storage_region.bytes < executor.unified.bytes);
    }

    #[test]
    fn a_larger_line_has_less_of_nothing(small in FLOOR / MIB..2_000, more in 0..2_000_u64) {
        let executor = |mebibytes: u64| {
            lay_out(&[(MEMORY, &format!("{mebibytes}m"))], &machine()).unwrap().executor
        };
        let (small, large) = (executor(small), executor(small + more));
        prop_assert!(small.reserved.bytes <= large.reserved.bytes);
        prop_assert!(small.unified.bytes <= large.unified.bytes);
        prop_assert!(small.user.bytes <= large.user.bytes);
    }

    #[test]
    fn with_nothing_set_a_larger_container_has_less_of_nothing(small in 128..3_000_u64, more in 0..2_000_u64) {
        let layout = |mebibytes: u64| lay_out(&[], &container(mebibytes * MIB)).unwrap();
        let (small, large) = (layout(small), layout(small + more));
        prop_assert!(small.line.bytes <= large.line.bytes);
        prop_assert!(small.driver.total.bytes <= large.driver.total.bytes);
        prop_assert!(small.executor.unified.bytes <= large.executor.unified.bytes);
    }

    #[test]
    fn from_sparks_floor_on_the_layout_is_sparks(mebibytes in SPARK_FLOOR / MIB..100_000) {
        let memory = format!("{mebibytes}m");
        let ours = lay_out(&[(MEMORY, &memory)], &Machine::with_memory(u64::MAX)).unwrap().executor;
        let sparks = lay_out(&[(EXECUTOR, &memory)], &Machine::with_memory(u64::MAX)).unwrap().executor;
        prop_assert_eq!(ours.unified.bytes, sparks.unified.bytes);
        prop_assert_eq!(ours.storage_region.bytes, sparks.storage_region.bytes);
    }
}
