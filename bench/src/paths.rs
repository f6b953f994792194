//! Where the repository keeps what the benchmarks read and make.

use std::env;
use std::path::{Path, PathBuf};

use crate::tpch::Scale;

/// The directory that holds the TPC-H queries, `q1.sql` to `q22.sql`.
pub fn queries() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tpch")
}

/// The file of one TPC-H query, numbered from 1 to 22.
pub fn query(number: u8) -> PathBuf {
    queries().join(format!("q{number}.sql"))
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, or `target` in the repository.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target"),
    }
}

/// Where the data of a scale lives unless the user says otherwise: `target/tpch/scale-N`.
pub fn data(scale: Scale) -> PathBuf {
    target().join("tpch").join(format!("scale-{scale}"))
}
