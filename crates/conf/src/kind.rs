//! What a property's value may be: one small type per kind, each of which reads a text into a Rust value.

use crate::profile::Profile;
use crate::settings::{Codec, LogLevel, Master, StorageLevel};
use crate::size::{SizeError, Unit, parse_bytes};
use crate::time::{TimeError, TimeUnit, parse_duration};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Why a value does not suit its property. The message completes "spark.x = value is refused: …".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// Not a size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Not a duration.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// Not among what the property takes.
    #[error("it must be {expected}, which {text:?} is not")]
    NotOneOf {
        /// What was written.
        text: String,
        /// What the property takes, as in "it must be …".
        expected: String,
    },
    /// A `spark.master` that is not local.
    #[error(
        "{master:?} names a cluster, and clusters are not there yet: use local[N] for N threads, or local[*]"
    )]
    ClusterMaster {
        /// What was written.
        master: String,
    },
}

impl ValueError {
    pub(crate) fn not(text: &str, expected: impl Into<String>) -> Self {
        ValueError::NotOneOf {
            text: text.into(),
            expected: expected.into(),
        }
    }
}

/// A kind of value: how its texts read, and how a person is told what it takes.
pub trait Kind: fmt::Debug + Sync {
    /// Whether `text` is a value of this kind.
    ///
    /// # Errors
    /// [`ValueError`] says why not and what to write instead.
    fn check(&self, text: &str) -> Result<(), ValueError>;

    /// What the property takes, for help texts: `a size, in MiB without a unit`.
    fn describe(&self) -> String;
}

/// A kind whose texts read as a Rust value.
pub trait Read: fmt::Debug + Sync {
    /// What a text reads as.
    type Value;

    /// Reads a text.
    ///
    /// # Errors
    /// [`ValueError`] says why it does not read and what to write instead.
    fn read(&self, text: &str) -> Result<Self::Value, ValueError>;

    /// As [`Kind::describe`].
    fn describe(&self) -> String;
}

impl<K: Read> Kind for K {
    fn check(&self, text: &str) -> Result<(), ValueError> {
        self.read(text).map(drop)
    }

    fn describe(&self) -> String {
        Read::describe(self)
    }
}

/// A size; reads as bytes. A text without a suffix is in `unit`.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The unit in which Spark declares the property.
    pub unit: Unit,
    /// The smallest size taken, in bytes.
    pub at_least: u64,
}

impl Size {
    /// A size of any value, 0 included, declared in `unit`.
    pub const fn in_unit(unit: Unit) -> Self {
        Size { unit, at_least: 0 }
    }
}

impl Read for Size {
    type Value = u64;

    fn read(&self, text: &str) -> Result<u64, ValueError> {
        let bytes = parse_bytes(text, self.unit)?;
        match bytes >= self.at_least {
            true => Ok(bytes),
            false => Err(ValueError::not(text, Read::describe(self))),
        }
    }

    fn describe(&self) -> String {
        let at_least = match self.at_least {
            0 => String::new(),
            bytes => format!(" of at least {}", crate::size::spell_bytes(bytes)),
        };
        format!("a size{at_least} (in {} without a unit)", self.unit.name())
    }
}

/// A size that can be switched off with a negative number, as `-1`; that reads as `None`.
#[derive(Clone, Copy, Debug)]
pub struct SizeOrOff {
    /// The unit in which Spark declares the property.
    pub unit: Unit,
}

impl Read for SizeOrOff {
    type Value = Option<u64>;

    fn read(&self, text: &str) -> Result<Option<u64>, ValueError> {
        // Spark's bytesConf reads a sign and then a size, so -1, -1b and -10MB all switch off.
        match text.strip_prefix('-') {
            Some(positive) => Ok(parse_bytes(positive, self.unit).map(|_| None)?),
            None => Ok(Some(parse_bytes(text, self.unit)?)),
        }
    }

    fn describe(&self) -> String {
        format!(
            "a size (in {} without a unit), or -1 for none",
            self.unit.name()
        )
    }
}

/// A size, or `auto`; that reads as `None`.
#[derive(Clone, Copy, Debug)]
pub struct SizeOrAuto {
    /// The unit of a number without a suffix.
    pub unit: Unit,
}

impl Read for SizeOrAuto {
    type Value = Option<u64>;

    fn read(&self, text: &str) -> Result<Option<u64>, ValueError> {
        match text.trim().eq_ignore_ascii_case("auto") {
            true => Ok(None),
            false => Ok(Some(parse_bytes(text, self.unit)?)),
        }
    }

    fn describe(&self) -> String {
        format!("a size (in {} without a unit), or auto", self.unit.name())
    }
}

/// A whole number, `i32` as in Spark.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// The smallest number taken.
    pub at_least: u32,
}

impl Read for Count {
    type Value = u32;

    fn read(&self, text: &str) -> Result<u32, ValueError> {
        let count = text.trim().parse::<u32>().ok();
        count
            .filter(|&count| count >= self.at_least && i32::try_from(count).is_ok())
            .ok_or_else(|| ValueError::not(text, Read::describe(self)))
    }

    fn describe(&self) -> String {
        format!("a whole number from {}", self.at_least)
    }
}

/// A number between two bounds.
#[derive(Clone, Copy, Debug)]
pub struct Fraction {
    /// Whether a number is taken.
    pub accepts: fn(f64) -> bool,
    /// The bounds in words, as in "a number …".
    pub bounds: &'static str,
}

impl Read for Fraction {
    type Value = f64;

    fn read(&self, text: &str) -> Result<f64, ValueError> {
        let number = text.trim().parse::<f64>().ok();
        number
            .filter(|&number| number.is_finite() && (self.accepts)(number))
            .ok_or_else(|| ValueError::not(text, Read::describe(self)))
    }

    fn describe(&self) -> String {
        format!("a number {}", self.bounds)
    }
}

/// `true` or `false`.
#[derive(Clone, Copy, Debug)]
pub struct Switch;

impl Read for Switch {
    type Value = bool;

    fn read(&self, text: &str) -> Result<bool, ValueError> {
        let text = text.trim();
        match () {
            () if text.eq_ignore_ascii_case("true") => Ok(true),
            () if text.eq_ignore_ascii_case("false") => Ok(false),
            () => Err(ValueError::not(text, Read::describe(self))),
        }
    }

    fn describe(&self) -> String {
        "true or false".into()
    }
}

/// One of a few words, in capitals however it is written.
#[derive(Clone, Copy, Debug)]
pub struct OneOf(pub &'static [&'static str]);

impl Read for OneOf {
    type Value = &'static str;

    fn read(&self, text: &str) -> Result<&'static str, ValueError> {
        let text = text.trim();
        let mut words = self.0.iter();
        let word = words.find(|word| text.eq_ignore_ascii_case(word)).copied();
        word.ok_or_else(|| ValueError::not(text, Read::describe(self)))
    }

    fn describe(&self) -> String {
        self.0.join(" or ")
    }
}

/// Any text.
#[derive(Clone, Copy, Debug)]
pub struct Text;

impl Read for Text {
    type Value = String;

    fn read(&self, text: &str) -> Result<String, ValueError> {
        Ok(text.into())
    }

    fn describe(&self) -> String {
        "any text".into()
    }
}

/// A time. A text without a suffix is in `unit`.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// The unit in which Spark declares the property.
    pub unit: TimeUnit,
}

impl Read for Time {
    type Value = Duration;

    fn read(&self, text: &str) -> Result<Duration, ValueError> {
        Ok(parse_duration(text, self.unit)?)
    }

    fn describe(&self) -> String {
        "a time, such as 10s or 100ms".into()
    }
}

/// Directories, separated by commas; at least one.
#[derive(Clone, Copy, Debug)]
pub struct Directories;

impl Read for Directories {
    type Value = Vec<PathBuf>;

    fn read(&self, text: &str) -> Result<Vec<PathBuf>, ValueError> {
        let directories: Vec<_> = text
            .split(',')
            .map(str::trim)
            .filter(|directory| !directory.is_empty())
            .map(PathBuf::from)
            .collect();
        match directories.is_empty() {
            true => Err(ValueError::not(text, Read::describe(self))),
            false => Ok(directories),
        }
    }

    fn describe(&self) -> String {
        "one or more directories, separated by commas".into()
    }
}

macro_rules! reads_by_from_str {
    ($($(#[$doc:meta])* $kind:ident => $value:ty, $describe:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $kind;

        impl Read for $kind {
            type Value = $value;

            fn read(&self, text: &str) -> Result<$value, ValueError> {
                text.trim().parse()
            }

            fn describe(&self) -> String {
                $describe.into()
            }
        }
    )*};
}

reads_by_from_str! {
    /// Where queries run: [`Master`].
    MasterUrl => Master, "local, local[N] or local[*]";
    /// A kind of work: [`Profile`].
    ProfileName => Profile, "cache or shuffle";
    /// How much is logged: [`LogLevel`].
    Level => LogLevel, "ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL or OFF";
    /// What blocks and spills are compressed with: [`Codec`].
    Compression => Codec, "lz4, zstd, lzf or snappy";
    /// How cached data are kept: [`StorageLevel`].
    Storage => StorageLevel, "a storage level, such as MEMORY_AND_DISK or DISK_ONLY";
}
