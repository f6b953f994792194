//! Relations to SQL. Each relation becomes a SELECT whose columns are `c0`, `c1`, …; whoever reads it puts
//! it into parentheses.

mod aggregate;
mod estimate;
mod join;
mod window;

use std::collections::BTreeSet;

use crate::case::{Spread, Table};
use crate::kind::Kind;
use crate::relation::{Pair, Predicate, Relation, Says, Set, Sort};

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// DataFusion's, which is the subject's too.
    DataFusion,
    /// DuckDB's.
    DuckDb,
}

/// A relation as SQL, and what is known of its rows.
#[derive(Debug, Clone)]
pub struct Written {
    /// The text, a SELECT.
    pub sql: String,
    /// Its columns, which are called `c0`, `c1`, ….
    pub columns: Vec<Known>,
    /// About how many rows it has.
    pub rows: f64,
    /// About how many rows the largest of all its parts has.
    pub most_rows: f64,
    /// Why DuckDB would answer something else, or nothing.
    pub not_for_duckdb: BTreeSet<&'static str>,
}

/// What is known of a column.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its type.
    pub kind: Kind,
    /// The first of its ordinals.
    pub first: u64,
    /// About how many values it has.
    pub distinct: f64,
    /// About which share of the rows has its most frequent value.
    pub hottest: f64,
    /// About which share of the rows is null.
    pub nulls: f64,
    /// Whether it may have special values.
    pub special: bool,
    /// Whether each row has another value.
    pub unique: bool,
}

impl Known {
    /// A column that was computed, of about `rows` values.
    fn computed(kind: Kind, rows: f64) -> Self {
        Self {
            kind,
            first: 0,
            distinct: rows.max(1.0),
            hottest: 1.0 / rows.max(1.0),
            nulls: 0.0,
            special: false,
            unique: false,
        }
    }
}

/// Writes a relation.
pub fn write(relation: &Relation, tables: &[Table], dialect: Dialect) -> Written {
    Writer { tables, dialect }.relation(relation)
}

struct Writer<'a> {
    tables: &'a [Table],
    dialect: Dialect,
}

impl Writer<'_> {
    fn relation(&self, relation: &Relation) -> Written {
        let mut written = match relation {
            Relation::Table(number) => self.table(*number),
            Relation::Project(input, columns) => self.project(input, columns),
            Relation::Filter(input, predicate) => self.filter(input, predicate),
            Relation::Join(join) => self.join(join),
            Relation::Test(test) => self.test(test),
            Relation::Aggregate(aggregate) => self.aggregate(aggregate),
            Relation::Distinct(input, columns) => self.distinct(input, columns),
            Relation::Window(window) => self.window(window),
            Relation::Sort(sort) => self.sort(sort),
            Relation::Set(set) => self.set(set),
        };
        written.most_rows = written.most_rows.max(written.rows);
        written
    }

    fn table(&self, number: u16) -> Written {
        let number = usize::from(number) % self.tables.len();
        let table = &self.tables[number];
        let rows = table.row_count();
        let mut not_for_duckdb = BTreeSet::new();
        let known = table.columns.iter().map(|column| {
            if column.specials > 0 && matches!(column.kind, Kind::Whole { .. } | Kind::Float { .. })
            {
                not_for_duckdb.insert("overflow, NaN or -0");
            }
            if matches!(
                column.kind,
                Kind::Decimal {
                    precision: 39..,
                    ..
                }
            ) {
                not_for_duckdb.insert("decimals of more than 38 digits");
            }
            Known {
                kind: column.kind.clone(),
                first: column.first,
                distinct: (column.spread.distinct(rows).max(1) as f64)
                    .min(column.kind.distinct_values()),
                hottest: column
                    .spread
                    .hottest(rows)
                    .max(column.kind.commonest_share()),
                nulls: f64::from(column.nulls) / 100.0,
                special: column.specials > 0,
                unique: column.spread == Spread::Unique
                    && (column.nulls, column.specials) == (0, 0)
                    && matches!(column.kind, Kind::Whole { bits: 32.., .. }),
            }
        });
        let known: Vec<Known> = known.collect();
        Written {
            sql: format!("SELECT {} FROM t{number}", names("", known.len())),
            columns: known,
            rows: rows as f64,
            most_rows: rows as f64,
            not_for_duckdb,
        }
    }

    fn project(&self, input: &Relation, columns: &[u16]) -> Written {
        let input = self.relation(input);
        let places = places(&input.columns, columns, |_| true);
        let list = renamed("", &places);
        input.select(&list, "", &places)
    }

    fn distinct(&self, input: &Relation, columns: &[u16]) -> Written {
        let input = self.relation(input);
        let places = places(&input.columns, columns, |_| true);
        let list = format!("DISTINCT {}", renamed("", &places));
        let groups = estimate::groups(&input, &places);
        let mut written = input.select(&list, "", &places);
        written.rows = groups;
        written
    }

    fn filter(&self, input: &Relation, predicate: &Predicate) -> Written {
        let input = self.relation(input);
        let condition = self.predicate(&input.columns, predicate, "");
        let share = estimate::share_of(&input.columns, predicate);
        let all: Vec<usize> = (0..input.columns.len()).collect();
        let list = names("", all.len());
        let mut written = input.select(&list, &format!(" WHERE {condition}"), &all);
        written.rows *= share;
        written
    }

    fn sort(&self, sort: &Sort) -> Written {
        let input = self.relation(&sort.input);
        let wanted: Vec<u16> = sort.columns.iter().map(|column| column.column).collect();
        let places = places(&input.columns, &wanted, |column| column.kind.is_orderable());
        let list = renamed("", &places);
        // Where no column will do there is one row for all: the first of the list stands for it.
        let orders = places.iter().zip(&sort.columns).enumerate();
        let orders: Vec<String> = orders
            .map(|(name, (_, column))| {
                let direction = if column.descending { "DESC" } else { "ASC" };
                let nulls = if column.nulls_first { "FIRST" } else { "LAST" };
                format!("c{name} {direction} NULLS {nulls}")
            })
            .collect();
        let mut clause = String::new();
        if !orders.is_empty() {
            clause.push_str(&format!(" ORDER BY {}", orders.join(", ")));
        }
        if let Some(limit) = sort.limit {
            clause.push_str(&format!(" LIMIT {limit}"));
        }
        if sort.offset > 0 {
            clause.push_str(&format!(" OFFSET {}", sort.offset));
        }
        // In two steps, so that a name in ORDER BY can only be that of a column that comes out.
        let all: Vec<usize> = (0..places.len()).collect();
        let mut written =
            input
                .select(&list, "", &places)
                .select(&names("", all.len()), &clause, &all);
        if let Some(limit) = sort.limit {
            written.rows = written.rows.min(f64::from(limit));
        }
        written
    }

    fn set(&self, set: &Set) -> Written {
        let left = self.relation(&set.left);
        let right = self.relation(&set.right);
        let pairs = pairs(&left.columns, &right.columns, &set.on, |_| true);
        let (from_left, from_right): (Vec<usize>, Vec<usize>) =
            pairs.iter().map(|(left, right, _)| (*left, *right)).unzip();
        let rows = left.rows + right.rows;
        let right = right.select(&renamed("", &from_right), "", &from_right);
        let mut written = left.select(&renamed("", &from_left), "", &from_left);
        written.sql = format!("{} {} {}", written.sql, set.operation.sql(), right.sql);
        written.rows = rows;
        written.also(&right);
        for (column, other) in written.columns.iter_mut().zip(&right.columns) {
            column.special |= other.special;
            column.distinct += other.distinct;
            column.unique = false;
        }
        // A set operation binds less than what may follow it.
        let all = names("", written.columns.len().max(1));
        written.sql = format!("SELECT {all} FROM ({}) AS s", written.sql);
        written
    }

    /// A predicate as a condition; `prefix` comes before the column.
    fn predicate(&self, columns: &[Known], predicate: &Predicate, prefix: &str) -> String {
        let needs_literal = matches!(predicate.says, Says::Compare(..));
        let Some(place) = place(columns, predicate.column, |column| {
            !needs_literal || column.kind.has_literals()
        }) else {
            return "1 = 1".to_owned();
        };
        match predicate.says {
            Says::Compare(order, ordinal) => {
                let column = &columns[place];
                let ordinal = column.first + ordinal % (column.distinct as u64).max(1);
                let mut literal = column.kind.literal(ordinal, self.dialect);
                if self.dialect == Dialect::DuckDb {
                    literal = literal.replace("BIGINT UNSIGNED", "UBIGINT");
                }
                format!("{prefix}c{place} {} {literal}", order.sign())
            }
            Says::IsNull => format!("{prefix}c{place} IS NULL"),
            Says::IsNotNull => format!("{prefix}c{place} IS NOT NULL"),
        }
    }
}

impl Written {
    /// A SELECT of `list` from this, with a clause after it. `places` are the columns that come out.
    fn select(self, list: &str, clause: &str, places: &[usize]) -> Written {
        let list = if list.is_empty() { "1 AS c0" } else { list };
        let mut columns: Vec<Known> = places
            .iter()
            .map(|place| self.columns[*place].clone())
            .collect();
        if columns.is_empty() {
            columns.push(Known::computed(Kind::whole(64, true), 1.0));
        }
        Written {
            sql: format!("SELECT {list} FROM ({}) AS s{clause}", self.sql),
            columns,
            ..self
        }
    }

    /// Another relation is a part of this one too.
    fn also(&mut self, other: &Written) {
        self.most_rows = self.most_rows.max(other.most_rows);
        self.not_for_duckdb.extend(&other.not_for_duckdb);
    }
}

/// `c0, c1, …`, with a prefix.
fn names(prefix: &str, count: usize) -> String {
    let names: Vec<String> = (0..count).map(|name| format!("{prefix}c{name}")).collect();
    names.join(", ")
}

/// These columns, under the names `c0`, `c1`, ….
fn renamed(prefix: &str, places: &[usize]) -> String {
    let named =
        places
            .iter()
            .enumerate()
            .map(|(name, place)| match prefix.is_empty() && name == *place {
                true => format!("c{place}"),
                false => format!("{prefix}c{place} AS c{name}"),
            });
    named.collect::<Vec<_>>().join(", ")
}

/// The column that a number stands for, among those that will do.
fn place(columns: &[Known], number: u16, will_do: impl Fn(&Known) -> bool) -> Option<usize> {
    let candidates: Vec<usize> = (0..columns.len())
        .filter(|place| will_do(&columns[*place]))
        .collect();
    match candidates.len() {
        0 => None,
        count => Some(candidates[usize::from(number) % count]),
    }
}

/// The columns that numbers stand for, each of them once.
fn places(columns: &[Known], numbers: &[u16], will_do: impl Fn(&Known) -> bool) -> Vec<usize> {
    let mut places = Vec::new();
    for number in numbers {
        let free = |found: usize| !places.contains(&found);
        if let Some(found) = place(columns, *number, &will_do)
            && free(found)
        {
            places.push(found);
        }
    }
    places
}

/// The numbers that stand for these columns of two sides, where [`pairs`] looks for a pair among columns that will do.
pub(crate) fn pair_of(
    left: &[Known],
    right: &[Known],
    (from_left, from_right): (usize, usize),
    will_do: impl Fn(&Kind) -> bool,
) -> Pair {
    let kind = &left[from_left].kind;
    let before = |columns: &[Known], will_do: &dyn Fn(&Kind) -> bool| {
        let columns = columns.iter().filter(|column| will_do(&column.kind));
        columns.count() as u16
    };
    Pair {
        left: before(&left[..from_left], &will_do),
        right: before(&right[..from_right], &|other| {
            will_do(other) && kind.is_comparable_with(other)
        }),
        null_safe: false,
    }
}

/// The pairs of columns that can be held against each other, and whether null equals null.
fn pairs(
    left: &[Known],
    right: &[Known],
    wanted: &[Pair],
    will_do: impl Fn(&Known) -> bool,
) -> Vec<(usize, usize, bool)> {
    let found = wanted.iter().filter_map(|pair| {
        let from_left = place(left, pair.left, &will_do)?;
        let kind = &left[from_left].kind;
        let from_right = place(right, pair.right, |column| {
            will_do(column) && kind.is_comparable_with(&column.kind)
        })?;
        Some((from_left, from_right, pair.null_safe))
    });
    found.collect()
}
