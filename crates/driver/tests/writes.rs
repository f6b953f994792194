//! The statements that write files, and what they leave behind when they do not come to their end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures::TryStreamExt;
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::{Error, Session, SqlErrorKind, Status};
use tempfile::TempDir;
use text::text_of;

#[path = "support/text.rs"]
mod text;

/// A session, and a directory to write to: `$` in its statements.
struct Place {
    session: Session,
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(settings: &[(&str, &str)]) -> Self {
        let mut conf = Conf::default();
        for (key, value) in settings {
            conf.set(key, value, Origin::Code).unwrap();
        }
        let session = Session::new(conf, Machine::with_memory(8 << 30), vec![]).unwrap();
        let root = tempfile::tempdir().unwrap();
        Self { session, root }
    }

    fn text(&self, sql: &str) -> String {
        sql.replace('$', &self.root.path().display().to_string())
    }

    /// What a write tells.
    async fn write(&self, sql: &str) -> Result<String, Error> {
        let answer = self.session.sql(&self.text(sql)).await?;
        assert!(answer.rows.is_none(), "it is done");
        Ok(answer.notices.join("\n").replace(&self.text("$"), "$"))
    }

    async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let answer = self.session.sql(&self.text(sql)).await.unwrap();
        text_of(answer.rows.unwrap()).await.unwrap()
    }

    async fn fails(&self, sql: &str) -> Error {
        self.write(sql).await.unwrap_err()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join(name)).unwrap()
    }

    /// What is in the directory, hidden files too, in order.
    fn names(&self) -> Vec<String> {
        names(self.root.path())
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_an_ending_is_one_file_and_any_other_a_directory() {
    let place = Place::new();
    let told = place
        .write("COPY (SELECT id, 'a' AS s FROM range(3) ORDER BY id DESC) TO '$/x.csv'")
        .await
        .unwrap();
    assert_eq!(told, "wrote 3 rows to $/x.csv: 1 file, 17 B");
    assert_eq!(place.read("x.csv"), "id,s\n2,a\n1,a\n0,a\n");
    place
        .write("COPY (SELECT 1 AS a) TO '$/x.json'")
        .await
        .unwrap();
    assert_eq!(place.read("x.json"), "{\"a\":1}\n");
    place
        .write("COPY (SELECT 1 AS a) TO '$/x.csv.gz' (HEADER false)")
        .await
        .unwrap();
    assert_eq!(
        place.rows("SELECT * FROM csv.`$/x.csv.gz`").await,
        [["1"]],
        "compressed as its name says"
    );
    place
        .write("COPY (SELECT 1 AS a, 'Ü' AS b) TO '$/x.parquet' STORED AS PARQUET OPTIONS (compression zstd)")
        .await
        .unwrap();
    assert_eq!(
        place.rows("SELECT * FROM parquet.`$/x.parquet`").await,
        [["1", "Ü"]]
    );
    place
        .write("COPY (SELECT 1 AS a) TO '$/out' (FORMAT csv, HEADER false)")
        .await
        .unwrap();
    assert_eq!(names(&place.root.path().join("out")).len(), 2);
    assert!(place.root.path().join("out/_SUCCESS").exists());
    assert_eq!(
        place.names(),
        ["out", "x.csv", "x.csv.gz", "x.json", "x.parquet"],
        "and nothing beside them"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_kept_unless_the_statement_says_otherwise() {
    let place = Place::new();
    for (path, again) in [("$/x.csv", "$/x.csv"), ("$/d", "$/d")] {
        let copy = |id: i64, mode: &str| {
            format!("COPY (SELECT {id} AS a) TO '{path}' (FORMAT csv, HEADER false{mode})")
        };
        place.write(&copy(1, "")).await.unwrap();
        let error = place.fails(&copy(2, "")).await;
        assert!(matches!(error, Error::PathExists(_)), "{error}");
        let told = place.write(&copy(2, ", IGNORE")).await.unwrap();
        assert_eq!(
            told,
            format!("nothing was written: there is something at {again} already")
        );
        let rows = format!("SELECT * FROM csv.`{path}` ORDER BY 1");
        assert_eq!(place.rows(&rows).await, [["1"]]);
        match path {
            "$/d" => {
                place.write(&copy(3, ", APPEND")).await.unwrap();
                assert_eq!(place.rows(&rows).await, [["1"], ["3"]]);
            }
            _ => {
                let error = place.fails(&copy(3, ", APPEND")).await.to_string();
                assert!(error.contains("append to a directory"), "{error}");
            }
        }
        place.write(&copy(4, ", OVERWRITE")).await.unwrap();
        assert_eq!(place.rows(&rows).await, [["4"]]);
    }
    // One file in place of a directory.
    fs::create_dir(place.root.path().join("y.csv")).unwrap();
    fs::write(place.root.path().join("y.csv/old"), "x").unwrap();
    place
        .write("COPY (SELECT 5 AS a) TO '$/y.csv' (OVERWRITE)")
        .await
        .unwrap();
    assert_eq!(place.read("y.csv"), "a\n5\n");
    assert_eq!(place.names(), ["d", "x.csv", "y.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_overwritten_as_in_spark() {
    let place = Place::new();
    for id in [1, 2] {
        let told = place
            .write(&format!(
                "INSERT OVERWRITE DIRECTORY '$/d' USING csv OPTIONS (sep ';') SELECT {id} AS a, 'b' AS b"
            ))
            .await
            .unwrap();
        assert!(told.starts_with("wrote 1 row to $/d: 1 file"), "{told}");
    }
    // Without a header, as Spark's.
    assert_eq!(place.rows("SELECT * FROM csv.`$/d`").await, [["2;b"]]);
    place
        .write("INSERT OVERWRITE DIRECTORY USING json OPTIONS (path '$/d') VALUES (7), (8)")
        .await
        .unwrap();
    assert_eq!(place.rows("SELECT count(*) FROM json.`$/d`").await, [["2"]]);
    let error = place
        .fails("INSERT OVERWRITE DIRECTORY '$/d' USING json SELECT nope")
        .await;
    assert!(
        matches!(&error, Error::Sql(error) if error.kind != SqlErrorKind::Syntax),
        "{error}"
    );
    assert_eq!(place.rows("SELECT count(*) FROM json.`$/d`").await, [["2"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_query_reads_is_not_overwritten() {
    let place = Place::new();
    place
        .write("COPY (SELECT id AS a, id % 2 AS k FROM range(4)) TO '$/t' (FORMAT parquet, PARTITION_BY k)")
        .await
        .unwrap();
    let view = "CREATE TEMPORARY VIEW v AS SELECT a FROM parquet.`$/t` WHERE a > 1";
    place.session.sql(&place.text(view)).await.unwrap();
    for sql in [
        "INSERT OVERWRITE DIRECTORY '$/t' USING parquet SELECT * FROM v",
        "COPY v TO '$/x/../t' (FORMAT parquet, OVERWRITE)",
        "COPY (SELECT 1 AS a WHERE EXISTS (SELECT a FROM v)) TO '$/t' (FORMAT csv, OVERWRITE)",
        "COPY (SELECT * FROM parquet.`$/t/k=1`) TO '$/t' (FORMAT parquet, OVERWRITE)",
    ] {
        fs::create_dir_all(place.root.path().join("x")).unwrap();
        let error = place.fails(sql).await;
        assert!(
            matches!(error, Error::OverwritesSource(_)),
            "{sql}: {error}"
        );
    }
    assert_eq!(
        place.rows("SELECT count(*) FROM parquet.`$/t`").await,
        [["4"]]
    );
    // Nor is a part of it; what is beside the files that are read is none.
    let directory = place.root.path().join("t/k=1");
    let file = names(&directory).remove(0);
    for to in ["$/t/k=1".to_owned(), format!("$/t/k=1/{file}")] {
        let copy =
            format!("COPY (SELECT sum(a) AS a FROM v) TO '{to}' (FORMAT parquet, OVERWRITE)");
        let error = place.fails(&copy).await;
        assert!(matches!(error, Error::OverwritesSource(_)), "{error}");
    }
    place
        .write("COPY (SELECT sum(a) AS a FROM v) TO '$/t/_sum' (FORMAT parquet, OVERWRITE)")
        .await
        .unwrap();
    let sum = place.rows("SELECT a FROM parquet.`$/t/_sum`").await;
    assert_eq!(sum, [["5"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_as_it_was_asked_for_is_refused_and_leaves_nothing() {
    let place = Place::new();
    make_pipe(&place.root.path().join("pipe.csv"));
    for (sql, says) in [
        (
            "COPY (SELECT 1 AS a) TO '$/pipe.csv' (OVERWRITE)",
            "--output csv >",
        ),
        ("COPY (SELECT 1 AS a) TO '$/pipe.csv'", "--output csv >"),
        (
            "COPY (SELECT 1 AS a, 2 AS k) TO '$/n/t' (FORMAT csv, PARTITION_BY k, OVERWRITE, partitionOverwriteMode 'dynamik')",
            "static or dynamic",
        ),
        (
            "COPY (SELECT 1 AS a, 2 AS b) TO '$/n/m/x.csv' (DELIMITER '')",
            "the option sep",
        ),
        (
            "COPY (SELECT 1 AS a) TO '$/x.parquet' (FORMAT csv)",
            "another ending",
        ),
    ] {
        let error = place.fails(sql).await.to_string();
        assert!(error.contains(says), "{sql}: {error}");
        assert_eq!(place.names(), ["pipe.csv"], "{sql}");
    }
}

/// A pipe with a name.
fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_directories_and_may_be_overwritten_one_by_one() {
    let place = Place::new();
    let rows = "COPY (SELECT id AS v, id % 3 AS k, 'x' AS j FROM range(30)) TO '$/t'";
    place
        .write(&format!("{rows} (FORMAT csv, PARTITION_BY (j, k))"))
        .await
        .unwrap();
    assert_eq!(
        names(&place.root.path().join("t/j=x")),
        ["k=0", "k=1", "k=2"]
    );
    place
        .session
        .sql("SET spark.sql.sources.partitionOverwriteMode=dynamic")
        .await
        .unwrap();
    place
        .write("COPY (SELECT 1 AS v, 'x' AS j, 1 AS k) TO '$/t' (FORMAT csv, PARTITION_BY (j, k), OVERWRITE)")
        .await
        .unwrap();
    let counts = "SELECT k, count(*) FROM csv.`$/t` WHERE _c0 <> 'v' GROUP BY k ORDER BY k";
    assert_eq!(
        place.rows(counts).await,
        [["0", "10"], ["1", "1"], ["2", "10"]]
    );
    // Of no rows nothing is replaced, and where nothing was there is a directory without rows.
    for to in ["$/t", "$/new"] {
        let copy = format!(
            "COPY (SELECT 1 AS v, 'x' AS j, 1 AS k WHERE false) TO '{to}' (FORMAT csv, PARTITION_BY (j, k), OVERWRITE)"
        );
        place.write(&copy).await.unwrap();
    }
    assert_eq!(place.rows(counts).await.len(), 3);
    assert_eq!(names(&place.root.path().join("new")), ["_SUCCESS"]);
}

/// More directories than files can be open: the rest of the rows is sorted, and each directory gets few files.
#[tokio::test(flavor = "multi_thread")]
async fn many_partitions_make_few_files_each() {
    let place = Place::with(&[("spark.plimsoll.memory", "128m")]);
    let told = place
        .write(
            "COPY (SELECT id AS v, id * 7 % 500 AS k FROM range(200000)) TO '$/t' (FORMAT parquet, PARTITION_BY k)",
        )
        .await
        .unwrap();
    assert!(told.starts_with("wrote 200000 rows to $/t: "), "{told}");
    let directory = place.root.path().join("t");
    let files: usize = names(&directory)
        .iter()
        .filter(|name| name.starts_with("k="))
        .map(|name| names(&directory.join(name)).len())
        .sum();
    assert!((500..=600).contains(&files), "{files} files");
    let sums = "SELECT count(*), count(DISTINCT k), sum(v), sum(k) FROM parquet.`$/t` WHERE v * 7 % 500 = k";
    assert_eq!(
        place.rows(sums).await,
        [["200000", "500", "19999900000", "49900000"]]
    );
    let history = place.session.history();
    let write = history
        .records()
        .find(|record| record.sql.starts_with("COPY"));
    let write = write.unwrap();
    assert_eq!((write.status, write.rows), (Status::Finished, 200_000));
    assert!(write.peak_execution > 0, "what files hold is on the books");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_an_order_stay_in_it() {
    let place = Place::new();
    for to in [
        "'$/t' (FORMAT csv, HEADER false)",
        "'$/t.csv' (HEADER false)",
    ] {
        place
            .write(&format!(
                "COPY (SELECT id FROM range(300000) ORDER BY id DESC) TO {to}"
            ))
            .await
            .unwrap();
    }
    let directory = place.root.path().join("t");
    let parts = names(&directory);
    assert_eq!(parts.len(), 2, "{parts:?}");
    let part = parts.iter().find(|name| name.starts_with("part-")).unwrap();
    let text = place.read(&format!("t/{part}"));
    assert!(text.starts_with("299999\n299998\n") && text.ends_with("\n1\n0\n"));
    assert_eq!(text, place.read("t.csv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_leaves_nothing_and_is_known_as_failed() {
    let place = Place::new();
    for to in ["'$/x.csv'", "'$/d' (FORMAT parquet, PARTITION_BY k)"] {
        let error = place
            .fails(&format!(
                "COPY (SELECT CAST(CASE id WHEN 199999 THEN 'x' ELSE '1' END AS INT) AS v, id % 100 AS k FROM range(200000)) TO {to}"
            ))
            .await;
        assert_eq!(place.names(), [""; 0], "{error}");
        let history = place.session.history();
        let statuses: Vec<Status> = history.records().map(|record| record.status).collect();
        assert!(
            !statuses.is_empty() && statuses.iter().all(|status| *status == Status::Failed),
            "{statuses:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_dropped_cancels_the_write() {
    let place = Place::new();
    let sql = place.text("COPY (SELECT a.id FROM range(1000000) a, range(1000000) b) TO '$/x.csv'");
    let statement = plimsoll_driver::split(&sql).remove(0).unwrap();
    let answer = place.session.run(&statement, &sql).await.unwrap();
    let mut rows = answer.rows.unwrap();
    let query = rows.query().unwrap();
    let reading = tokio::spawn(async move { rows.try_next().await.map(|_| ()) });
    while query.progress().rows_written.is_none_or(|rows| rows == 0) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!place.names().is_empty(), "hidden, beside the target");
    reading.abort();
    while !place.names().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
