//! The guide's Python examples: what stands at a `>>>` in a page is run, page by page, and has to print what the page says.

use std::fs;
use std::process::{Command, Stdio};

use crate::environment::{PYSPARK_CLIENT, root};

/// Runs the examples of the pages that are its arguments; says how many there were.
const RUNNER: &str = r#"
import doctest, sys
for page in sys.argv[1:]:
    result = doctest.testfile(page, module_relative=False, encoding="utf-8", optionflags=doctest.ELLIPSIS)
    print(page.rsplit("/", 1)[-1], result.attempted, "failed" if result.failed else "as it says")
"#;

#[test]
fn the_python_examples_of_the_guide_print_what_the_guide_says() {
    let directory = tempfile::tempdir().unwrap();
    let job = directory.path().join("job.py");
    fs::write(&job, RUNNER).unwrap();
    let pages = ["driver.md", "tuning.md"].map(|page| root().join("docs").join(page));
    let output = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["run", "--memory", "1g", "--report", "none"])
        .arg(job)
        .args(&pages)
        // Examples write files.
        .current_dir(directory.path())
        .env("PYSPARK_PYTHON", &*PYSPARK_CLIENT)
        .env("SPARK_LOCAL_DIRS", directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    for (page, line) in pages
        .iter()
        .zip(told.lines().rev().collect::<Vec<_>>().iter().rev())
    {
        let name = page.file_name().unwrap().to_string_lossy();
        let words: Vec<&str> = line.split(' ').collect();
        let [of, attempted, "as", "it", "says"] = words[..] else {
            panic!("{told}{errors}");
        };
        assert!(of == name && attempted != "0", "{told}{errors}");
    }
    assert_eq!(told.lines().count(), pages.len(), "{told}{errors}");
}
