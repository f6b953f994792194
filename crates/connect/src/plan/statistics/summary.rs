//! `summary` and `describe`: a row of text for each statistic, and a column for each of numbers or
//! strings. Spark's `StatFunctions.summary`.

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::functions_nested::expr_fn::array_element;
use datafusion::logical_expr::{Expr, lit};
use plimsoll_driver::spark_type;

use super::{is_numeric, quantiles, requirement};
use crate::error::{Error, Kind};
use crate::expression::{Expressions, Generator, Output};
use crate::frame::{Column, Frame};
use crate::functions::{self, Argument};
use crate::plan::{Planner, field};

/// What `describe` tells.
pub(super) const DESCRIBED: [&str; 5] = ["count", "mean", "stddev", "min", "max"];
/// What `summary` tells when nothing is asked for.
const SUMMARIZED: [&str; 8] = ["count", "mean", "stddev", "min", "25%", "50%", "75%", "max"];
/// One in 10,000: Spark's `ApproximatePercentile.DEFAULT_PERCENTILE_ACCURACY`.
const RELATIVE_ERROR: f64 = 1e-4;

enum Statistic {
    /// A function of the column as it is.
    OfValues(&'static str),
    /// A function of the column as numbers: strings are read as such.
    OfNumbers(&'static str),
    CountDistinct,
    /// The percentile at this place among those that are asked for.
    Percentile(usize),
}

impl Planner {
    /// The statistics of these names.
    ///
    /// # Errors
    /// If there is one that Spark does not have.
    pub(super) fn summarized(&self, input: Frame, names: &[String]) -> Result<Frame, Error> {
        let names = match names.is_empty() {
            true => SUMMARIZED.map(str::to_owned).to_vec(),
            false => names.to_vec(),
        };
        let fractions = fractions(&names)?;
        let columns: Vec<&Column> = input.visible().filter(|column| is_told(column)).collect();
        if columns.is_empty() {
            return self.names_alone(&names);
        }
        let statistics = statistics(&names)?;
        let mut outputs = Vec::new();
        for column in &columns {
            // By its name, as in Spark: there may be two of it.
            input.find(std::slice::from_ref(&column.name), None)?;
            for statistic in &statistics {
                outputs.push(self.statistic(&input, column, statistic, &fractions)?);
            }
        }
        let mut told = vec!["summary".to_owned()];
        told.extend(columns.iter().map(|column| column.name.clone()));
        let row = self.aggregate_all(input, outputs)?;
        self.turned(row, &names, told)
    }

    /// The text of one statistic of one column.
    fn statistic(
        &self,
        input: &Frame,
        column: &Column,
        statistic: &Statistic,
        fractions: &[f64],
    ) -> Result<Output, Error> {
        let expressions = Expressions::new(self, input);
        let environment = self.environment();
        let expr = match statistic {
            Statistic::OfValues(name) => {
                functions::call(name, vec![column.argument()], false, &environment)?
            }
            Statistic::CountDistinct => {
                functions::call("count", vec![column.argument()], true, &environment)?
            }
            Statistic::OfNumbers(name) => {
                let numbers = expressions.typed(self.numbers(column)?, column.name.clone())?;
                functions::call(name, vec![numbers], false, &environment)?
            }
            Statistic::Percentile(at) => {
                let numbers = expressions.typed(self.numbers(column)?, column.name.clone())?;
                let written_as = numbers.data_type.clone();
                let numbers = self.cast(numbers, &DataType::Float64)?;
                let texts = quantiles::texts(fractions, RELATIVE_ERROR, &written_as);
                array_element(texts.call(vec![numbers]), lit(*at as i64 + 1))
            }
        };
        let argument = expressions.typed(expr, column.name.clone())?;
        let text = self.cast(argument, &DataType::Utf8)?;
        Ok(Output::of(expressions.typed(text, column.name.clone())?))
    }

    fn numbers(&self, column: &Column) -> Result<Expr, Error> {
        match is_numeric(column) {
            true => self.cast(column.argument(), &spark_type(column.field.data_type())),
            false => functions::cast(
                column.argument(),
                &DataType::Float64,
                true,
                &self.environment(),
            ),
        }
    }

    /// From one row with all statistics of the first column and then the others', to a row for each
    /// statistic.
    fn turned(&self, row: Frame, names: &[String], told: Vec<String>) -> Result<Frame, Error> {
        let values: Vec<&Column> = row.visible().collect();
        let mut arguments = vec![literal(lit(names.len() as i32), DataType::Int32)];
        for (at, name) in names.iter().enumerate() {
            arguments.push(literal(lit(name.clone()), DataType::Utf8));
            let of_columns = values.iter().skip(at).step_by(names.len());
            arguments.extend(of_columns.map(|column| column.argument()));
        }
        let generator = Generator {
            function: "stack".to_owned(),
            arguments,
            names: told,
        };
        self.generate(row, vec![Output::generated(generator)])
    }

    fn names_alone(&self, names: &[String]) -> Result<Frame, Error> {
        let schema = Schema::new(vec![field("summary", DataType::Utf8, true)]);
        let names: ArrayRef = std::sync::Arc::new(StringArray::from_iter_values(names));
        self.table(RecordBatch::try_new(schema.into(), vec![names])?)
    }
}

fn is_told(column: &Column) -> bool {
    is_numeric(column) || spark_type(column.field.data_type()) == DataType::Utf8
}

/// The percentiles among the names, as shares of 1.
fn fractions(names: &[String]) -> Result<Vec<f64>, Error> {
    let percents = names
        .iter()
        .filter_map(|name| Some((name, name.strip_suffix('%')?)));
    let mut fractions = Vec::new();
    for (name, percent) in percents {
        let percent: f64 = percent.trim().parse().map_err(|_| unrecognized(name))?;
        fractions.push(percent / 100.0);
    }
    match fractions
        .iter()
        .all(|fraction| (0.0..=1.0).contains(fraction))
    {
        true => Ok(fractions),
        false => Err(requirement("Percentiles must be in the range [0, 1]")),
    }
}

fn statistics(names: &[String]) -> Result<Vec<Statistic>, Error> {
    let mut percentiles = 0..;
    let mut statistics = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return Err(Error::new(
                Kind::Runtime,
                "DUPLICATED_MAP_KEY",
                &[
                    ("key", name),
                    ("mapKeyDedupPolicy", "\"spark.sql.mapKeyDedupPolicy\""),
                ],
            ));
        }
        statistics.push(match name.to_lowercase().as_str() {
            "count" => Statistic::OfValues("count"),
            "count_distinct" => Statistic::CountDistinct,
            "approx_count_distinct" => Statistic::OfValues("approx_count_distinct"),
            "mean" => Statistic::OfNumbers("avg"),
            "stddev" => Statistic::OfNumbers("stddev"),
            "min" => Statistic::OfValues("min"),
            "max" => Statistic::OfValues("max"),
            percentile if percentile.ends_with('%') => {
                Statistic::Percentile(percentiles.next().unwrap_or_default())
            }
            _ => return Err(unrecognized(name)),
        });
    }
    Ok(statistics)
}

fn unrecognized(name: &str) -> Error {
    Error::new(
        Kind::IllegalArgument,
        "UNRECOGNIZED_STATISTIC",
        &[("stats", &format!("'{name}'"))],
    )
}

fn literal(expr: Expr, data_type: DataType) -> Argument {
    Argument {
        expr,
        data_type,
        nullable: false,
        name: String::new(),
    }
}
