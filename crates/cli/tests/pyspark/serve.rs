//! `plimsoll serve`.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::environment::PYSPARK_CLIENT;

/// A server of the built binary, on a port of its own.
pub struct Server {
    process: Child,
    stderr: BufReader<ChildStderr>,
    pub remote: String,
}

impl Server {
    pub fn start(options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut told = String::new();
        while !told.contains("sc://") {
            let read = stderr.read_line(&mut told).unwrap();
            assert!(read > 0, "the server ended: {told}");
        }
        let address = &told[told.find("sc://").unwrap()..];
        let end = address
            .find(|c: char| c == ';' || c.is_whitespace())
            .unwrap();
        let remote = address[..end].trim_end_matches('/').to_owned();
        Self {
            process,
            stderr,
            remote,
        }
    }

    /// Tells the server to end, and gives its status and what else it said.
    pub fn end(mut self) -> (ExitStatus, String) {
        signal(&self.process, libc::SIGTERM);
        let mut told = String::new();
        std::io::Read::read_to_string(&mut self.stderr, &mut told).unwrap();
        (self.process.wait().unwrap(), told)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, unless a test has failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn signal(process: &Child, number: i32) {
    let id = i32::try_from(process.id()).unwrap();
    // SAFETY: kill takes two numbers and touches no memory of this process.
    assert_eq!(unsafe { libc::kill(id, number) }, 0);
}

/// Runs a program with a session at this server, and gives what it printed.
pub fn python(remote: &str, program: &str) -> String {
    // A session that is collected while its channel is in use makes PySpark's client wait for itself.
    let prelude = "import gc, sys\ngc.disable()\nfrom pyspark.sql import SparkSession\n";
    let output = Command::new(&*PYSPARK_CLIENT)
        .args(["-W", "always", "-c", &format!("{prelude}{program}"), remote])
        .output()
        .unwrap();
    let (told, errors) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    format!("{told}{errors}")
}

#[test]
fn sessions_have_settings_and_views_of_their_own_and_one_memory() {
    let server = Server::start(&["--memory", "1g"]);
    let told = python(
        &server.remote,
        r#"
first = SparkSession.builder.remote(sys.argv[1]).create()
second = SparkSession.builder.remote(sys.argv[1]).create()
first.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
first.range(3).createOrReplaceTempView("mine")
first.range(3).createOrReplaceGlobalTempView("everyones")
print("zone", second.conf.get("spark.sql.session.timeZone") != "Asia/Tokyo")
print("views", [t.name for t in second.catalog.listTables()])
print("global", second.table("global_temp.everyones").count())
first.conf.set("spark.memory.storageFraction", "0.2")
print("shared", second.conf.get("spark.memory.storageFraction"))
second.conf.set("spark.plimsoll.memory", "4g")
print("line", second.conf.get("spark.plimsoll.memory"))
first.stop()
second.stop()
"#,
    );
    for line in [
        "zone True",
        "views []",
        "global 3",
        "shared 0.2",
        "line 1048576k",
    ] {
        assert!(told.contains(line), "{line} is not in: {told}");
    }
    // Both numbers, for whoever asked for more than there is.
    assert!(
        told.contains("4 GiB") && told.contains("1 GiB is all the server was given"),
        "{told}"
    );
    let (status, report) = server.end();
    assert!(status.success(), "{status} {report}");
    assert!(report.contains("Query 1"), "{report}");
}

#[test]
fn a_token_lets_in_who_has_it_and_nobody_else() {
    let server = Server::start(&["--token", "secret", "--report", "none"]);
    let program = r#"
host = sys.argv[1].replace("127.0.0.1", "localhost")
for token in [";token=secret", ";token=guess", ""]:
    try:
        print("with", token, SparkSession.builder.remote(host + "/" + token).create().range(5).count())
    except Exception as error:
        print("with", token, "refused", "authentication token" in str(error))
"#;
    let told = python(&server.remote, program);
    assert!(told.contains("with ;token=secret 5"), "{told}");
    assert!(told.contains("with ;token=guess refused True"), "{told}");
    assert!(told.contains("with  refused True"), "{told}");
    server.end();
}

#[test]
fn beyond_this_machine_a_token_is_needed() {
    let output = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["serve", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("--token"), "{told}");
}

#[test]
fn a_client_that_stops_reading_stops_its_query_and_not_the_engine() {
    let server = Server::start(&["--memory", "512m", "--report", "json"]);
    let start = Instant::now();
    let told = python(
        &server.remote,
        r#"
spark = SparkSession.builder.remote(sys.argv[1]).config("spark.driver.maxResultSize", "0").create()
rows = spark.range(100_000_000_000).toLocalIterator()
print("first", next(rows).id, next(rows).id)
other = SparkSession.builder.remote(sys.argv[1]).create()
print("meanwhile", other.range(1000).count())
spark.interruptAll()
spark.stop()
"#,
    );
    assert!(
        told.contains("first 0 1") && told.contains("meanwhile 1000"),
        "{told}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    let (_, report) = server.end();
    let report: serde_json::Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
    // 100 billion rows are 800 GB: had they been buffered, it would show.
    assert!(
        report["peak"]["resident"].as_u64().unwrap() < 512 << 20,
        "{}",
        report["peak"]
    );
    let statuses: Vec<&str> = report["queries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|query| query["status"].as_str().unwrap())
        .collect();
    assert!(statuses.contains(&"cancelled"), "{statuses:?}");
}
