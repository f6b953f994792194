//! What a key is to us: a property of the table, one of Spark's that means nothing here, the user's own, or a mistake.

use crate::property::{Property, properties, property};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What a key is.
#[derive(Clone, Copy, Debug)]
pub enum Class {
    /// A property of the table.
    Known(&'static Property),
    /// Spark has it, and it means nothing here. `family` is its beginning, such as `spark.yarn`.
    SparkElsewhere {
        /// The first two words of the key.
        family: &'static str,
    },
    /// Anybody's: `spark.hadoop.…`, `spark.executorEnv.…`, and keys that do not begin with `spark.`.
    Free,
    /// It looks like a setting of Spark or ours and is none.
    Unknown {
        /// The known name that is nearest, if one is near.
        nearest: Option<&'static str>,
    },
}

/// Every key that Spark 4.1 itself registers, as recorded from it by `tools/spark-oracle`.
static SPARK_KEYS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("spark-keys.txt").lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
});

/// Families in which users or plug-ins make up names, so that no list of Spark's keys can be complete.
const FAMILIES: [&str; 17] = [
    "spark.yarn",
    "spark.kubernetes",
    "spark.dynamicAllocation",
    "spark.streaming",
    "spark.history",
    "spark.mesos",
    "spark.metrics",
    "spark.ssl",
    "spark.hive",
    "spark.connect",
    "spark.worker",
    "spark.deploy",
    "spark.databricks",
    "spark.rapids",
    "spark.comet",
    "spark.gluten",
    "spark.delta",
];

/// Longer beginnings with the same freedom inside families whose other names are fixed.
const OPEN_ENDED: [(&str, &str); 9] = [
    ("spark.sql.catalog.", "spark.sql"),
    ("spark.sql.streaming.", "spark.sql"),
    ("spark.sql.hive.", "spark.sql"),
    ("spark.driver.resource.", "spark.driver"),
    ("spark.executor.resource.", "spark.executor"),
    ("spark.task.resource.", "spark.task"),
    ("spark.scheduler.listenerbus.eventqueue.", "spark.scheduler"),
    ("spark.authenticate.", "spark.authenticate"),
    ("spark.jars.", "spark.jars"),
];

const FREE: [&str; 2] = ["spark.hadoop.", "spark.executorEnv."];

/// How alike two names must be, from 0 to 1, for one to be taken for a slip of the other.
const NEAR: f64 = 0.84;

/// Says what `key` is.
///
/// ```
/// # use plimsoll_conf::known::{classify, Class};
/// assert!(matches!(classify("spark.executor.memory"), Class::Known(_)));
/// assert!(matches!(classify("spark.yarn.queue"), Class::SparkElsewhere { family: "spark.yarn" }));
/// assert!(matches!(classify("spark.executor.memroy"), Class::Unknown { nearest: Some("spark.executor.memory") }));
/// ```
pub fn classify(key: &str) -> Class {
    if let Some(property) = property(key) {
        return Class::Known(property);
    }
    if !key.starts_with("spark.") || FREE.iter().any(|prefix| key.starts_with(prefix)) {
        return Class::Free;
    }
    let in_family = |family: &&str| {
        key.strip_prefix(*family)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    if let Some(family) = FAMILIES.into_iter().find(in_family) {
        return Class::SparkElsewhere { family };
    }
    if let Some((_, family)) = OPEN_ENDED
        .into_iter()
        .find(|(prefix, _)| key.starts_with(prefix))
    {
        return Class::SparkElsewhere { family };
    }
    match SPARK_KEYS.get(key) {
        Some(key) => Class::SparkElsewhere {
            family: first_two_words(key),
        },
        None => Class::Unknown {
            nearest: nearest(key),
        },
    }
}

fn first_two_words(key: &str) -> &str {
    key.match_indices('.')
        .nth(1)
        .map_or(key, |(end, _)| &key[..end])
}

/// The known name most like `key`. Ours come first, so that they win a tie.
fn nearest(key: &str) -> Option<&'static str> {
    // A key is any text that a person gave; comparing takes time by its length, and no name is near a very long one.
    if key.len() > 200 {
        return None;
    }
    let candidates = properties()
        .map(|property| property.key)
        .chain(SPARK_KEYS.iter().copied());
    let mut best = (NEAR, None);
    for candidate in candidates {
        let likeness =
            strsim::normalized_damerau_levenshtein(&key.to_lowercase(), &candidate.to_lowercase());
        if likeness > best.0 {
            best = (likeness, Some(candidate));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_cluster_managers_are_sparks_and_mean_nothing_here() {
        for (key, wanted) in [
            ("spark.yarn.queue", "spark.yarn"),
            ("spark.kubernetes.namespace", "spark.kubernetes"),
            ("spark.dynamicAllocation.enabled", "spark.dynamicAllocation"),
            ("spark.speculation", "spark.speculation"),
            ("spark.sql.catalog.my_catalog", "spark.sql"),
        ] {
            match classify(key) {
                Class::SparkElsewhere { family } => assert_eq!(family, wanted),
                other => panic!("{key}: {other:?}"),
            }
        }
    }

    #[test]
    fn kubernetes_overhead_factor_is_a_property_though_its_family_is_not() {
        assert!(matches!(
            classify("spark.kubernetes.memoryOverheadFactor"),
            Class::Known(_)
        ));
    }

    #[test]
    fn hadoop_environment_and_user_keys_are_free() {
        for key in [
            "spark.hadoop.fs.s3a.access.key",
            "spark.executorEnv.TZ",
            "my.key",
            "sparkling",
        ] {
            assert!(matches!(classify(key), Class::Free), "{key}");
        }
    }

    #[test]
    fn a_slip_is_told_the_nearest_name_and_nonsense_is_told_none() {
        for (key, wanted) in [
            ("spark.executor.memmory", Some("spark.executor.memory")),
            (
                "spark.memory.offheap.size",
                Some("spark.memory.offHeap.size"),
            ),
            (
                "spark.sql.shuffle.partition",
                Some("spark.sql.shuffle.partitions"),
            ),
            ("spark.xyzzy", None),
        ] {
            match classify(key) {
                Class::Unknown { nearest } => assert_eq!(nearest, wanted, "{key}"),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}
