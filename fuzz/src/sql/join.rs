//! Joins, and subqueries that become joins.

use super::{Dialect, Known, Writer, Written, estimate, names, pairs};
use crate::relation::{Join, JoinKind, Order, Pair, Test, TestKind};

impl Writer<'_> {
    pub(super) fn join(&self, join: &Join) -> Written {
        let left = self.relation(&join.left);
        let right = self.relation(&join.right);
        let on = pairs(&left.columns, &right.columns, &join.on, |_| true);
        let pairs = estimate::pairs(&left, &right, &on);
        let conditions = conditions(&left.columns, &right.columns, &on, &join.residual);

        let plain_keys = on.iter().all(|(_, _, null_safe)| !null_safe);
        let using = join.using
            && join.kind.gives_pairs()
            && join.kind != JoinKind::Full
            && plain_keys
            && !on.is_empty();
        let from = match using {
            true => using_sides(&left, &right, &on, join.kind),
            false => self.sides(&left, &right, join.kind, &conditions),
        };
        let mut list = Vec::new();
        let mut columns: Vec<Known> = Vec::new();
        let sides = [
            ("a", &left, join.kind.gives_left()),
            ("b", &right, join.kind.gives_right()),
        ];
        for (side, written, _) in sides.into_iter().filter(|(.., is_given)| *is_given) {
            for (place, column) in written.columns.iter().enumerate() {
                list.push(format!("{side}.c{place} AS c{}", list.len()));
                columns.push(column.clone());
            }
        }
        if using {
            list.push(format!("u0 AS c{}", list.len()));
            columns.push(match join.kind {
                JoinKind::Right => right.columns[on[0].1].clone(),
                _ => left.columns[on[0].0].clone(),
            });
        }
        // A side that may be missing brings nulls.
        for column in &mut columns {
            column.unique = false;
            if !matches!(join.kind, JoinKind::Inner) && join.kind.gives_pairs() {
                column.nulls = column.nulls.max(0.05);
            }
        }
        let mut written = Written {
            sql: format!("SELECT {} FROM {from}", list.join(", ")),
            columns,
            rows: estimate::joined(join.kind, left.rows, right.rows, pairs),
            most_rows: pairs,
            not_for_duckdb: Default::default(),
        };
        written.also(&left);
        written.also(&right);
        written
    }

    fn sides(&self, left: &Written, right: &Written, kind: JoinKind, on: &[String]) -> String {
        let (l, r) = (
            format!("({}) AS a", left.sql),
            format!("({}) AS b", right.sql),
        );
        if on.is_empty() && kind == JoinKind::Inner {
            return format!("{l} CROSS JOIN {r}");
        }
        let on = match on.is_empty() {
            true => "1 = 1".to_owned(),
            false => on.join(" AND "),
        };
        match (self.dialect, kind) {
            (Dialect::DuckDb, JoinKind::LeftSemi) => format!("{l} SEMI JOIN {r} ON {on}"),
            (Dialect::DuckDb, JoinKind::LeftAnti) => format!("{l} ANTI JOIN {r} ON {on}"),
            (Dialect::DuckDb, JoinKind::RightSemi) => format!("{r} SEMI JOIN {l} ON {on}"),
            (Dialect::DuckDb, JoinKind::RightAnti) => format!("{r} ANTI JOIN {l} ON {on}"),
            _ => format!("{l} {} {r} ON {on}", kind.sql()),
        }
    }

    pub(super) fn test(&self, test: &Test) -> Written {
        let input = self.relation(&test.input);
        let inner = self.relation(&test.inner);
        let on = pairs(&input.columns, &inner.columns, &test.on, |_| true);
        let mut correlated = conditions(&input.columns, &inner.columns, &on, &test.residual);
        let matches = estimate::pairs(&input, &inner, &on);
        let is_membership = matches!(test.says, TestKind::In | TestKind::NotIn);
        // IN holds the first pair against each other itself.
        let member = on.first().filter(|_| is_membership).copied();
        if member.is_some() {
            correlated.remove(0);
        }
        let condition = match correlated.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", correlated.join(" AND ")),
        };
        let inner_sql = &inner.sql;
        let is_denied = matches!(test.says, TestKind::NotExists | TestKind::NotIn);
        let not = if is_denied { "NOT " } else { "" };
        let mut says = match member {
            Some((outer, column, _)) => {
                format!(
                    "a.c{outer} {not}IN (SELECT b.c{column} FROM ({inner_sql}) AS b{condition})"
                )
            }
            None => format!("{not}EXISTS (SELECT 1 FROM ({inner_sql}) AS b{condition})"),
        };
        if let Some(or) = &test.or {
            says = format!("({says} OR {})", self.predicate(&input.columns, or, "a."));
        }
        let list = names("a.", input.columns.len());
        let mut written = Written {
            sql: format!("SELECT {list} FROM ({}) AS a WHERE {says}", input.sql),
            columns: input.columns.clone(),
            rows: input.rows,
            // A residual condition is looked at for each pair.
            most_rows: if test.residual.is_empty() {
                0.0
            } else {
                matches
            },
            not_for_duckdb: Default::default(),
        };
        written.also(&input);
        written.also(&inner);
        written
    }
}

fn conditions(
    left: &[Known],
    right: &[Known],
    on: &[(usize, usize, bool)],
    residual: &[(Pair, Order)],
) -> Vec<String> {
    let mut conditions: Vec<String> = on
        .iter()
        .map(|(l, r, null_safe)| match null_safe {
            // DataFusion's parser takes an AND that follows for a part of the right side.
            true => format!("(a.c{l} IS NOT DISTINCT FROM b.c{r})"),
            false => format!("a.c{l} = b.c{r}"),
        })
        .collect();
    for (pair, order) in residual {
        let wanted = std::slice::from_ref(pair);
        let found = pairs(left, right, wanted, |column| column.kind.is_orderable());
        conditions.extend(
            found
                .into_iter()
                .map(|(l, r, _)| format!("a.c{l} {} b.c{r}", order.sign())),
        );
    }
    conditions
}

fn using_sides(
    left: &Written,
    right: &Written,
    on: &[(usize, usize, bool)],
    kind: JoinKind,
) -> String {
    let keys = |side: fn(&(usize, usize, bool)) -> usize| {
        let keys = on.iter().enumerate();
        let keys = keys.map(|(name, pair)| format!(", c{} AS u{name}", side(pair)));
        keys.collect::<String>()
    };
    let names: Vec<String> = (0..on.len()).map(|name| format!("u{name}")).collect();
    format!(
        "(SELECT *{} FROM ({}) AS x) AS a {} (SELECT *{} FROM ({}) AS y) AS b USING ({})",
        keys(|pair| pair.0),
        left.sql,
        kind.sql(),
        keys(|pair| pair.1),
        right.sql,
        names.join(", ")
    )
}
