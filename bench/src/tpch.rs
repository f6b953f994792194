//! TPC-H data: eight tables as Parquet, made once and reused.
//!
//! ```text
//! scale-1/
//! ├── _MANIFEST              what made it, and rows and bytes of each file
//! ├── customer/part-0.parquet
//! ├── lineitem/part-0.parquet … part-3.parquet
//! └── …
//! ```
//!
//! A directory is complete or it is not there: it is written under another name and renamed when its manifest is in it
//! (`place`). One that was damaged since is found out (`manifest`) and made again.

mod generate;
mod manifest;
mod place;
mod scale;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::progress::Progress;
use crate::size;
use manifest::{Found, Manifest};
use place::Partial;

pub use scale::Scale;
pub use table::Table;

/// What is in a directory that [`ensure`] has returned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of all Parquet files.
    pub bytes: u64,
    /// Whether the data was there already.
    pub reused: bool,
}

/// Makes sure that `dir` holds the TPC-H tables at `scale`, and says on stderr in a line what it did.
///
/// Complete data is reused; anything else that this function made before is made again. Memory is bounded: the generator's
/// pool of text takes 300 MB, and each thread (at most eight) holds one row group of 256 Ki rows. Processes that want the
/// same directory wait for each other.
///
/// # Errors
/// When the disk is full, the directory cannot be written, or `dir` holds something that is not ours to replace.
pub fn ensure(dir: &Path, scale: Scale) -> Result<Data> {
    if let Found::Complete(manifest) = manifest::inspect(dir, scale) {
        return Ok(reuse(dir, &manifest));
    }
    make(dir, scale).map_err(|error| place::explain(error, dir, scale))
}

fn reuse(dir: &Path, manifest: &Manifest) -> Data {
    let data = manifest.data(true);
    eprintln!(
        "TPC-H data in {} is complete ({}): reusing it",
        dir.display(),
        size::human(data.bytes)
    );
    data
}

fn make(dir: &Path, scale: Scale) -> Result<Data> {
    let _lock = place::lock(dir)?;
    match manifest::inspect(dir, scale) {
        // Another process made it while this one waited for the lock.
        Found::Complete(manifest) => return Ok(reuse(dir, &manifest)),
        Found::Nothing => {}
        Found::Unusable(reason) => {
            place::refuse_foreign(dir)?;
            eprintln!(
                "TPC-H data in {} is not usable ({reason}): making it again",
                dir.display()
            );
            fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
    }
    place::remove_leftovers(dir)?;

    let expected = Table::ALL
        .iter()
        .map(|table| table.expected_rows(scale))
        .sum();
    let progress = Progress::new(
        expected,
        "TPC-H data {wide_bar} {percent:>3} % {msg} {elapsed}",
    );
    progress.say(&format!(
        "making TPC-H data at scale {scale} in {}",
        dir.display()
    ));

    let partial = Partial::create(dir)?;
    let files = generate::generate(partial.path(), scale, &progress)?;
    let manifest = Manifest::new(scale, files);
    manifest.write(partial.path())?;
    partial.publish(dir)?;

    let data = manifest.data(false);
    progress.say(&format!(
        "TPC-H data: {} rows, {}",
        data.rows,
        size::human(data.bytes)
    ));
    Ok(data)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::path::PathBuf;

    use super::*;

    /// A directory with data at scale 0.01, and the temporary directory that it lives in.
    fn made() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("scale-0.01");
        assert!(!ensure(&dir, small()).unwrap().reused);
        (parent, dir)
    }

    fn small() -> Scale {
        "0.01".parse().unwrap()
    }

    #[test]
    fn scale_one_hundredth_has_the_rows_of_the_specification_and_is_reused() {
        let (parent, dir) = made();
        let Found::Complete(manifest) = manifest::inspect(&dir, small()) else {
            panic!("not complete")
        };
        let rows = |table: Table| -> u64 {
            let folder = format!("{}/", table.name());
            manifest
                .files
                .iter()
                .filter(|file| file.path.starts_with(&folder))
                .map(|file| file.rows)
                .sum()
        };
        assert_eq!(
            Table::ALL.map(rows),
            // lineitem, orders, partsupp, customer, part, supplier, nation, region
            [60_175, 15_000, 8_000, 1_500, 2_000, 100, 25, 5]
        );
        assert!(ensure(&dir, small()).unwrap().reused);
        let names: Vec<_> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            !names
                .iter()
                .any(|name| name.to_string_lossy().contains("partial")),
            "{names:?}"
        );
    }

    #[test]
    fn a_truncated_file_leads_to_a_rebuild() {
        let (_parent, dir) = made();
        let file = dir.join("orders/part-0.parquet");
        let length = fs::metadata(&file).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(&file)
            .unwrap()
            .set_len(length / 2)
            .unwrap();
        assert!(!ensure(&dir, small()).unwrap().reused);
        assert_eq!(fs::metadata(&file).unwrap().len(), length);
    }

    #[test]
    fn a_file_of_the_right_size_with_a_broken_footer_leads_to_a_rebuild() {
        let (_parent, dir) = made();
        let file = dir.join("nation/part-0.parquet");
        let length = fs::metadata(&file).unwrap().len();
        fs::write(&file, vec![0; length as usize]).unwrap();
        assert!(!ensure(&dir, small()).unwrap().reused);
    }

    #[test]
    fn another_scale_a_stray_file_or_no_manifest_leads_to_a_rebuild() {
        let (_parent, dir) = made();
        let other: Scale = "0.002".parse().unwrap();
        assert!(!ensure(&dir, other).unwrap().reused);
        File::create(dir.join("nation/part-1.parquet")).unwrap();
        assert!(!ensure(&dir, other).unwrap().reused);
        fs::remove_file(dir.join("_MANIFEST")).unwrap();
        assert!(!ensure(&dir, other).unwrap().reused);
        assert!(ensure(&dir, other).unwrap().reused);
    }

    #[test]
    fn a_directory_with_something_else_in_it_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let precious = parent.path().join("thesis.tex");
        fs::write(&precious, "years of work").unwrap();
        let error = format!("{:#}", ensure(parent.path(), small()).unwrap_err());
        assert!(
            error.contains("thesis.tex") && error.contains("another directory"),
            "{error}"
        );
        assert!(precious.exists());
    }

    #[test]
    fn what_a_dead_process_left_behind_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let leftover = parent.path().join("data.partial-4194305");
        let another = parent.path().join("data-of-mine.partial-1");
        fs::create_dir(&leftover).unwrap();
        fs::create_dir(&another).unwrap();
        ensure(&dir, small()).unwrap();
        assert!(!leftover.exists());
        assert!(another.exists());
    }

    #[test]
    fn a_parent_that_cannot_be_written_is_one_paragraph_that_says_what_to_do() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        File::create(&file).unwrap();
        let error = format!("{:#}", ensure(&file.join("scale-1"), small()).unwrap_err());
        assert!(error.contains("--out") && !error.contains('\n'), "{error}");
    }
}
