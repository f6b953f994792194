use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{NullEquality, Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_expr::expressions::{
    BinaryExpr, DynamicFilterPhysicalExpr, InListExpr, IsNullExpr, lit,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::bounds::Seen;
use super::members::{MayMatch, SharedMembers, Sketch};

/// The filter that the scan of the probe side gets once the build side is known: keys between the least
/// and the greatest of the build side's, and in the list of them where it is short, or else in a Bloom filter.
///
/// Where the build side is built in partitions the filter is set when all of them are there, and every
/// probing waits for it, since a scan that has begun has missed it. It keeps no build rows.
#[derive(Debug)]
pub(crate) struct ProbeFilter {
    filter: Arc<DynamicFilterPhysicalExpr>,
    keys: Vec<PhysicalExprRef>,
    schema: SchemaRef,
    null_equality: NullEquality,
    null_aware: bool,
    members: Arc<SharedMembers>,
    reports: Mutex<Reports>,
    complete: Notify,
}

#[derive(Debug)]
struct Reports {
    seen: Vec<Option<Seen>>,
    missing: usize,
}

/// The report that one partition of the build side owes. Dropped without having been delivered, it says that
/// nothing is known of that partition.
#[derive(Debug)]
pub(crate) struct Report {
    to: Option<Arc<ProbeFilter>>,
}

impl Report {
    pub(crate) fn deliver(mut self, seen: Seen) -> Result<()> {
        match self.to.take() {
            Some(filter) => filter.note(Some(seen)),
            None => Ok(()),
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(filter) = self.to.take() {
            // Without a bound for each partition the filter stays as it is, and lets all rows pass.
            let _ = filter.note(None);
        }
    }
}

impl ProbeFilter {
    /// A filter that waits for so many reports.
    pub(crate) fn new(
        filter: Arc<DynamicFilterPhysicalExpr>,
        keys: Vec<PhysicalExprRef>,
        schema: SchemaRef,
        null_equality: NullEquality,
        null_aware: bool,
        members: Arc<SharedMembers>,
        reports: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            filter,
            keys,
            schema,
            null_equality,
            null_aware,
            members,
            reports: Mutex::new(Reports {
                seen: Vec::new(),
                missing: reports,
            }),
            complete: Notify::new(),
        })
    }

    pub(crate) fn report(self: &Arc<Self>) -> Report {
        Report {
            to: Some(Arc::clone(self)),
        }
    }

    /// What one partition of the build side is to remember its keys by.
    pub(crate) fn sketch(&self) -> Sketch {
        Sketch::new(Arc::clone(&self.members))
    }

    fn note(&self, seen: Option<Seen>) -> Result<()> {
        let all = {
            let mut reports = self.reports.lock();
            reports.seen.push(seen);
            reports.missing = reports.missing.saturating_sub(1);
            (reports.missing == 0).then(|| std::mem::take(&mut reports.seen))
        };
        let Some(all) = all else {
            return Ok(());
        };
        let set = match all.into_iter().collect::<Option<Vec<Seen>>>() {
            Some(seen) => self.predicate(&seen).and_then(|predicate| match predicate {
                Some(predicate) => self.filter.update(predicate),
                None => Ok(()),
            }),
            None => {
                self.members.give_up();
                Ok(())
            }
        };
        self.filter.mark_complete();
        self.complete.notify_waiters();
        set
    }

    /// Waits until every report is there.
    pub(crate) async fn complete(&self) {
        loop {
            let complete = self.complete.notified();
            if self.reports.lock().missing == 0 {
                return;
            }
            complete.await;
        }
    }

    fn predicate(&self, seen: &[Seen]) -> Result<Option<PhysicalExprRef>> {
        let seen: Vec<&Seen> = seen.iter().filter(|seen| seen.has_rows).collect();
        if seen.is_empty() {
            return self.with_nulls(lit(false), false).map(Some);
        }
        let mut terms = Vec::new();
        for (number, key) in self.keys.iter().enumerate() {
            let extremes = seen
                .iter()
                .map(|seen| seen.extremes.get(number).cloned().flatten());
            let Some(extremes) = extremes.collect::<Option<Vec<_>>>() else {
                continue;
            };
            let extremes = extremes.into_iter().filter(|(least, _)| !least.is_null());
            let Some((least, greatest)) = extremes.reduce(widest) else {
                continue;
            };
            terms.push(binary(key, Operator::GtEq, lit(least)));
            terms.push(binary(key, Operator::LtEq, lit(greatest)));
        }
        if let Some(values) = list(&seen)? {
            let key = Arc::clone(&self.keys[0]);
            terms.push(Arc::new(InListExpr::try_new_from_array(
                key,
                values,
                false,
                &self.schema,
            )?));
        } else if let Some(rest) = seen
            .iter()
            .map(|seen| seen.rest.as_ref())
            .collect::<Option<Vec<_>>>()
            && let Some(members) = self.members.finish(&rest)
        {
            terms.push(Arc::new(MayMatch::new(self.keys.clone(), &members)));
        }
        let has_null = seen.iter().any(|seen| seen.has_null);
        match terms
            .into_iter()
            .reduce(|left, right| binary(&left, Operator::And, right))
        {
            Some(predicate) => self.with_nulls(predicate, has_null).map(Some),
            None => Ok(None),
        }
    }

    /// Lets NULLs pass where the join has to see them: for NOT IN, and where NULL equals NULL and the
    /// build side has some.
    fn with_nulls(
        &self,
        predicate: PhysicalExprRef,
        build_has_null: bool,
    ) -> Result<PhysicalExprRef> {
        let equal = self.null_equality == NullEquality::NullEqualsNull && build_has_null;
        let mut predicate = predicate;
        if self.null_aware || equal {
            for key in &self.keys {
                if key.nullable(&self.schema)? {
                    let is_null: PhysicalExprRef = Arc::new(IsNullExpr::new(Arc::clone(key)));
                    predicate = binary(&is_null, Operator::Or, predicate);
                }
            }
        }
        Ok(predicate)
    }
}

fn widest(
    (least, greatest): (ScalarValue, ScalarValue),
    (other_least, other_greatest): (ScalarValue, ScalarValue),
) -> (ScalarValue, ScalarValue) {
    let least = if other_least < least {
        other_least
    } else {
        least
    };
    let greatest = if other_greatest > greatest {
        other_greatest
    } else {
        greatest
    };
    (least, greatest)
}

/// The values of all partitions, if all are few.
fn list(seen: &[&Seen]) -> Result<Option<ArrayRef>> {
    let values: Option<Vec<&Vec<ArrayRef>>> =
        seen.iter().map(|seen| seen.values.as_ref()).collect();
    let Some(values) = values else {
        return Ok(None);
    };
    let arrays: Vec<&dyn Array> = values
        .into_iter()
        .flatten()
        .map(|array| array.as_ref())
        .collect();
    if arrays.is_empty() {
        return Ok(None);
    }
    Ok(Some(concat(&arrays)?))
}

fn binary(left: &PhysicalExprRef, operator: Operator, right: PhysicalExprRef) -> PhysicalExprRef {
    Arc::new(BinaryExpr::new(Arc::clone(left), operator, right))
}
