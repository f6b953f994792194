//! The built `plimsoll` binary, as a user meets it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A workplace: a directory with a few tables, and a spill directory that can be looked into.
struct Workplace {
    root: TempDir,
}

impl Workplace {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tables")).unwrap();
        fs::create_dir(root.path().join("spill")).unwrap();
        fs::write(
            root.path().join("tables/people.csv"),
            "name,age\nAda,36\nBob,\n",
        )
        .unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.root.path().join(name), text).unwrap();
        self.path(name)
    }

    /// A run with settings from the command line alone, and spills that can be looked for.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .env_clear()
            .env("SPARK_LOCAL_DIRS", self.path("spill"))
            .env("RUST_BACKTRACE", "1")
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn spill_files(&self) -> usize {
        walk(&self.root.path().join("spill"))
    }
}

/// Entries below a directory.
fn walk(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries.flatten().map(|entry| 1 + walk(&entry.path())).sum()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asserts an error as a person should meet it: exit status 1, words, and no panic.
fn assert_error(output: &Output, words: &[&str]) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("error: "), "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} is not in: {told}");
    }
    assert!(
        !told.contains("panicked") && !told.contains("backtrace"),
        "{told}"
    );
}

/// Sorts far more than its memory: some 2 GB of rows through 90 MiB.
const LARGE_SORT: &str = "SELECT count(*) FROM (SELECT id, repeat('x', 100) AS s FROM range(20000000) ORDER BY id % 1000, s LIMIT 19999999)";

#[test]
fn rows_go_to_stdout_in_each_format_and_nothing_else() {
    let place = Workplace::new();
    let tables = place.path("tables");
    let query = "SELECT name, age FROM people ORDER BY name";
    for (output, expected) in [
        ("tsv", "Ada\t36\nBob\tNULL\n"),
        ("csv", "name,age\nAda,36\nBob,\n"),
        (
            "json",
            "{\"name\":\"Ada\",\"age\":36}\n{\"name\":\"Bob\",\"age\":null}\n",
        ),
    ] {
        let run = place.run(&["sql", "--tables", &tables, "--output", output, "-e", query]);
        assert_eq!(stdout(&run), expected, "{}", stderr(&run));
        assert!(run.status.success());
        assert_eq!(stderr(&run), "");
    }
    let run = place.run(&["sql", "--tables", &tables, "--output", "table", "-e", query]);
    assert_eq!(stdout(&run).lines().count(), 6, "{}", stdout(&run));
    let run = place.run(&[
        "sql",
        "--tables",
        &tables,
        "--output",
        "csv",
        "-e",
        "SELECT 1 AS a WHERE false",
    ]);
    assert_eq!(stdout(&run), "a\n");
}

#[test]
fn without_a_terminal_rows_are_tab_separated() {
    let place = Workplace::new();
    let run = place.run(&["sql", "-e", "SELECT 1 AS a, 'x' AS b; SET spark.app.name"]);
    assert_eq!(stdout(&run), "1\tx\nspark.app.name\tplimsoll\n");
}

#[test]
fn a_file_runs_in_order_and_stops_at_the_first_error_with_its_place() {
    let place = Workplace::new();
    let script = "SELECT 1;\nSELECT 2;\nSELECT nope;\nSELECT 4;\n";
    let file = place.write("job.sql", script);
    let run = place.run(&["sql", "-f", &file]);
    assert_eq!(stdout(&run), "1\n2\n");
    assert_error(&run, &["nope", "line 3, column 8", "3 | SELECT nope;"]);
}

#[test]
fn what_follows_the_file_of_run_belongs_to_it() {
    let place = Workplace::new();
    let file = place.write("job.sql", "SELECT '${1}', '${2}'");
    let run = place.run(&["run", "--memory", "256m", &file, "--memory", "x"]);
    assert_eq!(stdout(&run), "--memory\tx\n");
    assert!(
        stderr(&run).contains("256 MiB"),
        "a report ends a run: {}",
        stderr(&run)
    );
}

#[test]
fn statements_come_from_stdin_when_it_is_no_terminal() {
    let place = Workplace::new();
    let file = place.write("in.sql", "SELECT 1; SELECT 2");
    let run = place
        .command(&["sql"])
        .stdin(fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert_eq!(stdout(&run), "1\n2\n");
}

#[test]
fn bad_input_ends_with_words_and_status_1() {
    let place = Workplace::new();
    let not_utf8 = place.path("latin1.sql");
    fs::write(&not_utf8, b"SELECT '\xe9'").unwrap();
    let not_parquet = place.write("fake.parquet", "no parquet at all");
    let from_fake = format!("SELECT * FROM parquet.`{not_parquet}`");
    let empty = place.path("spill");
    let cases: [(&[&str], &[&str]); 13] = [
        (
            &["sql", "-f", "absent.sql"],
            &["absent.sql", "No such file"],
        ),
        (&["sql", "-f", &not_utf8], &["not UTF-8"]),
        (
            &["sql", "--tables", "absent", "-e", "SELECT 1"],
            &["absent", "Name a directory"],
        ),
        (
            &["sql", "--tables", &empty, "-e", "SELECT 1"],
            &["no Parquet, CSV or JSON file"],
        ),
        (&["sql", "-e", &from_fake], &["fake.parquet as Parquet"]),
        (
            &["sql", "--memory", "1.5g", "-e", "SELECT 1"],
            &["1.5g", "1536m"],
        ),
        (
            &["sql", "--executor-memory", "449m", "-e", "SELECT 1"],
            &["449 MiB", "450 MiB", "spark.executor.memory"],
        ),
        (
            &["sql", "--memory", "32m", "-e", "SELECT 1"],
            &["32 MiB", "64 MiB"],
        ),
        (
            &[
                "sql",
                "-c",
                "spark.memory.offHeap.enabled=true",
                "-e",
                "SELECT 1",
            ],
            &["spark.memory.offHeap.size"],
        ),
        (
            &["sql", "--master", "yarn", "-e", "SELECT 1"],
            &["yarn", "local[N]"],
        ),
        (
            &["sql", "--master", "local[1000000]", "-e", "SELECT 1"],
            &["1000000 threads", "1024"],
        ),
        (&["run", "job.jar"], &["job.jar cannot be run", "no JVM"]),
        (
            &["sql", "-e", "SELECT * FROM range(10"],
            &["line 1, column 23"],
        ),
    ];
    for (arguments, words) in cases {
        assert_error(&place.run(arguments), words);
    }
}

#[test]
fn an_option_of_spark_submit_that_cannot_apply_is_refused_by_name() {
    let place = Workplace::new();
    let run = place.run(&["run", "--deploy-mode", "cluster", "job.sql"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(
        stderr(&run).contains("--deploy-mode does not apply"),
        "{}",
        stderr(&run)
    );
}

#[test]
fn settings_that_mean_nothing_here_or_are_misspelt_are_told_in_one_line_each() {
    let place = Workplace::new();
    let settings = [
        "spark.yarn.queue=a",
        "spark.dynamicAllocation.enabled=true",
        "spark.memory.fractoin=0.5",
    ];
    let mut arguments = vec!["sql", "-e", "SELECT 1"];
    for setting in settings {
        arguments.extend(["-c", setting]);
    }
    let told = stderr(&place.run(&arguments));
    let ignored = "spark.dynamicAllocation.enabled, spark.yarn.queue";
    assert!(told.contains(ignored), "{told}");
    assert!(
        told.contains("did you mean spark.memory.fraction"),
        "{told}"
    );
}

#[test]
fn a_spill_directory_that_cannot_be_made_is_an_error_before_anything_runs() {
    let place = Workplace::new();
    let file = place.write("file", "");
    let mut command = place.command(&["sql", "-e", "SELECT 1"]);
    let run = command
        .env("SPARK_LOCAL_DIRS", format!("{file}/under"))
        .output()
        .unwrap();
    assert_error(&run, &["no directory to spill to", "spark.local.dir"]);
    assert_eq!(stdout(&run), "");
}

/// Runs `plimsoll` with a file system of its own mounted on the spill directory, which no other process
/// sees and which is gone with it. `None` where nobody may mount, which is a failure in CI.
fn run_with_spill_on(place: &Workplace, mount: &str, arguments: &[&str]) -> Option<Output> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]);
        command.env("SPARK_LOCAL_DIRS", place.path("spill"));
        command
    };
    let mount = format!("mount -t tmpfs -o {mount} tmpfs \"$SPARK_LOCAL_DIRS\"");
    let may_mount = unshare(&mount)
        .output()
        .is_ok_and(|run| run.status.success());
    if !may_mount {
        assert!(std::env::var_os("CI").is_none(), "nobody may mount here");
        eprintln!("SKIPPED: nobody may mount a file system here");
        return None;
    }
    let script =
        format!("{mount} && \"$@\"; status=$?; ls -A \"$SPARK_LOCAL_DIRS\" >&2; exit $status");
    let mut command = unshare(&script);
    command.arg(env!("CARGO_BIN_EXE_plimsoll")).args(arguments);
    Some(command.output().unwrap())
}

#[test]
fn a_full_spill_directory_is_named_with_what_to_do_and_left_empty() {
    let place = Workplace::new();
    let sort = "SELECT id, repeat(CAST(id AS STRING), 20) AS s FROM range(1000000) ORDER BY s";
    let bounds = [
        (
            None,
            "nine tenths of what would be free",
            "what they may take",
        ),
        (Some("1g"), "No space left on device", ")"),
    ];
    for (bound, why, last_words) in bounds {
        let bound = bound.map(|size| format!("spark.plimsoll.spill.maxSize={size}"));
        let mut arguments = vec!["sql", "--memory", "64m", "-e", sort];
        arguments.extend(bound.iter().flat_map(|bound| ["--conf", bound]));
        let Some(run) = run_with_spill_on(&place, "size=4m", &arguments) else {
            return;
        };
        assert_error(&run, &["no space left to spill to", "spark.local.dir", why]);
        let told = stderr(&run);
        let (error, advice) = told.split_once("What would help:").unwrap();
        assert!(error.trim_end().ends_with(last_words), "{told}");
        assert!(advice.contains("did not fit on disk"), "{told}");
    }
}

#[test]
fn a_read_only_spill_directory_is_an_error_before_anything_runs() {
    let place = Workplace::new();
    let Some(run) = run_with_spill_on(&place, "ro", &["sql", "-e", "SELECT 1"]) else {
        return;
    };
    assert_error(&run, &["no directory to spill to", "Read-only"]);
    assert_eq!(stdout(&run), "");
}

#[test]
fn what_does_not_fit_spills_is_reported_and_leaves_nothing_behind() {
    let place = Workplace::new();
    let query = "SELECT count(*) FROM (SELECT id, repeat('x', 100) AS s FROM range(1000000) ORDER BY id % 1000, s LIMIT 999999)";
    let run = place.run(&[
        "sql",
        "--memory",
        "64m",
        "--conf",
        "spark.plimsoll.memory.lending=false",
        "--master",
        "local[2]",
        "--report",
        "json",
        "-e",
        query,
    ]);
    assert_eq!(stdout(&run), "999999\n", "{}", stderr(&run));
    let told = stderr(&run);
    let report: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(report["line"], 64 << 20);
    assert_eq!(report["layout"]["executor"]["total"], 64 << 20);
    let query = &report["queries"][0];
    assert_eq!(query["status"], "finished");
    assert!(
        query["spilled_bytes"].as_u64().unwrap() > 5 << 20,
        "{query}"
    );
    assert_eq!(query["spills"][0]["operator"], "ExternalSortExec");
    let unified = report["layout"]["executor"]["unified"].as_u64().unwrap();
    let peak = query["peak_execution"].as_u64().unwrap();
    let overdraft = query["peak_overdraft"].as_u64().unwrap();
    assert!(peak <= unified + overdraft, "{query}");
    assert!(query["refusals"][0]["times"].as_u64().unwrap() > 0);
    assert_eq!(place.spill_files(), 0);
}

#[test]
fn a_live_setting_is_in_force_in_the_report() {
    let place = Workplace::new();
    let script = "SET spark.executor.memory=2g; SET spark.memory.storageFraction=0.2; SELECT 1";
    let run = place.run(&["sql", "--report", "json", "-e", script]);
    let told = stderr(&run);
    assert!(
        told.contains("unified memory: 434.4 MiB -> 1 GiB"),
        "{told}"
    );
    let report: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    let executor = &report["layout"]["executor"];
    assert_eq!(executor["unified"], 1_099_746_508_u64);
    assert_eq!(executor["storage_region"], 219_949_301_u64);
}

/// Starts a large sort, waits until it spills, sends a signal, and gives what the process left.
fn signalled_in_mid_spill(place: &Workplace, signal: libc::c_int) -> Output {
    let arguments = [
        "sql", "--memory", "256m", "--master", "local[2]", "--report", "json", "-e", LARGE_SORT,
    ];
    let mut command = place.command(&arguments);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    // The process has its own directory at once; a file in it comes with the first spill.
    while place.spill_files() < 2 {
        assert!(Instant::now() < deadline, "nothing was spilled");
        std::thread::sleep(Duration::from_millis(20));
    }
    // SAFETY: the child was started here and has not been waited for, so its id is still its own.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
    child.wait_with_output().unwrap()
}

#[test]
fn a_signal_in_mid_spill_ends_with_its_status_and_leaves_nothing_behind() {
    for (signal, status) in [
        (libc::SIGINT, 130),
        (libc::SIGTERM, 143),
        (libc::SIGHUP, 129),
    ] {
        let place = Workplace::new();
        let output = signalled_in_mid_spill(&place, signal);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("\"cancelled\""),
            "{}",
            stderr(&output)
        );
        assert_eq!(place.spill_files(), 0);
    }
}

#[test]
fn a_stderr_that_takes_nothing_does_not_end_the_work() {
    let place = Workplace::new();
    let script = "SET spark.executor.memory=2g; SELECT 3";
    let full = || fs::File::create("/dev/full").unwrap();
    let mut command = place.command(&["sql", "--report", "text", "-e", script]);
    let run = command.stderr(full()).output().unwrap();
    assert_eq!(stdout(&run), "spark.executor.memory\t2g\n3\n");
    assert!(run.status.success());
    let mut command = place.command(&["sql", "-e", "SELECT nope"]);
    assert_eq!(command.stderr(full()).status().unwrap().code(), Some(1));
    let mut command = place.command(&["completions", "bash"]);
    let run = command.stdout(full()).output().unwrap();
    assert_error(&run, &["No space left"]);
}

#[test]
fn a_long_expression_is_planned_and_a_mark_before_the_text_is_passed_over() {
    let place = Workplace::new();
    let sum = vec!["1"; 2000].join("+");
    let file = place.write("long.sql", &format!("\u{feff}SELECT {sum};\r\n"));
    let run = place.run(&["sql", "-f", &file]);
    assert_eq!(stdout(&run), "2000\n", "{}", stderr(&run));
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    use std::io::{BufRead, BufReader};

    let place = Workplace::new();
    let mut command = place.command(&["sql", "-e", "SELECT id FROM range(100000000)"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, "0\n");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn memory_is_drawn_and_told_in_bytes() {
    let place = Workplace::new();
    let run = place.run(&["memory", "--executor-memory", "8g", "--format", "json"]);
    let layout: serde_json::Value = serde_json::from_str(&stdout(&run)).unwrap();
    assert_eq!(layout["executor"]["unified"], 4_965_217_075_u64);
    assert_eq!(layout["line"], 9_u64 << 30);
    for part in [
        "total",
        "reserved",
        "storage_region",
        "user",
        "off_heap",
        "overhead",
        "pyspark",
        "container",
    ] {
        assert!(layout["executor"][part].is_u64(), "{part}");
    }
    let drawing = stdout(&place.run(&["memory", "--executor-memory", "8g"]));
    for words in [
        "unified",
        "4.6 GiB",
        "(8 GiB − 300 MiB) × 0.6",
        "--executor-memory",
    ] {
        assert!(drawing.contains(words), "{words} is not in {drawing}");
    }
}

/// What `plimsoll memory --memory 1g` with these arguments says on stderr, and its layout.
fn layout_of_1g(place: &Workplace, arguments: &[&str]) -> (String, serde_json::Value) {
    let mut all = vec!["memory", "--memory", "1g", "--format", "json"];
    all.extend(arguments);
    let run = place.run(&all);
    let layout = serde_json::from_str(&stdout(&run)).unwrap();
    (stderr(&run), layout)
}

#[test]
fn a_profile_moves_the_storage_region_and_says_what_it_changes() {
    let place = Workplace::new();
    let region = |layout: &serde_json::Value| layout["executor"]["storage_region"].as_u64();
    let (told, layout) = layout_of_1g(&place, &[]);
    assert_eq!((told.as_str(), region(&layout)), ("", Some(227_750_707)));

    let (told, layout) = layout_of_1g(&place, &["--profile", "cache"]);
    assert_eq!(region(&layout), Some(273_300_848));
    assert_eq!(
        told,
        "--profile cache: spark.memory.storageFraction 0.5 -> 0.6: the storage region, where cached data are safe \
         from execution: 217.2 MiB -> 260.6 MiB\n"
    );

    let setting = ["-c", "spark.memory.storageFraction=0.5"];
    let (told, layout) = layout_of_1g(&place, &[&["--profile", "shuffle"], &setting[..]].concat());
    assert_eq!(region(&layout), Some(227_750_707));
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].ends_with("is kept at 0.5 by --conf, and not 0.2"));
    assert!(told[1].contains("400 partitions rather than 200"));

    let drawing = stdout(&place.run(&["memory", "--memory", "1g", "--profile", "cache"]));
    assert!(drawing.contains("(--profile cache)"), "{drawing}");
}

#[test]
fn a_profile_is_in_force_where_queries_run_and_can_be_changed_there() {
    let place = Workplace::new();
    let script = "SET spark.sql.shuffle.partitions; SET spark.plimsoll.profile=cache; \
                  SET spark.sql.shuffle.partitions; SET spark.memory.storageFraction";
    let run = place.run(&[
        "sql",
        "--memory",
        "1g",
        "--profile",
        "shuffle",
        "-e",
        script,
    ]);
    assert_eq!(
        stdout(&run),
        "spark.sql.shuffle.partitions\t400\nspark.plimsoll.profile\tcache\n\
         spark.sql.shuffle.partitions\t200\nspark.memory.storageFraction\t0.6\n"
    );
    let told = stderr(&run);
    assert!(
        told.contains("217.2 MiB -> 86.9 MiB")
            && told.contains("storage region: 86.9 MiB -> 260.6 MiB"),
        "{told}"
    );
    let file = place.write("job.conf", "spark.plimsoll.profile cache\n");
    let listed = stdout(&place.run(&["conf", "--properties-file", &file, "--format", "json"]));
    assert!(
        listed.contains("profile cache, job.conf:1"),
        "the file is named: {listed}"
    );
}

#[test]
fn a_profile_that_is_none_is_refused_with_those_that_are() {
    let place = Workplace::new();
    let run = place.run(&["sql", "--profile", "cash", "-e", "SELECT 1"]);
    assert_eq!(run.status.code(), Some(2));
    let told = stderr(&run);
    assert!(
        told.contains("cash") && told.contains("[possible values: cache, shuffle]"),
        "{told}"
    );
    let run = place.run(&["sql", "-c", "spark.plimsoll.profile=cash", "-e", "SELECT 1"]);
    assert_error(&run, &["spark.plimsoll.profile = cash", "cache or shuffle"]);
}

#[test]
fn settings_are_listed_with_where_they_came_from() {
    let place = Workplace::new();
    let file = place.write("job.conf", "spark.executor.memory 3g\n");
    let arguments = [
        "conf",
        "--properties-file",
        &file,
        "-c",
        "spark.memory.fraction=0.7",
        "--format",
        "json",
    ];
    let listed: serde_json::Value = serde_json::from_str(&stdout(&place.run(&arguments))).unwrap();
    let find = |key: &str| {
        let entries = listed.as_array().unwrap();
        entries
            .iter()
            .find(|entry| entry["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(find("spark.memory.fraction")["origin"], "--conf");
    let executor = find("spark.executor.memory");
    assert_eq!(executor["value"], "3g");
    assert!(
        executor["origin"].as_str().unwrap().ends_with("job.conf:1"),
        "{executor}"
    );
    let all = stdout(&place.run(&["conf", "--all"]));
    assert!(
        all.contains("spark.sql.inMemoryColumnarStorage.hugeVectorThreshold")
            && all.contains("not yet")
    );
}

#[test]
fn shells_are_given_completions_and_help_has_examples() {
    let place = Workplace::new();
    let completions = stdout(&place.run(&["completions", "bash"]));
    assert!(completions.contains("--executor-memory") && completions.contains("cache shuffle"));
    for command in ["sql", "run", "serve", "memory", "conf"] {
        let help = stdout(&place.run(&[command, "--help"]));
        for words in ["Examples:", "cache-heavy:", "shuffle-heavy:"] {
            assert!(help.contains(words), "{words} is not in {command} --help");
        }
    }
}
