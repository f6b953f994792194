//! Conditions that the scan of a cached table evaluates leave the rows that they leave of the table itself, at every level.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    StringArray, StringViewArray,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::Result;
use datafusion::common::config::SpillCompression;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use plimsoll_memory::{Region, UnifiedMemory};
use plimsoll_storage::{BlockStore, CacheOptions, CachedTable, Dataset, Lineage};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

struct Plan(LogicalPlan);

impl Lineage for Plan {
    fn plan(&self) -> Result<LogicalPlan> {
        Ok(self.0.clone())
    }
}

/// A row of numbers and of whether there is one, from which all columns are made.
type Row = (Option<i32>, Option<i64>, Option<u16>);

fn table(rows: &[Row]) -> RecordBatch {
    let small = |row: &Row| row.0;
    let large = |row: &Row| row.1;
    let some = |row: &Row| row.2;
    let decimals = rows
        .iter()
        .map(|row| large(row).map(|number| i128::from(number % 1000)));
    let decimals = decimals.collect::<Decimal128Array>();
    let doubles = rows.iter().map(|row| {
        some(row).map(|number| match number % 4 {
            0 => f64::NAN,
            1 => -0.0,
            _ => f64::from(number) / 8.0,
        })
    });
    let words = rows
        .iter()
        .map(|row| some(row).map(|number| format!("w{}", number % 5)));
    let texts = rows.iter().map(|row| {
        large(row).map(|number| match number % 7 {
            0 => String::new(),
            _ => format!("a text that is not part of its view, {}", number % 100),
        })
    });
    let lists = rows
        .iter()
        .map(|row| small(row).map(|number| number.to_string()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int32Array::from_iter(rows.iter().map(small)))),
        ("l", Arc::new(Int64Array::from_iter(rows.iter().map(large)))),
        (
            "d",
            Arc::new(decimals.with_precision_and_scale(12, 2).unwrap()),
        ),
        ("f", Arc::new(Float64Array::from_iter(doubles))),
        ("w", Arc::new(StringViewArray::from_iter(words))),
        ("t", Arc::new(StringViewArray::from_iter(texts))),
        ("s", Arc::new(StringArray::from_iter(lists))),
        (
            "day",
            Arc::new(Date32Array::from_iter(
                rows.iter().map(|row| some(row).map(i32::from)),
            )),
        ),
        (
            "b",
            Arc::new(BooleanArray::from_iter(
                rows.iter().map(|row| small(row).map(|n| n % 3 == 0)),
            )),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

/// A condition, and whether the scan evaluates it.
fn condition() -> impl Strategy<Value = (String, bool)> {
    let number = -20..20_i32;
    let simple = prop_oneof![
        number.clone().prop_map(|n| format!("i >= {n}")),
        number
            .clone()
            .prop_map(|n| format!("i <> {n} AND l IS NOT NULL")),
        number
            .clone()
            .prop_map(|n| format!("l IS DISTINCT FROM {n}")),
        number
            .clone()
            .prop_map(|n| format!("NOT (i < {n} OR w <> 'w1')")),
        number
            .clone()
            .prop_map(|n| format!("d BETWEEN {}.05 AND {}.95", n - 5, n + 1)),
        number.clone().prop_map(|n| format!("i IN ({n}, 3, 4)")),
        (0..60_000).prop_map(|n| format!("day < date '1970-01-01' + interval '{n}' day")),
        Just("f > 2".to_string()),
        Just("f = 'NaN'::double".to_string()),
        Just("w = 'w3'".to_string()),
        Just("w LIKE 'w%' AND t LIKE '%7'".to_string()),
        Just("t = ''".to_string()),
        Just("s > '10'".to_string()),
        Just("b".to_string()),
        Just("b IS NOT TRUE".to_string()),
        Just("i IS NULL".to_string()),
        Just("i = 5 OR NULL".to_string()),
    ];
    let other = prop_oneof![
        number.prop_map(|n| format!("i % 7 > {n}")),
        Just("length(t) > 3".to_string()),
    ];
    prop_oneof![
        4 => simple.prop_map(|condition| (condition, true)),
        1 => other.prop_map(|condition| (condition, false)),
    ]
}

/// What a query answers, as one batch.
async fn answer(context: &SessionContext, query: &str) -> RecordBatch {
    let rows = context.sql(query).await.unwrap();
    let schema = Arc::new(rows.schema().as_arrow().clone());
    let batches = rows.collect().await.unwrap();
    let schema = batches.first().map_or(schema, |batch| batch.schema());
    concat_batches(&schema, &batches).unwrap()
}

async fn plan_of(context: &SessionContext, query: &str) -> String {
    let plan = context.sql(&format!("EXPLAIN {query}")).await.unwrap();
    pretty_format_batches(&plan.collect().await.unwrap())
        .unwrap()
        .to_string()
}

async fn check(rows: RecordBatch, conditions: &[(String, bool)], limit: usize) {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(64);
    // As every session has it: 8.95 is a decimal of two digits, as in Spark, and not the double beside it, which no decimal
    // of two digits is equal to.
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    let context = SessionContext::new_with_config(config);
    context.register_batch("plain", rows.clone()).unwrap();
    let all: Vec<String> = conditions
        .iter()
        .map(|(condition, _)| format!("({condition})"))
        .collect();
    let all = all.join(" AND ");
    for level in ["MEMORY_ONLY", "MEMORY_ONLY_SER", "DISK_ONLY"] {
        let memory = UnifiedMemory::new(Region::new(1 << 30, 1 << 29), Region::EMPTY);
        let disk = Arc::new(DiskManager::builder().build().unwrap());
        let store = BlockStore::new(memory, disk, false);
        let plan = context
            .table("plain")
            .await
            .unwrap()
            .into_optimized_plan()
            .unwrap();
        let options = CacheOptions {
            rows: 50,
            compression: SpillCompression::Lz4Frame,
            pruning: limit.is_multiple_of(2),
        };
        let level = level.parse().unwrap();
        let dataset = Dataset::new(
            store,
            Arc::new(Plan(plan)),
            rows.schema_ref(),
            level,
            options,
        );
        context.deregister_table("cached").unwrap();
        context
            .register_table("cached", Arc::new(CachedTable::new(dataset)))
            .unwrap();
        let queries = [
            format!("SELECT * FROM cached WHERE {all}"),
            format!("SELECT t, i FROM cached WHERE {all} LIMIT {limit}"),
            format!("SELECT count(*) FROM cached WHERE {all}"),
            format!(
                "SELECT count(*) FROM (SELECT 1 FROM cached WHERE {all} LIMIT {limit}) AS some"
            ),
        ];
        for query in &queries {
            let expected = answer(&context, &query.replace("cached", "plain")).await;
            // The first one computes what the others read.
            let found = answer(&context, query).await;
            assert_eq!(found, expected, "{query} at {level}");
        }
        if conditions.iter().all(|(_, simple)| *simple) {
            let plan = plan_of(&context, &queries[0]).await;
            assert!(!plan.contains("FilterExec"), "{plan}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn conditions_leave_the_rows_that_they_leave_of_the_table_itself(
        rows in vec((weighted(0.9, -30..30_i32), weighted(0.9, 0..5000_i64), weighted(0.9, any::<u16>())), 0..400),
        conditions in vec(condition(), 1..4),
        limit in 0..200_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(table(&rows), &conditions, limit));
    }
}

#[tokio::test]
async fn a_condition_that_can_fail_stays_where_it_is() {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let rows: Vec<Row> = (0..100)
        .map(|row| (Some(row), Some(row.into()), None))
        .collect();
    let rows = table(&rows);
    context.register_batch("plain", rows.clone()).unwrap();
    let memory = UnifiedMemory::new(Region::new(1 << 30, 1 << 29), Region::EMPTY);
    let disk = Arc::new(DiskManager::builder().build().unwrap());
    let plan = context
        .table("plain")
        .await
        .unwrap()
        .into_optimized_plan()
        .unwrap();
    let options = CacheOptions {
        rows: 50,
        compression: SpillCompression::Lz4Frame,
        pruning: true,
    };
    let store = BlockStore::new(memory, disk, false);
    let level = "MEMORY_ONLY_SER".parse().unwrap();
    let dataset = Dataset::new(
        store,
        Arc::new(Plan(plan)),
        rows.schema_ref(),
        level,
        options,
    );
    context
        .register_table("cached", Arc::new(CachedTable::new(dataset)))
        .unwrap();
    // Rows that would fail are dropped before.
    let query = "SELECT i FROM cached WHERE 100 / i > 20 AND i > 0";
    let plan = plan_of(&context, query).await;
    assert!(
        plan.contains("FilterExec: 100 / ") && plan.contains("rows_where=i@0 > 0"),
        "{plan}"
    );
    assert_eq!(answer(&context, query).await.num_rows(), 4);
    let failed = context
        .sql("SELECT i FROM cached WHERE 100 / i > 20")
        .await
        .unwrap();
    let error = failed.collect().await.unwrap_err().to_string();
    assert!(error.contains("Divide by zero"), "{error}");
}
