use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use futures::TryStreamExt;
use plimsoll_driver::{Error, FileFormat, Session, Source, WriteRequest};
use serde::Deserialize;

use super::text::text_of;
use super::{ddl, files, request, session};

#[derive(Deserialize)]
struct Recorded {
    reads: Vec<Read>,
    writes: Vec<Write>,
}

#[derive(Deserialize)]
struct Read {
    format: String,
    files: BTreeMap<String, String>,
    schema: Option<String>,
    paths: Vec<String>,
    options: BTreeMap<String, String>,
    columns: Option<Vec<(String, String)>>,
    rows: Option<Vec<Option<String>>>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Write {
    format: String,
    text: String,
    schema: String,
    partition_by: Vec<String>,
    options: BTreeMap<String, String>,
    files: Option<BTreeMap<String, Option<String>>>,
    error: Option<String>,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../recorded/files.json")).unwrap()
}

/// What reading comes to: columns and lines of JSON, or an error.
type Answer = Result<(Vec<(String, String)>, Vec<Option<String>>), Error>;

async fn read(session: &Session, case: &Read, base: &Path) -> Answer {
    for (name, text) in &case.files {
        let path = base.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let in_base = |text: &String| text.replace("BASE", &base.display().to_string());
    let source = Source {
        format: FileFormat::of_name(&case.format).unwrap(),
        paths: case
            .paths
            .iter()
            .map(|path| base.join(path).display().to_string())
            .collect(),
        schema: case.schema.as_deref().map(ddl::schema),
        options: case
            .options
            .iter()
            .map(|(key, value)| (key.clone(), in_base(value)))
            .collect(),
    };
    let plan = session.read(&source).await?;
    if plan.schema().fields().is_empty() {
        let batches: Vec<_> = session.run_plan(plan, "read").await?.try_collect().await?;
        let rows = batches.iter().map(|batch| batch.num_rows()).sum();
        return Ok((vec![], vec![None; rows]));
    }
    session.register_view("v", plan.clone())?;
    let columns = text_of(session.sql("DESCRIBE v").await?.rows.unwrap()).await?;
    let columns = columns
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let out = base.with_extension("out");
    let request = WriteRequest {
        options: BTreeMap::from([
            ("ignoreNullFields".to_owned(), "false".to_owned()),
            (
                "timestampFormat".to_owned(),
                "yyyy-MM-dd HH:mm:ss.SSSSSS".to_owned(),
            ),
        ]),
        ..request("json", &out)
    };
    session.write(plan, request).await?;
    let mut lines: Vec<Option<String>> = files(&out)
        .iter()
        .flat_map(|path| {
            fs::read_to_string(out.join(path))
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .map(Some)
        .collect();
    lines.sort();
    Ok((columns, lines))
}

/// What Spark refuses and is read here.
const REFUSED_BY_SPARK: &[&str] = &[
    // Nothing but the text of malformed records is asked for, of files that hold no others.
    "UNSUPPORTED_FEATURE.QUERY_ONLY_CORRUPT_RECORD_COLUMN",
    // `prefersDecimal` and a number like 1e3: a decimal of four digits here.
    "NEGATIVE_SCALE_DISALLOWED",
    // The weekday in a pattern that is read.
    "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION",
];

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_as_spark_reads_them() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let mut different = Vec::new();
    let cases = recorded().reads;
    assert!(cases.len() > 200);
    for (at, case) in cases.iter().enumerate() {
        let base = root.path().join(at.to_string());
        fs::create_dir(&base).unwrap();
        let told = format!(
            "{} {:?} {:?} {:?} {:?}",
            case.format, case.files, case.schema, case.paths, case.options
        );
        if case
            .error
            .as_deref()
            .is_some_and(|error| REFUSED_BY_SPARK.contains(&error))
        {
            continue;
        }
        let answer = read(&session, case, &base).await;
        let same = match (&answer, &case.error) {
            (Err(_), Some(_)) => true,
            (Ok((columns, rows)), None) => {
                Some(columns) == case.columns.as_ref() && Some(rows) == case.rows.as_ref()
            }
            _ => false,
        };
        if !same {
            different.push(format!(
                "{told}\n  spark {:?} {:?} {:?}\n  ours  {answer:?}",
                case.columns, case.rows, case.error
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_as_spark_writes_them() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let mut different = Vec::new();
    for (at, case) in recorded().writes.iter().enumerate() {
        let told = format!(
            "{} {} {} {:?} {:?}",
            case.format, case.text, case.schema, case.partition_by, case.options
        );
        let out = root.path().join(at.to_string());
        let request = WriteRequest {
            partition_by: case.partition_by.clone(),
            options: case.options.clone(),
            ..request(&case.format, &out)
        };
        let lines = out.with_extension("json");
        fs::write(&lines, &case.text).unwrap();
        let source = Source {
            format: FileFormat::Json,
            paths: vec![lines.display().to_string()],
            schema: Some(ddl::schema(&case.schema)),
            options: BTreeMap::new(),
        };
        let rows = session.read(&source).await.unwrap();
        let answer = session.write(rows, request).await;
        let found: BTreeMap<String, Option<String>> = match out.exists() {
            true => files(&out)
                .iter()
                .map(|path| named_as_recorded(&out, path))
                .collect(),
            false => BTreeMap::new(),
        };
        let same = match (&answer, &case.files) {
            (Ok(_), Some(files)) => found == *files,
            (Err(_), None) => found.is_empty(),
            _ => false,
        };
        if !same {
            different.push(format!(
                "{told}\n  spark {:?} {:?}\n  ours  {found:?} {answer:?}",
                case.files, case.error
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

/// A file as it was recorded: without what differs each time in its name, and with its text if it is one.
fn named_as_recorded(out: &Path, path: &Path) -> (String, Option<String>) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let directory = match path.parent().unwrap().to_str().unwrap() {
        "" => ".",
        directory => directory,
    };
    let ending = match name.starts_with("part-") {
        true => &name[name.rfind("c0").unwrap()..],
        false => name,
    };
    let is_text = [".csv", ".json", ".txt"]
        .iter()
        .any(|ending| name.ends_with(ending));
    let text = is_text.then(|| fs::read_to_string(out.join(path)).unwrap());
    (format!("{directory}/{ending}"), text)
}

/// A file of Spark's own, in which timestamps are INT96.
#[tokio::test(flavor = "multi_thread")]
async fn parquet_of_spark_has_sparks_types() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let case = Read {
        format: "parquet".to_owned(),
        files: BTreeMap::new(),
        schema: None,
        paths: vec![
            fs::canonicalize("tests/recorded/types.parquet")
                .unwrap()
                .display()
                .to_string(),
        ],
        options: BTreeMap::new(),
        columns: None,
        rows: None,
        error: None,
    };
    let (columns, rows) = read(&session, &case, &root.path().join("base"))
        .await
        .unwrap();
    let types: Vec<&str> = columns
        .iter()
        .map(|(_, data_type)| data_type.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "decimal(5,2)",
            "decimal(38,2)",
            "string",
            "binary",
            "boolean",
            "date",
            "timestamp",
            "timestamp_ntz",
            "array<int>",
            "struct<x:int,ts:timestamp>",
            "map<string,int>",
            "string",
        ]
    );
    assert_eq!(
        rows[0].as_deref(),
        Some(concat!(
            r#"{"b":1,"s":2,"i":3,"l":4,"f":1.5,"d":2.5,"dec":1.10,"big":123456789012345678901234567890.12,"#,
            r#""t":"x","bin":"YWJj","bool":true,"dt":"2024-01-02","ts":"2024-01-02 03:04:05.123456","#,
            r#""ntz":"2024-01-02T03:04:05.000","a":[1,null],"#,
            r#""st":{"x":1,"ts":"1500-01-01 00:00:00.000000"},"m":{"k":1},"n":null}"#
        ))
    );
}
