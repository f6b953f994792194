//! Broadcasts that are asked for and do not fit.

use plimsoll_cage::{Cage, judge};

use crate::runs::{MIB, PATIENCE, Runs, plimsoll, spill_directory};

/// The hinted side has more bytes than the line, or more than storage memory and less than the line.
#[test]
fn a_hinted_broadcast_larger_than_there_is_room_for_is_joined_by_partitions() {
    let mut runs = Runs::default();
    for (mib, rows) in [(96, 600_000_u64), (96, 200_000), (192, 600_000)] {
        let line = mib * MIB;
        let Some(cage) = Cage::or_skip(line) else {
            return;
        };
        let query = format!(
            "SELECT /*+ BROADCAST(b) */ count(*) AS n, sum(length(b.s)) AS length FROM range({rows}) a \
             JOIN (SELECT id, repeat('0123456789', 20) || (id + 1000000) AS s FROM range({rows})) b ON a.id = b.id"
        );
        let spill = spill_directory();
        let mut command = plimsoll("sql", line, &spill);
        command.args(["--report", "text", "--output", "csv", "-e", &query]);
        let run = cage.run(&mut command, PATIENCE).unwrap();
        let expected = format!("n,length\n{rows},{}", rows * 207);
        let check = |csv: &str| match csv.trim() == expected {
            true => Ok(()),
            false => Err(csv.to_owned()),
        };
        let verdict = judge(&run, check, &[]);
        let name = format!("a hinted broadcast of {} MiB", rows * 207 / MIB);
        runs.add(&name, &run, &verdict, verdict.is_kept());
        let told = &run.stderr.text;
        if !told.contains("joined by partitions instead") {
            runs.broke(format!("{name}: {told}"));
        }
    }
    runs.assert_kept();
}
