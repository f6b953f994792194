//! Queries as trees.
//!
//! Columns are named by numbers that are taken modulo the number of columns that will do, so that each
//! tree means something: whatever is taken out of a tree when a failure is made smaller, what is left can
//! be written as SQL.

use serde::{Deserialize, Serialize};

/// A query, or a part of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// A table.
    Table(u16),
    /// Some of the columns.
    Project(Box<Relation>, Vec<u16>),
    /// Some of the rows.
    Filter(Box<Relation>, Predicate),
    /// A join.
    Join(Box<Join>),
    /// Rows that a subquery says something about.
    Test(Box<Test>),
    /// Groups.
    Aggregate(Box<Aggregate>),
    /// Distinct rows of some columns.
    Distinct(Box<Relation>, Vec<u16>),
    /// Window functions.
    Window(Box<Window>),
    /// Sorted rows of some columns.
    Sort(Box<Sort>),
    /// UNION and its kin.
    Set(Box<Set>),
}

/// A condition on a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    /// The column.
    pub column: u16,
    /// What is said of it.
    pub says: Says,
}

/// What a predicate says of its column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It is in this relation to the value of an ordinal.
    Compare(Order, u64),
    /// It is null.
    IsNull,
    /// It is not.
    IsNotNull,
}

/// An order between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
}

impl Order {
    /// SQL's sign for it.
    pub fn sign(self) -> &'static str {
        match self {
            Order::Equal => "=",
            Order::NotEqual => "<>",
            Order::Less => "<",
            Order::LessOrEqual => "<=",
            Order::Greater => ">",
        }
    }
}

/// A pair of columns that a join holds against each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The column of the left side.
    pub left: u16,
    /// The column of the right side, among those that it can be compared with.
    pub right: u16,
    /// Whether null equals null.
    #[serde(default)]
    pub null_safe: bool,
}

/// A join of two relations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// The left side.
    pub left: Relation,
    /// The right side.
    pub right: Relation,
    /// Its type.
    pub kind: JoinKind,
    /// What has to be equal.
    pub on: Vec<Pair>,
    /// What else has to hold.
    pub residual: Vec<(Pair, Order)>,
    /// Whether the keys are written as USING.
    #[serde(default)]
    pub using: bool,
}

/// The types of joins that SQL writes as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    LeftSemi,
    RightSemi,
    LeftAnti,
    RightAnti,
}

impl JoinKind {
    /// DataFusion's SQL for it.
    pub fn sql(self) -> &'static str {
        match self {
            JoinKind::Inner => "JOIN",
            JoinKind::Left => "LEFT JOIN",
            JoinKind::Right => "RIGHT JOIN",
            JoinKind::Full => "FULL JOIN",
            JoinKind::LeftSemi => "LEFT SEMI JOIN",
            JoinKind::RightSemi => "RIGHT SEMI JOIN",
            JoinKind::LeftAnti => "LEFT ANTI JOIN",
            JoinKind::RightAnti => "RIGHT ANTI JOIN",
        }
    }

    /// Whether rows of the left side come out.
    pub fn gives_left(self) -> bool {
        !matches!(self, JoinKind::RightSemi | JoinKind::RightAnti)
    }

    /// Whether rows of the right side come out.
    pub fn gives_right(self) -> bool {
        !matches!(self, JoinKind::LeftSemi | JoinKind::LeftAnti)
    }

    /// Whether one row comes out for each pair.
    pub fn gives_pairs(self) -> bool {
        self.gives_left() && self.gives_right()
    }
}

/// Rows of `input` that a subquery on `inner` says something about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Whose rows come out.
    pub input: Relation,
    /// What the subquery reads.
    pub inner: Relation,
    /// What is said.
    pub says: TestKind,
    /// The columns that are held against each other; IN takes the first pair.
    pub on: Vec<Pair>,
    /// What else has to hold between the two.
    pub residual: Vec<(Pair, Order)>,
    /// A condition that also lets rows pass: the subquery's answer then becomes a mark.
    pub or: Option<Predicate>,
}

/// What is said of a subquery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum TestKind {
    Exists,
    NotExists,
    In,
    NotIn,
}

/// Groups and what is counted in them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    /// What is grouped.
    pub input: Relation,
    /// By which columns.
    pub keys: Vec<u16>,
    /// What is made of each group.
    pub calls: Vec<Call>,
    /// Whether there are subtotals.
    #[serde(default)]
    pub rollup: bool,
}

/// A call of an aggregate function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The function.
    pub function: Function,
    /// Its argument, among the columns that it takes.
    pub argument: u16,
    /// Whether of distinct values alone.
    #[serde(default)]
    pub distinct: bool,
}

/// The aggregate functions whose answer does not depend on the order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Function {
    CountRows,
    Count,
    Sum,
    Average,
    Least,
    Greatest,
    Median,
    /// `array_agg(x ORDER BY x)`.
    Collect,
    /// `first_value(x ORDER BY x DESC)`.
    First,
    /// `string_agg(x, ',' ORDER BY x)`.
    Concatenate,
    Xor,
    Every,
}

/// Window functions over one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Whose rows.
    pub input: Relation,
    /// Which columns: the first `partition` of them partition the window, the others order it.
    pub columns: Vec<u16>,
    /// How many columns partition the window.
    pub partition: u8,
    /// Columns that come out besides, where no function's value depends on which of two rows that tie comes first: where
    /// rows are ordered by one that is different in each, or where none are ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<u16>,
    /// The functions.
    pub calls: Vec<WindowCall>,
}

/// A call of a window function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowCall {
    /// The function.
    pub function: WindowFunction,
    /// Its argument, among the window's columns that it takes.
    pub argument: u16,
    /// Its frame.
    pub frame: Frame,
}

/// Window functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum WindowFunction {
    RowNumber,
    Rank,
    DenseRank,
    Ntile(u8),
    Lag(u8),
    Lead(u8),
    First,
    Last,
    /// `nth_value(x, n)`.
    Nth(u8),
    Sum,
    Count,
    Least,
    Greatest,
}

impl WindowFunction {
    /// Whether it looks at a frame.
    pub fn has_frame(self) -> bool {
        use WindowFunction as F;
        matches!(
            self,
            F::First | F::Last | F::Nth(_) | F::Sum | F::Count | F::Least | F::Greatest
        )
    }

    /// Whether it means something without an order.
    pub fn needs_order(self) -> bool {
        use WindowFunction as F;
        !matches!(self, F::Sum | F::Count | F::Least | F::Greatest)
    }
}

/// A frame of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// What SQL takes when none is written.
    Default,
    /// The whole partition.
    Whole,
    /// So many rows before and after.
    Rows(u16, u16),
    /// So many peer groups before and after.
    Groups(u8, u8),
    /// From this row to the end.
    Rest,
    /// So much less and so much more than what a row is ordered by, where that is one whole number; else from its peers
    /// to the end.
    Range(u8, u8),
}

/// Sorted rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sort {
    /// Whose rows.
    pub input: Relation,
    /// Which columns. They are all sorted by, so that there is one right order.
    pub columns: Vec<SortColumn>,
    /// How many rows at most.
    #[serde(default)]
    pub limit: Option<u32>,
    /// How many rows are passed over.
    #[serde(default)]
    pub offset: u32,
}

/// A column that is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortColumn {
    /// The column.
    pub column: u16,
    /// Whether the largest comes first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

/// A set operation, on the columns that the two have in common by their types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// The left side.
    pub left: Relation,
    /// The right side.
    pub right: Relation,
    /// The operation.
    pub operation: Operation,
    /// The columns.
    pub on: Vec<Pair>,
}

/// Set operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Operation {
    UnionAll,
    Union,
    Intersect,
    Except,
}

impl Operation {
    /// SQL's name of it.
    pub fn sql(self) -> &'static str {
        match self {
            Operation::UnionAll => "UNION ALL",
            Operation::Union => "UNION",
            Operation::Intersect => "INTERSECT",
            Operation::Except => "EXCEPT",
        }
    }
}

impl Relation {
    /// The relations that it reads.
    pub fn inputs(&self) -> Vec<&Relation> {
        match self {
            Relation::Table(_) => vec![],
            Relation::Project(input, _)
            | Relation::Filter(input, _)
            | Relation::Distinct(input, _) => vec![input],
            Relation::Join(join) => vec![&join.left, &join.right],
            Relation::Test(test) => vec![&test.input, &test.inner],
            Relation::Aggregate(aggregate) => vec![&aggregate.input],
            Relation::Window(window) => vec![&window.input],
            Relation::Sort(sort) => vec![&sort.input],
            Relation::Set(set) => vec![&set.left, &set.right],
        }
    }

    /// The same, to be changed.
    pub fn inputs_mut(&mut self) -> Vec<&mut Relation> {
        match self {
            Relation::Table(_) => vec![],
            Relation::Project(input, _)
            | Relation::Filter(input, _)
            | Relation::Distinct(input, _) => vec![input],
            Relation::Join(join) => vec![&mut join.left, &mut join.right],
            Relation::Test(test) => vec![&mut test.input, &mut test.inner],
            Relation::Aggregate(aggregate) => vec![&mut aggregate.input],
            Relation::Window(window) => vec![&mut window.input],
            Relation::Sort(sort) => vec![&mut sort.input],
            Relation::Set(set) => vec![&mut set.left, &mut set.right],
        }
    }

    /// How many relations it is made of.
    pub fn size(&self) -> usize {
        1 + self.inputs().into_iter().map(Relation::size).sum::<usize>()
    }
}
