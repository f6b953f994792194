use super::Scale;
use crate::case::Table;
use crate::random::Random;
use crate::relation::{
    Aggregate, Call, Frame, Function, Join, JoinKind, Operation, Order, Pair, Predicate, Relation,
    Says, Set, Sort, SortColumn, Test, TestKind, Window, WindowCall, WindowFunction,
};
use crate::sql::{Dialect, Written, pair_of, write};

/// How many pairs may be looked at for each row that may come of it.
const PAIRS_TO_ROWS: f64 = 10.0;

const JOINS: [JoinKind; 8] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::LeftSemi,
    JoinKind::RightSemi,
    JoinKind::LeftAnti,
    JoinKind::RightAnti,
];

const TESTS: [TestKind; 5] = [
    TestKind::Exists,
    TestKind::NotExists,
    TestKind::In,
    TestKind::NotIn,
    TestKind::NotIn,
];

/// A random query.
pub(super) fn query(random: &mut Random, tables: &[Table], scale: Scale) -> Relation {
    let mut maker = Maker {
        random,
        tables,
        scale,
    };
    let leaves = *maker.random.weighted(&[(1, 1), (6, 2), (4, 3), (2, 4)]);
    let mut relation = maker.tree(leaves);
    for _ in 0..*maker.random.weighted(&[(4, 0), (5, 1), (2, 2)]) {
        relation = maker.around(relation);
    }
    let written = maker.write(&relation);
    // An answer of very many rows says no more than a summary of it, and takes longer to compare.
    if written.rows > scale.work / 4.0 {
        relation = maker.aggregate(relation);
    }
    if maker.random.percent(12) {
        relation = maker.sort(relation);
    }
    relation
}

/// Joins of the three tables, by their keys.
pub(super) fn pressed(random: &mut Random, tables: &[Table], scale: Scale) -> Relation {
    let mut maker = Maker {
        random,
        tables,
        scale,
    };
    let first = maker.random.below(3);
    let step = maker.random.between(1, 2);
    let table = |number: u64| Relation::Table((number % 3) as u16);
    let mut relation = maker.join_by_key(table(first), table(first + step));
    if maker.random.percent(75) {
        let third = table(first + 2 * step);
        relation = match maker.random.percent(50) {
            true => maker.join_by_key(relation, third),
            false => maker.join_by_key(third, relation),
        };
    }
    match maker.write(&relation).rows > scale.work / 8.0 || maker.random.percent(50) {
        true => maker.aggregate(relation),
        false => maker.sort(relation),
    }
}

pub(super) struct Maker<'a> {
    pub(super) random: &'a mut Random,
    pub(super) tables: &'a [Table],
    pub(super) scale: Scale,
}

impl Maker<'_> {
    pub(super) fn write(&self, relation: &Relation) -> Written {
        write(relation, self.tables, Dialect::DataFusion)
    }

    fn number(&mut self) -> u16 {
        self.random.below(64) as u16
    }

    fn numbers(&mut self, most: u64) -> Vec<u16> {
        let count = self.random.between(1, most);
        (0..count).map(|_| self.number()).collect()
    }

    /// Joins of so many tables, or of what subqueries make of them.
    fn tree(&mut self, leaves: u64) -> Relation {
        if leaves <= 1 {
            return self.leaf();
        }
        let of_left = self.random.between(1, leaves - 1);
        let left = self.tree(of_left);
        let right = self.tree(leaves - of_left);
        let (left, right) = (self.narrow(left), self.narrow(right));
        match self.random.percent(28) {
            true => self.test(left, right),
            false => self.join(left, right),
        }
    }

    fn leaf(&mut self) -> Relation {
        let table = Relation::Table(self.random.below(self.tables.len() as u64) as u16);
        match self.random.below(12) {
            0 | 1 => Relation::Filter(Box::new(table), self.predicate()),
            2 => self.aggregate(table),
            3 => self.around(table),
            _ => table,
        }
    }

    /// Fewer columns, where there are many.
    fn narrow(&mut self, relation: Relation) -> Relation {
        let columns = self.write(&relation).columns.len();
        match columns > 8 || self.random.percent(10) {
            true => Relation::Project(Box::new(relation), self.numbers(8)),
            false => relation,
        }
    }

    fn predicate(&mut self) -> Predicate {
        Predicate {
            column: self.number(),
            says: match self.random.below(8) {
                0 => Says::IsNull,
                1 => Says::IsNotNull,
                _ => Says::Compare(self.order(), self.random.below(1 << 20)),
            },
        }
    }

    fn order(&mut self) -> Order {
        use Order as O;
        *self
            .random
            .pick(&[O::Equal, O::NotEqual, O::Less, O::LessOrEqual, O::Greater])
    }

    fn pair(&mut self) -> Pair {
        // The first columns of a table are its keys.
        let pick = |random: &mut Random| *random.weighted(&[(3, 1), (2, 2), (2, 0), (2, 64)]);
        let (left, right) = (pick(self.random), pick(self.random));
        Pair {
            left: if left == 64 { self.number() } else { left },
            right: if right == 64 { self.number() } else { right },
            null_safe: self.random.percent(15),
        }
    }

    fn residual(&mut self) -> Vec<(Pair, Order)> {
        let count = *self.random.weighted(&[(7, 0), (3, 1), (1, 2)]);
        (0..count).map(|_| (self.pair(), self.order())).collect()
    }

    /// Two relations joined by their second columns, which are keys; the left one alone if the keys are too hot.
    fn join_by_key(&mut self, left: Relation, right: Relation) -> Relation {
        let (l, r) = (self.write(&left), self.write(&right));
        let keys = pair_of(&l.columns, &r.columns, (1, 1), |_| true);
        let on = |null_safe| {
            vec![Pair {
                null_safe,
                ..keys.clone()
            }]
        };
        let join = |kind, null_safe, residual| {
            Relation::Join(Box::new(Join {
                left: left.clone(),
                right: right.clone(),
                kind,
                on: on(null_safe),
                residual,
                using: false,
            }))
        };
        // What a join looks at, whether it delivers it or not.
        let pairs = self.write(&join(JoinKind::Inner, false, Vec::new()));
        if pairs.most_rows > self.scale.work * PAIRS_TO_ROWS {
            return left;
        }
        for _ in 0..12 {
            let residual = self.residual();
            let relation = match self.random.percent(30) {
                true => Relation::Test(Box::new(Test {
                    input: left.clone(),
                    inner: right.clone(),
                    says: *self.random.pick(&TESTS),
                    // As a part of something larger, equality of NULLs is no key.
                    on: on(false),
                    residual,
                    or: self.random.percent(60).then(|| self.predicate()),
                })),
                false => {
                    let kind = *self.random.pick(&JOINS);
                    join(kind, self.random.percent(15), residual)
                }
            };
            if self.write(&relation).most_rows <= self.scale.work {
                return relation;
            }
        }
        left
    }

    fn join(&mut self, left: Relation, right: Relation) -> Relation {
        let kind = *self.random.pick(&JOINS);
        let mut join = Join {
            left,
            right,
            kind,
            on: Vec::new(),
            residual: Vec::new(),
            using: self.random.percent(10),
        };
        for _ in 0..12 {
            let keys = *self.random.weighted(&[(1, 0), (8, 1), (4, 2), (1, 3)]);
            join.on = (0..keys).map(|_| self.pair()).collect();
            join.residual = self.residual();
            let relation = Relation::Join(Box::new(join.clone()));
            if self.write(&relation).most_rows <= self.scale.work {
                return relation;
            }
        }
        // The keys are too hot, or there are none that go together: the left side alone.
        let columns = self.numbers(4);
        let right = Relation::Distinct(Box::new(join.right), columns);
        join.right = Relation::Sort(Box::new(Sort {
            input: right,
            columns: self.sort_columns(8),
            limit: Some(self.random.between(0, 8) as u32),
            offset: 0,
        }));
        let relation = Relation::Join(Box::new(join.clone()));
        match self.write(&relation).most_rows <= self.scale.work {
            true => relation,
            false => join.left,
        }
    }

    fn test(&mut self, input: Relation, inner: Relation) -> Relation {
        let says = *self.random.pick(&TESTS);
        let mut test = Test {
            input,
            inner,
            says,
            on: Vec::new(),
            residual: Vec::new(),
            or: None,
        };
        for _ in 0..12 {
            let keys = *self.random.weighted(&[(8, 1), (2, 2)]);
            test.on = (0..keys).map(|_| self.pair()).collect();
            test.residual = match self.random.percent(30) {
                true => self.residual(),
                false => Vec::new(),
            };
            test.or = self.random.percent(40).then(|| self.predicate());
            let relation = Relation::Test(Box::new(test.clone()));
            if self.write(&relation).most_rows <= self.scale.work {
                return relation;
            }
        }
        test.input
    }

    /// Something around a relation.
    fn around(&mut self, input: Relation) -> Relation {
        match self.random.below(12) {
            0..=4 => self.aggregate(input),
            5 => Relation::Distinct(Box::new(input), self.numbers(4)),
            6 | 7 => self.window(input),
            8 | 9 => self.sort(input),
            10 => self.set(input),
            _ => Relation::Filter(Box::new(input), self.predicate()),
        }
    }

    fn aggregate(&mut self, input: Relation) -> Relation {
        use Function as F;
        let keys = match self.random.percent(12) {
            true => Vec::new(),
            false => self.numbers(3),
        };
        let count = self.random.between(1, 4);
        let call = |maker: &mut Self| Call {
            function: *maker.random.pick(&[
                F::CountRows,
                F::Count,
                F::Sum,
                F::Sum,
                F::Average,
                F::Least,
                F::Greatest,
                F::Median,
                F::Collect,
                F::First,
                F::Concatenate,
                F::Xor,
                F::Every,
            ]),
            argument: maker.number(),
            distinct: maker.random.percent(20),
        };
        Relation::Aggregate(Box::new(Aggregate {
            input,
            keys,
            calls: (0..count).map(|_| call(self)).collect(),
            rollup: self.random.percent(6),
        }))
    }

    fn window(&mut self, input: Relation) -> Relation {
        use WindowFunction as F;
        let call = |maker: &mut Self| {
            let few = maker.random.between(1, 5) as u8;
            WindowCall {
                function: *maker.random.pick(&[
                    F::RowNumber,
                    F::Rank,
                    F::DenseRank,
                    F::Ntile(few),
                    F::Lag(few),
                    F::Lead(few),
                    F::First,
                    F::Last,
                    F::Nth(few),
                    F::Sum,
                    F::Count,
                    F::Least,
                    F::Greatest,
                ]),
                argument: maker.number(),
                frame: *maker.random.pick(&[
                    Frame::Default,
                    Frame::Whole,
                    Frame::Rest,
                    Frame::Rows(u16::from(few) * 3, u16::from(few)),
                    Frame::Groups(few, 1),
                    Frame::Range(few * 20, few),
                ]),
            }
        };
        let count = self.random.between(1, 3);
        Relation::Window(Box::new(Window {
            input,
            columns: self.numbers(4),
            partition: self.random.below(3) as u8,
            beside: match self.random.percent(30) {
                true => self.numbers(3),
                false => Vec::new(),
            },
            calls: (0..count).map(|_| call(self)).collect(),
        }))
    }

    fn sort_columns(&mut self, most: u64) -> Vec<SortColumn> {
        let columns = self.numbers(most);
        columns
            .into_iter()
            .map(|column| SortColumn {
                column,
                descending: self.random.percent(40),
                nulls_first: self.random.percent(50),
            })
            .collect()
    }

    fn sort(&mut self, input: Relation) -> Relation {
        let limit = match self.random.below(4) {
            0 => None,
            1 => Some(self.random.between(0, 20) as u32),
            2 => Some(self.random.between(1, 2000) as u32),
            _ => Some(self.random.between(1, self.scale.rows) as u32),
        };
        Relation::Sort(Box::new(Sort {
            columns: self.sort_columns(5),
            offset: match self.random.percent(15) {
                true => self.random.below(500) as u32,
                false => 0,
            },
            input,
            limit,
        }))
    }

    fn set(&mut self, left: Relation) -> Relation {
        use Operation as O;
        let right = self.leaf();
        let count = self.random.between(1, 4);
        Relation::Set(Box::new(Set {
            left,
            right,
            operation: *self
                .random
                .pick(&[O::UnionAll, O::Union, O::Intersect, O::Except]),
            on: (0..count).map(|_| self.pair()).collect(),
        }))
    }
}
