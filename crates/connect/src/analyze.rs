//! What a client asks of a plan without running it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::displayable;
use prost::Message;
use spark_connect_proto as proto;
use spark_connect_proto::analyze_plan_request::Analyze;
use spark_connect_proto::analyze_plan_request::explain::ExplainMode;
use spark_connect_proto::analyze_plan_response::{self as answer, Result as Answer};
use spark_connect_proto::plan::OpType;

use crate::error::Error;
use crate::expression::needed;
use crate::frame::Frame;
use crate::plan::Planner;
use crate::sessions::ClientSession;
use crate::{caching, ddl, describe, tree, types};

/// The version of Spark whose behaviour is followed.
pub(crate) const SPARK_VERSION: &str = "4.1.4";

/// Answers a question about a plan.
///
/// # Errors
/// As Spark's analyzer has them.
pub(crate) async fn analyze(
    session: Arc<ClientSession>,
    question: Analyze,
) -> Result<Answer, Error> {
    let mut planner = Planner::new(Arc::clone(&session));
    Ok(match question {
        Analyze::Schema(asked) => {
            let frame = planner.of_plan(&asked.plan).await?;
            let schema = Some(types::schema_to_proto(&types::engine_schema(
                &frame.schema(),
            )));
            Answer::Schema(answer::Schema { schema })
        }
        Analyze::Explain(asked) => {
            let frame = planner.of_plan(&asked.plan).await?;
            let explain_string = planner.explain(&frame, asked.explain_mode()).await?;
            Answer::Explain(answer::Explain { explain_string })
        }
        Analyze::TreeString(asked) => {
            let frame = planner.of_plan(&asked.plan).await?;
            let schema = types::engine_schema(&frame.schema());
            let tree_string = tree::tree_string(&schema, asked.level);
            Answer::TreeString(answer::TreeString { tree_string })
        }
        Analyze::IsLocal(asked) => {
            planner.of_plan(&asked.plan).await?;
            Answer::IsLocal(answer::IsLocal { is_local: false })
        }
        Analyze::IsStreaming(asked) => {
            planner.of_plan(&asked.plan).await?;
            Answer::IsStreaming(answer::IsStreaming {
                is_streaming: false,
            })
        }
        Analyze::InputFiles(asked) => {
            planner.of_plan(&asked.plan).await?;
            return Err(Error::unsupported("DataFrame.inputFiles"));
        }
        Analyze::SparkVersion(_) => Answer::SparkVersion(answer::SparkVersion {
            version: SPARK_VERSION.to_owned(),
        }),
        Analyze::DdlParse(asked) => Answer::DdlParse(answer::DdlParse {
            parsed: Some(ddl::parse_datatype_text(&asked.ddl_string)?),
        }),
        Analyze::JsonToDdl(asked) => Answer::JsonToDdl(answer::JsonToDdl {
            ddl_string: ddl::to_ddl(&ddl::parse_schema_text(&asked.json_string)?),
        }),
        Analyze::SameSemantics(asked) => Answer::SameSemantics(answer::SameSemantics {
            result: meaning(&asked.target_plan)? == meaning(&asked.other_plan)?,
        }),
        Analyze::SemanticHash(asked) => {
            let mut hasher = DefaultHasher::new();
            meaning(&asked.plan)?.hash(&mut hasher);
            Answer::SemanticHash(answer::SemanticHash {
                result: hasher.finish() as i32,
            })
        }
        Analyze::Persist(asked) => {
            let relation = needed(asked.relation.as_ref(), "what to persist")?;
            let frame = planner.relation(relation).await?;
            planner.persist(
                &frame,
                &describe::name(relation),
                asked.storage_level.as_ref(),
            )?;
            Answer::Persist(answer::Persist {})
        }
        Analyze::Unpersist(asked) => {
            let relation = needed(asked.relation.as_ref(), "what to unpersist")?;
            let frame = planner.relation(relation).await?;
            // Whether the client wants to wait makes no difference: the rows are let go of at once.
            planner.unpersist(&frame)?;
            Answer::Unpersist(answer::Unpersist {})
        }
        Analyze::GetStorageLevel(asked) => {
            let relation = needed(asked.relation.as_ref(), "what may be persisted")?;
            let frame = planner.relation(relation).await?;
            let level = planner.storage_level(&frame)?;
            Answer::GetStorageLevel(answer::GetStorageLevel {
                storage_level: Some(caching::level_to_proto(level)),
            })
        }
    })
}

/// A plan without the ids that the client gave its parts.
fn meaning(plan: &Option<proto::Plan>) -> Result<Vec<u8>, Error> {
    let mut plan = needed(plan.as_ref(), "a plan")?.clone();
    if let Some(OpType::Root(root)) = &mut plan.op_type {
        root.common = None;
    }
    Ok(plan.encode_to_vec())
}

impl Planner {
    async fn of_plan(&mut self, plan: &Option<proto::Plan>) -> Result<Frame, Error> {
        match needed(plan.as_ref(), "a plan")?.op_type.as_ref() {
            Some(OpType::Root(relation)) => self.relation(relation).await,
            _ => Err(Error::internal("a plan that is no relation")),
        }
    }

    /// The plans of a frame, as `df.explain` prints them.
    async fn explain(&self, frame: &Frame, mode: ExplainMode) -> Result<String, Error> {
        let plan: LogicalPlan = self.seen(frame)?;
        let (optimized, physical) = self.session().engine.physical_plan(&plan).await?;
        let physical = displayable(physical.as_ref()).indent(false).to_string();
        Ok(match mode {
            ExplainMode::Extended | ExplainMode::Cost | ExplainMode::Codegen => format!(
                "== Analyzed Logical Plan ==\n{}\n\n== Optimized Logical Plan ==\n{}\n\n== Physical Plan ==\n{physical}",
                plan.display_indent(),
                optimized.display_indent(),
            ),
            _ => format!("== Physical Plan ==\n{physical}"),
        })
    }
}
