use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, MatchRecognizePattern, ObjectName, ObjectNamePart, Query,
    Select, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

use super::node::broadcast;
use super::text::{Hint, Meaning, Parameter, hints};

/// Marks what hints in a statement of this text are on, and returns what is to be said of those that come to nothing.
pub(crate) fn mark(statement: &mut Statement, text: &str) -> Vec<String> {
    let mut marker = Marker {
        hints: hints_in(text),
        notices: Vec::new(),
    };
    if !marker.hints.is_empty() {
        marker.statement(statement);
    }
    marker.notices
}

/// The hints behind each `SELECT`, by where that stands. To the parser they are comments.
fn hints_in(text: &str) -> HashMap<(u64, u64), Vec<Hint>> {
    let mut found: HashMap<_, Vec<Hint>> = HashMap::new();
    if !text.contains("/*+") {
        return found;
    }
    let tokens = Tokenizer::new(&SparkSqlDialect, text).tokenize_with_location();
    let mut select = None;
    for token in tokens.unwrap_or_default() {
        match token.token {
            Token::Word(word) if word.keyword == Keyword::SELECT => {
                select = Some(place(token.span.start));
            }
            Token::Whitespace(Whitespace::MultiLineComment(comment)) => {
                if let (Some(select), Some(hints)) = (select, hints(&comment)) {
                    found.entry(select).or_default().extend(hints);
                }
            }
            Token::Whitespace(_) => {}
            _ => select = None,
        }
    }
    found
}

fn place(location: Location) -> (u64, u64) {
    (location.line, location.column)
}

struct Marker {
    hints: HashMap<(u64, u64), Vec<Hint>>,
    notices: Vec<String>,
}

impl VisitorMut for Marker {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        self.body(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Marker {
    fn statement(&mut self, statement: &mut Statement) {
        let ControlFlow::Continue(()) = match statement {
            Statement::Statement(statement) => statement.visit(self),
            Statement::Explain(explain) => return self.statement(&mut explain.statement),
            Statement::CopyTo(copy) => match &mut copy.source {
                CopyToSource::Query(query) => query.visit(self),
                CopyToSource::Relation(_) => return,
            },
            _ => return,
        };
    }

    fn body(&mut self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            // Queries come by themselves.
            _ => {}
        }
    }

    fn select(&mut self, select: &mut Select) {
        let place = place(select.select_token.0.span.start);
        for hint in self.hints.remove(&place).unwrap_or_default() {
            match Meaning::of(&hint.name, &hint.to_string()) {
                Meaning::None(why) => self.notices.push(why),
                Meaning::Broadcast if hint.parameters.is_empty() => mark_all(&mut select.from),
                Meaning::Broadcast => self.by_name(&hint, &mut select.from),
            }
        }
    }

    fn by_name(&mut self, hint: &Hint, from: &mut [TableWithJoins]) {
        for parameter in &hint.parameters {
            let name = match parameter {
                Parameter::Name(parts) => parts.as_slice(),
                Parameter::Other(_) => &[],
            };
            let mut found = false;
            from.iter_mut()
                .for_each(|tables| found |= mark_named(tables, name));
            if !found {
                self.notices.push(format!(
                    "could not find relation '{parameter}' specified in hint '{hint}'"
                ));
            }
        }
    }
}

/// Marks the relations of this name, and says whether there were any. What a subquery reads is not gone into.
fn mark_named(tables: &mut TableWithJoins, name: &[String]) -> bool {
    let joined = tables.joins.iter_mut().map(|join| &mut join.relation);
    let mut found = false;
    for relation in std::iter::once(&mut tables.relation).chain(joined) {
        if let Some(tables) = brackets(relation) {
            found |= mark_named(tables, name);
        } else if is_called(relation, name) {
            found = true;
            mark_relation(relation);
        }
    }
    found
}

/// What stands in brackets that are there for the order of joins.
fn brackets(relation: &mut TableFactor) -> Option<&mut TableWithJoins> {
    match relation {
        TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } => Some(table_with_joins),
        _ => None,
    }
}

/// Whether a relation is called so: by its alias if it has one, and otherwise by the end of its name.
fn is_called(relation: &TableFactor, name: &[String]) -> bool {
    let is = |parts: &[&str]| {
        !name.is_empty()
            && name.len() <= parts.len()
            && parts[parts.len() - name.len()..]
                .iter()
                .zip(name)
                .all(|(part, name)| part.to_lowercase() == name.to_lowercase())
    };
    match relation {
        // It refers to what is on its left, which it has to be seen to stand next to.
        TableFactor::Derived { lateral: true, .. } => false,
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        }
        | TableFactor::NestedJoin {
            alias: Some(alias), ..
        } => is(&[&alias.name.value]),
        TableFactor::Table { name, .. } => {
            let parts = name.0.iter().map(|part| match part {
                ObjectNamePart::Identifier(ident) => ident.value.as_str(),
                ObjectNamePart::Function(_) => "",
            });
            is(&parts.collect::<Vec<_>>())
        }
        _ => false,
    }
}

/// Marks all that a `SELECT` reads as one.
fn mark_all(from: &mut Vec<TableWithJoins>) {
    let mut tables = std::mem::take(from).into_iter();
    let Some(mut all) = tables.next() else {
        return;
    };
    all.joins.extend(tables.map(|table| Join {
        relation: in_brackets(table),
        global: false,
        join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
    }));
    let mut relation = in_brackets(all);
    mark_relation(&mut relation);
    *from = vec![TableWithJoins {
        relation,
        joins: Vec::new(),
    }];
}

fn in_brackets(tables: TableWithJoins) -> TableFactor {
    match tables.joins.is_empty() {
        true => tables.relation,
        false => TableFactor::NestedJoin {
            table_with_joins: Box::new(tables),
            alias: None,
        },
    }
}

/// Wraps a relation in what no statement can say: a `MATCH_RECOGNIZE` of no pattern. The syntax tree has no other place for
/// what is known of any relation.
fn mark_relation(relation: &mut TableFactor) {
    let nothing = TableFactor::Function {
        lateral: false,
        name: ObjectName(Vec::new()),
        args: Vec::new(),
        alias: None,
        with_ordinality: false,
    };
    let table = Box::new(std::mem::replace(relation, nothing));
    *relation = TableFactor::MatchRecognize {
        table,
        partition_by: Vec::new(),
        order_by: Vec::new(),
        measures: Vec::new(),
        rows_per_match: None,
        after_match_skip: None,
        pattern: NO_PATTERN,
        symbols: Vec::new(),
        alias: None,
    };
}

const NO_PATTERN: MatchRecognizePattern = MatchRecognizePattern::Concat(Vec::new());

/// Plans relations that are marked.
#[derive(Debug, Default)]
pub(crate) struct HintedRelations;

impl RelationPlanner for HintedRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::MatchRecognize { table, pattern, .. } if pattern == NO_PATTERN => {
                let plan = broadcast(context.plan(*table)?);
                let planned = PlannedRelation::new(plan, None);
                Ok(RelationPlanning::Planned(Box::new(planned)))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}
