//! Which of several values of a setting wins, and how files are read.

use plimsoll_conf::{Conf, ConfBuilder, ConfError, Surroundings};
use std::path::PathBuf;
use tempfile::TempDir;

/// A directory that is `SPARK_HOME` with this `spark-defaults.conf`, and a properties file beside it.
struct Files {
    home: TempDir,
}

impl Files {
    fn with_defaults(text: &str) -> Files {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("conf")).unwrap();
        std::fs::write(home.path().join("conf/spark-defaults.conf"), text).unwrap();
        Files { home }
    }

    fn surroundings(&self, more: &[(&str, &str)]) -> Surroundings {
        let home = self.home.path().to_str().unwrap();
        Surroundings::with_variables(
            [("SPARK_HOME", home)]
                .into_iter()
                .chain(more.iter().copied()),
        )
    }

    fn properties(&self, text: &str) -> PathBuf {
        let path = self.home.path().join("my.conf");
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// The value of a key and where it came from, as displayed.
fn get(conf: &Conf, key: &str) -> (String, String) {
    let (value, origin) = conf.get(key).unwrap();
    (value.to_owned(), origin.to_string())
}

fn pair(value: &str, origin: &str) -> (String, String) {
    (value.into(), origin.into())
}

const KEY: &str = "spark.executor.memory";

#[test]
fn each_origin_wins_over_those_beneath_it() {
    let files = Files::with_defaults("spark.executor.memory 2g\n");
    let environment = files.surroundings(&[("SPARK_EXECUTOR_MEMORY", "1500m")]);
    let properties = files.properties("# mine\nspark.executor.memory=3g\n");

    let none = ConfBuilder::new(Surroundings::default());
    assert_eq!(get(&none.build().unwrap(), KEY), pair("1g", "default"));

    let variable = Surroundings::with_variables([("SPARK_EXECUTOR_MEMORY", "1500m")]);
    let conf = ConfBuilder::new(variable).build().unwrap();
    assert_eq!(
        get(&conf, KEY),
        pair("1500m", "environment SPARK_EXECUTOR_MEMORY")
    );

    let builder = ConfBuilder::new(environment);
    assert_eq!(
        get(&builder.clone().build().unwrap(), KEY),
        pair("2g", "spark-defaults.conf:1")
    );

    let builder = builder
        .properties_file(properties)
        .load_spark_defaults(true);
    assert_eq!(
        get(&builder.clone().build().unwrap(), KEY),
        pair("3g", "my.conf:2")
    );

    // A flag of its own wins over --conf wherever the two stand.
    let builder = builder
        .option("--executor-memory", KEY, "5g")
        .conf("-c", "spark.executor.memory=4g")
        .unwrap();
    assert_eq!(
        get(&builder.clone().build().unwrap(), KEY),
        pair("5g", "--executor-memory")
    );

    assert_eq!(
        get(&builder.code(KEY, "6g").build().unwrap(), KEY),
        pair("6g", "code")
    );
}

#[test]
fn a_profile_wins_over_the_default_and_over_nothing_else() {
    let profile = |surroundings| {
        ConfBuilder::new(surroundings).option("--profile", "spark.plimsoll.profile", "cache")
    };
    let key = "spark.memory.storageFraction";
    let conf = profile(Surroundings::default()).build().unwrap();
    assert_eq!(get(&conf, key), pair("0.6", "--profile cache"));
    assert_eq!(conf.settings().unwrap().memory.storage_fraction.value, 0.6);
    assert_eq!(
        get(&conf, "spark.sql.shuffle.partitions"),
        pair("200", "default")
    );
    let listed: Vec<_> = conf
        .explicit()
        .map(|(key, value, _)| (key, value))
        .collect();
    assert_eq!(listed, [(key, "0.6"), ("spark.plimsoll.profile", "cache")]);

    let files = Files::with_defaults("spark.memory.storageFraction 0.3\n");
    let conf = profile(files.surroundings(&[])).build().unwrap();
    assert_eq!(get(&conf, key), pair("0.3", "spark-defaults.conf:1"));

    let builder = profile(Surroundings::default())
        .conf("--conf", "spark.memory.storageFraction=0.4")
        .unwrap();
    assert_eq!(get(&builder.build().unwrap(), key), pair("0.4", "--conf"));
}

#[test]
fn a_profile_can_stand_in_a_file_and_an_option_wins_over_it() {
    let files = Files::with_defaults("spark.plimsoll.profile shuffle\n");
    let builder = ConfBuilder::new(files.surroundings(&[]));
    let conf = builder.clone().build().unwrap();
    let key = "spark.sql.shuffle.partitions";
    assert_eq!(
        get(&conf, key),
        pair("400", "profile shuffle, spark-defaults.conf:1")
    );
    assert_eq!(conf.warnings(), []);

    let builder = builder.option("--profile", "spark.plimsoll.profile", "cache");
    assert_eq!(get(&builder.build().unwrap(), key), pair("200", "default"));
}

#[test]
fn of_two_values_by_one_way_the_later_wins() {
    let builder = ConfBuilder::default()
        .conf("--conf", "spark.executor.memory=2g")
        .unwrap();
    let builder = builder.conf("-c", "spark.executor.memory=3g").unwrap();
    assert_eq!(get(&builder.build().unwrap(), KEY), pair("3g", "-c"));
}

#[test]
fn a_properties_file_is_read_instead_of_the_defaults_and_that_is_said() {
    let files = Files::with_defaults("spark.driver.memory 2g\n");
    let builder = ConfBuilder::new(files.surroundings(&[])).properties_file(files.properties(""));
    let conf = builder.clone().build().unwrap();
    assert_eq!(get(&conf, "spark.driver.memory"), pair("1g", "default"));
    assert!(
        conf.warnings()[0]
            .to_string()
            .contains("add --load-spark-defaults")
    );

    let conf = builder.load_spark_defaults(true).build().unwrap();
    assert_eq!(
        get(&conf, "spark.driver.memory"),
        pair("2g", "spark-defaults.conf:1")
    );
    assert_eq!(conf.warnings(), []);
}

#[test]
fn spark_conf_dir_wins_over_spark_home() {
    let files = Files::with_defaults("spark.driver.memory 2g\n");
    let other = tempfile::tempdir().unwrap();
    std::fs::write(
        other.path().join("spark-defaults.conf"),
        "spark.driver.memory 3g\n",
    )
    .unwrap();
    let directory = other.path().to_str().unwrap();
    let conf = ConfBuilder::new(files.surroundings(&[("SPARK_CONF_DIR", directory)]))
        .build()
        .unwrap();
    assert_eq!(get(&conf, "spark.driver.memory").0, "3g");
}

#[test]
fn files_read_as_java_properties() {
    let text = "! a comment\n\
                spark.driver.memory   2g  \n\
                spark.app.name=Zürich \\\n    nightly\n\
                spark.local.dir : /a,/b\n\
                spark.executor.memory=\\u0033g";
    let files = Files::with_defaults(text);
    let conf = ConfBuilder::new(files.surroundings(&[])).build().unwrap();
    assert_eq!(
        get(&conf, "spark.driver.memory"),
        pair("2g", "spark-defaults.conf:2")
    );
    assert_eq!(
        get(&conf, "spark.app.name"),
        pair("Zürich nightly", "spark-defaults.conf:3")
    );
    assert_eq!(
        get(&conf, "spark.local.dir"),
        pair("/a,/b", "spark-defaults.conf:5")
    );
    assert_eq!(
        get(&conf, "spark.executor.memory"),
        pair("3g", "spark-defaults.conf:6")
    );
    assert_eq!(
        conf.settings().unwrap().local_dirs,
        [PathBuf::from("/a"), PathBuf::from("/b")]
    );
}

#[test]
fn a_last_line_that_ends_in_a_backslash_is_not_lost() {
    let files = Files::with_defaults("spark.app.name a\\");
    let conf = ConfBuilder::new(files.surroundings(&[])).build().unwrap();
    assert_eq!(get(&conf, "spark.app.name").0, "a");
}

#[test]
fn files_that_cannot_be_read_say_which_and_why() {
    let missing = ConfBuilder::default()
        .properties_file("/no/such/file")
        .build()
        .unwrap_err();
    assert!(
        matches!(missing, ConfError::File { .. }) && missing.to_string().contains("/no/such/file")
    );

    let files = Files::with_defaults("");
    let malformed = files.properties("spark.app.name=a\nspark.local.dir=\\user\n");
    let error = ConfBuilder::default()
        .properties_file(malformed)
        .build()
        .unwrap_err();
    assert!(
        matches!(error, ConfError::FileSyntax { line: 2, .. }),
        "{error}"
    );
}

#[test]
fn local_dirs_of_the_environment_win_over_everything_and_that_is_said() {
    let surroundings = Surroundings::with_variables([("SPARK_LOCAL_DIRS", "/fast")]);
    let conf = ConfBuilder::new(surroundings)
        .code("spark.local.dir", "/slow")
        .build()
        .unwrap();
    assert_eq!(
        get(&conf, "spark.local.dir"),
        pair("/fast", "environment SPARK_LOCAL_DIRS")
    );
    assert!(
        conf.warnings()[0]
            .to_string()
            .contains("spark.local.dir = /slow (code) is ignored")
    );
}

#[test]
fn a_value_that_loses_is_not_looked_at() {
    let files = Files::with_defaults("spark.executor.memory=lots\n");
    let builder = ConfBuilder::new(files.surroundings(&[]));
    let error = builder.clone().build().unwrap_err().to_string();
    assert!(
        error.starts_with("spark.executor.memory = lots (spark-defaults.conf:1) is refused"),
        "{error}"
    );
    assert!(
        builder
            .option("--executor-memory", KEY, "2g")
            .build()
            .is_ok()
    );
}

#[test]
fn conf_without_a_value_is_refused() {
    let error = ConfBuilder::default()
        .conf("-c", "spark.executor.memory")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("-c spark.executor.memory names no value: write -c key=value"),
        "{error}"
    );
}

#[test]
fn what_means_nothing_is_summed_up_and_what_is_unknown_is_named() {
    let options = [
        "spark.yarn.queue=q",
        "spark.kubernetes.namespace=n",
        "spark.kubernetes.context=c",
        "spark.hadoop.fs.s3a.endpoint=e",
        "spark.sql.inMemoryColumnarStorage.hugeVectorThreshold=20",
        "spark.executor.memroy=2g",
        "executor.memory=2g",
    ];
    let builder = options
        .iter()
        .fold(ConfBuilder::default(), |builder, text| {
            builder.conf("--conf", text).unwrap()
        });
    let warnings: Vec<_> = builder
        .build()
        .unwrap()
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "executor.memory (--conf) is ignored: settings begin with \"spark.\"",
            "settings of Spark that mean nothing here are ignored: spark.kubernetes.* (2), spark.yarn.queue",
            "settings that are recorded but have no effect yet: spark.sql.inMemoryColumnarStorage.hugeVectorThreshold",
            "spark.executor.memroy (--conf) is no setting of Spark or Plimsoll; did you mean spark.executor.memory?",
        ]
    );
}
