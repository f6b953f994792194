//! Relations that begin a plan: files, tables, SQL, the client's own rows, ranges.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use plimsoll_driver::{FileFormat, Planned, Source};
use spark_connect_proto as proto;
use spark_connect_proto::read::ReadType;

use super::Planner;
use crate::error::Error;
use crate::frame::Frame;
use crate::{ddl, identifier, parameters, types, wire};

impl Planner {
    pub(super) async fn read(&mut self, read: &proto::Read) -> Result<Frame, Error> {
        if read.is_streaming {
            return Err(Error::unsupported("structured streaming (readStream)"));
        }
        match &read.read_type {
            Some(ReadType::NamedTable(table)) => {
                let parts = identifier::parts(&table.unparsed_identifier)?;
                let frame = self.named_table(&parts).await?;
                Ok(self.as_hinted(frame, &parts))
            }
            Some(ReadType::DataSource(source)) => self.data_source(source).await,
            None => Err(Error::internal("a read of nothing")),
        }
    }

    /// A table or view of the session.
    pub(super) async fn named_table(&self, parts: &[String]) -> Result<Frame, Error> {
        let missing = || {
            Error::analysis(
                "TABLE_OR_VIEW_NOT_FOUND",
                &[("relationName", &identifier::quoted(parts))],
            )
        };
        if let [format, path] = parts
            && let Some(format) = FileFormat::of_name(format)
        {
            let source = Source {
                format,
                paths: vec![path.clone()],
                schema: None,
                options: Default::default(),
            };
            let plan = self.session().engine.read(&source).await?;
            return self.leaf(plan, &[]);
        }
        if let [.., database, name] = parts
            && database.eq_ignore_ascii_case("global_temp")
        {
            let view = self
                .session()
                .engine
                .global_view(&name.to_lowercase())
                .await?;
            return self.leaf(view.ok_or_else(missing)?, std::slice::from_ref(name));
        }
        let name = match parts {
            [name] => name,
            [database, name] if is_database(database) => name,
            [catalog, database, name] if catalog == "spark_catalog" && is_database(database) => {
                name
            }
            _ => return Err(missing()),
        };
        let table = self.session().engine.table(&name.to_lowercase()).await?;
        let plan = table.ok_or_else(missing)?;
        self.leaf(plan, std::slice::from_ref(name))
    }

    async fn data_source(&mut self, asked: &proto::read::DataSource) -> Result<Frame, Error> {
        let source = self.source(asked)?;
        let plan = match self.session().engine.read(&source).await {
            Ok(plan) => plan,
            // They may be gone, and their rows in the cache.
            Err(error) if self.session().engine.cached().is_empty() => return Err(error.into()),
            Err(error) => match self.session().known_files.find(asked) {
                Some(plan) => plan,
                None => return Err(error.into()),
            },
        };
        self.reads.push((asked.clone(), plan.clone()));
        self.leaf(plan, &[])
    }

    fn source(&self, source: &proto::read::DataSource) -> Result<Source, Error> {
        let name = source.format.as_deref().unwrap_or("parquet");
        let format = FileFormat::of_name(name).ok_or_else(|| not_a_format(name))?;
        let mut options: std::collections::BTreeMap<String, String> = source
            .options
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut paths = source.paths.clone();
        let path = options
            .keys()
            .find(|key| key.eq_ignore_ascii_case("path"))
            .cloned();
        if let Some(path) = path.and_then(|key| options.remove(&key))
            && paths.is_empty()
        {
            paths.push(path);
        }
        let schema = match source.schema.as_deref().filter(|schema| !schema.is_empty()) {
            Some(text) => Some(self.schema_in_zone(&ddl::parse_schema_text(text)?)),
            None => None,
        };
        Ok(Source {
            format,
            paths,
            schema,
            options,
        })
    }

    fn schema_in_zone(&self, schema: &Schema) -> Schema {
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| {
                let data_type = self.in_session_zone(field.data_type().clone());
                field.as_ref().clone().with_data_type(data_type)
            })
            .collect();
        Schema::new(fields)
    }

    /// `spark.sql(…)`; a command has run when its relation is planned.
    pub(super) async fn sql(&mut self, sql: &proto::Sql) -> Result<Frame, Error> {
        let text = parameters::bind(self, sql)?;
        match self.session().engine.plan(&text).await? {
            Planned::Query(plan) => self.leaf(*plan, &[]),
            Planned::Done(answer) => self.answer(answer).await,
        }
    }

    /// The rows of a command's answer.
    pub(crate) async fn answer(&self, answer: plimsoll_driver::Answer) -> Result<Frame, Error> {
        use futures::TryStreamExt;

        for notice in answer.notices {
            // There is nowhere among the rows that it could be told.
            tracing::warn!("{notice}");
        }
        match answer.rows {
            Some(rows) => {
                let schema = rows.schema();
                self.memory_table(schema, rows.try_collect().await?)
            }
            None => self.memory_table(Arc::new(Schema::empty()), Vec::new()),
        }
    }

    /// Rows that came with the plan.
    pub(super) fn local(&self, local: &proto::LocalRelation) -> Result<Frame, Error> {
        let said = local.schema.as_deref().filter(|schema| !schema.is_empty());
        let said = said.map(ddl::parse_schema_text).transpose()?;
        self.local_rows(local.data.as_deref(), said)
    }

    /// Rows that the client has sent before.
    pub(super) fn cached_local(&self, hash: &str) -> Result<Frame, Error> {
        use prost::Message;

        let bytes = self.artifact(hash)?;
        let local = proto::LocalRelation::decode(bytes.as_slice()).map_err(|error| {
            Error::internal(format!("a cached relation that cannot be read: {error}"))
        })?;
        self.local(&local)
    }

    pub(super) fn chunked_local(
        &self,
        cached: &proto::ChunkedCachedLocalRelation,
    ) -> Result<Frame, Error> {
        let said = match &cached.schema_hash {
            Some(hash) => {
                let bytes = self.artifact(hash)?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Some(ddl::parse_schema_text(&text)?)
            }
            None => None,
        };
        let mut batches = Vec::new();
        let mut schema = None;
        for hash in &cached.data_hashes {
            let (found, more) = wire::decode_ipc(&self.artifact(hash)?)?;
            schema.get_or_insert(found);
            batches.extend(more);
        }
        self.rows_as(schema, batches, said)
    }

    fn artifact(&self, hash: &str) -> Result<Vec<u8>, Error> {
        self.session().artifacts.read(hash)
    }

    fn local_rows(&self, data: Option<&[u8]>, said: Option<Schema>) -> Result<Frame, Error> {
        let (schema, batches) = match data {
            Some(data) => {
                let (schema, batches) = wire::decode_ipc(data)?;
                (Some(schema), batches)
            }
            None => (None, Vec::new()),
        };
        self.rows_as(schema, batches, said)
    }

    /// Rows with the types and names of the schema that the client said, if it did.
    fn rows_as(
        &self,
        schema: Option<SchemaRef>,
        batches: Vec<RecordBatch>,
        said: Option<Schema>,
    ) -> Result<Frame, Error> {
        let schema = match (said, schema) {
            (Some(said), _) => self.schema_in_zone(&said),
            (None, Some(schema)) => self.schema_in_zone(&types::engine_schema(&schema)),
            (None, None) => return Err(Error::internal("a DataFrame without rows or a schema")),
        };
        let schema = Arc::new(schema);
        let batches = batches
            .into_iter()
            .map(|batch| as_schema(&batch, &schema))
            .collect::<Result<_, _>>()?;
        self.memory_table(schema, batches)
    }

    pub(super) fn range(&self, range: &proto::Range) -> Result<Frame, Error> {
        if range.step == 0 {
            return Err(Error::new(
                crate::error::Kind::IllegalArgument,
                "INTERNAL_ERROR",
                &[("message", "step (0) cannot be 0")],
            ));
        }
        let plan = self
            .session()
            .engine
            .range(range.start(), range.end, range.step)?;
        self.leaf(plan, &[])
    }

    /// A table of one batch.
    pub(super) fn table(&self, batch: RecordBatch) -> Result<Frame, Error> {
        self.memory_table(batch.schema(), vec![batch])
    }

    /// A table of batches. Their names may repeat.
    pub(super) fn memory_table(
        &self,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Result<Frame, Error> {
        let numbered: Vec<Field> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| field.as_ref().clone().with_name(format!("{at}")))
            .collect();
        let numbered = Arc::new(Schema::new(numbered));
        let batches = batches
            .into_iter()
            .map(|batch| rename(&batch, &numbered))
            .collect::<Result<_, Error>>()?;
        let table = MemTable::try_new(numbered, vec![batches])?;
        let mut frame = self.scan("local", Arc::new(table))?;
        for (column, field) in frame.columns.iter_mut().zip(schema.fields()) {
            column.name.clone_from(field.name());
        }
        Ok(frame)
    }

    fn scan(&self, name: &str, provider: Arc<dyn TableProvider>) -> Result<Frame, Error> {
        let plan: LogicalPlan =
            LogicalPlanBuilder::scan(name, provider_as_source(provider), None)?.build()?;
        self.leaf(plan, &[])
    }
}

fn is_database(name: &str) -> bool {
    name.eq_ignore_ascii_case("default")
}

pub(crate) fn not_a_format(name: &str) -> Error {
    const SPARKS: [&str; 7] = [
        "orc",
        "jdbc",
        "avro",
        "xml",
        "binaryfile",
        "delta",
        "iceberg",
    ];
    match SPARKS.contains(&name.to_lowercase().as_str()) {
        true => Error::unsupported(format!(
            "the data source {name}: there are parquet, csv, json and text"
        )),
        false => Error::new(
            crate::error::Kind::ClassNotFound,
            "DATA_SOURCE_NOT_FOUND",
            &[("provider", name)],
        ),
    }
}

fn rename(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let options = datafusion::arrow::record_batch::RecordBatchOptions::new()
        .with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        batch.columns().to_vec(),
        &options,
    )?)
}

/// The batch in the types of a schema, column by column.
fn as_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    if batch.num_columns() != schema.fields().len() {
        return Err(Error::internal(format!(
            "rows of {} columns for a schema of {}",
            batch.num_columns(),
            schema.fields().len()
        )));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| cast_with_options(column, field.data_type(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    let options = datafusion::arrow::record_batch::RecordBatchOptions::new()
        .with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}
