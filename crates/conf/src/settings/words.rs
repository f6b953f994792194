//! Settings that take one word of a few: the master, the log level, the codec, the storage level.

use crate::kind::ValueError;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// Where queries run, `spark.master`. Only local mode is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Master {
    /// In this process.
    Local {
        /// How many threads; `None` for as many as there are cores.
        threads: Option<NonZeroUsize>,
    },
}

impl FromStr for Master {
    type Err = ValueError;

    /// Reads `local`, `local[N]`, `local[*]`, and both with `,F` for the failures that Spark allows a task, which have
    /// no meaning in one process.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refused = || ValueError::not(text, "local, local[N] with N from 1, or local[*]");
        if text == "local" {
            return Ok(Master::Local {
                threads: Some(NonZeroUsize::MIN),
            });
        }
        let cluster = ["spark://", "yarn", "k8s://", "mesos://", "local-cluster"];
        if cluster.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(ValueError::ClusterMaster {
                master: text.into(),
            });
        }
        let inside = text
            .strip_prefix("local[")
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or_else(refused)?;
        let threads = match inside.split_once(',') {
            None => inside,
            Some((threads, failures)) => {
                failures.trim().parse::<u32>().map_err(|_| refused())?;
                threads.trim_end()
            }
        };
        match threads {
            "*" => Ok(Master::Local { threads: None }),
            number => Ok(Master::Local {
                threads: Some(number.parse().map_err(|_| refused())?),
            }),
        }
    }
}

/// How much is logged, `spark.log.level`, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    All,
    /// Every step.
    Trace,
    /// What helps to find faults.
    Debug,
    /// What happens.
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
    /// What ends the program.
    Fatal,
    /// Nothing.
    Off,
}

impl FromStr for LogLevel {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "ALL" => LogLevel::All,
            "TRACE" => LogLevel::Trace,
            "DEBUG" => LogLevel::Debug,
            "INFO" => LogLevel::Info,
            "WARN" => LogLevel::Warn,
            "ERROR" => LogLevel::Error,
            "FATAL" => LogLevel::Fatal,
            "OFF" => LogLevel::Off,
            _ => {
                return Err(ValueError::not(
                    text,
                    "ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL or OFF",
                ));
            }
        })
    }
}

/// What is compressed with, `spark.io.compression.codec`: Spark's codecs by its short names or its classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Fast; Spark's default.
    Lz4,
    /// Not there: [`Codec::in_use`].
    Lzf,
    /// Not there: [`Codec::in_use`].
    Snappy,
    /// Smaller, and slower.
    Zstd,
}

impl Codec {
    const NAMED: [(&'static str, &'static str, Codec); 4] = [
        ("lz4", "LZ4CompressionCodec", Codec::Lz4),
        ("lzf", "LZFCompressionCodec", Codec::Lzf),
        ("snappy", "SnappyCompressionCodec", Codec::Snappy),
        ("zstd", "ZStdCompressionCodec", Codec::Zstd),
    ];

    /// The codec that is used: this one, or lz4, which is as fast, for one that is not there.
    #[must_use]
    pub fn in_use(self) -> Self {
        match self {
            Codec::Lzf | Codec::Snappy => Codec::Lz4,
            codec => codec,
        }
    }
}

impl FromStr for Codec {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let class = text.strip_prefix("org.apache.spark.io.");
        Self::NAMED
            .into_iter()
            .find(|(name, of_class, _)| text.eq_ignore_ascii_case(name) || class == Some(of_class))
            .map(|(.., codec)| codec)
            .ok_or_else(|| ValueError::not(text, "lz4, zstd, lzf or snappy"))
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMED.into_iter().find(|(.., codec)| codec == self);
        f.pad(named.map_or("", |(name, ..)| name))
    }
}

/// How cached data are kept: Spark's `StorageLevel`, by its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageLevel {
    /// May be on disk.
    pub disk: bool,
    /// May be in memory.
    pub memory: bool,
    /// In off-heap rather than on-heap memory.
    pub off_heap: bool,
    /// As objects rather than bytes.
    pub deserialized: bool,
    /// How many copies there are.
    pub replication: u8,
}

impl StorageLevel {
    const NAMED: [(&'static str, StorageLevel); 13] = [
        ("NONE", Self::level(false, false, false, false, 1)),
        ("DISK_ONLY", Self::level(true, false, false, false, 1)),
        ("DISK_ONLY_2", Self::level(true, false, false, false, 2)),
        ("DISK_ONLY_3", Self::level(true, false, false, false, 3)),
        ("MEMORY_ONLY", Self::level(false, true, false, true, 1)),
        ("MEMORY_ONLY_2", Self::level(false, true, false, true, 2)),
        ("MEMORY_ONLY_SER", Self::level(false, true, false, false, 1)),
        (
            "MEMORY_ONLY_SER_2",
            Self::level(false, true, false, false, 2),
        ),
        ("MEMORY_AND_DISK", Self::level(true, true, false, true, 1)),
        ("MEMORY_AND_DISK_2", Self::level(true, true, false, true, 2)),
        (
            "MEMORY_AND_DISK_SER",
            Self::level(true, true, false, false, 1),
        ),
        (
            "MEMORY_AND_DISK_SER_2",
            Self::level(true, true, false, false, 2),
        ),
        ("OFF_HEAP", Self::level(true, true, true, false, 1)),
    ];

    const fn level(
        disk: bool,
        memory: bool,
        off_heap: bool,
        deserialized: bool,
        replication: u8,
    ) -> Self {
        StorageLevel {
            disk,
            memory,
            off_heap,
            deserialized,
            replication,
        }
    }
}

impl FromStr for StorageLevel {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let named = Self::NAMED
            .into_iter()
            .find(|(name, _)| text.eq_ignore_ascii_case(name));
        let names = || Self::NAMED.map(|(name, _)| name).join(", ");
        named
            .map(|(_, level)| level)
            .ok_or_else(|| ValueError::not(text, format!("one of {}", names())))
    }
}

impl fmt::Display for StorageLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMED.into_iter().find(|(_, level)| level == self) {
            Some((name, _)) => f.pad(name),
            None => write!(f, "{self:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(text: &str) -> Option<usize> {
        let Master::Local { threads } = text.parse().unwrap();
        threads.map(NonZeroUsize::get)
    }

    #[test]
    fn local_masters_say_how_many_threads() {
        assert_eq!(threads("local"), Some(1));
        assert_eq!(threads("local[4]"), Some(4));
        assert_eq!(threads("local[*]"), None);
        assert_eq!(threads("local[2, 3]"), Some(2));
    }

    #[test]
    fn codecs_go_by_name_or_class_and_lz4_stands_in_for_those_that_are_not_there() {
        let read = |text: &str| text.parse::<Codec>();
        assert_eq!(read("ZSTD"), Ok(Codec::Zstd));
        assert_eq!(
            read("org.apache.spark.io.LZ4CompressionCodec"),
            Ok(Codec::Lz4)
        );
        assert_eq!(read("snappy").map(Codec::in_use), Ok(Codec::Lz4));
        assert!(read("gzip").is_err());
    }

    #[test]
    fn clusters_are_refused_by_name() {
        for master in [
            "spark://host:7077",
            "yarn",
            "k8s://https://host",
            "local-cluster[2,1,1024]",
        ] {
            let error = master.parse::<Master>().unwrap_err().to_string();
            assert!(
                error.contains(master) && error.contains("use local[N]"),
                "{error}"
            );
        }
    }

    #[test]
    fn masters_that_make_no_sense_are_refused() {
        for master in [
            "",
            "local[0]",
            "local[]",
            "local[-1]",
            "local[x]",
            "local[1,]",
            "locale",
            "local[2",
        ] {
            assert!(master.parse::<Master>().is_err(), "{master:?}");
        }
    }
}
