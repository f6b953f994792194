//! Files that the built binary writes: `--output` with a path, and what is left when it does not come to its end.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A directory to write to, and another to spill to.
struct Place {
    root: TempDir,
    spill: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            spill: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .env_clear()
            .env("SPARK_LOCAL_DIRS", self.spill.path())
            .current_dir(self.root.path())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// What was told, if it ended well, or else the error.
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let run = self.command(arguments).output().unwrap();
        outcome(&run)
    }

    fn sql(&self, sql: &str) -> Result<String, String> {
        self.run(&["sql", "-e", sql])
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        names(self.root.path())
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn outcome(run: &Output) -> Result<String, String> {
    let told = String::from_utf8(run.stderr.clone()).unwrap();
    match run.status.success() {
        true => Ok(told + &String::from_utf8(run.stdout.clone()).unwrap()),
        false => Err(told),
    }
}

#[test]
fn rows_go_to_files_in_the_mode_that_was_asked_for() {
    let place = Place::new();
    let write = |to: &str, mode: &[&str], sql: &str| {
        let mut arguments = vec!["sql", "--output", to, "-e", sql];
        arguments.extend(mode);
        place.run(&arguments)
    };
    let told = write("csv:x.csv", &[], "SELECT 1 AS a, CAST(NULL AS INT) AS b").unwrap();
    assert_eq!(told, "wrote 1 row to x.csv: 1 file, 7 B\n", "and no rows");
    assert_eq!(place.read("x.csv"), "a,b\n1,\n");
    let error = write("csv:x.csv", &[], "SELECT 2 AS a").unwrap_err();
    assert!(error.contains("already"), "{error}");
    let told = write("csv:x.csv", &["--mode", "ignore"], "SELECT 2 AS a").unwrap();
    assert!(told.contains("nothing was written"), "{told}");
    write("csv:x.csv", &["--mode", "overwrite"], "SELECT 2 AS a").unwrap();
    assert_eq!(place.read("x.csv"), "a\n2\n");
    for id in ["3", "4"] {
        let query = format!("SELECT {id} AS a");
        write("json:d", &["--mode", "append"], &query).unwrap();
    }
    let rows = place.sql("SELECT a FROM json.`d` ORDER BY a").unwrap();
    assert_eq!(rows, "3\n4\n");
    write("parquet:y.parquet", &[], "SELECT 'x' AS a").unwrap();
    assert_eq!(
        place.sql("SELECT * FROM parquet.`y.parquet`").unwrap(),
        "x\n"
    );
    // What is no query is answered as always.
    let told = write(
        "json:z.json",
        &[],
        "SHOW TABLES LIKE 'nobody'; SELECT ${a}; SET a=1",
    );
    assert!(told.is_err(), "a variable that is not set");
    let told = write("json:z.json", &[], "SET a=7; SELECT ${a} AS a").unwrap();
    assert!(told.ends_with("a\t7\n"), "{told}");
    assert_eq!(place.read("z.json"), "{\"a\":7}\n");
    assert_eq!(place.names(), ["d", "x.csv", "y.parquet", "z.json"]);
}

#[test]
fn what_cannot_be_is_told_before_anything_runs() {
    let place = Place::new();
    let script = place.root.path().join("job.py");
    fs::write(&script, "").unwrap();
    for (arguments, says) in [
        (
            &["sql", "--output", "csv:x", "-e", "SELECT 1; SELECT 2"][..],
            "there are 2 queries",
        ),
        (
            &[
                "sql",
                "--output",
                "csv:x",
                "-e",
                "SHOW TABLES; EXPLAIN SELECT 1",
            ],
            "there is no query",
        ),
        (
            &["sql", "--output", "xml:x", "-e", "SELECT 1"],
            "parquet:PATH, csv:PATH or json:PATH",
        ),
        (
            &["sql", "--output", "parquet", "-e", "SELECT 1"],
            "--output parquet:PATH",
        ),
        (
            &["sql", "--output", "csv:x.csv.zst", "-e", "SELECT 1"],
            "write .gz",
        ),
        (
            &[
                "sql", "--output", "csv", "--mode", "append", "-e", "SELECT 1",
            ],
            "--mode says",
        ),
        (&["run", "--output", "csv:x", "job.py"], "df.write"),
    ] {
        let error = place.run(arguments).unwrap_err();
        assert!(error.contains(says), "{arguments:?}: {error}");
        assert_eq!(place.names(), ["job.py"]);
    }
}

/// Writes without an end.
const ENDLESS: &str = "COPY (SELECT a.id FROM range(1000000) a, range(1000000) b) TO 'x.csv'";

/// A process in the midst of a write: there are rows in its files.
// Whoever asked for it waits for it.
#[allow(clippy::zombie_processes)]
fn writing(place: &Place) -> Child {
    let left = place.names();
    let child = place
        .command(&["sql", "--memory", "64m", "-e", ENDLESS])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let has_rows = || {
        let mut new = place.names();
        new.retain(|name| !left.contains(name));
        new.first().is_some_and(|name| {
            assert!(name.starts_with("._temporary-x.csv-"), "{name}");
            let file = place.root.path().join(name).join("x.csv");
            fs::metadata(file).is_ok_and(|file| file.len() > 0)
        })
    };
    while !has_rows() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "nothing is written"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn an_interrupted_write_leaves_nothing() {
    let place = Place::new();
    let mut child = writing(&place);
    // SAFETY: the child is ours and has not been waited for, so its id is not another's.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    assert_eq!(sent, 0);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn what_a_killed_write_left_is_removed_by_the_next_and_what_a_living_one_has_is_not() {
    let place = Place::new();
    let mut killed = writing(&place);
    // SIGKILL: the process gets no chance to remove anything.
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = place.names();
    assert!(
        left.len() == 1 && left[0].starts_with('.'),
        "nothing under the name: {left:?}"
    );
    // Another target's next write does not look at it.
    place.sql("COPY (SELECT 1 AS a) TO 'y.csv'").unwrap();
    assert_eq!(place.names(), [left[0].as_str(), "y.csv"]);
    fs::remove_file(place.root.path().join("y.csv")).unwrap();
    // The next removes it when it begins, and has a directory of its own.
    let mut living = writing(&place);
    let own = place.names();
    assert!(own.len() == 1 && own != left, "{own:?}");
    place.sql("COPY (SELECT 1 AS a) TO 'x.csv'").unwrap();
    assert_eq!(place.names(), [own[0].as_str(), "x.csv"]);
    assert_eq!(place.read("x.csv"), "a\n1\n");
    living.kill().unwrap();
    living.wait().unwrap();
    place
        .sql("COPY (SELECT 2 AS a) TO 'x.csv' (OVERWRITE)")
        .unwrap();
    assert_eq!(place.names(), ["x.csv"]);
    assert_eq!(place.read("x.csv"), "a\n2\n");
}

/// A shell with mounts of its own; none if nobody may mount here.
fn mounted(place: &Place, script: &str) -> Option<Command> {
    let command = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
            .env("TARGET", place.root.path())
            .env("SPARK_LOCAL_DIRS", place.spill.path());
        command
    };
    let tried = command("mount -t tmpfs tmpfs \"$TARGET\"").output();
    if tried.is_ok_and(|run| run.status.success()) {
        return Some(command(script));
    }
    assert!(std::env::var_os("CI").is_none(), "nobody may mount here");
    eprintln!("SKIPPED: nobody may mount a file system here");
    None
}

/// A directory and a file on which others of the same file system are mounted.
#[test]
fn what_is_mounted_is_written_to_where_it_is() {
    let place = Place::new();
    let script = r#"set -e; cd "$TARGET"; mkdir d of e ._temporary-x; echo old > of/rows; echo old > x.csv; echo old > y.csv
        mkdir of/._temporary-of-other
        mount --bind of d; mount --bind y.csv x.csv
        write() { "$0" sql --output "$1" --mode "$2" -e "SELECT $3 AS a"; }
        write csv:d append 1; write csv:d append 2; cat d/part-* | sort -u | xargs
        write csv:d overwrite 3; cat d/part-* | xargs; ls -A of | grep -v part-; ls e
        write csv:x.csv overwrite 4 || cat x.csv"#
        .replace("\"$0\"", &format!("'{}'", env!("CARGO_BIN_EXE_plimsoll")));
    let Some(mut run) = mounted(&place, &script) else {
        return;
    };
    let run = run.output().unwrap();
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(told.contains("x.csv is a mount point"), "{told}");
    assert_eq!(
        String::from_utf8(run.stdout).unwrap(),
        "1 2 a\na 3\n._temporary-of-other\n_SUCCESS\nold\n",
        "{told}"
    );
}

/// A directory that may be written to in one that may not.
#[test]
fn nothing_has_to_be_made_beside_a_directory() {
    let place = Place::new();
    let script = r#"set -e; cd "$TARGET"; mkdir -p p/d; chmod 555 p
        write() { setpriv --bounding-set=-dac_override "$0" sql --output csv:p/d --mode "$1" -e "SELECT $2 AS a"; }
        write append 1; write append 2; cat p/d/part-* | sort -u | xargs; write overwrite 3; cat p/d/part-* | xargs
        ls -A p/d | grep -v part-; write error 4 || ls p; chmod 755 p"#
        .replace("\"$0\"", &format!("'{}'", env!("CARGO_BIN_EXE_plimsoll")));
    let Some(mut run) = mounted(&place, &script) else {
        return;
    };
    let run = run.output().unwrap();
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(
        String::from_utf8(run.stdout).unwrap(),
        "1 2 a\na 3\n_SUCCESS\nd\n",
        "{told}"
    );
}

#[test]
fn a_full_disk_is_named_and_left_as_it_was() {
    let place = Place::new();
    let script = "mount -t tmpfs -o size=2m tmpfs \"$TARGET\"; echo old > \"$TARGET/x.csv\"; \"$@\"; status=$?; ls -A \"$TARGET\"; cat \"$TARGET/x.csv\"; exit $status";
    for (to, options) in [
        ("x.csv", "(OVERWRITE)"),
        ("x.parquet", "(COMPRESSION none)"),
        ("d", "(FORMAT json)"),
        ("p", "(FORMAT parquet, PARTITION_BY k)"),
    ] {
        let path = place.root.path().join(to);
        let sql = format!(
            "COPY (SELECT id, sha2(CAST(id AS STRING), 512) AS s, id % 3 AS k FROM range(200000)) TO '{}' {options}",
            path.display()
        );
        let Some(mut run) = mounted(&place, script) else {
            return;
        };
        let run = run
            .arg(env!("CARGO_BIN_EXE_plimsoll"))
            .args(["sql", "-e", &sql])
            .output()
            .unwrap();
        let told = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(1), "{told}");
        let words = format!("cannot write to {}, where the disk is full", path.display());
        assert!(told.contains(&words), "{told}");
        assert_eq!(
            String::from_utf8(run.stdout).unwrap(),
            "x.csv\nold\n",
            "{told}"
        );
    }
}
