//! The properties of the session: where it runs, what it is called, how it logs.

use super::{Key, Missing, Property};
use crate::kind::{Count, Directories, Level, MasterUrl, Size, Text};
use crate::property::{DefaultValue, Effect};
use crate::size::Unit;

/// `spark.master`.
pub static MASTER: Key<MasterUrl> = Key::new("spark.master", MasterUrl, "local[*]");

/// `spark.app.name`.
pub static APP_NAME: Key<Text> = Key::new("spark.app.name", Text, "plimsoll");

/// `spark.log.level`.
pub static LOG_LEVEL: Key<Level, Missing> =
    Key::derived("spark.log.level", Level, "WARN, as Spark's shells have it");

/// `spark.local.dir`.
pub static LOCAL_DIR: Key<Directories> = Key::new("spark.local.dir", Directories, "/tmp");

pub(super) static TABLE: &[Property] = &[
    MASTER.property(
        Effect::Start,
        "Where queries run: local, local[N] for N threads, local[*] for all cores",
    ),
    APP_NAME.property(
        Effect::Start,
        "The name of the application in reports and logs",
    ),
    LOG_LEVEL.property(
        Effect::Start,
        "How much is logged: ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL or OFF",
    ),
    LOCAL_DIR.property(
        Effect::Start,
        "Directories for spill and cache files, separated by commas",
    ),
    Property::new(
        "spark.default.parallelism",
        &Count { at_least: 1 },
        DefaultValue::Unset,
        Effect::NotYet,
        "Partitions of RDDs that do not say how many they have",
    ),
    Property::new(
        "spark.task.maxDirectResultSize",
        &Size::in_unit(Unit::Byte),
        DefaultValue::Is("1048576b"),
        Effect::NotYet,
        "Largest task result that is sent to the driver directly rather than as a block",
    ),
    Property::new(
        "spark.task.cpus",
        &Count { at_least: 1 },
        DefaultValue::Is("1"),
        Effect::NotYet,
        "Cores that one task takes",
    ),
];
