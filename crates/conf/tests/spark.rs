//! What Spark 4.1 itself answers, recorded by `tools/spark-oracle`, against what this crate answers.

use plimsoll_conf::layout::cluster::{self, Language, Manager};
use plimsoll_conf::property::{self, DefaultValue};
use plimsoll_conf::size::{self, MIB, SizeError, Unit};
use plimsoll_conf::time::{self, TimeUnit};
use plimsoll_conf::{Conf, Machine, MemoryLayout, Origin, Settings};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn recorded(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/spark")
        .join(file);
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!rows.is_empty());
    rows
}

fn unit(name: &str) -> Unit {
    match name {
        "b" => Unit::Byte,
        "k" => Unit::Kibi,
        "m" => Unit::Mebi,
        "g" => Unit::Gibi,
        other => panic!("the recording has a unit {other}"),
    }
}

fn time_unit(name: &str) -> TimeUnit {
    match name {
        "us" => TimeUnit::Microseconds,
        "ms" => TimeUnit::Milliseconds,
        "s" => TimeUnit::Seconds,
        "min" => TimeUnit::Minutes,
        other => panic!("the recording has a unit {other}"),
    }
}

/// The settings of a row; `None` when one of them is refused, the reason being in the second place.
fn settings(row: &Value) -> Result<Settings, String> {
    let mut conf = Conf::default();
    for (key, value) in row["settings"].as_object().unwrap() {
        conf.set(key, value.as_str().unwrap(), Origin::Code)
            .map_err(|error| error.to_string())?;
    }
    conf.settings().map_err(|error| error.to_string())
}

#[test]
fn sizes_read_as_spark_reads_them() {
    for row in recorded("sizes.json") {
        let (text, unit) = (
            row["input"].as_str().unwrap(),
            unit(row["unit"].as_str().unwrap()),
        );
        let ours = size::parse_in_unit(text, unit);
        match row["value"].as_i64() {
            // Spark's typed properties read a sign before a size. Nothing but "off" can be meant by it: see below.
            Some(_) if text.starts_with('-') => assert!(ours.is_err(), "{text:?}: {ours:?}"),
            Some(value) => {
                assert_eq!(ours, Ok(value as u64), "{text:?} in {unit:?}");
                let bytes = row["bytes"].as_u64();
                // Where Spark can count the units but not the bytes, its product wraps around; ours is refused.
                match size::parse_bytes(text, unit) {
                    Ok(ours) => assert_eq!(Some(ours), bytes, "{text:?} in {unit:?}"),
                    Err(error) => {
                        assert!(
                            matches!(error, SizeError::TooLarge { .. }),
                            "{text:?} in {unit:?}: {error}"
                        );
                        assert_ne!(bytes, Some((value as u64).saturating_mul(unit.bytes())));
                    }
                }
            }
            None => assert!(
                ours.is_err(),
                "{text:?} in {unit:?}: Spark refuses it, we read {ours:?}"
            ),
        }
    }
}

#[test]
fn a_size_with_a_sign_switches_off_where_spark_has_that_and_is_refused_elsewhere() {
    for row in recorded("sizes.json") {
        let text = row["input"].as_str().unwrap();
        if row["unit"] == "b" && text.starts_with('-') && row["value"].is_i64() {
            let mut conf = Conf::default();
            conf.set("spark.sql.autoBroadcastJoinThreshold", text, Origin::Set)
                .unwrap();
            assert_eq!(
                conf.settings().unwrap().sql.auto_broadcast_join_threshold,
                None,
                "{text}"
            );
            assert!(
                conf.set("spark.executor.memory", text, Origin::Set)
                    .is_err(),
                "{text}"
            );
        }
    }
}

#[test]
fn times_read_as_spark_reads_them() {
    for row in recorded("times.json") {
        let (text, unit) = (
            row["input"].as_str().unwrap(),
            time_unit(row["unit"].as_str().unwrap()),
        );
        let ours = time::parse_in_unit(text, unit);
        assert_eq!(
            ours.clone().ok(),
            row["value"].as_i64(),
            "{text:?} in {unit:?}: {ours:?}"
        );
    }
}

#[test]
fn layouts_are_those_of_sparks_unified_memory_manager() {
    let mut compared = 0;
    for mut row in recorded("layouts.json") {
        let heap = row["heap"].as_u64().unwrap();
        let memory = row["settings"]["spark.executor.memory"].as_str();
        let ours = settings(&row).and_then(|settings| {
            MemoryLayout::new(&settings, &Machine::with_memory(u64::MAX))
                .map_err(|error| error.to_string())
        });
        if row["error"].is_string() {
            // Spark reads a bare number here as bytes, although it documents MiB, which is what we read.
            let bare_number = memory == Some("8192");
            // The row is about the driver's heap, which the recording set apart from the executor's memory.
            let driver_heap = memory == Some("8g") && heap < 450 * MIB;
            assert!(ours.is_err() || bare_number || driver_heap, "{row}");
            continue;
        }
        // Spark does not look for a fraction above 1, and then gives out more memory than there is.
        if row["settings"]["spark.memory.fraction"]
            .as_str()
            .is_some_and(|text| text.parse::<f64>().unwrap() > 1.0)
        {
            assert!(ours.is_err(), "{row}");
            continue;
        }
        let layout = ours.unwrap_or_else(|error| panic!("{row}: {error}"));
        if layout.executor.total.bytes != heap {
            continue;
        }
        // Spark keeps an off-heap pool of that size for storage even when off-heap memory is disabled, outside of
        // any container that it asks for. Ours is disabled when it is disabled.
        if row["settings"]["spark.memory.offHeap.enabled"] != "true" {
            assert_eq!(layout.executor.off_heap.bytes, 0, "{row}");
            row["maxOffHeapMemory"] = 0.into();
            row["offHeapStorageRegion"] = 0.into();
        }
        let ours = [
            layout.executor.unified.bytes,
            layout.executor.storage_region.bytes,
            layout.executor.off_heap.bytes,
            layout.executor.off_heap_storage_region.bytes,
        ];
        let sparks = [
            "maxHeapMemory",
            "heapStorageRegion",
            "maxOffHeapMemory",
            "offHeapStorageRegion",
        ];
        assert_eq!(
            ours.map(Some),
            sparks.map(|name| row[name].as_u64()),
            "{row}"
        );
        compared += 1;
    }
    assert!(compared >= 50, "only {compared} layouts were comparable");
}

#[test]
fn containers_are_those_that_spark_asks_for() {
    let mut compared = 0;
    for row in recorded("containers.json") {
        // YARN's application master in client mode has properties, but no container in the breakdown; R jobs are given
        // as much as Python jobs but for the memory of Python, and there are none here.
        let for_r_alone =
            row["app"] == "r" && row["settings"]["spark.executor.pyspark.memory"].is_string();
        if row["role"] == "am" || for_r_alone {
            continue;
        }
        let manager = match row["manager"].as_str().unwrap() {
            "yarn" => Manager::Yarn,
            _ => Manager::Kubernetes,
        };
        let language = match row["app"].as_str().unwrap() {
            "jvm" => Language::Jvm,
            _ => Language::Python,
        };
        let settings = settings(&row);
        if row["error"].is_string() {
            // Spark cuts 1000 bytes of off-heap memory to 0 MiB for a container, and takes them in its pools.
            let cut_to_nothing = row["settings"]["spark.memory.offHeap.size"] == "1000";
            assert!(settings.is_err() || cut_to_nothing, "{row}");
            continue;
        }
        let Ok(settings) = settings else {
            assert!(refused_by_us_alone(&row), "{row}: {settings:?}");
            continue;
        };
        let off_heap = settings
            .memory
            .off_heap
            .as_ref()
            .map_or(0, |off_heap| off_heap.value.get());
        let request = match row["role"].as_str().unwrap() {
            "driver" => cluster::driver(
                settings.memory.driver.value,
                &settings.deploy,
                manager,
                language,
            ),
            _ => cluster::executor(
                settings.memory.executor.value,
                off_heap,
                &settings.deploy,
                manager,
                language,
            ),
        };
        assert_eq!(
            Some(request.overhead.bytes / MIB),
            row["overheadMiB"].as_u64(),
            "{row}"
        );
        assert_eq!(
            Some(request.container / MIB),
            row["totalMiB"].as_u64(),
            "{row}"
        );
        compared += 1;
    }
    assert!(
        compared >= 200,
        "only {compared} containers were comparable"
    );
}

/// Spark lets a minimum of -1 pass, which can only be a mistake.
fn refused_by_us_alone(row: &Value) -> bool {
    row["settings"]["spark.executor.minMemoryOverhead"] == "-1"
}

/// Recorded properties that are in no table of ours, each beginning with why.
const NOT_OURS: [(&str, &[&str]); 5] = [
    (
        "services that Plimsoll does not have: history server, standalone master and worker, thrift and connect servers",
        &[
            "spark.connect.",
            "spark.deploy.",
            "spark.history.",
            "spark.master.",
            "spark.worker.",
            "spark.sql.connect.",
            "spark.sql.thriftserver.",
        ],
    ),
    (
        "streaming, which Plimsoll does not have",
        &[
            "spark.streaming.",
            "spark.sql.streaming.",
            "spark.sql.sessionWindow.",
        ],
    ),
    (
        "details of the event log that are about the JVM or Spark's own tests",
        &[
            "spark.eventLog.erasureCoding.enabled",
            "spark.eventLog.excludedPatterns",
            "spark.eventLog.gcMetrics.",
            "spark.eventLog.includeTaskMetricsAccumulators",
            "spark.eventLog.longForm.enabled",
            "spark.eventLog.testing",
        ],
    ),
    (
        "Spark's own tests",
        &[
            "spark.testing.",
            "spark.storage.memoryMapLimitForTests",
            "spark.unsafe.exceptionOnMemoryLeak",
        ],
    ),
    (
        "parts of Spark's implementation that have no counterpart",
        &[
            "spark.shuffle.detectCorrupt.useExtraMemory",
            "spark.sql.analyzer.canonicalization.",
            "spark.sql.inMemoryTableScanStatistics.enable",
            "spark.sql.planner.pythonExecution.memory",
        ],
    ),
];

#[test]
fn every_property_of_spark_about_memory_is_in_our_table_or_left_out_for_a_reason() {
    for row in recorded("properties.json") {
        let key = row["key"].as_str().unwrap();
        let left_out = NOT_OURS
            .iter()
            .any(|(_, prefixes)| prefixes.iter().any(|prefix| key.starts_with(prefix)));
        assert!(
            property::property(key).is_some() != left_out,
            "{key} must be in one of the two"
        );
    }
}

#[test]
fn defaults_and_units_are_sparks() {
    let recorded = recorded("properties.json");
    let by_key: BTreeMap<_, _> = recorded
        .iter()
        .map(|row| (row["key"].as_str().unwrap(), row))
        .collect();
    for property in property::properties() {
        let Some(row) = by_key.get(property.key) else {
            continue;
        };
        let sparks = row["default"].as_str().unwrap();
        match property.default {
            DefaultValue::Is(ours) => assert_eq!(ours, sparks, "{}", property.key),
            DefaultValue::Unset => assert_eq!("<undefined>", sparks, "{}", property.key),
            // "<undefined>" and "<value of …>": nothing that could be read as a value.
            DefaultValue::Derived(_) => {
                let machine_dependent = property.key == "spark.sql.session.timeZone";
                assert!(
                    sparks.starts_with('<') || machine_dependent,
                    "{}: {sparks}",
                    property.key
                );
            }
        }
        let unit_name = row["unit"].as_str().unwrap_or_default();
        if ["b", "k", "m", "g"].contains(&unit_name) {
            let takes = property.kind.describe();
            let wanted = format!("(in {} without a unit)", unit(unit_name).name());
            assert!(
                takes.contains(&wanted),
                "{}: Spark counts in {unit_name}, ours takes {takes}",
                property.key
            );
        }
    }
}
