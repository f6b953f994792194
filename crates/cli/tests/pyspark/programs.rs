//! The programs of `tests/pyspark`, compared with what Spark answers.

use std::path::Path;
use std::process::Command;

use crate::environment::{PYSPARK_CLIENT, root};
use crate::serve::Server;

#[test]
fn programs_that_passed_still_pass() {
    let server = Server::start(&["--report", "none"]);
    let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pyspark-programs.json");
    let harness = root().join("tests/pyspark/harness.py");
    let ran = Command::new(&*PYSPARK_CLIENT)
        .arg(&harness)
        .args(["--remote", &server.remote, "--out"])
        .arg(&actual)
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let compared = Command::new(&*PYSPARK_CLIENT)
        .arg(&harness)
        .args(["compare", "--actual"])
        .arg(&actual)
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&compared.stdout);
    println!("{table}");
    assert!(
        compared.status.success(),
        "{table}{}",
        String::from_utf8_lossy(&compared.stderr)
    );
    let (status, told) = server.end();
    assert!(status.success(), "{told}");
}
