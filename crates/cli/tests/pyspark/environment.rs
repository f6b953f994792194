//! Pythons with PySpark in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// `pip install pyspark[connect]`: all of Spark, of which only the client is used.
pub static PYSPARK: LazyLock<PathBuf> =
    LazyLock::new(|| python("pyspark", &["pyspark[connect]==4.1.4"]));

/// `pip install pyspark-client`: the client alone.
pub static PYSPARK_CLIENT: LazyLock<PathBuf> =
    LazyLock::new(|| python("pyspark-client", &["pyspark-client==4.1.3"]));

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The Python of an environment with these packages, made if it is not there.
fn python(name: &str, packages: &[&str]) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = directory.join("bin/python");
    let complete = directory.join(format!(
        "complete-{}",
        packages.join("-").replace(['[', ']'], "")
    ));
    if !complete.exists() {
        let _ = fs::remove_dir_all(&directory);
        run(Command::new("python3").args(["-m", "venv"]).arg(&directory));
        // What Spark's own answers were recorded with.
        let with = ["pandas==3.1.1", "pyarrow==26.0.1"];
        run(Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(packages)
            .args(with));
        fs::write(complete, "").unwrap();
    }
    python
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
