//! The properties of what queries write to disk for lack of memory.

use super::{Key, Missing, Property};
use crate::kind::{Compression, Size, Switch};
use crate::property::Effect;
use crate::size::Unit;

/// `spark.shuffle.spill.compress`.
pub static SPILL_COMPRESS: Key<Switch> = Key::new("spark.shuffle.spill.compress", Switch, "true");

/// `spark.io.compression.codec`.
pub static COMPRESSION_CODEC: Key<Compression> =
    Key::new("spark.io.compression.codec", Compression, "lz4");

/// `spark.plimsoll.spill.maxSize`.
pub static SPILL_MAX_SIZE: Key<Size, Missing> = Key::derived(
    "spark.plimsoll.spill.maxSize",
    Size::in_unit(Unit::Mebi),
    "nine tenths of what is free on the disks",
);

pub(super) static TABLE: &[Property] = &[
    SPILL_COMPRESS.property(Effect::Live, "Whether what is spilled is compressed"),
    COMPRESSION_CODEC.property(
        Effect::Live,
        "What spills are compressed with: lz4 or zstd; lz4 also stands in for lzf and snappy",
    ),
    SPILL_MAX_SIZE.property(
        Effect::Live,
        "Most that the spill files of all queries may take together; a query that needs more fails",
    ),
];
