use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{JoinSide, Result};

use super::crossing::Crossing;
use super::gather::{Pairs, pairs_of, rows_of};
use super::index::Index;
use super::keys::{Equality, Keys, Numbers};
use super::spec::Spec;
use super::table::Table;

/// One batch of probe rows on its way through tables.
///
/// It stops whenever a batch of the result is full, be it in the middle of the rows that one probe row
/// matches, and goes on from there.
pub(crate) struct Probing {
    pub(crate) batch: RecordBatch,
    keys: Keys,
    hashes: Vec<u64>,
    tables: Vec<Arc<Table>>,
    /// Which rows go to which table.
    work: Vec<(usize, Rows)>,
    current: Option<Lookup>,
    crossing: Option<Crossing>,
    next_work: usize,
    /// Whether each row was matched, where the join asks for it.
    matched: Vec<bool>,
    /// The rows for which this is the only probing, so that it tells whether they were matched.
    own: Rows,
    is_told: bool,
    pairs: Pairs,
}

/// How far a probing has come.
pub(crate) enum Progress {
    /// A batch of the result.
    Rows(RecordBatch),
    /// Many pairs were looked at, and none is one of the result: it is for others to get their turn.
    NoneYet,
    Done,
}

/// Rounds without a row of the result after which others get their turn.
const ROUNDS_BETWEEN_YIELDS: usize = 64;

/// Blocks of all rows with all rows that are looked at in a round.
const BLOCKS_AT_ONCE: usize = 16;

/// Rows of a batch.
pub(crate) enum Rows {
    All(usize),
    Some(Vec<u32>),
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::Some(rows) => rows.len(),
        }
    }

    #[inline]
    fn get(&self, position: usize) -> u32 {
        match self {
            Self::All(_) => position as u32,
            Self::Some(rows) => rows[position],
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|position| self.get(position) as usize)
    }
}

/// How far the rows of one table have come.
struct Lookup {
    position: usize,
    /// Where in its chain the row at `position` has come to.
    chain: Option<u32>,
    equality: Option<Equality>,
    numbers: Option<Numbers>,
    /// The NULLs among the numbers: an index of numbers has none.
    nulls: Option<NullBuffer>,
}

impl Probing {
    /// A batch all of whose rows go to one table.
    pub(crate) fn of_all(
        spec: &Spec,
        batch: RecordBatch,
        keys: Keys,
        table: Arc<Table>,
    ) -> Result<Self> {
        let mut hashes = Vec::new();
        if table.index.needs_hashes() {
            keys.hash(0, &mut hashes)?;
        }
        let all = || Rows::All(batch.num_rows());
        let rows = match &keys.matchable {
            None => all(),
            Some(valid) => Rows::Some(valid.valid_indices().map(|row| row as u32).collect()),
        };
        let own = all();
        Ok(Self::new(
            spec,
            batch,
            keys,
            hashes,
            vec![table],
            vec![(0, rows)],
            own,
        ))
    }

    /// A batch whose rows go to several tables, or to none (`hashes` are those of depth 0).
    pub(crate) fn new(
        spec: &Spec,
        batch: RecordBatch,
        keys: Keys,
        hashes: Vec<u64>,
        tables: Vec<Arc<Table>>,
        work: Vec<(usize, Rows)>,
        own: Rows,
    ) -> Self {
        let matched = match spec.of_probe() {
            Some(_) => vec![false; batch.num_rows()],
            None => Vec::new(),
        };
        Self {
            batch,
            keys,
            hashes,
            tables,
            work,
            current: None,
            crossing: None,
            next_work: 0,
            matched,
            own,
            is_told: false,
            pairs: Pairs::with_capacity(spec.batch_size),
        }
    }

    /// Has no rows of its own told: whoever drives several probings of the same rows does it himself.
    pub(crate) fn untold(mut self, matched: Vec<bool>) -> Self {
        self.is_told = true;
        self.matched = matched;
        self
    }

    /// Whether each row was matched.
    pub(crate) fn into_matched(self) -> Vec<bool> {
        self.matched
    }

    /// The next batch of the result, of at most `spec.batch_size` rows but for the last.
    pub(crate) fn next(&mut self, spec: &Spec) -> Result<Progress> {
        let mut rounds = 0;
        while match spec.has_keys() {
            true => self.collect_pairs(spec)?,
            false => self.cross(spec)?,
        } {
            if let Some(filter) = spec.filter.as_ref().filter(|_| spec.has_keys()) {
                let schema = filter.schema();
                let sides = pairs_of(
                    &self.pairs,
                    &self.tables,
                    &self.batch,
                    filter.column_indices(),
                    schema,
                )?;
                let keep = filter
                    .expression()
                    .evaluate(&sides)?
                    .into_array(sides.num_rows())?;
                self.pairs.retain(keep.as_boolean());
            }
            self.flag(spec);
            if spec.delivers_pairs() && self.pairs.len() > 0 {
                let rows = pairs_of(
                    &self.pairs,
                    &self.tables,
                    &self.batch,
                    &spec.columns,
                    &spec.schema,
                )?;
                return Ok(Progress::Rows(rows));
            }
            rounds += 1;
            if rounds >= ROUNDS_BETWEEN_YIELDS {
                return Ok(Progress::NoneYet);
            }
        }
        if std::mem::replace(&mut self.is_told, true) {
            return Ok(Progress::Done);
        }
        let Some(report) = spec.of_probe() else {
            return Ok(Progress::Done);
        };
        let matched = |row: usize| self.matched[row];
        rows_of(
            spec,
            JoinSide::Right,
            &self.batch,
            self.own.iter(),
            report,
            matched,
        )
        .map(Progress::Rows)
    }

    /// Collects the pairs of the next block of all rows with all rows that the join's filter lets pass. False if there
    /// are no more blocks.
    fn cross(&mut self, spec: &Spec) -> Result<bool> {
        self.pairs.clear();
        let Some((number, _)) = self.work.get(self.next_work) else {
            return Ok(false);
        };
        let table = &self.tables[*number];
        let crossing = self
            .crossing
            .get_or_insert_with(|| Crossing::new(spec, table, &self.batch));
        for _ in 0..BLOCKS_AT_ONCE {
            if self.pairs.len() > 0 && !crossing.has_room(self.pairs.len()) {
                break;
            }
            let matched = &self.matched;
            if !crossing.advance(spec, table, &self.batch, matched, &mut self.pairs)? {
                self.crossing = None;
                self.next_work += 1;
                break;
            }
        }
        if self.pairs.len() > 0 {
            self.pairs.tables.push((0, *number));
        }
        Ok(true)
    }

    fn flag(&mut self, spec: &Spec) {
        if spec.of_build().is_some() {
            for (table, pairs) in self.pairs.by_table() {
                self.tables[table].flag(&self.pairs.build[pairs]);
            }
        }
        if spec.of_probe().is_some() {
            for probe in &self.pairs.probe {
                self.matched[*probe as usize] = true;
            }
        }
    }

    /// Collects the next pairs with equal keys, at most a batch of them. False if there are none.
    fn collect_pairs(&mut self, spec: &Spec) -> Result<bool> {
        self.pairs.clear();
        while self.pairs.len() < spec.batch_size {
            if self.current.is_none() {
                let Some((table, _)) = self.work.get(self.next_work) else {
                    break;
                };
                self.current = Some(Lookup::new(&self.tables[*table], &self.keys, spec)?);
            }
            let (table, rows) = &self.work[self.next_work];
            let start = self.pairs.len();
            let is_done = self.current.as_mut().is_none_or(|lookup| {
                lookup.advance(
                    &self.tables[*table].index,
                    rows,
                    &self.hashes,
                    spec,
                    &mut self.pairs,
                )
            });
            if self.pairs.len() > start {
                self.pairs.tables.push((start, *table));
            }
            if is_done {
                self.current = None;
                self.next_work += 1;
            }
        }
        Ok(self.pairs.len() > 0)
    }
}

impl Lookup {
    fn new(table: &Table, keys: &Keys, spec: &Spec) -> Result<Self> {
        let (equality, numbers) = match &table.index {
            Index::Hashed(_) => {
                let equality = Equality::between(&table.keys, &keys.columns, spec.null_equality)?;
                (Some(equality), None)
            }
            // Nothing is looked up in it.
            Index::All => (None, None),
            Index::Direct(_) => (None, Numbers::of(&keys.columns[0])),
        };
        let nulls = numbers
            .as_ref()
            .and_then(|_| keys.columns[0].nulls().cloned());
        Ok(Self {
            position: 0,
            chain: None,
            equality,
            numbers,
            nulls,
        })
    }

    /// Looks up rows until `pairs` are a full batch. True when all rows are done.
    fn advance(
        &mut self,
        index: &Index,
        rows: &Rows,
        hashes: &[u64],
        spec: &Spec,
        pairs: &mut Pairs,
    ) -> bool {
        match (index, &self.equality, &self.numbers) {
            (Index::Hashed(hashed), Some(equality), _) => {
                let first = |row: u32| hashed.first(hashes[row as usize]);
                let step = |build: u32, row: u32| {
                    let (may_equal, next) = hashed.entry(build, hashes[row as usize]);
                    (
                        may_equal && equality.holds(build as usize, row as usize),
                        next,
                    )
                };
                walk(
                    &mut self.position,
                    &mut self.chain,
                    rows,
                    spec,
                    pairs,
                    first,
                    step,
                )
            }
            (Index::Direct(direct), _, Some(numbers))
                if direct.is_unique() && self.nulls.is_none() =>
            {
                let position = &mut self.position;
                match numbers {
                    Numbers::Of32(numbers) => one_each(position, rows, spec, pairs, |row| {
                        direct.first(i64::from(numbers[row as usize]))
                    }),
                    Numbers::Of64(numbers) => one_each(position, rows, spec, pairs, |row| {
                        direct.first(numbers[row as usize])
                    }),
                }
            }
            (Index::Direct(direct), _, Some(numbers)) => {
                let nulls = self.nulls.as_ref();
                let first = |row: u32| match nulls.is_some_and(|nulls| nulls.is_null(row as usize))
                {
                    true => 0,
                    false => direct.first(numbers.get(row as usize)),
                };
                let step = |build: u32, _| (true, direct.next(build));
                walk(
                    &mut self.position,
                    &mut self.chain,
                    rows,
                    spec,
                    pairs,
                    first,
                    step,
                )
            }
            // An index of numbers is probed with numbers: the two sides' keys have one type.
            _ => true,
        }
    }
}

/// As [`walk`] where no chain has more than one link and no link has to be looked at: a row is written whether it has
/// a partner or not and counted only if it has, which leaves the processor nothing to guess.
#[inline(always)]
fn one_each(
    position: &mut usize,
    rows: &Rows,
    spec: &Spec,
    pairs: &mut Pairs,
    first: impl Fn(u32) -> u32,
) -> bool {
    let start = pairs.len();
    let room = spec.batch_size.saturating_sub(start);
    let until = rows.len().min(*position + room);
    pairs.build.resize(start + until - *position, 0);
    pairs.probe.resize(start + until - *position, 0);
    let mut end = start;
    let mut look_up = |row: u32| {
        let link = first(row);
        pairs.build[end] = link.wrapping_sub(1);
        pairs.probe[end] = row;
        end += usize::from(link != 0);
    };
    match rows {
        Rows::All(_) => (*position..until).for_each(|row| look_up(row as u32)),
        Rows::Some(rows) => rows[*position..until].iter().for_each(|row| look_up(*row)),
    }
    pairs.build.truncate(end);
    pairs.probe.truncate(end);
    *position = until;
    until == rows.len()
}

/// Follows the chain of each row from where the last call stopped, until `pairs` are a full batch. True
/// when all rows are done.
#[inline(always)]
fn walk(
    position: &mut usize,
    chain: &mut Option<u32>,
    rows: &Rows,
    spec: &Spec,
    pairs: &mut Pairs,
    first: impl Fn(u32) -> u32,
    step: impl Fn(u32, u32) -> (bool, u32),
) -> bool {
    let one_is_enough = spec.one_match_is_enough();
    let limit = spec.batch_size;
    let total = rows.len();
    while *position < total {
        let row = rows.get(*position);
        let mut link = chain.take().unwrap_or_else(|| first(row));
        while link != 0 {
            if pairs.len() >= limit {
                *chain = Some(link);
                return false;
            }
            let build = link - 1;
            let (is_match, next) = step(build, row);
            link = next;
            if is_match {
                pairs.build.push(build);
                pairs.probe.push(row);
                if one_is_enough {
                    break;
                }
            }
        }
        *position += 1;
    }
    true
}
