//! Runs the examples of the README and the guide: blocks marked `console`, outputs included.

use std::env;

#[test]
fn the_examples_of_the_guide_print_what_the_guide_says() {
    // Some of them write files, and others read those.
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    env::set_current_dir(place.path()).unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    trycmd::TestCases::new()
        .env("SPARK_CONF_DIR", "/nonexistent")
        // The machine's /tmp may be in memory, which would be told.
        .env("SPARK_LOCAL_DIRS", env!("CARGO_TARGET_TMPDIR"))
        .case(format!("{root}/README.md"))
        .case(format!("{root}/docs/*.md"));
}
