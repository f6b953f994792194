//! `plimsoll serve` in a cage, and clients that speak Spark Connect to it: many queries in one process.

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use plimsoll_bench::answers::Answer;
use plimsoll_cage::{Cage, Caged, Run};
use spark_connect_proto as proto;
use spark_connect_proto::execute_plan_response::ResponseType;
use spark_connect_proto::spark_connect_service_client::SparkConnectServiceClient;
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::runs::{PATIENCE, plimsoll, spill_directory};

/// More than any response has.
const MESSAGE_BYTES: usize = 128 << 20;

/// A server in a cage.
pub struct Server {
    caged: Caged,
    address: String,
    /// Gone after the server.
    _spill: TempDir,
}

impl Server {
    /// Starts a server over the tables of a directory; `None` where no cage can be made.
    pub fn start(line: u64, tables: &Path) -> Option<Self> {
        Self::start_with(line, tables, &[])
    }

    /// The same with settings.
    pub fn start_with(line: u64, tables: &Path, settings: &[&str]) -> Option<Self> {
        let cage = Cage::or_skip(line)?;
        let spill = spill_directory();
        let mut command = plimsoll("serve", line, &spill);
        command.args(settings.iter().flat_map(|setting| ["--conf", setting]));
        command.args(["--listen", "127.0.0.1:0", "--report", "json", "--tables"]);
        let mut caged = cage.spawn(command.arg(tables)).unwrap();
        let address = caged.wait_for(PATIENCE, |told| {
            // Up to what follows it, or it may not have been told to its end.
            let (address, _) = told
                .split("sc://")
                .nth(1)?
                .split_once(char::is_whitespace)?;
            Some(address.split([';', '/']).next()?.to_owned())
        });
        let address = address.expect("the server says where it listens");
        Some(Self {
            caged,
            address: format!("http://{address}"),
            _spill: spill,
        })
    }

    /// A client with a session of its own.
    pub async fn client(&self) -> Client {
        let service = SparkConnectServiceClient::connect(self.address.clone())
            .await
            .unwrap()
            .max_decoding_message_size(MESSAGE_BYTES);
        Client {
            service,
            session: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// Bytes resident at the last sample.
    pub fn resident(&self) -> u64 {
        self.caged.resident()
    }

    /// Asks the server to end and gives it time to.
    pub fn end(self) -> Run {
        self.caged.interrupt();
        self.caged.finish(Duration::from_secs(60)).unwrap()
    }
}

/// A client of a server.
pub struct Client {
    service: SparkConnectServiceClient<Channel>,
    session: String,
}

impl Client {
    /// The rows of a query, as text; or the words of its error.
    pub async fn ask(&mut self, sql: &str) -> Result<Answer, String> {
        let relation = proto::Relation {
            rel_type: Some(proto::relation::RelType::Sql(proto::Sql {
                query: sql.trim().trim_end_matches(';').to_owned(),
                ..Default::default()
            })),
            ..Default::default()
        };
        let request = proto::ExecutePlanRequest {
            session_id: self.session.clone(),
            user_context: Some(proto::UserContext {
                user_id: "tests".into(),
                ..Default::default()
            }),
            plan: Some(proto::Plan {
                op_type: Some(proto::plan::OpType::Root(relation)),
            }),
            ..Default::default()
        };
        let words = |status: tonic::Status| format!("{}: {}", status.code(), status.message());
        let response = self.service.execute_plan(request).await.map_err(words)?;
        let mut stream = response.into_inner();
        let mut answer = Answer::new();
        while let Some(response) = stream.message().await.map_err(words)? {
            if let Some(ResponseType::ArrowBatch(batch)) = response.response_type {
                for batch in StreamReader::try_new(Cursor::new(batch.data), None).unwrap() {
                    answer.extend(rows(&batch.unwrap()));
                }
            }
        }
        Ok(answer)
    }
}

fn rows(batch: &RecordBatch) -> Answer {
    let options = FormatOptions::new();
    let formatters: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    let row = |row| {
        formatters
            .iter()
            .map(|column| column.value(row).to_string())
            .collect()
    };
    (0..batch.num_rows()).map(row).collect()
}
