//! `plimsoll run job.py`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::environment::{PYSPARK, PYSPARK_CLIENT, root};
use crate::serve::{Server, signal};

/// A directory with a script in it, and spills and temporary files that can be looked for.
struct Job {
    directory: TempDir,
}

impl Job {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("job.py"), script).unwrap();
        fs::create_dir(directory.path().join("tmp")).unwrap();
        Self { directory }
    }

    fn command(&self, python: &Path, options: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .arg("run")
            .args(options)
            .arg(self.directory.path().join("job.py"))
            .args(arguments)
            .env("PYSPARK_PYTHON", python)
            .env("TMPDIR", self.directory.path().join("tmp"))
            .env("SPARK_LOCAL_DIRS", self.directory.path().join("tmp"))
            .stdin(Stdio::null());
        command
    }

    fn left_behind(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path().join("tmp")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }
}

#[test]
fn a_script_runs_as_python_would_run_it_and_ends_with_the_report() {
    let job = Job::new(
        r#"
import sys, os
from pyspark.sql import SparkSession
import helper
spark = SparkSession.builder.getOrCreate()
print(sys.argv[1:], __name__, os.path.basename(__file__), helper.answer)
print(spark.table("people").where("age > 30").count())
sys.exit(7)
"#,
    );
    fs::write(job.directory.path().join("helper.py"), "answer = 42\n").unwrap();
    let tables = job.directory.path().join("tables");
    fs::create_dir(&tables).unwrap();
    fs::write(tables.join("people.csv"), "Name,age\nAda,36\nBob,\n").unwrap();
    let tables = tables.display().to_string();
    for python in [&*PYSPARK, &*PYSPARK_CLIENT] {
        let output = job
            .command(
                python,
                &["--memory", "600m", "--tables", &tables],
                &["a", "--b"],
            )
            .output()
            .unwrap();
        let (told, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(told, "['a', '--b'] __main__ job.py 42\n1\n", "{errors}");
        assert_eq!(output.status.code(), Some(7), "{errors}");
        assert!(
            errors.contains("600 MiB") && errors.contains("Query 1"),
            "{errors}"
        );
        assert_eq!(job.left_behind(), Vec::<String>::new());
    }
}

#[test]
fn an_uncaught_exception_is_told_as_python_tells_it() {
    let job = Job::new(
        "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().table('nope').show()\n",
    );
    let output = job
        .command(&PYSPARK_CLIENT, &["--report", "none"], &[])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("AnalysisException: [TABLE_OR_VIEW_NOT_FOUND]"),
        "{errors}"
    );
    assert!(!errors.contains("launcher.py"), "{errors}");
}

/// Waits until the script has said that it is at it.
fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the script does not start"
        );
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn signals_end_the_script_and_the_engine() {
    for (number, status) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let job = Job::new(
            r#"
import pathlib, os
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
pathlib.Path(__file__).with_name("started").write_text(str(os.getpid()))
spark.range(10**13).selectExpr("sum(id * id % 7)").show()
"#,
        );
        let process = job
            .command(&PYSPARK_CLIENT, &["--report", "none"], &[])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = job.directory.path().join("started");
        wait_for(&started);
        sleep(Duration::from_millis(500));
        let script: i32 = fs::read_to_string(&started).unwrap().parse().unwrap();
        signal(&process, number);
        let output = process.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{errors}");
        assert!(
            !Path::new(&format!("/proc/{script}")).exists(),
            "the script is still there"
        );
        assert_eq!(job.left_behind(), Vec::<String>::new());
    }
}

#[test]
fn the_launchers_own_tests_pass() {
    let server = Server::start(&["--token", "token", "--report", "none"]);
    let output = Command::new(&*PYSPARK)
        .args(["-B", "-m", "unittest"])
        .current_dir(root().join("crates/connect/python"))
        .env("PLIMSOLL_TEST_REMOTE", &server.remote)
        .env("PLIMSOLL_TEST_TOKEN", "token")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    server.end();
}

#[test]
fn a_python_without_pyspark_is_told_what_to_install() {
    let job = Job::new("");
    let output = job
        .command(Path::new("python3"), &[], &[])
        .env("PYTHONPATH", "")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    // A machine may have PySpark in its own Python; then the empty script just runs.
    if output.status.code() != Some(0) {
        assert!(errors.contains("pip install"), "{errors}");
        assert!(errors.contains("PYSPARK_PYTHON"), "{errors}");
    }
    let output = job
        .command(Path::new("/nowhere/python"), &[], &[])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("/nowhere/python"), "{errors}");
}
