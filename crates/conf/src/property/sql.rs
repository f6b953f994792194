//! The properties of Spark SQL that hold or bound memory, and those of the session.

use super::{Key, Missing, Property};
use crate::kind::{Count, Fraction, OneOf, Size, SizeOrOff, Storage, Switch, Text};
use crate::property::{DefaultValue, Effect};
use crate::size::Unit;

/// `spark.sql.autoBroadcastJoinThreshold`.
pub static AUTO_BROADCAST_JOIN_THRESHOLD: Key<SizeOrOff> = Key::new(
    "spark.sql.autoBroadcastJoinThreshold",
    SizeOrOff { unit: Unit::Byte },
    "10MB",
);

/// `spark.sql.maxBroadcastTableSize`.
pub static MAX_BROADCAST_TABLE_SIZE: Key<Size> = Key::new(
    "spark.sql.maxBroadcastTableSize",
    Size::in_unit(Unit::Byte),
    "8589934592b",
);

/// `spark.sql.sources.partitionOverwriteMode`.
pub static PARTITION_OVERWRITE_MODE: Key<OneOf> = Key::new(
    "spark.sql.sources.partitionOverwriteMode",
    OneOf(&["STATIC", "DYNAMIC"]),
    "STATIC",
);

/// `spark.sql.session.timeZone`.
pub static TIME_ZONE: Key<Text, Missing> = Key::derived(
    "spark.sql.session.timeZone",
    Text,
    "the time zone of the machine",
);

/// `spark.sql.variable.substitute`.
pub static VARIABLE_SUBSTITUTE: Key<Switch> =
    Key::new("spark.sql.variable.substitute", Switch, "true");

/// `spark.sql.shuffle.partitions`.
pub static SHUFFLE_PARTITIONS: Key<Count> =
    Key::new("spark.sql.shuffle.partitions", Count { at_least: 1 }, "200");

/// `spark.sql.defaultCacheStorageLevel`.
pub static DEFAULT_CACHE_STORAGE_LEVEL: Key<Storage> = Key::new(
    "spark.sql.defaultCacheStorageLevel",
    Storage,
    "MEMORY_AND_DISK",
);

/// `spark.sql.inMemoryColumnarStorage.compressed`.
pub static CACHE_COMPRESSED: Key<Switch> = Key::new(
    "spark.sql.inMemoryColumnarStorage.compressed",
    Switch,
    "true",
);

/// `spark.sql.inMemoryColumnarStorage.batchSize`.
pub static CACHE_BATCH_SIZE: Key<Count> = Key::new(
    "spark.sql.inMemoryColumnarStorage.batchSize",
    Count { at_least: 1 },
    "10000",
);

/// `spark.sql.inMemoryColumnarStorage.partitionPruning`.
pub static CACHE_PRUNING: Key<Switch> = Key::new(
    "spark.sql.inMemoryColumnarStorage.partitionPruning",
    Switch,
    "true",
);

const ROWS: Count = Count { at_least: 0 };
const BYTES: Size = Size::in_unit(Unit::Byte);
const BYTES_OR_OFF: SizeOrOff = SizeOrOff { unit: Unit::Byte };

/// A setting that is recorded until the engine has what it governs.
const fn not_yet(
    key: &'static str,
    kind: &'static dyn crate::kind::Kind,
    default: DefaultValue,
    doc: &'static str,
) -> Property {
    Property::new(key, kind, default, Effect::NotYet, doc)
}

const NO_SPILL_BY_ROWS: DefaultValue = DefaultValue::Is("2147483647");
const AS_SHUFFLE_SPILL: DefaultValue =
    DefaultValue::Derived("spark.shuffle.spill.maxSizeInBytesForSpillThreshold");

pub(super) static TABLE: &[Property] = &[
    AUTO_BROADCAST_JOIN_THRESHOLD.property(
        Effect::Live,
        "Largest side of a join that is broadcast without being asked; -1 for none",
    ),
    MAX_BROADCAST_TABLE_SIZE.property(
        Effect::Live,
        "Largest table that may be broadcast at all; a larger one is joined by partitions",
    ),
    PARTITION_OVERWRITE_MODE.property(
        Effect::Live,
        "Whether overwriting a partitioned directory replaces all of it, or the partitions that are written",
    ),
    TIME_ZONE.property(Effect::Live, "Time zone of timestamps in queries"),
    VARIABLE_SUBSTITUTE.property(
        Effect::Live,
        "Whether ${name} in SQL text stands for a setting or variable",
    ),
    SHUFFLE_PARTITIONS.property(
        Effect::Live,
        "Partitions that a join aims for when its build side does not fit into memory",
    ),
    DEFAULT_CACHE_STORAGE_LEVEL.property(Effect::Live, "How CACHE TABLE keeps data when not told"),
    CACHE_COMPRESSED.property(
        Effect::Live,
        "Whether cached data are compressed at serialized levels and on disk",
    ),
    CACHE_BATCH_SIZE.property(Effect::Live, "Rows in one block of cached data, at most"),
    CACHE_PRUNING.property(
        Effect::Live,
        "Whether blocks of cached data that cannot match are skipped",
    ),
    not_yet(
        "spark.sql.inMemoryColumnarStorage.enableVectorizedReader",
        &Switch,
        DefaultValue::Is("true"),
        "Whether cached tables are read by column",
    ),
    not_yet(
        "spark.sql.inMemoryColumnarStorage.hugeVectorThreshold",
        &BYTES_OR_OFF,
        DefaultValue::Is("-1b"),
        "Size from which a column vector grows by its reserve ratio; -1 for none",
    ),
    not_yet(
        "spark.sql.inMemoryColumnarStorage.hugeVectorReserveRatio",
        &Fraction {
            accepts: |f| f >= 1.0,
            bounds: "of at least 1",
        },
        DefaultValue::Is("1.2"),
        "How far beyond its need a huge column vector grows",
    ),
    not_yet(
        "spark.sql.adaptive.autoBroadcastJoinThreshold",
        &BYTES_OR_OFF,
        DefaultValue::Derived("spark.sql.autoBroadcastJoinThreshold"),
        "The same threshold when sizes are known from running stages",
    ),
    not_yet(
        "spark.sql.files.maxPartitionBytes",
        &Size {
            unit: Unit::Byte,
            at_least: 1,
        },
        DefaultValue::Is("128MB"),
        "Most bytes of files that one partition of a scan reads",
    ),
    not_yet(
        "spark.sql.parquet.columnarReaderBatchSize",
        &Count { at_least: 1 },
        DefaultValue::Is("4096"),
        "Rows in one batch read from Parquet",
    ),
    not_yet(
        "spark.sql.execution.arrow.maxBytesPerBatch",
        &BYTES,
        DefaultValue::Is("64MB"),
        "Most bytes of one Arrow batch that is sent to Python",
    ),
    not_yet(
        "spark.sql.windowExec.buffer.in.memory.threshold",
        &ROWS,
        DefaultValue::Is("4096"),
        "Rows that a window may always hold in memory",
    ),
    not_yet(
        "spark.sql.windowExec.buffer.spill.threshold",
        &ROWS,
        NO_SPILL_BY_ROWS,
        "Rows from which a window spills",
    ),
    not_yet(
        "spark.sql.windowExec.buffer.spill.size.threshold",
        &BYTES,
        AS_SHUFFLE_SPILL,
        "Bytes of rows from which a window spills",
    ),
    not_yet(
        "spark.sql.sortMergeJoinExec.buffer.in.memory.threshold",
        &ROWS,
        DefaultValue::Is("2147483632"),
        "Rows of one key that a sort-merge join may always hold in memory",
    ),
    not_yet(
        "spark.sql.sortMergeJoinExec.buffer.spill.threshold",
        &ROWS,
        NO_SPILL_BY_ROWS,
        "Rows of one key from which a sort-merge join spills",
    ),
    not_yet(
        "spark.sql.sortMergeJoinExec.buffer.spill.size.threshold",
        &BYTES,
        AS_SHUFFLE_SPILL,
        "Bytes of rows of one key from which a sort-merge join spills",
    ),
    not_yet(
        "spark.sql.cartesianProductExec.buffer.in.memory.threshold",
        &ROWS,
        DefaultValue::Is("4096"),
        "Rows that a cross join may always hold in memory",
    ),
    not_yet(
        "spark.sql.cartesianProductExec.buffer.spill.threshold",
        &ROWS,
        NO_SPILL_BY_ROWS,
        "Rows from which a cross join spills",
    ),
    not_yet(
        "spark.sql.cartesianProductExec.buffer.spill.size.threshold",
        &BYTES,
        AS_SHUFFLE_SPILL,
        "Bytes of rows from which a cross join spills",
    ),
];
