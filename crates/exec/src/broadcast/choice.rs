use std::fmt;

use datafusion::common::JoinType;
use datafusion::execution::memory_pool::human_readable_size;

/// A side of a join, as the query has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// Why a side is broadcast. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The query says so.
    Hint,
    /// Statistics say that it is no larger than `spark.sql.autoBroadcastJoinThreshold`.
    Size {
        /// Its size, an estimate.
        bytes: u64,
        /// The threshold.
        threshold: u64,
    },
}

/// Which side of a join is broadcast, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BroadcastChoice {
    /// The side that is built.
    pub side: Side,
    /// What decided it.
    pub reason: Reason,
}

impl fmt::Display for BroadcastChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Left => "left",
            Side::Right => "right",
        };
        match self.reason {
            Reason::Hint => write!(f, "{side} (hint)"),
            Reason::Size { bytes, threshold } => write!(
                f,
                "{side} ({} <= {})",
                human_readable_size(bytes as usize),
                human_readable_size(threshold as usize)
            ),
        }
    }
}

/// What is known of a side of a join.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// Whether the query asks for it to be broadcast.
    pub(super) is_hinted: bool,
    /// Its size in bytes, if statistics tell.
    pub(super) bytes: Option<u64>,
}

impl Known {
    /// Its size for comparison: what nobody knows the size of is taken to be the larger.
    pub(super) fn size(self) -> u64 {
        self.bytes.unwrap_or(u64::MAX)
    }
}

/// Whether a side may be broadcast in a join of this type: never one of which rows are delivered for what they match, or do
/// not match, on the whole other side, of which each of Spark's executors sees a part. Spark's `canBuildBroadcastLeft` and
/// `canBuildBroadcastRight`.
fn may_be_built(join_type: JoinType, side: Side) -> bool {
    use JoinType::{
        Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi,
    };
    match side {
        Side::Left => matches!(join_type, Inner | Right | RightSemi | RightAnti | RightMark),
        Side::Right => matches!(join_type, Inner | Left | LeftSemi | LeftAnti | LeftMark),
    }
}

/// The side that is broadcast, if one is: a hinted one, or one of at most `threshold` bytes; of two the smaller. Spark's
/// `JoinSelection`, without the joins that it does not come to here.
pub(super) fn choose(
    join_type: JoinType,
    left: Known,
    right: Known,
    threshold: Option<u64>,
) -> Option<BroadcastChoice> {
    let of = |side| match side {
        Side::Left => left,
        Side::Right => right,
    };
    let is_small = |side| {
        let bytes = of(side).bytes?;
        let threshold = threshold.filter(|threshold| bytes <= *threshold)?;
        Some(Reason::Size { bytes, threshold })
    };
    let pick = |reason: &dyn Fn(Side) -> Option<Reason>| {
        let allowed = |side| reason(side).filter(|_| may_be_built(join_type, side));
        // Of equals the right one is built.
        let order = match right.size() <= left.size() {
            true => [Side::Right, Side::Left],
            false => [Side::Left, Side::Right],
        };
        order
            .into_iter()
            .find_map(|side| allowed(side).map(|reason| BroadcastChoice { side, reason }))
    };
    pick(&|side| of(side).is_hinted.then_some(Reason::Hint)).or_else(|| pick(&is_small))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(is_hinted: bool, bytes: impl Into<Option<u64>>) -> Known {
        Known {
            is_hinted,
            bytes: bytes.into(),
        }
    }

    fn side(join_type: JoinType, left: Known, right: Known, threshold: u64) -> Option<Side> {
        choose(join_type, left, right, Some(threshold)).map(|choice| choice.side)
    }

    #[test]
    fn a_side_up_to_the_threshold_is_broadcast_and_of_two_the_smaller() {
        let inner =
            |left, right| side(JoinType::Inner, known(false, left), known(false, right), 10);
        assert_eq!(inner(11, 10), Some(Side::Right));
        assert_eq!(inner(10, 11), Some(Side::Left));
        assert_eq!(inner(11, 11), None);
        assert_eq!(inner(4, 5), Some(Side::Left));
        assert_eq!(inner(5, 5), Some(Side::Right));
        let unknown = known(false, None);
        assert_eq!(side(JoinType::Inner, unknown, unknown, 10), None);
        assert_eq!(
            choose(JoinType::Inner, known(false, 0), unknown, None),
            None
        );
    }

    #[test]
    fn a_hint_goes_before_sizes_and_needs_no_threshold() {
        let (large, small) = (known(true, 1 << 40), known(false, 1));
        assert_eq!(side(JoinType::Inner, large, small, 10), Some(Side::Left));
        let chosen = choose(JoinType::Inner, known(true, None), known(false, None), None);
        assert_eq!(chosen.unwrap().reason, Reason::Hint);
        let both = (known(true, 100), known(true, 99));
        assert_eq!(side(JoinType::Inner, both.0, both.1, 0), Some(Side::Right));
    }

    #[test]
    fn each_join_type_has_its_sides() {
        use JoinType::*;
        let sides = |join_type| {
            let either = |left, right| side(join_type, known(left, None), known(right, None), 0);
            (either(true, false), either(false, true))
        };
        let (left, right) = (Some(Side::Left), Some(Side::Right));
        assert_eq!(sides(Inner), (left, right));
        for join_type in [Left, LeftSemi, LeftAnti, LeftMark] {
            assert_eq!(sides(join_type), (None, right), "{join_type}");
        }
        for join_type in [Right, RightSemi, RightAnti, RightMark] {
            assert_eq!(sides(join_type), (left, None), "{join_type}");
        }
        assert_eq!(sides(Full), (None, None));
    }
}
