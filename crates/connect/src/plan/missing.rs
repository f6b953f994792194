//! Rows and values that are missing: `df.na`. Spark's `DataFrameNaFunctions`.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions::math::expr_fn::isnan;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::utils::{conjunction, disjunction};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit, not, when};
use plimsoll_driver::spark_type;
use spark_connect_proto as proto;

use super::Planner;
use super::project::passing;
use crate::error::Error;
use crate::expression::{Expressions, Output, needed, scalar};
use crate::frame::{Column, Frame};
use crate::functions::{self, Argument};
use crate::identifier;

/// The columns that a value goes with: `df.na.fill(0)` leaves strings alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Boolean,
}

impl Kind {
    fn of(data_type: &DataType) -> Option<Self> {
        match spark_type(data_type) {
            DataType::Boolean => Some(Self::Boolean),
            DataType::Utf8 => Some(Self::Text),
            other => other.is_numeric().then_some(Self::Number),
        }
    }
}

impl Planner {
    pub(super) async fn fill_na(&mut self, fill: &proto::NaFill) -> Result<Frame, Error> {
        let input = self.input(&fill.input).await?;
        let mut values = Vec::new();
        for literal in &fill.values {
            values.push(scalar(literal, self.time_zone())?);
        }
        match values.as_slice() {
            [value] => self.fill_alike(input, value, &fill.cols),
            _ if values.len() == fill.cols.len() => self.fill_each(input, &fill.cols, &values),
            _ => Err(Error::internal(
                "a fill with another number of values than columns",
            )),
        }
    }

    /// One value for all columns that it goes with.
    fn fill_alike(
        &self,
        input: Frame,
        value: &ScalarValue,
        names: &[String],
    ) -> Result<Frame, Error> {
        let chosen = chosen(&input, names)?;
        let kind = Kind::of(&value.data_type());
        let mut outputs = Vec::new();
        for column in input.visible() {
            let fits = kind.is_some() && kind == Kind::of(column.field.data_type());
            outputs.push(match fits && is_among(&chosen, column) {
                true => self.filled(&input, column, value)?,
                false => passing(column),
            });
        }
        self.select_rows(input, outputs)
    }

    /// A value for each of some columns, cast to the column's type whatever that is.
    fn fill_each(
        &self,
        input: Frame,
        names: &[String],
        values: &[ScalarValue],
    ) -> Result<Frame, Error> {
        let mut chosen = Vec::new();
        for (name, value) in names.iter().zip(values) {
            chosen.push((resolve(&input, name)?, value));
        }
        let mut outputs = Vec::new();
        for column in input.visible() {
            let value = chosen
                .iter()
                .rev()
                .find(|(chosen, _)| chosen.id == column.id);
            outputs.push(match value {
                Some((_, value)) => self.filled(&input, column, value)?,
                None => passing(column),
            });
        }
        self.select_rows(input, outputs)
    }

    fn filled(&self, input: &Frame, column: &Column, value: &ScalarValue) -> Result<Output, Error> {
        let to = spark_type(column.field.data_type());
        let present = match to.is_floating() {
            true => number_or_null(column.expr(), &to)?,
            false => self.cast(column.argument(), &to)?,
        };
        let replacement = self.replacement(value, &to)?;
        let expr = coalesce(vec![present, replacement]);
        let argument = Expressions::new(self, input).typed(expr, column.name.clone())?;
        Ok(Output::of(argument))
    }

    /// The value cast to a type, nullable where Spark does not look what comes of it.
    fn replacement(&self, value: &ScalarValue, to: &DataType) -> Result<Expr, Error> {
        if value.is_null() {
            return Ok(self.null(to)?.expr);
        }
        let cast = self.cast(literal(value), to)?;
        Ok(match may_be_lost(&value.data_type(), to) {
            true => functions::declared(cast, to.clone(), true),
            false => cast,
        })
    }

    /// Keeps the rows with enough values that are neither null nor NaN: Spark's `AtLeastNNonNulls`.
    pub(super) async fn drop_na(&mut self, drop: &proto::NaDrop) -> Result<Frame, Error> {
        let input = self.input(&drop.input).await?;
        let present: Vec<Expr> = chosen(&input, &drop.cols)?
            .into_iter()
            .map(is_present)
            .collect();
        let all = i32::try_from(present.len()).unwrap_or(i32::MAX);
        let least = drop.min_non_nulls.unwrap_or(all);
        let kept = match least {
            ..=0 => None,
            _ if least > all => Some(lit(false)),
            _ if least == all => conjunction(present),
            1 => disjunction(present),
            _ => present
                .into_iter()
                .map(|present| when(present, lit(1)).otherwise(lit(0)))
                .reduce(|sum, one| Ok(sum? + one?))
                .transpose()?
                .map(|sum| sum.gt_eq(lit(least))),
        };
        let Some(kept) = kept else {
            return Ok(input);
        };
        let plan = LogicalPlanBuilder::from(input.plan.clone())
            .filter(kept)?
            .build()?;
        Ok(input.over(plan))
    }

    pub(super) async fn replace(&mut self, replace: &proto::NaReplace) -> Result<Frame, Error> {
        let input = self.input(&replace.input).await?;
        let mut pairs = Vec::new();
        for pair in &replace.replacements {
            let old = scalar(
                needed(pair.old_value.as_ref(), "a value to replace")?,
                self.time_zone(),
            )?;
            let new = scalar(
                needed(pair.new_value.as_ref(), "a replacement")?,
                self.time_zone(),
            )?;
            pairs.push((widened(old)?, widened(new)?));
        }
        let Some((first, _)) = pairs.first() else {
            return Ok(input);
        };
        // The first value to replace says which columns are meant.
        let kind = Kind::of(&first.data_type());
        let chosen = chosen(&input, &replace.cols)?;
        let mut outputs = Vec::new();
        for column in input.visible() {
            let fits = kind.is_some() && kind == Kind::of(column.field.data_type());
            outputs.push(match fits && is_among(&chosen, column) {
                true => self.replaced(&input, column, &pairs)?,
                false => passing(column),
            });
        }
        self.select_rows(input, outputs)
    }

    fn replaced(
        &self,
        input: &Frame,
        column: &Column,
        pairs: &[(ScalarValue, ScalarValue)],
    ) -> Result<Output, Error> {
        let to = spark_type(column.field.data_type());
        let expressions = Expressions::new(self, input);
        let expr = self.cast(column.argument(), &to)?;
        let argument = expressions.typed(expr, column.name.clone())?;
        let mut branches = Vec::new();
        for (old, new) in pairs.iter().filter(|(old, _)| !old.is_null()) {
            let both = vec![argument.clone(), literal(old)];
            let is_old = functions::call("==", both, false, &self.environment())?;
            let new = self.replacement(new, &to)?;
            branches.push((Box::new(is_old), Box::new(new)));
        }
        if branches.is_empty() {
            return Ok(passing(column));
        }
        let unchanged = Some(Box::new(argument.expr));
        let expr = Expr::Case(Case::new(None, branches, unchanged));
        Ok(Output::of(expressions.typed(expr, column.name.clone())?))
    }
}

/// The columns of these names, or all if there are none.
fn chosen<'f>(frame: &'f Frame, names: &[String]) -> Result<Vec<&'f Column>, Error> {
    match names.is_empty() {
        true => Ok(frame.visible().collect()),
        false => names.iter().map(|name| resolve(frame, name)).collect(),
    }
}

fn is_among(chosen: &[&Column], column: &Column) -> bool {
    chosen.iter().any(|chosen| chosen.id == column.id)
}

/// The column of a name as Spark's `Dataset.resolve` finds it: for want of it all names are told.
pub(super) fn resolve<'f>(frame: &'f Frame, name: &str) -> Result<&'f Column, Error> {
    let parts = identifier::parts(name)?;
    match frame.find(&parts, None)? {
        Some(found) if found.fields == parts.len() => Ok(found.column),
        Some(_) => Err(Error::unsupported(format!(
            "Nested field {name} is not supported."
        ))),
        None => {
            let names: Vec<String> = frame
                .names()
                .into_iter()
                .map(|name| identifier::quoted(&[name]))
                .collect();
            let name = identifier::quoted(&parts);
            Err(Error::analysis(
                "UNRESOLVED_COLUMN.WITH_SUGGESTION",
                &[("objectName", &name), ("proposal", &names.join(", "))],
            ))
        }
    }
}

/// Whether there is a value, and a number where it is one of floating point.
fn is_present(column: &Column) -> Expr {
    let expr = column.expr();
    match column.field.data_type().is_floating() {
        true => expr.clone().is_not_null().and(not(isnan(expr))),
        false => expr.is_not_null(),
    }
}

/// The number, or null for NaN.
pub(super) fn number_or_null(expr: Expr, data_type: &DataType) -> Result<Expr, Error> {
    let null = Expr::Literal(ScalarValue::try_from(data_type)?, None);
    Ok(when(isnan(expr.clone()), null).otherwise(expr)?)
}

/// Whether a value may be null after a cast: Spark's `Cast.forceNullable`.
fn may_be_lost(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (from, to) if from == to => false,
        (_, DataType::Utf8) => false,
        (DataType::Utf8, _) | (_, DataType::Date32) => true,
        // Of whole numbers of 64 bits; of doubles Spark is never sure.
        (from, DataType::Decimal128(precision, scale)) => {
            from.is_floating() || i16::from(*precision) - i16::from(*scale) < 20
        }
        (from, to) => from.is_floating() && to.is_integer(),
    }
}

/// Replacements of numbers are doubles.
fn widened(value: ScalarValue) -> Result<ScalarValue, Error> {
    match value.data_type().is_numeric() && !value.is_null() {
        true => Ok(value.cast_to(&DataType::Float64)?),
        false => Ok(value),
    }
}

fn literal(value: &ScalarValue) -> Argument {
    Argument {
        expr: Expr::Literal(value.clone(), None),
        data_type: value.data_type(),
        nullable: value.is_null(),
        name: value.to_string(),
    }
}
