//! What a DataFrame's columns hold, in numbers: `df.stat`, `describe` and `summary`. Spark's
//! `StatFunctions`.

mod frequent;
mod quantiles;
mod summary;

use std::collections::BTreeSet;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions::math::expr_fn::sqrt;
use datafusion::functions::string::expr_fn::replace;
use datafusion::functions_aggregate::expr_fn::{count, covar_pop, covar_samp, var_pop};
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit, when};
use datafusion::prelude::ident;
use plimsoll_driver::spark_type;
use spark_connect_proto as proto;

use super::missing::{number_or_null, resolve};
use super::{Planner, field};
use crate::error::{Error, Kind};
use crate::expression::{Expressions, Output};
use crate::frame::{Column, Frame};
use crate::functions::{Argument, declared};
use crate::types;

/// How many columns a crosstab may have: Spark's `spark.sql.pivotMaxValues`.
const CROSSTAB_MAX_COLUMNS: usize = 10_000;

impl Planner {
    pub(super) async fn summary(&mut self, asked: &proto::StatSummary) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        self.summarized(input, &asked.statistics)
    }

    pub(super) async fn describe(&mut self, asked: &proto::StatDescribe) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        let outputs = self.columns_named(&input, &asked.cols)?;
        let outputs = outputs.into_iter().map(super::project::passing).collect();
        let input = self.select_rows(input, outputs)?;
        self.summarized(input, &summary::DESCRIBED.map(str::to_owned))
    }

    /// How often each value of one column meets each of another.
    pub(super) async fn crosstab(&mut self, asked: &proto::StatCrosstab) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        let (row, column) = (self.id("row"), self.id("column"));
        let rows = self.shown(&input, &asked.col1)?;
        let columns = replace(self.shown(&input, &asked.col2)?, lit("`"), lit(""));
        let name = format!("{}_{}", asked.col1, asked.col2);
        let pairs = LogicalPlanBuilder::from(input.plan.clone())
            .project(vec![rows.alias(&row), columns.alias(&column)])?
            .build()?;
        let values = self
            .values(
                LogicalPlanBuilder::from(pairs.clone())
                    .project(vec![ident(&column)])?
                    .distinct()?,
            )
            .await?;
        let mut counts = Vec::new();
        let mut made =
            vec![self.column(&name, &row, &[], field(&name, DataType::Utf8, true).into())];
        for value in values {
            let id = self.id(&value);
            let met = when(ident(&column).eq(lit(value.clone())), lit(1)).end()?;
            counts.push(count(met).alias(&id));
            made.push(self.column(
                &value,
                &id,
                &[],
                field(&value, DataType::Int64, false).into(),
            ));
        }
        let plan = LogicalPlanBuilder::from(pairs)
            .aggregate(vec![ident(&row)], counts)?
            .build()?;
        Ok(self.frame(plan, made))
    }

    /// A column as text in which null is a value.
    fn shown(&self, input: &Frame, name: &str) -> Result<Expr, Error> {
        let names = [name.to_owned()];
        let column = match self.columns_named(input, &names)?.as_slice() {
            [column] => column.argument(),
            _ => return Err(Error::internal("a name of several columns")),
        };
        let nullable = column.nullable;
        let text = self.cast(column, &DataType::Utf8)?;
        let text = coalesce(vec![text, lit("null")]);
        Ok(declared(text, DataType::Utf8, nullable))
    }

    /// The values of a plan of one column of text, in order.
    async fn values(&self, plan: LogicalPlanBuilder) -> Result<BTreeSet<String>, Error> {
        let plan = plan.limit(0, Some(CROSSTAB_MAX_COLUMNS + 1))?.build()?;
        let (_, batches) = self.collect(&self.leaf(plan, &[])?).await?;
        let mut values = BTreeSet::new();
        for batch in batches {
            let texts = datafusion::arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
            values.extend(texts.as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        match values.len() > CROSSTAB_MAX_COLUMNS {
            true => Err(Error::analysis(
                "PIVOT_VALUE_COUNT_EXCEEDS_MAX",
                &[
                    ("pivotColumn", "crosstab"),
                    ("maxValues", &CROSSTAB_MAX_COLUMNS.to_string()),
                ],
            )),
            false => Ok(values),
        }
    }

    /// The sample covariance of two columns in which null is 0.
    pub(super) async fn covariance(&mut self, asked: &proto::StatCov) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        let [x, y] = self.both(&input, [&asked.col1, &asked.col2], "covariance")?;
        self.one_number(input, "cov", covar_samp(x, y), 0.0)
    }

    /// Pearson's correlation of two columns in which null is 0.
    pub(super) async fn correlation(&mut self, asked: &proto::StatCorr) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        if asked
            .method
            .as_deref()
            .is_some_and(|method| method != "pearson")
        {
            return Err(requirement(
                "Currently only the calculation of the Pearson Correlation coefficient is supported.",
            ));
        }
        let [x, y] = self.both(&input, [&asked.col1, &asked.col2], "correlation")?;
        let spread = sqrt(var_pop(x.clone()) * var_pop(y.clone()));
        self.one_number(input, "corr", covar_pop(x, y) / spread, f64::NAN)
    }

    fn both(&self, input: &Frame, names: [&str; 2], what: &str) -> Result<[Expr; 2], Error> {
        let [x, y] = names.map(|name| {
            let column = resolve(input, name)?;
            if !is_numeric(column) {
                return Err(requirement(&format!(
                    "Currently {what} calculation for columns with dataType {} not supported.",
                    types::simple_string(column.field.data_type()),
                )));
            }
            let number = self.cast(column.argument(), &DataType::Float64)?;
            Ok(coalesce(vec![number, lit(0.0)]))
        });
        Ok([x?, y?])
    }

    /// A frame of aggregates over all rows, and of `otherwise` if they have no value.
    fn one_number(
        &self,
        input: Frame,
        name: &str,
        aggregate: Expr,
        otherwise: f64,
    ) -> Result<Frame, Error> {
        let number = coalesce(vec![aggregate, lit(otherwise)]);
        let argument = Argument {
            expr: declared(number, DataType::Float64, true),
            data_type: DataType::Float64,
            nullable: true,
            name: name.to_owned(),
        };
        self.aggregate_all(input, vec![Output::of(argument)])
    }

    /// One row with a list of quantiles for each column. NaN is no value here.
    pub(super) async fn approx_quantile(
        &mut self,
        asked: &proto::StatApproxQuantile,
    ) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        if asked.relative_error.is_nan() || asked.relative_error < 0.0 {
            return Err(requirement(&format!(
                "Relative Error must be non-negative but got {}",
                crate::text::double(asked.relative_error)
            )));
        }
        if asked
            .probabilities
            .iter()
            .any(|probability| !(0.0..=1.0).contains(probability))
        {
            return Err(requirement("percentile should be in the range [0.0, 1.0]"));
        }
        let function = quantiles::doubles(&asked.probabilities, asked.relative_error);
        let mut lists = Vec::new();
        for name in &asked.cols {
            let names = [name.clone()];
            for column in self.columns_named(&input, &names)? {
                if !is_numeric(column) {
                    return Err(requirement(&format!(
                        "Quantile calculation for column {name} with data type {} is not supported.",
                        scala_name(column.field.data_type()),
                    )));
                }
                let number = self.cast(column.argument(), &DataType::Float64)?;
                let number = number_or_null(number, &DataType::Float64)?;
                lists.push(function.call(vec![number]));
            }
        }
        let data_type = types::list_of(types::list_of(DataType::Float64, true), true);
        let argument = Argument {
            expr: declared(make_array(lists), data_type.clone(), false),
            data_type,
            nullable: false,
            name: "approx_quantile".to_owned(),
        };
        self.aggregate_all(input, vec![Output::of(argument)])
    }

    /// One row with a list for each column of the items that are found in a share of rows.
    pub(super) async fn freq_items(
        &mut self,
        asked: &proto::StatFreqItems,
    ) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        let support = asked.support.unwrap_or(0.01);
        if !(1e-4..=1.0).contains(&support) {
            return Err(requirement(&format!(
                "Support must be in [1e-4, 1], but got {}.",
                crate::text::double(support)
            )));
        }
        let size = (1.0 / support) as usize;
        let expressions = Expressions::new(self, &input);
        let mut outputs = Vec::new();
        for name in &asked.cols {
            let names = [name.clone()];
            for column in self.columns_named(&input, &names)? {
                let item = column.field.data_type().clone();
                let function = frequent::items(size, item, column.field.is_nullable());
                let name = format!("{name}_freqItems");
                outputs.push(Output::of(
                    expressions.typed(function.call(vec![column.expr()]), name)?,
                ));
            }
        }
        self.aggregate_all(input, outputs)
    }
}

fn is_numeric(column: &Column) -> bool {
    spark_type(column.field.data_type()).is_numeric()
}

/// What Scala's `require` throws.
fn requirement(what: &str) -> Error {
    Error::of_message(Kind::IllegalArgument, format!("requirement failed: {what}"))
}

/// The name of a type's class in Spark: `StringType`.
fn scala_name(data_type: &DataType) -> String {
    let name = types::type_name(data_type);
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first
        .into_iter()
        .chain(letters)
        .chain("Type".chars())
        .collect()
}
