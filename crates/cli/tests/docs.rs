//! Runs the examples of the README and the guide: blocks marked `console`, outputs included.

#[test]
fn the_examples_of_the_guide_print_what_the_guide_says() {
    trycmd::TestCases::new()
        .env("SPARK_CONF_DIR", "/nonexistent")
        // The machine's /tmp may be in memory, which would be told.
        .env("SPARK_LOCAL_DIRS", env!("CARGO_TARGET_TMPDIR"))
        .case("../../README.md")
        .case("../../docs/*.md");
}
