//! The properties of Spark's block storage, shuffle and broadcast that shape memory. Cached blocks are made another way
//! here, broadcasts are probed where they are built and never sent, and there are no shuffles yet, so all of them are
//! recorded only.

use super::Property;
use crate::kind::{Count, Fraction, Kind, Size, Switch};
use crate::property::{DefaultValue, Effect};
use crate::size::Unit;

const BYTES: Size = Size::in_unit(Unit::Byte);
const KIBIBYTES: Size = Size::in_unit(Unit::Kibi);
const MEBIBYTES: Size = Size::in_unit(Unit::Mebi);

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
        "spark.storage.unrollMemoryThreshold",
        &BYTES,
        "1048576",
        "Memory that is asked for before a block is unrolled",
    ),
    not_yet(
        "spark.storage.unrollMemoryCheckPeriod",
        &Count { at_least: 1 },
        "16",
        "Rows between two looks at the memory of a block being unrolled",
    ),
    not_yet(
        "spark.storage.unrollMemoryGrowthFactor",
        &Fraction {
            accepts: |f| f > 0.0,
            bounds: "above 0",
        },
        "1.5",
        "How far beyond its need the memory of a block being unrolled grows",
    ),
    not_yet(
        "spark.storage.memoryMapThreshold",
        &BYTES,
        "2m",
        "Size of a block on disk from which it is mapped rather than read",
    ),
    not_yet(
        "spark.storage.cleanupFilesAfterExecutorExit",
        &Switch,
        "true",
        "Whether an executor's files are removed when it exits",
    ),
    not_yet(
        "spark.rdd.compress",
        &Switch,
        "false",
        "Whether serialized cached partitions are compressed",
    ),
    not_yet(
        "spark.broadcast.blockSize",
        &KIBIBYTES,
        "4m",
        "Size of the pieces that a broadcast is sent in",
    ),
    not_yet(
        "spark.broadcast.compress",
        &Switch,
        "true",
        "Whether broadcasts are compressed",
    ),
    not_yet(
        "spark.shuffle.file.buffer",
        &KIBIBYTES,
        "32k",
        "Memory that buffers each file a shuffle writes",
    ),
    not_yet(
        "spark.shuffle.spill.diskWriteBufferSize",
        &BYTES,
        "1048576b",
        "Memory that buffers sorted rows on their way to disk",
    ),
    not_yet(
        "spark.shuffle.spill.initialMemoryThreshold",
        &BYTES,
        "5242880b",
        "Size of a collection from which its memory is watched",
    ),
    not_yet(
        "spark.shuffle.spill.maxSizeInBytesForSpillThreshold",
        &BYTES,
        "9223372036854775807b",
        "Bytes in memory from which a shuffle's sort spills",
    ),
    not_yet(
        "spark.shuffle.spill.numElementsForceSpillThreshold",
        &Count { at_least: 0 },
        "2147483647",
        "Rows in memory from which a shuffle's sort spills",
    ),
    not_yet(
        "spark.shuffle.sort.initialBufferSize",
        &BYTES,
        "4096b",
        "Memory that a shuffle's sort starts with",
    ),
    not_yet(
        "spark.reducer.maxSizeInFlight",
        &MEBIBYTES,
        "48m",
        "Most shuffle data that one task fetches at a time",
    ),
    not_yet(
        "spark.network.maxRemoteBlockSizeFetchToMem",
        &BYTES,
        "200m",
        "Size of a remote block from which it is fetched to disk",
    ),
    not_yet(
        "spark.shuffle.mapOutput.minSizeForBroadcast",
        &BYTES,
        "512k",
        "Size of a shuffle's map from which it is broadcast",
    ),
    not_yet(
        "spark.kryoserializer.buffer",
        &KIBIBYTES,
        "64k",
        "Memory that each serializer starts with",
    ),
    not_yet(
        "spark.kryoserializer.buffer.max",
        &MEBIBYTES,
        "64m",
        "Memory that each serializer may grow to",
    ),
];
