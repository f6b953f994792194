//! Queries that ask for all columns of an aimed join, and whose probe side begins to need memory when it has to.

use super::{BUILD, FIRST_TEXT, Goal, KEY, NUMBER, OTHER, PROBE, Situation, Type};
use crate::generate::relations::Maker;
use crate::kind::Kind;
use crate::relation::{
    Aggregate, Call, Frame, Function, Join, JoinKind, Order, Pair, Predicate, Relation, Says, Sort,
    SortColumn, Test, TestKind, Window, WindowCall, WindowFunction,
};
use crate::sql::{Written, pair_of};

/// What makes the query of a case.
pub(super) struct Aim<'a> {
    pub(super) goal: Goal,
    /// Whether there is a condition on the texts.
    pub(super) has_residual: bool,
    pub(super) maker: Maker<'a>,
}

impl Aim<'_> {
    pub(super) fn query(&mut self) -> Relation {
        let (build, probe) = (Relation::Table(BUILD), Relation::Table(PROBE));
        let probe = match self.goal.situation {
            Situation::HotBuild => probe,
            Situation::IdleBuild => {
                let probe = self.hungry(probe);
                match self.goal.join {
                    // Nobody knows how large a join is, and so which side of another one is the larger.
                    Type::RightMark => probe,
                    _ => self.joined_before(probe),
                }
            }
        };
        let join = self.join(build, probe);
        self.around(join)
    }

    /// Something that needs memory of its own for all its input, before its first row comes out.
    fn hungry(&mut self, input: Relation) -> Relation {
        let columns = (0..self.maker.tables[usize::from(PROBE)].columns.len() as u16).collect();
        let key = &self.maker.tables[usize::from(PROBE)].columns[KEY].kind;
        let has_ranges = key.has_literals() && *key != Kind::Time;
        // What nobody asks for is not computed; groups are there all the same.
        if !self.goal.join.gives_probe() || !has_ranges || self.maker.random.percent(50) {
            return Relation::Distinct(Box::new(input), columns);
        }
        let function = *self.maker.random.pick(&[
            WindowFunction::Rank,
            WindowFunction::RowNumber,
            WindowFunction::Lag(1),
            WindowFunction::Count,
        ]);
        Relation::Window(Box::new(Window {
            input,
            columns,
            // Without it the sorted partitions would be merged, in memory that cannot be taken from the merge.
            partition: 1,
            beside: Vec::new(),
            calls: vec![WindowCall {
                function,
                argument: NUMBER,
                frame: Frame::Default,
            }],
        }))
    }

    /// Rows that are joined with another table before, whose build side needs memory too.
    fn joined_before(&mut self, input: Relation) -> Relation {
        let other = Relation::Table(OTHER);
        let residual = self.residual(&other, &input);
        let kind = *self
            .maker
            .random
            .pick(&[JoinKind::RightSemi, JoinKind::RightAnti]);
        self.written(kind, other, input, residual)
    }

    /// The join, with the side to be built where its operator has it in the end.
    fn join(&mut self, build: Relation, probe: Relation) -> Relation {
        use TestKind as T;
        let is_a_test = self.maker.random.percent(50);
        let (left, right) = match self.goal.join {
            Type::RightMark => (&probe, &build),
            _ => (&build, &probe),
        };
        let residual = match self.has_residual {
            true => self.residual(left, right),
            false => Vec::new(),
        };
        match self.goal.join {
            Type::Written(JoinKind::LeftSemi) if is_a_test => {
                let says = match residual.is_empty() {
                    true => *self.maker.random.pick(&[T::Exists, T::In]),
                    false => T::Exists,
                };
                self.test(says, build, probe, residual, None)
            }
            Type::Written(JoinKind::LeftAnti) if is_a_test => {
                self.test(T::NotExists, build, probe, residual, None)
            }
            Type::Written(kind) => self.written(kind, build, probe, residual),
            Type::LeftMark | Type::RightMark => {
                // DuckDB takes very long for an IN with a condition.
                let says = match residual.is_empty() {
                    true => *self.maker.random.pick(&[T::Exists, T::NotExists, T::In]),
                    false => *self.maker.random.pick(&[T::Exists, T::NotExists]),
                };
                let or = Predicate {
                    column: NUMBER,
                    says: Says::Compare(Order::Less, self.maker.random.below(1 << 20)),
                };
                match self.goal.join {
                    Type::RightMark => self.test(says, probe, build, residual, Some(or)),
                    _ => self.test(says, build, probe, residual, Some(or)),
                }
            }
            Type::NullAwareAnti => self.test(T::NotIn, build, probe, Vec::new(), None),
        }
    }

    fn written(
        &mut self,
        kind: JoinKind,
        left: Relation,
        right: Relation,
        residual: Vec<(Pair, Order)>,
    ) -> Relation {
        let (l, r) = (self.maker.write(&left), self.maker.write(&right));
        // Where both sides have NULLs there would be very many pairs of them.
        let has_nulls = |side: &Written| side.columns[KEY].nulls > 0.0;
        let may_be_null_safe = !(has_nulls(&l) && has_nulls(&r));
        let mut key = pair_of(&l.columns, &r.columns, (KEY, KEY), |_| true);
        key.null_safe = may_be_null_safe && self.maker.random.percent(15);
        Relation::Join(Box::new(Join {
            left,
            right,
            kind,
            on: vec![key],
            residual,
            using: false,
        }))
    }

    fn test(
        &mut self,
        says: TestKind,
        input: Relation,
        inner: Relation,
        residual: Vec<(Pair, Order)>,
        or: Option<Predicate>,
    ) -> Relation {
        let (l, r) = (self.maker.write(&input), self.maker.write(&inner));
        Relation::Test(Box::new(Test {
            on: vec![pair_of(&l.columns, &r.columns, (KEY, KEY), |_| true)],
            input,
            inner,
            says,
            residual,
            or,
        }))
    }

    /// A condition on the texts of both sides, all of them, so that all are built.
    fn residual(&mut self, left: &Relation, right: &Relation) -> Vec<(Pair, Order)> {
        let (l, r) = (self.maker.write(left), self.maker.write(right));
        let texts = FIRST_TEXT..self.maker.tables[usize::from(BUILD)].columns.len();
        let order = match texts.len() {
            1 => *self
                .maker
                .random
                .pick(&[Order::NotEqual, Order::Less, Order::Greater]),
            _ => Order::NotEqual,
        };
        let orderable = |kind: &Kind| kind.is_orderable();
        let pair = |text| pair_of(&l.columns, &r.columns, (text, text), orderable);
        texts.map(|text| (pair(text), order)).collect()
    }

    /// Something around the join that asks for all its columns.
    fn around(&mut self, input: Relation) -> Relation {
        let columns = self.maker.write(&input).columns.len() as u16;
        let Goal { join, situation } = self.goal;
        // A merge of many wide rows may be refused what it needs.
        let is_wide = situation == Situation::IdleBuild && join.gives_build() && join.gives_probe();
        match self.maker.random.below(10) {
            0..=2 => input,
            3..=6 if !is_wide => {
                let column = |column| SortColumn {
                    column,
                    descending: self.maker.random.percent(40),
                    nulls_first: self.maker.random.percent(50),
                };
                Relation::Sort(Box::new(Sort {
                    columns: (0..columns).map(column).collect(),
                    input,
                    limit: None,
                    offset: 0,
                }))
            }
            _ => {
                let call = |argument| Call {
                    function: match self.maker.random.percent(50) {
                        true => Function::Least,
                        false => Function::Greatest,
                    },
                    argument,
                    distinct: false,
                };
                let count = Call {
                    function: Function::CountRows,
                    argument: 0,
                    distinct: false,
                };
                Relation::Aggregate(Box::new(Aggregate {
                    calls: (0..columns).map(call).chain([count]).collect(),
                    input,
                    keys: Vec::new(),
                    rollup: false,
                }))
            }
        }
    }
}
