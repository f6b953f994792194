//! What was asked for: Spark's property names, sizes, defaults, where each value came from, and the memory layout that
//! they make. Knows nothing of engines.
//!
//! ```text
//!  code, options, files, environment           Conf                Settings            MemoryLayout
//!  ────────────── ConfBuilder ─────────▶ text + origin by key ──▶ typed values ──┬──▶ bytes of each part ──▶ breakdown
//!                                             ▲                                  │
//!  SET on a running session ──────────────────┘                       Machine ───┘
//! ```
//!
//! A setting goes from text to typed value once, here: past this crate no setting has a text for a name. A change on
//! a running session goes the same way again, so what is refused at start is refused then too.
//!
//! ```
//! use plimsoll_conf::{ConfBuilder, Machine, MemoryLayout, Surroundings};
//!
//! let conf = ConfBuilder::new(Surroundings::default())
//!     .option("--executor-memory", "spark.executor.memory", "8g")
//!     .build()?;
//! let machine = Machine::with_memory(16 << 30);
//! let layout = MemoryLayout::new(&conf.settings()?, &machine)?;
//! assert_eq!(layout.executor.unified.bytes, 4_965_217_075);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod breakdown;
pub mod builder;
pub mod conf;
pub mod container;
pub mod kind;
pub mod known;
pub mod layout;
pub mod machine;
pub mod origin;
pub mod profile;
pub mod property;
pub mod settings;
pub mod size;
pub mod time;
pub mod warning;

pub use builder::{ConfBuilder, Surroundings};
pub use conf::{Conf, ConfError, Entry};
pub use layout::{LayoutError, MemoryLayout, Shape};
pub use machine::Machine;
pub use origin::{Origin, Setting};
pub use profile::{Profile, ProfileNotice};
pub use property::{Effect, Property};
pub use settings::Settings;
pub use size::{fmt_bytes, parse_bytes};
pub use warning::Warning;
