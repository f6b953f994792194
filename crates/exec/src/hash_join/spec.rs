use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{JoinType, NullEquality};
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};

use super::index::Index;

/// What is joined with what, and which rows come of it: all that a running join needs to know of the
/// plan it comes from.
///
/// Every join type is made of three questions, and nothing in the other files asks for the type itself:
/// are pairs delivered, does a build row have to know at the end whether it was matched, and does a
/// probe row.
pub(crate) struct Spec {
    pub(crate) join_type: JoinType,
    pub(crate) null_equality: NullEquality,
    /// `NOT IN`: a NULL among the keys of the set leaves no row of the side that is reported on, which is either.
    pub(crate) null_aware: bool,
    pub(crate) build_keys: Vec<PhysicalExprRef>,
    pub(crate) probe_keys: Vec<PhysicalExprRef>,
    pub(crate) filter: Option<JoinFilter>,
    /// Where each column of the result comes from, after the projection.
    pub(crate) columns: Vec<ColumnIndex>,
    pub(crate) schema: SchemaRef,
    pub(crate) build_schema: SchemaRef,
    pub(crate) probe_schema: SchemaRef,
    /// The most rows in a batch of the result.
    pub(crate) batch_size: usize,
}

/// Which rows of a side are delivered once it is known what they match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    Matched,
    Unmatched,
    /// All, with a column that says which it was.
    Marked,
}

impl Spec {
    /// Whether each pair that matches is a row of the result.
    pub(crate) fn delivers_pairs(&self) -> bool {
        use JoinType::{Full, Inner, Left, Right};
        matches!(self.join_type, Inner | Left | Right | Full)
    }

    /// Which build rows are delivered when the whole probe side was seen.
    pub(crate) fn of_build(&self) -> Option<Report> {
        match self.join_type {
            JoinType::Left | JoinType::Full | JoinType::LeftAnti => Some(Report::Unmatched),
            JoinType::LeftSemi => Some(Report::Matched),
            JoinType::LeftMark => Some(Report::Marked),
            _ => None,
        }
    }

    /// Which probe rows are delivered when the whole build side was seen.
    pub(crate) fn of_probe(&self) -> Option<Report> {
        match self.join_type {
            JoinType::Right | JoinType::Full | JoinType::RightAnti => Some(Report::Unmatched),
            JoinType::RightSemi => Some(Report::Matched),
            JoinType::RightMark => Some(Report::Marked),
            _ => None,
        }
    }

    /// Whether it is a `NOT IN` whose set is the build side.
    pub(crate) fn builds_set(&self) -> bool {
        self.null_aware && self.of_probe().is_some()
    }

    /// Whether it is a `NOT IN` whose set is the probe side.
    pub(crate) fn probes_set(&self) -> bool {
        self.null_aware && self.of_build().is_some()
    }

    /// Whether rows are told apart by keys. If not, every build row meets every probe row.
    pub(crate) fn has_keys(&self) -> bool {
        !self.build_keys.is_empty()
    }

    /// Bytes that an index of so many build rows takes at most.
    pub(crate) fn index_bytes(&self, rows: usize) -> usize {
        match self.has_keys() {
            true => Index::bytes(rows),
            false => 0,
        }
    }

    /// Whether nothing is asked but which build rows are matched.
    pub(crate) fn only_marks_build_rows(&self) -> bool {
        !self.delivers_pairs() && self.of_probe().is_none()
    }

    /// Whether nothing is asked but which probe rows are matched.
    pub(crate) fn only_marks_probe_rows(&self) -> bool {
        !self.delivers_pairs() && self.of_probe().is_some()
    }

    /// Whether build rows that can match nothing (a key of theirs is NULL) may be left out.
    pub(crate) fn drops_unmatchable_build_rows(&self) -> bool {
        matches!(self.of_build(), None | Some(Report::Matched))
    }

    /// Whether one match of a probe row says all there is to say of it.
    pub(crate) fn one_match_is_enough(&self) -> bool {
        self.only_marks_probe_rows() && self.filter.is_none()
    }
}
