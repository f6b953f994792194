//! Carrying out a plan: the rows of a relation, or a command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use futures::StreamExt;
use plimsoll_driver::{FileFormat, Rows, SaveMode, Target, WriteRequest};
use spark_connect_proto as proto;
use spark_connect_proto::command::CommandType;
use spark_connect_proto::execute_plan_response::execution_progress::StageInfo;
use spark_connect_proto::execute_plan_response::{ArrowBatch, ResponseType, SqlCommandResult};
use spark_connect_proto::plan::OpType;
use spark_connect_proto::relation::RelType;
use spark_connect_proto::write_operation::{SaveMode as AskedMode, SaveType};
use tokio::time::MissedTickBehavior;

use crate::error::Error;
use crate::expression::needed;
use crate::frame::Frame;
use crate::operations::Responses;
use crate::plan::{Planner, not_a_format};
use crate::sessions::ClientSession;
use crate::wire::{Encoder, compression};
use crate::{describe, types};

/// Whether an overwrite replaces all partitions or just those that it writes.
const OVERWRITE_MODE: &str = "partitionOverwriteMode";

/// How often a client is told how far its query is.
const PROGRESS: Duration = Duration::from_millis(500);

/// The most rows in one message: Spark's `spark.sql.execution.arrow.maxRecordsPerBatch`.
const ROWS: usize = 10_000;

/// About the most bytes in one message: Spark's `spark.connect.grpc.arrow.maxBatchSize`.
const BYTES: usize = 4 << 20;

/// Carries out a plan for a client.
///
/// # Errors
/// As Spark has them. A client that is gone is no error: there is nobody to tell.
pub(crate) async fn execute(
    session: Arc<ClientSession>,
    plan: proto::Plan,
    responses: Responses,
) -> Result<(), Error> {
    match plan.op_type {
        Some(OpType::Root(relation)) => rows(session, &relation, &responses).await,
        Some(OpType::Command(command)) => run_command(session, command, &responses).await,
        Some(OpType::CompressedOperation(_)) | None => {
            Err(Error::internal("a plan without an operation"))
        }
    }
}

/// Sends the rows of a relation.
async fn rows(
    session: Arc<ClientSession>,
    relation: &proto::Relation,
    responses: &Responses,
) -> Result<(), Error> {
    let mut planner = Planner::new(Arc::clone(&session));
    let time_zone = planner.time_zone().to_owned();
    let (rows, names) = match sql_text(&planner, relation)? {
        // SQL that is all of the plan runs just as it is planned.
        Some(text) => match session.engine.plan(&text).await? {
            plimsoll_driver::Planned::Query(plan) => {
                let names = plan.schema().field_names_only();
                (session.engine.run_plan(*plan, &text).await?, names)
            }
            plimsoll_driver::Planned::Done(answer) => {
                let frame = planner.answer(answer).await?;
                (planner.run(&frame).await?, frame.names())
            }
        },
        None => {
            let frame = planner.relation(relation).await?;
            let rows = session
                .engine
                .run_plan(planner.seen(&frame)?, &describe::sentence(relation))
                .await?;
            (rows, frame.names())
        }
    };
    let reader = responses.reader();
    let compression = compression(&session.engine.conf(), reader.is_python)?;
    let encoder = Encoder::new(&rows.schema(), Some(&names), &time_zone).compressed(compression);
    let answer = Answer {
        encoder,
        sent: 0,
        is_bounded: !reader.is_local_iterator,
    };
    answer.send(rows, responses).await
}

trait FieldNames {
    fn field_names_only(&self) -> Vec<String>;
}

impl FieldNames for datafusion::common::DFSchema {
    /// Without the tables that they come from.
    fn field_names_only(&self) -> Vec<String> {
        self.fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }
}

/// The text of a relation that is nothing but SQL.
fn sql_text(planner: &Planner, relation: &proto::Relation) -> Result<Option<String>, Error> {
    match &relation.rel_type {
        Some(RelType::Sql(sql)) => crate::parameters::bind(planner, sql).map(Some),
        _ => Ok(None),
    }
}

/// Rows on their way to a client.
struct Answer {
    encoder: Encoder,
    /// Rows sent so far.
    sent: i64,
    /// Whether `spark.driver.maxResultSize` bounds what is sent: not what is read as it comes and not kept, for which
    /// classic Spark has one partition at a time in its driver.
    is_bounded: bool,
}

impl Answer {
    async fn send(mut self, mut rows: Rows, responses: &Responses) -> Result<(), Error> {
        let mut schema = Some(types::schema_to_proto(&self.encoder.schema()));
        let mut ticks = tokio::time::interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let batch = tokio::select! {
                batch = rows.next() => batch,
                _ = ticks.tick() => {
                    responses.progress(vec![stage()], 1);
                    continue;
                }
            };
            let Some(batch) = batch.transpose()? else {
                break;
            };
            for piece in self.encoder.pieces(&batch, ROWS, BYTES)? {
                let response = self.batch(&piece)?;
                if self.is_bounded {
                    rows.count_result(&piece, response.data.len() as u64)?;
                }
                let response = ResponseType::ArrowBatch(response);
                if responses.send(response, schema.take()).await.is_err() {
                    return Ok(());
                }
            }
        }
        // The client learns the schema from a batch, of no rows if need be.
        if schema.is_some() {
            let response = self.batch(&RecordBatch::new_empty(self.encoder.schema()))?;
            let response = ResponseType::ArrowBatch(response);
            // Whoever is gone does not miss it.
            let _ = responses.send(response, schema.take()).await;
        }
        Ok(())
    }

    /// A batch as it is sent.
    fn batch(&mut self, batch: &RecordBatch) -> Result<ArrowBatch, Error> {
        let data = self.encoder.encode(batch)?;
        let start = self.sent;
        let row_count = batch.num_rows() as i64;
        self.sent += row_count;
        Ok(ArrowBatch {
            row_count,
            data: data.into(),
            start_offset: Some(start),
            ..ArrowBatch::default()
        })
    }
}

/// The one stage that a local query is.
fn stage() -> StageInfo {
    StageInfo {
        stage_id: 0,
        num_tasks: 1,
        num_completed_tasks: 0,
        input_bytes_read: 0,
        done: false,
    }
}

async fn run_command(
    session: Arc<ClientSession>,
    command: proto::Command,
    responses: &Responses,
) -> Result<(), Error> {
    let kind = command
        .command_type
        .ok_or_else(|| Error::internal("a command without a kind"))?;
    match kind {
        CommandType::SqlCommand(command) => sql_command(session, command, responses).await,
        CommandType::CreateDataframeView(view) => create_view(session, &view).await,
        CommandType::WriteOperation(write) => write_files(session, &write).await,
        CommandType::RemoveCachedRemoteRelationCommand(_) => Ok(()),
        CommandType::GetResourcesCommand(_) => {
            let result = proto::GetResourcesCommandResult::default();
            // Whoever is gone does not miss it.
            let _ = responses
                .send(ResponseType::GetResourcesCommandResult(result), None)
                .await;
            Ok(())
        }
        other => Err(Error::unsupported(command_name(&other))),
    }
}

/// `spark.sql(…)`: a query is handed back as it is, to run when its rows are wanted; a command runs now
/// and its rows are handed back.
async fn sql_command(
    session: Arc<ClientSession>,
    command: proto::SqlCommand,
    responses: &Responses,
) -> Result<(), Error> {
    let relation = match command.input {
        Some(relation) => relation,
        None => {
            #[allow(deprecated)] // 3.4 clients say it so.
            let sql = proto::Sql {
                query: command.sql,
                args: command.args,
                pos_args: command.pos_args,
                named_arguments: command.named_arguments,
                pos_arguments: command.pos_arguments,
            };
            proto::Relation {
                common: None,
                rel_type: Some(RelType::Sql(sql)),
            }
        }
    };
    let mut planner = Planner::new(Arc::clone(&session));
    let done = match sql_text(&planner, &relation)? {
        Some(text) => match session.engine.plan(&text).await? {
            plimsoll_driver::Planned::Query(_) => None,
            plimsoll_driver::Planned::Done(answer) => Some(planner.answer(answer).await?),
        },
        None => {
            planner.relation(&relation).await?;
            None
        }
    };
    let relation = match done {
        Some(frame) => local_relation(&planner, &frame).await?,
        None => relation,
    };
    let result = SqlCommandResult {
        relation: Some(relation),
    };
    // Whoever is gone does not miss it.
    let _ = responses
        .send(ResponseType::SqlCommandResult(result), None)
        .await;
    Ok(())
}

/// The rows of a frame as a relation that carries them.
async fn local_relation(planner: &Planner, frame: &Frame) -> Result<proto::Relation, Error> {
    let mut rows = planner.run(frame).await?;
    let schema = rows.schema();
    let encoder = Encoder::new(&schema, Some(&frame.names()), planner.time_zone());
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await.transpose()? {
        batches.push(batch);
    }
    let all = datafusion::arrow::compute::concat_batches(&schema, &batches)?;
    let local = proto::LocalRelation {
        data: Some(encoder.encode(&all)?.into()),
        schema: Some(crate::ddl::to_ddl(&encoder.schema())),
    };
    Ok(proto::Relation {
        common: None,
        rel_type: Some(RelType::LocalRelation(local)),
    })
}

async fn create_view(
    session: Arc<ClientSession>,
    view: &proto::CreateDataFrameViewCommand,
) -> Result<(), Error> {
    let mut planner = Planner::new(Arc::clone(&session));
    let frame = planner
        .relation(needed(view.input.as_ref(), "a view's input")?)
        .await?;
    let plan = planner.named(&frame)?;
    let name = view.name.to_lowercase();
    if view.is_global {
        if !view.replace && session.engine.global_view(&name).await?.is_some() {
            return Err(Error::analysis(
                "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
                &[("relationName", &format!("`global_temp`.`{name}`"))],
            ));
        }
        session.engine.register_global_view(&name, plan)?;
        return Ok(());
    }
    if !view.replace && session.engine.table(&name).await?.is_some() {
        return Err(Error::analysis(
            "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
            &[("relationName", &format!("`{name}`"))],
        ));
    }
    session.engine.register_view(&name, plan)?;
    Ok(())
}

async fn write_files(
    session: Arc<ClientSession>,
    write: &proto::WriteOperation,
) -> Result<(), Error> {
    let path = match &write.save_type {
        Some(SaveType::Path(path)) => path.clone(),
        Some(SaveType::Table(_)) => {
            return Err(Error::unsupported(
                "saveAsTable and insertInto: there is no catalog of tables; df.write.parquet(path) writes files",
            ));
        }
        None => option(write, "path")
            .ok_or_else(|| Error::unsupported("a write without a path: df.write.save(path)"))?,
    };
    if write.bucket_by.is_some() || !write.clustering_columns.is_empty() {
        return Err(Error::unsupported(
            "bucketBy and clusterBy: partitionBy divides files",
        ));
    }
    let name = write
        .source
        .as_deref()
        .filter(|name| !name.is_empty())
        .unwrap_or("parquet");
    let format = FileFormat::of_name(name).ok_or_else(|| not_a_format(name))?;
    let mode = match write.mode() {
        AskedMode::Append => SaveMode::Append,
        AskedMode::Overwrite => SaveMode::Overwrite,
        AskedMode::Ignore => SaveMode::Ignore,
        AskedMode::ErrorIfExists | AskedMode::Unspecified => SaveMode::ErrorIfExists,
    };
    let mut planner = Planner::new(Arc::clone(&session));
    let frame = planner
        .relation(needed(write.input.as_ref(), "a write's input")?)
        .await?;
    let partition_by = planner.names_in(&frame, &write.partitioning_columns)?;
    let mut options: BTreeMap<String, String> = write
        .options
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if option(write, OVERWRITE_MODE).is_none()
        && let Some((value, _)) = session
            .engine
            .conf()
            .get("spark.sql.sources.partitionOverwriteMode")
    {
        options.insert(OVERWRITE_MODE.to_owned(), value.to_owned());
    }
    let request = WriteRequest {
        format,
        path,
        target: Target::Directory,
        mode,
        partition_by,
        options,
    };
    session
        .engine
        .write(planner.named(&frame)?, request)
        .await?;
    Ok(())
}

fn option(write: &proto::WriteOperation, key: &str) -> Option<String> {
    let mut options = write.options.iter();
    options
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, value)| value.clone())
}

fn command_name(command: &CommandType) -> &'static str {
    match command {
        CommandType::RegisterFunction(_)
        | CommandType::RegisterTableFunction(_)
        | CommandType::RegisterDataSource(_) => {
            "registering user functions: user functions are not run"
        }
        CommandType::WriteOperationV2(_) => {
            "df.writeTo: there is no catalog of tables; df.write.parquet(path) writes files"
        }
        CommandType::WriteStreamOperationStart(_)
        | CommandType::StreamingQueryCommand(_)
        | CommandType::StreamingQueryManagerCommand(_)
        | CommandType::StreamingQueryListenerBusCommand(_) => "structured streaming",
        CommandType::CheckpointCommand(_) => "DataFrame.checkpoint and localCheckpoint",
        CommandType::MergeIntoTableCommand(_) => "MERGE INTO",
        CommandType::MlCommand(_) => "pyspark.ml",
        CommandType::PipelineCommand(_) => "declarative pipelines",
        CommandType::CreateResourceProfileCommand(_) => "resource profiles",
        _ => "this command",
    }
}
