//! A DataFrame while it is being planned: a DataFusion plan whose columns have names of their own.
//!
//! Spark lets two columns of a DataFrame have the same name and tells them apart by an id (`id#12`).
//! DataFusion wants every column of a plan to have another name. So each column of a plan here is
//! called by its name and a number, and what a client sees of it stands beside the plan.

use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::common::Column as PlanColumn;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::error::Error;
use crate::functions::Argument;
use crate::identifier;

/// A column of a frame.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// What the client calls it.
    pub(crate) name: String,
    /// The parts of the alias or table it came from: `["a"]` after `df.alias("a")`.
    pub(crate) qualifier: Vec<String>,
    /// What the plan calls it; no two columns of a frame share it.
    pub(crate) id: String,
    pub(crate) field: FieldRef,
    /// A column that only answers to a name it had before: the right side's key after USING.
    pub(crate) hidden: bool,
}

impl Column {
    pub(crate) fn expr(&self) -> Expr {
        Expr::Column(PlanColumn::new_unqualified(&self.id))
    }

    pub(crate) fn argument(&self) -> Argument {
        Argument {
            expr: self.expr(),
            data_type: self.field.data_type().clone(),
            nullable: self.field.is_nullable(),
            name: self.name.clone(),
        }
    }
}

/// The columns that a part of the client's plan had: what `df.x` means.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) plan_id: i64,
    /// How many relations above that part this frame is.
    pub(crate) depth: usize,
    /// Names and ids.
    pub(crate) columns: Arc<Vec<(String, String)>>,
}

/// A projection that can still be widened: `df.select("a").orderBy("b")` finds `b` below it.
#[derive(Debug, Clone)]
pub(crate) struct Projected {
    pub(crate) input: Frame,
    pub(crate) exprs: Vec<Expr>,
}

/// A DataFrame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) plan: LogicalPlan,
    /// In the client's order, the hidden ones included.
    pub(crate) columns: Vec<Column>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) projected: Option<Arc<Projected>>,
}

impl Frame {
    /// The columns that a client sees.
    pub(crate) fn visible(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.hidden)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.visible().map(|column| column.name.clone()).collect()
    }

    /// The schema under the client's names.
    pub(crate) fn schema(&self) -> Schema {
        let fields: Vec<_> = self
            .visible()
            .map(|column| column.field.as_ref().clone().with_name(&column.name))
            .collect();
        Schema::new(fields)
    }

    /// Remembers these columns as those of the client's plan of this id.
    pub(crate) fn known_as(mut self, plan_id: Option<i64>) -> Self {
        for scope in &mut self.scopes {
            scope.depth += 1;
        }
        if let Some(plan_id) = plan_id {
            let columns = self
                .visible()
                .map(|column| (column.name.clone(), column.id.clone()))
                .collect();
            self.scopes.push(Scope {
                plan_id,
                depth: 0,
                columns: Arc::new(columns),
            });
        }
        self
    }

    /// The column of this name, any case; of `plan_id`'s, if it is given.
    ///
    /// # Errors
    /// If there is none (the caller may look elsewhere), or several.
    pub(crate) fn find(
        &self,
        parts: &[String],
        plan_id: Option<i64>,
    ) -> Result<Option<Found<'_>>, Error> {
        match plan_id {
            Some(plan_id) => self.find_in_plan(parts, plan_id),
            None => self.find_by_name(parts),
        }
    }

    fn find_in_plan(&self, parts: &[String], plan_id: i64) -> Result<Option<Found<'_>>, Error> {
        let mut found: Vec<Found<'_>> = Vec::new();
        let mut nearest = usize::MAX;
        let mut scopes: Vec<&Scope> = self
            .scopes
            .iter()
            .filter(|scope| scope.plan_id == plan_id)
            .collect();
        scopes.sort_by_key(|scope| scope.depth);
        for scope in scopes {
            // The nearest one is meant, as in Spark; `data.join(data.groupBy(…).count(), data.k == …)`.
            if scope.depth > nearest {
                break;
            }
            let ids = scope
                .columns
                .iter()
                .filter(|(name, _)| same(name, &parts[0]));
            for (_, id) in ids {
                let column = self.columns.iter().find(|column| column.id == *id);
                if let Some(column) = column
                    && !found.iter().any(|found| found.column.id == column.id)
                {
                    nearest = scope.depth;
                    found.push(Found { column, fields: 1 });
                }
            }
        }
        match found.len() {
            0 if !self.scopes.iter().any(|scope| scope.plan_id == plan_id) => {
                // A DataFrame that is no part of this one; a name may still do, as in Spark.
                self.find_by_name(parts)
            }
            0 => self.find_by_name(parts),
            1 => Ok(found.pop()),
            _ => Err(Error::analysis(
                "AMBIGUOUS_COLUMN_REFERENCE",
                &[("name", &identifier::quoted(parts))],
            )),
        }
    }

    fn find_by_name(&self, parts: &[String]) -> Result<Option<Found<'_>>, Error> {
        let qualified = self.matching(|column| qualified(column, parts));
        let found = match qualified.is_empty() {
            false => qualified,
            true => self.matching(|column| same(&column.name, &parts[0]).then_some(1)),
        };
        // A hidden column answers only where no visible one does.
        let visible: Vec<_> = found.iter().filter(|found| !found.column.hidden).collect();
        match (visible.as_slice(), found.as_slice()) {
            ([one], _) => Ok(Some(**one)),
            ([], []) => Ok(None),
            ([], [one, ..]) => Ok(Some(*one)),
            (several, _) => {
                let references: Vec<String> = several
                    .iter()
                    .map(|found| {
                        let column = found.column;
                        let parts = column.qualifier.iter().chain([&column.name]);
                        identifier::quoted(&parts.cloned().collect::<Vec<_>>())
                    })
                    .collect();
                let references = format!("[{}]", references.join(", "));
                let name = identifier::quoted(parts);
                Err(Error::analysis(
                    "AMBIGUOUS_REFERENCE",
                    &[("name", &name), ("referenceNames", &references)],
                ))
            }
        }
    }

    fn matching(&self, matches: impl Fn(&Column) -> Option<usize>) -> Vec<Found<'_>> {
        self.columns
            .iter()
            .filter_map(|column| matches(column).map(|fields| Found { column, fields }))
            .collect()
    }

    /// The error of a name that is nowhere.
    pub(crate) fn unknown_column(&self, parts: &[String]) -> Error {
        let name = identifier::quoted(parts);
        let mut names: Vec<String> = self.visible().map(|column| column.name.clone()).collect();
        let wanted = parts.last().map(String::as_str).unwrap_or_default();
        names.sort_by_key(|name| distance(name, wanted));
        names.truncate(5);
        match names.is_empty() {
            true => Error::analysis(
                "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
                &[("objectName", &name)],
            ),
            false => {
                let proposal: Vec<String> = names
                    .into_iter()
                    .map(|name| identifier::quoted(&[name]))
                    .collect();
                Error::analysis(
                    "UNRESOLVED_COLUMN.WITH_SUGGESTION",
                    &[("objectName", &name), ("proposal", &proposal.join(", "))],
                )
            }
        }
    }
}

/// A column, and how many parts of the name it took: the rest are fields inside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) column: &'a Column,
    pub(crate) fields: usize,
}

fn qualified(column: &Column, parts: &[String]) -> Option<usize> {
    let longest = column.qualifier.len().min(parts.len().saturating_sub(1));
    (1..=longest).rev().find_map(|count| {
        let tail = &column.qualifier[column.qualifier.len() - count..];
        let matches = tail.iter().zip(parts).all(|(a, b)| same(a, b));
        (matches && same(&column.name, &parts[count])).then_some(count + 1)
    })
}

/// Names have no case, as in Spark by default.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

fn distance(a: &str, b: &str) -> usize {
    strsim::levenshtein(&a.to_lowercase(), &b.to_lowercase())
}
