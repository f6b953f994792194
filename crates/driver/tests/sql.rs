//! Runs the files of `tests/slt`: how SQL behaves, statement by statement.
//!
//! Each file gets a session of its own, with `tests/data` as its tables.

use std::path::Path;

use plimsoll_conf::{Conf, Machine};
use plimsoll_driver::{Error, Session};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use text::text_of;

#[path = "support/text.rs"]
mod text;

struct Database(Session);

impl Database {
    async fn new() -> Result<Self, Error> {
        let machine = Machine::with_memory(8 << 30);
        let session = Session::new(Conf::default(), machine, vec!["3".into()])?;
        session.register_tables(Path::new("tests/data")).await?;
        Ok(Self(session))
    }
}

#[async_trait::async_trait]
impl AsyncDB for Database {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let answer = self.0.sql(sql).await?;
        let Some(rows) = answer.rows else {
            return Ok(DBOutput::StatementComplete(0));
        };
        let types = vec![DefaultColumnType::Any; rows.schema().fields().len()];
        let rows = text_of(rows).await?;
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "plimsoll"
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_behaves_as_the_files_say() {
    let mut files: Vec<_> = std::fs::read_dir("tests/slt")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "the files are found");
    for file in files {
        let mut runner = Runner::new(Database::new);
        if let Err(error) = runner.run_file_async(&file).await {
            panic!("{}", error.display(false));
        }
    }
}
