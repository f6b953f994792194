//! Union, intersect, except.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use spark_connect_proto as proto;
use spark_connect_proto::set_operation::SetOpType;

use super::Planner;
use crate::error::Error;
use crate::frame::{Column, Frame, same};
use crate::functions;
use crate::types;

impl Planner {
    pub(super) async fn set_operation(
        &mut self,
        set: &proto::SetOperation,
    ) -> Result<Frame, Error> {
        let left = self.input(&set.left_input).await?;
        let right = self.input(&set.right_input).await?;
        let word = match set.set_op_type() {
            SetOpType::Union => "UNION",
            SetOpType::Intersect => "INTERSECT",
            SetOpType::Except => "EXCEPT",
            SetOpType::Unspecified => {
                return Err(Error::internal("a set operation without a kind"));
            }
        };
        let pairs = match set.by_name() {
            true => by_name(&left, &right, set.allow_missing_columns())?,
            false => by_position(&left, &right, word)?,
        };
        let mut names = Vec::new();
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (at, (from_left, from_right)) in pairs.iter().enumerate() {
            let to = common_type(*from_left, *from_right, word, at)?;
            let name = from_left.or(*from_right).map(|column| column.name.clone());
            let name = name.unwrap_or_default();
            let id = self.id(&name);
            lefts.push(self.side(*from_left, &to)?.alias(&id));
            rights.push(self.side(*from_right, &to)?.alias(&id));
            names.push(name);
        }
        let project = |frame: &Frame, exprs: Vec<Expr>| -> Result<LogicalPlan, Error> {
            Ok(LogicalPlanBuilder::from(frame.plan.clone())
                .project(exprs)?
                .build()?)
        };
        let (mut lefts, mut rights) = (project(&left, lefts)?, project(&right, rights)?);
        let is_all = set.is_all();
        let counted = is_all && set.set_op_type() != SetOpType::Union;
        if counted {
            (lefts, rights) = (numbered(lefts)?, numbered(rights)?);
        }
        let plan = match set.set_op_type() {
            SetOpType::Intersect => LogicalPlanBuilder::intersect(lefts, rights, is_all)?,
            SetOpType::Except => LogicalPlanBuilder::except(lefts, rights, is_all)?,
            _ if is_all => LogicalPlanBuilder::from(lefts).union(rights)?.build()?,
            _ => LogicalPlanBuilder::from(lefts)
                .union_distinct(rights)?
                .build()?,
        };
        let mut frame = self.leaf(plan, &[])?;
        if counted && let Some(number) = frame.columns.last_mut() {
            number.hidden = true;
        }
        for (column, name) in frame.columns.iter_mut().zip(names) {
            column.name = name;
        }
        Ok(frame)
    }

    /// A column in the common type, or NULL in its place.
    fn side(&self, column: Option<&Column>, to: &DataType) -> Result<Expr, Error> {
        match column {
            Some(column) if column.field.data_type() == to => Ok(column.expr()),
            Some(column) => self.cast(column.argument(), to),
            None => Ok(self.null(to)?.expr),
        }
    }
}

/// The rows with a number each among those that are equal: the third of three equal rows is another row
/// than the second, which is what INTERSECT ALL and EXCEPT ALL count by.
fn numbered(plan: LogicalPlan) -> Result<LogicalPlan, Error> {
    use datafusion::functions_window::row_number::row_number_udwf;
    use datafusion::logical_expr::ExprFunctionExt;

    let columns: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let number = row_number_udwf()
        .call(vec![])
        .partition_by(columns.clone())
        .build()?;
    let of_window = datafusion::common::Column::new_unqualified(number.schema_name().to_string());
    let mut exprs = columns;
    exprs.push(Expr::Column(of_window).alias("number"));
    Ok(LogicalPlanBuilder::window_plan(plan, vec![number])
        .map(LogicalPlanBuilder::from)?
        .project(exprs)?
        .build()?)
}

type Pair<'f> = (Option<&'f Column>, Option<&'f Column>);

fn by_position<'f>(left: &'f Frame, right: &'f Frame, word: &str) -> Result<Vec<Pair<'f>>, Error> {
    let (columns, others): (Vec<_>, Vec<_>) = (left.visible().collect(), right.visible().collect());
    if columns.len() != others.len() {
        return Err(Error::analysis(
            "NUM_COLUMNS_MISMATCH",
            &[
                ("operator", word),
                ("firstNumColumns", &columns.len().to_string()),
                ("invalidOrdinalNum", "second"),
                ("invalidNumColumns", &others.len().to_string()),
            ],
        ));
    }
    Ok(columns
        .into_iter()
        .map(Some)
        .zip(others.into_iter().map(Some))
        .collect())
}

fn by_name<'f>(
    left: &'f Frame,
    right: &'f Frame,
    allow_missing: bool,
) -> Result<Vec<Pair<'f>>, Error> {
    let mut pairs: Vec<Pair<'f>> = Vec::new();
    for column in left.visible() {
        let other = right
            .visible()
            .find(|other| same(&other.name, &column.name));
        if other.is_none() && !allow_missing {
            return Err(right.unknown_column(std::slice::from_ref(&column.name)));
        }
        pairs.push((Some(column), other));
    }
    for other in right.visible() {
        if left.visible().any(|column| same(&column.name, &other.name)) {
            continue;
        }
        match allow_missing {
            true => pairs.push((None, Some(other))),
            false => {
                return Err(Error::analysis(
                    "NUM_COLUMNS_MISMATCH",
                    &[
                        ("operator", "UNION"),
                        ("firstNumColumns", &left.visible().count().to_string()),
                        ("invalidOrdinalNum", "second"),
                        ("invalidNumColumns", &right.visible().count().to_string()),
                    ],
                ));
            }
        }
    }
    Ok(pairs)
}

fn common_type(
    left: Option<&Column>,
    right: Option<&Column>,
    word: &str,
    at: usize,
) -> Result<DataType, Error> {
    let types: Vec<DataType> = [left, right]
        .into_iter()
        .flatten()
        .map(|column| column.field.data_type().clone())
        .collect();
    functions::common_type(&types).ok_or_else(|| {
        let shown = |at: usize| {
            format!(
                "\"{}\"",
                types.get(at).map_or(String::new(), types::sql_string)
            )
        };
        Error::analysis(
            "INCOMPATIBLE_COLUMN_TYPE",
            &[
                ("operator", word),
                ("columnOrdinalNumber", &format!("{}th", at + 1)),
                ("tableOrdinalNumber", "second"),
                ("dataType1", &shown(1)),
                ("dataType2", &shown(0)),
                ("hint", ""),
            ],
        )
    })
}
