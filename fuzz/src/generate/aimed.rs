//! Cases that are aimed at one thing that a type of hash join does in hardly any memory. Most random cases miss it: a
//! type needs the right side built, a build side needs rows that somebody above asks for, and who holds memory and waits
//! is asked to give it back only by somebody else who begins to need it then.

use super::relations::Maker;
use super::{Scale, tables};
use crate::case::{Case, Column, Environment, Options, Spread, Storage, Table, Way};
use crate::kind::{Kind, Layout};
use crate::random::{Random, mix};
use crate::relation::{
    Aggregate, Call, Frame, Function, Join, JoinKind, Order, Pair, Predicate, Relation, Says, Sort,
    SortColumn, Test, TestKind, Window, WindowCall, WindowFunction,
};
use crate::sql::{Written, pair_of};

/// Each so many'th case is aimed.
pub(super) const EVERY: u64 = 3;

/// What a case is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Goal {
    /// The type of the join as its operator is to have it: its left side is the one that is built.
    pub(super) join: Type,
    pub(super) situation: Situation,
}

/// A type of hash join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Written(JoinKind),
    LeftMark,
    RightMark,
    NullAwareAnti,
}

/// What the join is to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Situation {
    /// A build side of several times the memory, of which about half has one key: it spills, what went to disk is cut
    /// again, and what is left of that cannot be cut.
    HotBuild,
    /// A build side that fits, or most of which does, and is complete when the probe side begins to need memory.
    IdleBuild,
}

const TYPES: [Type; 11] = [
    Type::Written(JoinKind::Inner),
    Type::Written(JoinKind::Left),
    Type::Written(JoinKind::Right),
    Type::Written(JoinKind::Full),
    Type::Written(JoinKind::LeftSemi),
    Type::Written(JoinKind::RightSemi),
    Type::Written(JoinKind::LeftAnti),
    Type::Written(JoinKind::RightAnti),
    Type::LeftMark,
    Type::RightMark,
    Type::NullAwareAnti,
];

const SITUATIONS: [Situation; 2] = [Situation::HotBuild, Situation::IdleBuild];

impl Goal {
    /// All there are, in the order in which they take turns.
    pub(super) fn all() -> impl Iterator<Item = Goal> {
        let of = |situation| move |join| Goal { join, situation };
        SITUATIONS
            .into_iter()
            .flat_map(move |situation| TYPES.into_iter().map(of(situation)))
    }

    /// What this case of a seed is aimed at, if it is. Goals take turns, and which is the first depends on the seed: so
    /// that a few hundred cases come to each of them, as a random choice would not.
    pub(super) fn of_case(seed: u64, number: u64) -> Option<Goal> {
        let goals = (TYPES.len() * SITUATIONS.len()) as u64;
        let turn = (mix(seed) % goals + number / EVERY) % goals;
        number
            .is_multiple_of(EVERY)
            .then(|| Goal::all().nth(turn as usize))
            .flatten()
    }
}

impl Type {
    /// Whether columns of the build side come out of it. If not, nothing but the keys is built, unless a condition
    /// needs more.
    fn gives_build(self) -> bool {
        match self {
            Type::Written(kind) => kind.gives_left(),
            Type::LeftMark | Type::NullAwareAnti => true,
            Type::RightMark => false,
        }
    }

    /// Whether columns of the probe side come out of it.
    fn gives_probe(self) -> bool {
        match self {
            Type::Written(kind) => kind.gives_right(),
            Type::LeftMark | Type::NullAwareAnti => false,
            Type::RightMark => true,
        }
    }
}

/// The tables, by their numbers.
const BUILD: u16 = 0;
const PROBE: u16 = 1;
const OTHER: u16 = 2;

/// The places of a table's columns: texts are the others.
const NUMBER: u16 = 0;
const KEY: usize = 1;
const FIRST_TEXT: usize = 2;

/// A case with this goal.
pub(super) fn case(goal: Goal, seed: u64, number: u64, random: &mut Random, scale: Scale) -> Case {
    let memory = scale.memory + random.below(scale.memory / 2);
    // What makes the build side large where nothing of it comes out: a long key, or else a condition on its text.
    let is_hot = goal.situation == Situation::HotBuild;
    let has_long_key = is_hot && !goal.join.gives_build() && random.percent(40);
    let sides = Sides::new(random, goal.situation, has_long_key);
    let tables = match goal.situation {
        Situation::HotBuild => sides.hot(goal.join, random, memory, scale),
        Situation::IdleBuild => sides.idle(goal.join, random, memory, scale),
    };
    let mut aim = Aim {
        goal,
        has_residual: goal.join != Type::NullAwareAnti
            && (!goal.join.gives_build() && !has_long_key || random.percent(20)),
        maker: Maker {
            random,
            tables: &tables,
            scale,
        },
    };
    let query = aim.query();
    let environment = environment(goal, random, &tables, memory);
    Case {
        seed,
        number,
        environment,
        tables,
        queries: vec![query],
    }
}

/// The engine with options that leave the sides where they are written: a session would hold small sides back for
/// broadcasts, which do not spill.
fn environment(goal: Goal, random: &mut Random, tables: &[Table], memory: u64) -> Environment {
    let rows = tables.iter().map(Table::row_count).max().unwrap_or(0);
    let partitions = match goal.situation {
        Situation::HotBuild => random.between(1, 4) as u8,
        // Each partition of each operator has a claim to a share, and who has that already is not given what others hold.
        Situation::IdleBuild => *random.weighted(&[(8, 1), (1, 2), (1, 4)]),
    };
    // A merge of sorted partitions holds a batch of each.
    let most_rows = if partitions == 1 { 1024 } else { 256 };
    let options = Options {
        batch_rows: (*random.pick(&[64, 256, most_rows])).max((rows / 256) as u32),
        partitions,
        single_partition_threshold: 0,
        hash_joins: true,
        dynamic_filters: random.percent(70),
        filters_in_scan: random.percent(30),
        // No SQL is planned as this one: it comes of a LeftMark whose left side is the larger.
        swap_sides: goal.join == Type::RightMark,
    };
    Environment {
        memory,
        way: Way::Engine(options),
        cancel: None,
    }
}

/// What the columns of both sides have in common.
struct Sides {
    key: Kind,
    /// How many texts.
    texts: usize,
    /// Characters of the first. Each other has some more, so that not all of what keeps them grows at the same moment.
    width: u16,
}

impl Sides {
    fn new(random: &mut Random, situation: Situation, has_long_key: bool) -> Self {
        let key = match has_long_key {
            true => long_text(random, 200),
            false => tables::key_of_many_values(random),
        };
        let (texts, width) = match situation {
            Situation::HotBuild => (1, *random.pick(&[100, 180, 250])),
            // While a table is made its largest column is there twice: one of many leaves little free afterwards.
            Situation::IdleBuild => (6, *random.pick(&[16, 24])),
        };
        Self { key, texts, width }
    }

    fn hot(&self, join: Type, random: &mut Random, memory: u64, scale: Scale) -> Vec<Table> {
        let most = match join {
            // The other side has to be the larger one.
            Type::RightMark => scale.bytes * 6 / 10,
            _ => scale.bytes,
        };
        let bytes = (memory * random.between(35, 50) / 10).min(most);
        let distinct = scale.rows / 6;
        // With more, what went to disk would be taken for beyond cutting before it is cut.
        let hot = Spread::Hot(distinct as u32, *random.pick(&[40, 50, 60]));
        let nulls = *random.pick(&[0, 0, 5]);
        let build = self.table(random, hot, nulls, bytes, scale);
        let probe_rows = match join {
            Type::RightMark => build.row_count() * 3 / 2,
            _ => random.between(distinct / 2, distinct * 2),
        };
        // Its first row has the hot key, if it is not a NULL.
        let mut probe = self.table(random, Spread::Unique, 0, scale.bytes, scale);
        self.limit(&mut probe, probe_rows);
        same_storage(join, &mut probe, &build);
        vec![build, probe]
    }

    fn idle(&self, join: Type, random: &mut Random, memory: u64, scale: Scale) -> Vec<Table> {
        // Batches take up to half as much again as their rows, and all have to fit: what goes to disk is not there to be
        // taken back.
        let bytes = memory * random.between(45, 52) / 100;
        let nulls = *random.pick(&[0, 0, 5]);
        let build = self.table(random, Spread::Unique, nulls, bytes, scale);
        let other = memory * random.between(22, 27) / 100;
        let other = self.table(random, Spread::Unique, 0, other, scale);
        let keys = Spread::Uniform((build.row_count() * 2).max(1) as u32);
        let nulls = match join {
            // It would be the end of the join.
            Type::NullAwareAnti => 0,
            _ => *random.pick(&[0, 0, 5]),
        };
        let bytes = (memory * random.between(30, 45) / 10).min(scale.bytes);
        let mut probe = self.table(random, keys, nulls, bytes, scale);
        same_storage(join, &mut probe, &build);
        vec![build, probe, other]
    }

    /// A table of a number, a key and a text, of so many bytes.
    fn table(
        &self,
        random: &mut Random,
        spread: Spread,
        nulls: u8,
        bytes: u64,
        scale: Scale,
    ) -> Table {
        let column = |random: &mut Random, kind, spread, nulls| Column {
            seed: random.number(),
            kind,
            spread,
            first: 0,
            nulls,
            specials: 0,
        };
        let mut columns = vec![
            tables::number_of_row(random),
            column(random, self.key.clone(), spread, nulls),
        ];
        columns.extend((0..self.texts).map(|number| {
            let text = long_text(random, self.width + 7 * number as u16);
            let nulls = *random.pick(&[0, 0, 10]);
            column(random, text, Spread::Unique, nulls)
        }));
        let mut storage = tables::storage(random);
        if let Storage::Memory { batch_rows, .. } = &mut storage {
            // The judge takes long for very many batches.
            *batch_rows = (*batch_rows).max(100);
        }
        let scale = Scale { bytes, ..scale };
        tables::within(scale, columns, scale.rows, storage)
    }

    fn limit(&self, table: &mut Table, rows: u64) {
        table.rows = vec![(0, rows.min(table.row_count()) as u32)];
    }
}

/// Sees to it that statistics of the two sides can be compared, where that decides which is built: those of a table in
/// memory count what its batches share once for each of them.
fn same_storage(join: Type, probe: &mut Table, build: &Table) {
    if join == Type::RightMark {
        probe.storage = build.storage.clone();
    }
}

/// Texts that are as long in memory as they are.
fn long_text(random: &mut Random, width: u16) -> Kind {
    let layout = *random.pick(&[Layout::Plain, Layout::Plain, Layout::Large, Layout::View]);
    Kind::Text { width, layout }
}

struct Aim<'a> {
    goal: Goal,
    has_residual: bool,
    maker: Maker<'a>,
}

impl Aim<'_> {
    fn query(&mut self) -> Relation {
        let (build, probe) = (Relation::Table(BUILD), Relation::Table(PROBE));
        let query = match (self.goal.situation, self.goal.join) {
            (Situation::HotBuild, _) => self.join(build, probe),
            // Nobody knows how large a join is, and so which side of another one is the larger.
            (Situation::IdleBuild, Type::RightMark) => {
                let probe = self.hungry(probe);
                let join = self.join(build, probe);
                self.beside_another(join)
            }
            (Situation::IdleBuild, _) => {
                let probe = self.hungry(probe);
                let probe = self.beside_another(probe);
                self.join(build, probe)
            }
        };
        self.around(query)
    }

    /// Something that needs memory of its own for all its input, before its first row comes out.
    fn hungry(&mut self, input: Relation) -> Relation {
        let columns = (0..self.maker.tables[usize::from(PROBE)].columns.len() as u16).collect();
        // What nobody asks for is not computed; groups are there all the same.
        if !self.goal.join.gives_probe() || self.maker.random.percent(50) {
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
            partition: self.maker.random.below(2) as u8,
            calls: vec![WindowCall {
                function,
                argument: NUMBER,
                frame: Frame::Default,
            }],
        }))
    }

    /// Rows that are probed by another join, whose build side is idle too: who has little is given what others hold, so
    /// that little has to be free when somebody begins.
    fn beside_another(&mut self, input: Relation) -> Relation {
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
        let of_the_rest = self.maker.random.percent(50);
        let (left, right) = match self.goal.join {
            Type::RightMark => (&probe, &build),
            _ => (&build, &probe),
        };
        let residual = match self.has_residual {
            true => self.residual(left, right),
            false => Vec::new(),
        };
        match self.goal.join {
            Type::Written(JoinKind::LeftSemi) if of_the_rest => {
                let says = *self.maker.random.pick(&[T::Exists, T::In]);
                self.test(says, build, probe, residual, None)
            }
            Type::Written(JoinKind::LeftAnti) if of_the_rest => {
                self.test(T::NotExists, build, probe, residual, None)
            }
            Type::Written(kind) => self.written(kind, build, probe, residual),
            Type::LeftMark | Type::RightMark => {
                let says = *self.maker.random.pick(&[T::Exists, T::NotExists, T::In]);
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
        match self.maker.random.below(10) {
            0..=2 => input,
            3..=6 => {
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
