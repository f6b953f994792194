//! `*`, `t.*`, `s.*`, and columns by a regular expression.

use datafusion::arrow::datatypes::DataType;
use spark_connect_proto as proto;

use super::{Expressions, Output};
use crate::error::Error;
use crate::frame::{Column, same};
use crate::identifier;

impl Expressions<'_> {
    pub(super) fn star(
        &self,
        star: &proto::expression::UnresolvedStar,
    ) -> Result<Vec<Output>, Error> {
        if let Some(target) = &star.unparsed_target {
            let target = target.strip_suffix(".*").unwrap_or(target);
            return self.star_of(&identifier::parts(target)?);
        }
        let columns: Vec<&Column> = match star.plan_id {
            None => self.frame.visible().collect(),
            Some(plan_id) => self
                .frame
                .scopes
                .iter()
                .filter(|scope| scope.plan_id == plan_id)
                .flat_map(|scope| scope.columns.iter())
                .filter_map(|(_, id)| self.frame.columns.iter().find(|column| column.id == *id))
                .collect(),
        };
        Ok(columns.into_iter().map(as_it_stands).collect())
    }

    /// `t.*`: the columns of an alias, or else the fields of a struct.
    fn star_of(&self, target: &[String]) -> Result<Vec<Output>, Error> {
        let of_alias: Vec<Output> = self
            .frame
            .visible()
            .filter(|column| {
                column.qualifier.len() >= target.len()
                    && column.qualifier[column.qualifier.len() - target.len()..]
                        .iter()
                        .zip(target)
                        .all(|(a, b)| same(a, b))
            })
            .map(as_it_stands)
            .collect();
        if !of_alias.is_empty() {
            return Ok(of_alias);
        }
        let found = self.frame.find(target, None)?;
        let found = found.ok_or_else(|| self.frame.unknown_column(target))?;
        let mut value = found.column.argument();
        for field in &target[found.fields..] {
            value = self.field_named(value, field)?;
        }
        let DataType::Struct(fields) = value.data_type.clone() else {
            return Err(self.frame.unknown_column(target));
        };
        fields
            .iter()
            .map(|field| Ok(Output::of(self.field_named(value.clone(), field.name())?)))
            .collect()
    }

    /// The columns whose whole name a regular expression in backticks matches.
    pub(super) fn regex(
        &self,
        regex: &proto::expression::UnresolvedRegex,
    ) -> Result<Vec<Output>, Error> {
        let pattern = regex.col_name.trim_matches('`');
        let pattern = regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
            .case_insensitive(true)
            .build()
            .map_err(|error| Error::internal(format!("colRegex: {error}")))?;
        Ok(self
            .frame
            .visible()
            .filter(|column| pattern.is_match(&column.name))
            .map(as_it_stands)
            .collect())
    }
}

fn as_it_stands(column: &Column) -> Output {
    Output {
        column: Some(column.clone()),
        ..Output::of(column.argument())
    }
}
