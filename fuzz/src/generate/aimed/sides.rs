//! The two sides of an aimed join, and a third table beside them.

use super::{FIRST_TEXT, Situation, Type};
use crate::case::{Column, Spread, Storage, Table};
use crate::generate::{Scale, tables};
use crate::kind::{Kind, Layout};
use crate::random::Random;

/// What the columns of both sides have in common.
pub(super) struct Sides {
    key: Kind,
    /// How many texts.
    texts: usize,
    /// Characters of the first. Each other has some more, so that not all of what keeps them grows at the same moment.
    width: u16,
}

impl Sides {
    pub(super) fn new(random: &mut Random, situation: Situation, has_long_key: bool) -> Self {
        let key = match has_long_key {
            true => long_text(random, 200),
            false => tables::key_of_many_values(random),
        };
        let (texts, width) = match situation {
            Situation::HotBuild => (1, *random.pick(&[100, 180, 250])),
            // While a table is made its largest column is there twice: one of many leaves little free afterwards.
            Situation::IdleBuild => (9, *random.pick(&[16, 24])),
        };
        Self { key, texts, width }
    }

    /// A build side that does not fit and has a hot key, and keys of which one is that.
    pub(super) fn hot(
        &self,
        join: Type,
        random: &mut Random,
        memory: u64,
        scale: Scale,
    ) -> Vec<Table> {
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
        probe.rows = vec![(0, probe_rows.min(probe.row_count()) as u32)];
        same_storage(join, &mut probe, &build);
        vec![build, probe]
    }

    /// A build side that fits, and what is to take its memory.
    pub(super) fn idle(
        &self,
        join: Type,
        random: &mut Random,
        memory: u64,
        scale: Scale,
    ) -> Vec<Table> {
        // All of it fits, also while it is made a table: what goes to disk is not there to be taken back. What is free
        // afterwards is to be less than the share up to which others give back what they hold.
        let bytes = match join {
            Type::RightMark => memory * random.between(72, 77) / 100,
            // There is another one beside it.
            _ => memory * random.between(58, 65) / 100,
        };
        let nulls = *random.pick(&[0, 0, 5]);
        let build = self.exact_table(random, nulls, bytes, scale);
        let keys = Spread::Uniform((build.row_count() * 2).max(1) as u32);
        let nulls = match join {
            // It would be the end of the join.
            Type::NullAwareAnti => 0,
            _ => *random.pick(&[0, 0, 5]),
        };
        let bytes = (memory * random.between(30, 45) / 10).min(scale.bytes);
        let mut probe = self.table(random, keys, nulls, bytes, scale);
        same_storage(join, &mut probe, &build);
        let bytes = memory * random.between(18, 21) / 100;
        let other = self.exact_table(random, 0, bytes, scale);
        vec![build, probe, other]
    }

    /// A table whose batches take no more than their rows, as those of files do, nobody can tell how much.
    fn exact_table(&self, random: &mut Random, nulls: u8, bytes: u64, scale: Scale) -> Table {
        let mut table = self.table(random, Spread::Unique, nulls, bytes, scale);
        table.storage = in_memory(random);
        for text in table.columns.iter_mut().skip(FIRST_TEXT) {
            if let Kind::Text { layout, .. } = &mut text.kind {
                *layout = Layout::Plain;
            }
        }
        table
    }

    /// A table of a number, a key and texts, of so many bytes.
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
            let text = long_text(random, self.width + 2 * number as u16);
            let nulls = *random.pick(&[0, 0, 10]);
            column(random, text, Spread::Unique, nulls)
        }));
        let storage = match random.percent(60) {
            true => tables::in_files(random),
            false => in_memory(random),
        };
        let scale = Scale { bytes, ..scale };
        tables::within(scale, columns, scale.rows, storage)
    }
}

/// Sees to it that statistics of the two sides can be compared, where that decides which is built: those of a table in
/// memory count what its batches share once for each of them.
fn same_storage(join: Type, probe: &mut Table, build: &Table) {
    if join == Type::RightMark {
        probe.storage = build.storage.clone();
    }
}

/// In memory, in batches that are not so many that the judge takes long for them.
fn in_memory(random: &mut Random) -> Storage {
    Storage::Memory {
        partitions: random.between(1, 4) as u8,
        batch_rows: *random.pick(&[100, 1000, 8192, 20_000]),
    }
}

/// Texts that are as long in memory as they are.
pub(super) fn long_text(random: &mut Random, width: u16) -> Kind {
    let layout = *random.pick(&[Layout::Plain, Layout::Plain, Layout::Large, Layout::View]);
    Kind::Text { width, layout }
}
