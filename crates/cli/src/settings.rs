//! From the options of the command line to settings.

use plimsoll_conf::{Conf, ConfBuilder, ConfError, Machine, Surroundings};

use crate::args::SettingArgs;
use crate::tell::tell;

/// The settings that these options, the files they name and the environment make.
///
/// # Errors
/// If a value is wrong or a file cannot be read.
pub fn conf(args: &SettingArgs) -> Result<Conf, ConfError> {
    let mut builder = ConfBuilder::new(Surroundings::of_this_process());
    for pair in &args.conf {
        builder = builder.conf("--conf", pair)?;
    }
    let options = [
        ("--memory", "spark.plimsoll.memory", &args.memory),
        ("--profile", "spark.plimsoll.profile", &args.profile),
        (
            "--driver-memory",
            "spark.driver.memory",
            &args.driver_memory,
        ),
        (
            "--executor-memory",
            "spark.executor.memory",
            &args.executor_memory,
        ),
        (
            "--executor-cores",
            "spark.executor.cores",
            &args.executor_cores,
        ),
        (
            "--num-executors",
            "spark.executor.instances",
            &args.num_executors,
        ),
        ("--master", "spark.master", &args.master),
        ("--name", "spark.app.name", &args.name),
        ("--log-level", "spark.log.level", &args.log_level),
    ];
    for (flag, key, value) in options {
        if let Some(value) = value {
            builder = builder.option(flag, key, value);
        }
    }
    if let Some(file) = &args.properties_file {
        builder = builder.properties_file(file);
    }
    builder
        .load_spark_defaults(args.load_spark_defaults)
        .build()
}

/// Tells what the profile changes, and what it does not, if there is one.
pub fn tell_profile(conf: &Conf, machine: &Machine) {
    for notice in conf.profile_notices(machine) {
        tell(notice);
    }
}
