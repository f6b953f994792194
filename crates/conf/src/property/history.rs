//! The properties that bound what the driver remembers of past work, and those of the event log.

use super::{Key, Property};
use crate::kind::{Count, Kind, Size, Switch, Text};
use crate::property::{DefaultValue, Effect};
use crate::size::{MIB, Unit};

const KEPT: Count = Count { at_least: 0 };

/// `spark.sql.ui.retainedExecutions`.
pub static RETAINED_EXECUTIONS: Key<Count> =
    Key::new("spark.sql.ui.retainedExecutions", KEPT, "1000");

/// `spark.ui.retainedJobs`.
pub static RETAINED_JOBS: Key<Count> = Key::new("spark.ui.retainedJobs", KEPT, "1000");

/// `spark.ui.retainedStages`.
pub static RETAINED_STAGES: Key<Count> = Key::new("spark.ui.retainedStages", KEPT, "1000");

/// `spark.sql.event.truncate.length`.
pub static TRUNCATE_LENGTH: Key<Count> =
    Key::new("spark.sql.event.truncate.length", KEPT, "2147483647");

const fn not_yet(
    key: &'static str,
    kind: &'static dyn Kind,
    default: &'static str,
    doc: &'static str,
) -> Property {
    Property::new(key, kind, DefaultValue::Is(default), Effect::NotYet, doc)
}

pub(super) static TABLE: &[Property] = &[
    not_yet(
        "spark.ui.enabled",
        &Switch,
        "true",
        "Whether the web UI runs",
    ),
    RETAINED_EXECUTIONS.property(
        Effect::Live,
        "Finished queries that the driver remembers; the least of the three retained settings wins",
    ),
    RETAINED_JOBS.property(
        Effect::Live,
        "Finished jobs that the driver remembers; a query is a job, so the least of the three wins",
    ),
    RETAINED_STAGES.property(
        Effect::Live,
        "Finished stages that the driver remembers; a query is one stage, so the least of the three wins",
    ),
    TRUNCATE_LENGTH.property(
        Effect::Live,
        "Characters of a statement that the driver remembers; never more than 1/1024 of driver memory",
    ),
    not_yet(
        "spark.ui.retainedTasks",
        &KEPT,
        "100000",
        "Finished tasks of one stage that the driver remembers; none are recorded one by one so far",
    ),
    not_yet(
        "spark.ui.retainedDeadExecutors",
        &KEPT,
        "100",
        "Lost executors that the driver remembers",
    ),
    not_yet(
        "spark.ui.dagGraph.retainedRootRDDs",
        &KEPT,
        "2147483647",
        "Roots of the graph of a job that the driver remembers",
    ),
    not_yet(
        "spark.eventLog.enabled",
        &Switch,
        "false",
        "Whether events are written to a log",
    ),
    not_yet(
        "spark.eventLog.dir",
        &Text,
        "/tmp/spark-events",
        "Directory of the event log",
    ),
    not_yet(
        "spark.eventLog.compress",
        &Switch,
        "true",
        "Whether the event log is compressed",
    ),
    not_yet(
        "spark.eventLog.compression.codec",
        &Text,
        "zstd",
        "How the event log is compressed",
    ),
    not_yet(
        "spark.eventLog.overwrite",
        &Switch,
        "false",
        "Whether an event log of the same name is replaced",
    ),
    not_yet(
        "spark.eventLog.buffer.kb",
        &Size::in_unit(Unit::Kibi),
        "100k",
        "Memory that buffers the event log",
    ),
    not_yet(
        "spark.eventLog.rolling.enabled",
        &Switch,
        "true",
        "Whether the event log is cut into files of a size",
    ),
    not_yet(
        "spark.eventLog.rolling.maxFileSize",
        &Size {
            unit: Unit::Byte,
            at_least: 10 * MIB,
        },
        "128m",
        "That size",
    ),
    not_yet(
        "spark.eventLog.logBlockUpdates.enabled",
        &Switch,
        "false",
        "Whether every change of a cached block is an event",
    ),
    not_yet(
        "spark.eventLog.logStageExecutorMetrics",
        &Switch,
        "false",
        "Whether peaks of each executor's metrics are written for each stage",
    ),
];
