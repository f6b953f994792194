//! What is wrong with a layout, or odd about it.

use super::FLOOR;
use crate::origin::Origin;
use crate::size::{Bytes, fmt_bytes, spell_bytes};
use std::path::PathBuf;

/// Why settings make no layout. Each message has the numbers and the setting to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Spark's `INVALID_EXECUTOR_MEMORY` and `INVALID_DRIVER_MEMORY`.
    #[error(
        "{setting} is {bytes} ({origin}), but an executor's pool must be at least {floor}, one and a half times the \
         {reserved} that are reserved for the engine: set {setting} to {} or more, or give --memory, which goes down \
         to {}", spell_bytes(floor.0), spell_bytes(FLOOR)
    )]
    BelowSparkFloor {
        /// The setting to change.
        setting: String,
        /// What it is.
        bytes: Bytes,
        /// Where it came from.
        origin: Origin,
        /// What it must be.
        floor: Bytes,
        /// What is reserved.
        reserved: Bytes,
    },
    /// A pool too small even for Plimsoll.
    #[error(
        "the memory to lay out is {bytes} ({what}, {origin}), but the least that Plimsoll runs in is {}: give it more, \
         such as --memory 256m",
        fmt_bytes(FLOOR)
    )]
    BelowFloor {
        /// What it is.
        bytes: Bytes,
        /// How it comes about.
        what: String,
        /// Where it came from.
        origin: Origin,
    },
    /// Nothing is left after what is reserved.
    #[error(
        "spark.plimsoll.memory.reserved is {reserved} ({origin}), which leaves nothing of the {pool} to lay out: set \
         it below that, or leave it unset"
    )]
    ReservedTooLarge {
        /// What is to be reserved.
        reserved: Bytes,
        /// Where that came from.
        origin: Origin,
        /// What it is taken from.
        pool: Bytes,
    },
    /// The fractions leave no execution memory.
    #[error(
        "spark.memory.fraction = {fraction} and spark.memory.storageFraction = {storage_fraction} leave no memory for \
         execution out of {usable}: set the first nearer to 0.6 and the second nearer to 0.5, their defaults"
    )]
    NoExecutionMemory {
        /// `spark.memory.fraction` as displayed.
        fraction: String,
        /// `spark.memory.storageFraction` as displayed.
        storage_fraction: String,
        /// What they divide.
        usable: Bytes,
    },
    /// Off-heap memory fills a line that cannot grow.
    #[error(
        "spark.memory.offHeap.size is {off_heap}, which leaves nothing of the line of {line}: set it below that, or \
         spark.memory.offHeap.enabled=false"
    )]
    NoRoomBesideOffHeap {
        /// The off-heap memory.
        off_heap: Bytes,
        /// The line.
        line: Bytes,
    },
    /// The kernel would kill the process before it reached its line.
    #[error(
        "the line is {line} ({formula}), above the {limit} that this container is limited to ({}): lower {settings} \
         so that it fits, or give --memory auto for a line at the limit", file.display()
    )]
    AboveContainer {
        /// The line.
        line: Bytes,
        /// How it comes about.
        formula: String,
        /// The limit.
        limit: Bytes,
        /// The file that holds the limit.
        file: PathBuf,
        /// The settings that could be lowered.
        settings: String,
    },
}

/// Something that a person should know about a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutWarning {
    /// A line that the machine does not have.
    #[error(
        "the line is {line}, more than the {physical} of this machine: it cannot be kept to when memory is used up; \
         a line of {} or less can", fmt_bytes(physical.0 / 5 * 4)
    )]
    AbovePhysicalMemory {
        /// The line.
        line: Bytes,
        /// The machine's memory.
        physical: Bytes,
    },
}
