//! Reads and writes files as Spark does: what `tools/files-oracle` recorded of Spark is done again here, and what
//! comes of it is compared. Beside that, what a write leaves behind when it does not end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::{FileFormat, SaveMode, Session, Target, WriteRequest};

#[path = "support/ddl.rs"]
mod ddl;
#[path = "files/recorded.rs"]
mod recorded;
#[path = "support/text.rs"]
mod text;
#[path = "files/writes.rs"]
mod writes;

fn session() -> Session {
    let mut conf = Conf::default();
    conf.set("spark.sql.session.timeZone", "UTC", Origin::Code)
        .unwrap();
    Session::new(conf, Machine::with_memory(8 << 30), vec![]).unwrap()
}

fn request(format: &str, path: &Path) -> WriteRequest {
    WriteRequest {
        format: FileFormat::of_name(format).unwrap(),
        path: path.display().to_string(),
        target: Target::Directory,
        mode: SaveMode::ErrorIfExists,
        partition_by: vec![],
        options: BTreeMap::new(),
    }
}

/// All files below a directory, hidden ones too.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        match path.is_dir() {
            true => found.extend(files(&path).iter().map(|below| name.join(below))),
            false => {
                found.insert(name);
            }
        }
    }
    found
}
