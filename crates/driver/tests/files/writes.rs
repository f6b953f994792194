use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use futures::TryStreamExt;
use plimsoll_driver::{Error, FileFormat, SaveMode, Session, Source, WriteRequest};

use super::text::text_of;
use super::{ddl, files, request, session};

/// The number of rows in files.
async fn count(session: &Session, format: &str, path: &Path) -> usize {
    let source = Source {
        format: FileFormat::of_name(format).unwrap(),
        paths: vec![path.display().to_string()],
        schema: None,
        options: BTreeMap::new(),
    };
    let plan = session.read(&source).await.unwrap();
    let batches: Vec<_> = session
        .run_plan(plan, "count")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    batches.iter().map(|batch| batch.num_rows()).sum()
}

async fn write(session: &Session, sql: &str, request: WriteRequest) -> Result<u64, Error> {
    let plan = session.state().create_logical_plan(sql).await.unwrap();
    Ok(session.write(plan, request).await?.rows)
}

fn with_mode(mode: SaveMode, request: WriteRequest) -> WriteRequest {
    WriteRequest { mode, ..request }
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_say_what_becomes_of_what_is_there() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("a b%c=d");
    let three = "SELECT id FROM range(0, 3)";
    assert_eq!(
        write(&session, three, request("parquet", &out))
            .await
            .unwrap(),
        3
    );
    let error = write(&session, three, request("parquet", &out))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::PathExists(path) if path == &format!("file:{}", out.display())),
        "{error}"
    );
    let ignored = with_mode(SaveMode::Ignore, request("parquet", &out));
    assert_eq!(write(&session, three, ignored).await.unwrap(), 0);
    let append = with_mode(SaveMode::Append, request("parquet", &out));
    write(&session, three, append).await.unwrap();
    assert_eq!(count(&session, "parquet", &out).await, 6);
    // Rows of a directory can take the place of it.
    session
        .sql(&format!(
            "CREATE TEMPORARY VIEW v USING parquet OPTIONS (path '{}')",
            out.display()
        ))
        .await
        .unwrap();
    let overwrite = with_mode(SaveMode::Overwrite, request("parquet", &out));
    write(&session, "SELECT id FROM v WHERE id > 0", overwrite)
        .await
        .unwrap();
    assert_eq!(count(&session, "parquet", &out).await, 4);
    assert_eq!(
        fs::read_dir(root.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_can_be_overwritten_one_by_one() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("t");
    let partitioned = |mode| WriteRequest {
        mode,
        partition_by: vec!["k".to_owned()],
        options: BTreeMap::from([("partitionOverwriteMode".to_owned(), "dynamic".to_owned())]),
        ..request("csv", &out)
    };
    let rows = "SELECT id AS v, id % 2 AS k FROM range(0, 10)";
    write(&session, rows, partitioned(SaveMode::Append))
        .await
        .unwrap();
    let others = "SELECT id AS v, id AS k FROM range(1, 3)";
    write(&session, others, partitioned(SaveMode::Overwrite))
        .await
        .unwrap();
    let found: BTreeSet<String> = files(&out)
        .iter()
        .map(|path| {
            format!(
                "{} {}",
                path.parent().unwrap().display(),
                fs::read_to_string(out.join(path)).unwrap().lines().count()
            )
        })
        .collect();
    assert_eq!(
        found,
        [" 0", "k=0 5", "k=1 1", "k=2 1"].map(str::to_owned).into()
    );
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_or_is_dropped_leaves_what_was_there() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    write(&session, "SELECT 1 AS a", request("csv", &out))
        .await
        .unwrap();
    let before = files(&out);
    // The last of many lines is malformed.
    let lines = root.path().join("in.csv");
    fs::write(&lines, "1\n".repeat(100_000) + "x\n").unwrap();
    let source = Source {
        format: FileFormat::Csv,
        paths: vec![lines.display().to_string()],
        schema: Some(ddl::schema("a int")),
        options: BTreeMap::from([("mode".to_owned(), "FAILFAST".to_owned())]),
    };
    let plan = session.read(&source).await.unwrap();
    let error = session
        .write(plan, with_mode(SaveMode::Overwrite, request("csv", &out)))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("Malformed records are detected"),
        "{error}"
    );
    assert_eq!(files(&out), before);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    let endless = write(
        &session,
        "SELECT a.id FROM range(0, 1000000) a CROSS JOIN range(0, 1000000) b",
        with_mode(SaveMode::Overwrite, request("json", &out)),
    );
    let cut = tokio::time::timeout(std::time::Duration::from_millis(500), endless).await;
    assert!(cut.is_err(), "it does not end by itself");
    for _ in 0..500 {
        if fs::read_dir(root.path()).unwrap().count() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    assert_eq!(files(&out), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_partitions_than_files_can_be_open_are_written_and_pruned() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("t");
    let rows = "SELECT id AS v, id % 200 AS k FROM range(0, 100000)";
    let partitioned = WriteRequest {
        partition_by: vec!["k".to_owned()],
        ..request("parquet", &out)
    };
    assert_eq!(write(&session, rows, partitioned).await.unwrap(), 100_000);
    session
        .sql(&format!(
            "CREATE TEMPORARY VIEW t USING parquet OPTIONS (path '{}')",
            out.display()
        ))
        .await
        .unwrap();
    let sums = "SELECT count(*), count(DISTINCT k), sum(v), max(k) FROM t WHERE v % 200 = k";
    let rows = text_of(session.sql(sums).await.unwrap().rows.unwrap())
        .await
        .unwrap();
    assert_eq!(rows, [["100000", "200", "4999950000", "199"]]);
    // Only the files of the partition are looked at: the others are gone.
    for k in 8..200 {
        fs::remove_dir_all(out.join(format!("k={k}"))).unwrap();
    }
    fs::write(out.join("k=6").join("broken.parquet"), "not Parquet").unwrap();
    let rows = text_of(
        session
            .sql("SELECT count(*) FROM t WHERE k = 7")
            .await
            .unwrap()
            .rows
            .unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(rows, [["500"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_comes_back_as_it_was_written() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let lines = root.path().join("in.json");
    let rows = r#"{"a":[1,null],"s":{"x":1},"m":{"k":1,"n":null},"t":"2024-01-02 03:04:05.123456","n":"2024-01-02 03:04:05","d":1.10,"b":"YWJj","y":3}"#;
    fs::write(&lines, rows).unwrap();
    let source = Source {
        format: FileFormat::Json,
        paths: vec![lines.display().to_string()],
        schema: Some(ddl::schema(
            "a array<int>, s struct<x:int,y:string>, m map<string,int>, t timestamp, n timestamp_ntz, d decimal(5,2), b binary, y tinyint",
        )),
        options: BTreeMap::new(),
    };
    let out = root.path().join("out");
    let plan = session.read(&source).await.unwrap();
    session.register_view("before", plan.clone()).unwrap();
    session.write(plan, request("parquet", &out)).await.unwrap();
    let plan = session
        .read(&Source {
            format: FileFormat::Parquet,
            paths: vec![out.display().to_string()],
            schema: None,
            ..source
        })
        .await
        .unwrap();
    session.register_view("after", plan).unwrap();
    for of in ["DESCRIBE", "SELECT * FROM"] {
        let before = text_of(
            session
                .sql(&format!("{of} before"))
                .await
                .unwrap()
                .rows
                .unwrap(),
        )
        .await
        .unwrap();
        let after = text_of(
            session
                .sql(&format!("{of} after"))
                .await
                .unwrap()
                .rows
                .unwrap(),
        )
        .await
        .unwrap();
        assert_eq!(before, after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_read_in_parts_without_loss() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let rows = "SELECT id AS v, repeat('text ', 30) AS t FROM range(0, 120000)";
    for format in ["csv", "json"] {
        let out = out.with_extension(format);
        write(&session, rows, request(format, &out)).await.unwrap();
        let size: u64 = files(&out)
            .iter()
            .map(|path| fs::metadata(out.join(path)).unwrap().len())
            .sum();
        assert!(size > 15 << 20, "{format} files of {size} bytes");
        assert_eq!(count(&session, format, &out).await, 120_000, "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_apart() {
    let session = session();
    let root = tempfile::tempdir().unwrap();
    let source = |path: &str| Source {
        format: FileFormat::Csv,
        paths: vec![root.path().join(path).display().to_string()],
        schema: None,
        options: BTreeMap::new(),
    };
    let error = session.read(&source("none")).await.unwrap_err();
    assert!(matches!(error, Error::PathNotFound(_)), "{error}");
    let error = session.read(&source("")).await.unwrap_err();
    assert!(matches!(error, Error::NoSchema(FileFormat::Csv)), "{error}");
}
