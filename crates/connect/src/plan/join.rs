//! Joins.

use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder};
use spark_connect_proto as proto;
use spark_connect_proto::join::JoinType as Asked;

use super::Planner;
use crate::error::Error;
use crate::expression::Expressions;
use crate::frame::{Column, Frame};
use crate::functions;
use crate::types;

impl Planner {
    pub(super) async fn join(&mut self, join: &proto::Join) -> Result<Frame, Error> {
        let left = self.input(&join.left).await?;
        let right = self.input(&join.right).await?;
        let kind = kind(join.join_type())?;
        if !join.using_columns.is_empty() {
            return self.join_using(left, right, kind, &join.using_columns);
        }
        let both = Frame {
            plan: LogicalPlanBuilder::from(left.plan.clone())
                .cross_join(right.plan.clone())?
                .build()?,
            columns: left.columns.iter().chain(&right.columns).cloned().collect(),
            scopes: left.scopes.iter().chain(&right.scopes).cloned().collect(),
            projected: None,
        };
        let condition = match &join.join_condition {
            Some(condition) => Some(Expressions::new(self, &both).condition(condition)?),
            None => None,
        };
        self.joined(left, right, kind, condition)
    }

    fn joined(
        &self,
        left: Frame,
        right: Frame,
        kind: JoinType,
        condition: Option<Expr>,
    ) -> Result<Frame, Error> {
        let builder = LogicalPlanBuilder::from(left.plan.clone());
        let plan = match (kind, condition) {
            (JoinType::Inner, None) => builder.cross_join(right.plan.clone())?,
            (_, condition) => builder.join_on(right.plan.clone(), kind, condition)?,
        }
        .build()?;
        let mut columns = left.columns;
        let mut scopes = left.scopes;
        if !matches!(kind, JoinType::LeftSemi | JoinType::LeftAnti) {
            columns.extend(right.columns);
            scopes.extend(right.scopes);
        }
        Ok(Frame {
            scopes,
            ..self.frame(plan, columns)
        })
    }

    /// A join whose key columns come once, before all others.
    fn join_using(
        &self,
        left: Frame,
        right: Frame,
        kind: JoinType,
        names: &[String],
    ) -> Result<Frame, Error> {
        let mut keys: Vec<(Column, Column)> = Vec::new();
        let mut conditions = Vec::new();
        for name in names {
            let key = |frame: &Frame, side: &str| -> Result<Column, Error> {
                let found = frame.find(std::slice::from_ref(name), None)?;
                found.map(|found| found.column.clone()).ok_or_else(|| {
                    let names: Vec<String> = frame
                        .names()
                        .iter()
                        .map(|name| format!("`{name}`"))
                        .collect();
                    Error::analysis(
                        "UNRESOLVED_USING_COLUMN_FOR_JOIN",
                        &[
                            ("colName", &format!("`{name}`")),
                            ("side", side),
                            ("suggestion", &names.join(", ")),
                        ],
                    )
                })
            };
            let pair = (key(&left, "left")?, key(&right, "right")?);
            conditions.push(self.equal(&pair.0, &pair.1)?);
            keys.push(pair);
        }
        let is_key = |id: &str| {
            keys.iter()
                .any(|(left, right)| left.id == id || right.id == id)
        };
        let others: Vec<Column> = left
            .visible()
            .chain(right.visible())
            .filter(|column| !is_key(&column.id))
            .cloned()
            .collect();
        let joined = self.joined(left, right, kind, conjunction(conditions))?;
        if matches!(kind, JoinType::LeftSemi | JoinType::LeftAnti) {
            return Ok(self.keys_first(joined, &keys));
        }
        self.with_merged_keys(joined, kind, keys, others)
    }

    /// A semi or anti join has the left columns alone; its keys go first too.
    fn keys_first(&self, mut joined: Frame, keys: &[(Column, Column)]) -> Frame {
        let rank = |column: &Column| {
            let at = keys.iter().position(|(left, _)| left.id == column.id);
            at.unwrap_or(keys.len())
        };
        joined.columns.sort_by_key(rank);
        joined
    }

    /// The key of a left join is the left one, of a right join the right one, and of a full join
    /// whichever is there. The others stay as hidden columns for who asks for `right.key`.
    fn with_merged_keys(
        &self,
        joined: Frame,
        kind: JoinType,
        keys: Vec<(Column, Column)>,
        others: Vec<Column>,
    ) -> Result<Frame, Error> {
        let mut columns = Vec::new();
        let mut exprs = Vec::new();
        for (left, right) in &keys {
            match kind {
                JoinType::Right => {
                    columns.push(Column {
                        name: left.name.clone(),
                        ..right.clone()
                    });
                    exprs.push(right.expr());
                }
                JoinType::Full => {
                    let id = self.id(&left.name);
                    let either = datafusion::functions::core::coalesce()
                        .call(vec![left.expr(), right.expr()]);
                    exprs.push(either.alias(&id));
                    columns.push(Column {
                        id,
                        qualifier: Vec::new(),
                        ..left.clone()
                    });
                }
                _ => {
                    columns.push(left.clone());
                    exprs.push(left.expr());
                }
            }
        }
        let shown: Vec<String> = columns.iter().map(|column| column.id.clone()).collect();
        for column in others {
            exprs.push(column.expr());
            columns.push(column);
        }
        for column in keys.into_iter().flat_map(|(left, right)| [left, right]) {
            if !shown.contains(&column.id) {
                exprs.push(column.expr());
                columns.push(Column {
                    hidden: true,
                    ..column
                });
            }
        }
        let scopes = joined.scopes.clone();
        let plan = LogicalPlanBuilder::from(joined.plan)
            .project(exprs)?
            .build()?;
        Ok(Frame {
            scopes,
            ..self.frame(plan, columns)
        })
    }

    /// Two keys that are equal, in a common type.
    fn equal(&self, left: &Column, right: &Column) -> Result<Expr, Error> {
        let arguments = vec![left.argument(), right.argument()];
        functions::call("==", arguments, false, &self.environment()).map_err(|_| {
            Error::analysis(
                "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
                &[
                    ("sqlExpr", &format!("\"({} = {})\"", left.name, right.name)),
                    (
                        "left",
                        &format!("\"{}\"", types::sql_string(left.field.data_type())),
                    ),
                    (
                        "right",
                        &format!("\"{}\"", types::sql_string(right.field.data_type())),
                    ),
                ],
            )
        })
    }
}

fn kind(asked: Asked) -> Result<JoinType, Error> {
    Ok(match asked {
        Asked::Inner | Asked::Cross => JoinType::Inner,
        Asked::FullOuter => JoinType::Full,
        Asked::LeftOuter => JoinType::Left,
        Asked::RightOuter => JoinType::Right,
        Asked::LeftAnti => JoinType::LeftAnti,
        Asked::LeftSemi => JoinType::LeftSemi,
        Asked::Unspecified => return Err(Error::internal("a join without a kind")),
    })
}
