//! Files that are hard on a limit, each in a process of its own.

use plimsoll_bench::hostile::{Input, Size};
use plimsoll_cage::Verdict;

use crate::runs::{MIB, Runs, kept};

const LINE: u64 = 64 * MIB;

/// Those that are held at a line as small as this. Columns of long texts and large dictionaries are not yet, when they are sorted or
/// grouped (`docs/memory.md` says so); `bench/memory --hostile` has them all.
const INPUTS: [Input; 4] = [
    Input::JsonLine,
    Input::CsvField,
    Input::ManyColumns,
    Input::DeepNesting,
];

/// To 64 MiB these are what the inputs of full size are to 512 MiB, and to 1 GiB where it is many rows that take time.
fn size(input: Input) -> Size {
    match input {
        Input::OneRowGroup | Input::LongStrings | Input::LargeDictionary => Size::part(16),
        _ => Size::part(8),
    }
}

#[test]
fn hostile_files_stay_within_the_line() {
    let mut runs = Runs::default();
    for input in INPUTS {
        let size = size(input);
        let tables = input.ensure(&kept("hostile"), size).unwrap();
        for statement in input.statements(size) {
            let name = format!("{}: {}", input.name(), statement.name);
            let other = input.other_errors();
            let verdict = runs.sql(
                &name,
                LINE,
                &tables,
                &statement.sql,
                &statement.answer,
                other,
            );
            let Some(verdict) = verdict else { return };
            if matches!(verdict, Verdict::Refused(_)) && input.must_finish(size, LINE) {
                runs.broke(format!("{name} can be done in pieces, and was refused"));
            }
        }
    }
    runs.assert_kept();
}
