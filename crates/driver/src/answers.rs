//! The rows of the statements that are not queries, and what a change of settings says.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use plimsoll_conf::property::{DRIVER_MEMORY, EXECUTOR_MEMORY, SHUFFLE_PARTITIONS, shared_keys};
use plimsoll_conf::{Conf, MemoryLayout, fmt_bytes};
use plimsoll_storage::Usage;

use crate::cache::CachedPlan;
use crate::error::Error;
use crate::query::Rows;
use crate::shared::drivers_part;
use crate::types::spark_name;

type Column = (&'static str, ArrayRef);

fn rows(columns: Vec<Column>) -> Result<Rows, Error> {
    RecordBatch::try_from_iter(columns)
        .map(Rows::ready)
        .map_err(|error| Error::Execution(error.to_string()))
}

fn strings<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// `SET key`: the key and its value, `<undefined>` if it has none, as in Spark.
pub(crate) fn setting(conf: &Conf, key: &str) -> Result<Rows, Error> {
    let value = conf.get(key).map_or("<undefined>", |(value, _)| value);
    rows(vec![("key", strings([key])), ("value", strings([value]))])
}

/// `SET`: what was set; `SET -v`: all settings, with what they mean.
pub(crate) fn settings(conf: &Conf, verbose: bool) -> Result<Rows, Error> {
    if !verbose {
        let set: Vec<(&str, &str)> = conf
            .explicit()
            .map(|(key, value, _)| (key, value))
            .collect();
        return rows(vec![
            ("key", strings(set.iter().map(|(key, _)| key))),
            ("value", strings(set.iter().map(|(_, value)| value))),
        ]);
    }
    let all: Vec<_> = conf.all().collect();
    rows(vec![
        ("key", strings(all.iter().map(|entry| entry.property.key))),
        (
            "value",
            strings(all.iter().map(|entry| entry.value.unwrap_or("<undefined>"))),
        ),
        (
            "meaning",
            strings(all.iter().map(|entry| entry.property.doc)),
        ),
    ])
}

/// `SHOW TABLES`: all are temporary, so they have no namespace.
pub(crate) fn tables(names: &[String], pattern: Option<&str>) -> Result<Rows, Error> {
    let shown: Vec<&String> = names
        .iter()
        .filter(|name| pattern.is_none_or(|pattern| matches(pattern, name)))
        .collect();
    rows(vec![
        ("namespace", strings(shown.iter().map(|_| ""))),
        ("tableName", strings(&shown)),
        (
            "isTemporary",
            Arc::new(BooleanArray::from(vec![true; shown.len()])),
        ),
    ])
}

/// Spark's patterns of SHOW: `*` for anything, `|` between alternatives, in any case.
fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .to_lowercase()
        .split('|')
        .any(|alternative| matches_one(alternative.trim(), &name.to_lowercase()))
}

fn matches_one(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.any(|at| matches_one(tail, &rest[at..]))
        }),
    }
}

/// `SHOW CACHE`: what is cached, and what that costs and saves. Sizes are in bytes.
pub(crate) fn cached(plans: &[CachedPlan]) -> Result<Rows, Error> {
    let numbers = |figure: fn(&Usage) -> u64| -> ArrayRef {
        let figures = plans.iter().map(|plan| figure(&plan.usage) as i64);
        Arc::new(Int64Array::from_iter_values(figures))
    };
    rows(vec![
        ("name", strings(plans.iter().map(|plan| &plan.name))),
        (
            "storageLevel",
            strings(plans.iter().map(|plan| plan.level.to_string())),
        ),
        ("cachedPartitions", numbers(|usage| usage.cached_partitions)),
        ("partitions", numbers(|usage| usage.partitions)),
        ("rows", numbers(|usage| usage.rows)),
        ("memoryBytes", numbers(|usage| usage.memory)),
        ("diskBytes", numbers(|usage| usage.disk)),
        ("hits", numbers(|usage| usage.hits)),
        ("misses", numbers(|usage| usage.misses)),
        ("evictions", numbers(|usage| usage.evictions)),
        ("diskReads", numbers(|usage| usage.disk_reads)),
        ("recomputes", numbers(|usage| usage.recomputes)),
    ])
}

/// `DESCRIBE`: the columns of a table.
pub(crate) fn columns(schema: &Schema) -> Result<Rows, Error> {
    let fields = schema.fields();
    let none: Vec<Option<&str>> = vec![None; fields.len()];
    rows(vec![
        ("col_name", strings(fields.iter().map(|field| field.name()))),
        (
            "data_type",
            strings(fields.iter().map(|field| spark_name(field.data_type()))),
        ),
        ("comment", Arc::new(StringArray::from(none))),
    ])
}

/// What a person should hear when settings moved the memory: old and new.
pub(crate) fn changes(old: &MemoryLayout, new: &MemoryLayout) -> Vec<String> {
    let parts = |layout: &MemoryLayout| {
        [
            ("the line", layout.line.bytes),
            ("the driver's part", drivers_part(layout)),
            ("unified memory", layout.executor.unified.bytes),
            ("storage region", layout.executor.storage_region.bytes),
            ("off-heap memory", layout.executor.off_heap.bytes),
        ]
    };
    parts(old)
        .into_iter()
        .zip(parts(new))
        .filter(|(old, new)| old != new)
        .map(|((name, old), (_, new))| format!("{name}: {} -> {}", fmt_bytes(old), fmt_bytes(new)))
        .collect()
}

/// What a person should hear of a setting that moved no memory and yet bounds what comes: old and new.
pub(crate) fn change(key: &str, old: &Conf, new: &Conf) -> Option<String> {
    let mut bounds = shared_keys().chain([SHUFFLE_PARTITIONS.name()]);
    let value = |conf: &Conf| conf.get(key).map(|(value, _)| value.to_owned());
    let (old, new) = (value(old), value(new));
    let text = |value: Option<String>| value.unwrap_or_else(|| "<undefined>".to_owned());
    // A size that moved nothing: another setting decides.
    let is_overruled = [EXECUTOR_MEMORY.name(), DRIVER_MEMORY.name()].contains(&key);
    (old != new && bounds.any(|bound| bound == key)).then(|| match is_overruled {
        true => format!("{key}: recorded without effect, since another setting decides the sizes (plimsoll memory shows which)"),
        false => format!("{key}: {} -> {}", text(old), text(new)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_a_bar_for_either() {
        assert!(matches("line*", "lineitem"));
        assert!(matches("*ITEM|orders", "lineitem"));
        assert!(matches("l*e*m", "lineitem"));
        assert!(!matches("line", "lineitem"));
        assert!(!matches("*x", "lineitem"));
    }
}
