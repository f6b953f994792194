//! The options of spark-submit that cannot apply here, each with what to do instead.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What to say to a person who gave an option that spark-submit has and Plimsoll does not.
pub fn explain(error: &Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let option = given.split([' ', '=']).next()?;
    instead(option).map(|instead| format!("{option} does not apply to Plimsoll: {instead}"))
}

fn instead(option: &str) -> Option<&'static str> {
    Some(match option {
        "--class"
        | "--jars"
        | "--packages"
        | "--exclude-packages"
        | "--repositories"
        | "--driver-class-path"
        | "--driver-library-path"
        | "--driver-java-options" => {
            "there is no JVM, so no classes or JVM options; name a PySpark script or a SQL file"
        }
        "--py-files" | "--files" | "--archives" => {
            "everything runs in this process, which reads files where they are; leave it out"
        }
        "--deploy-mode" => "the driver is this process, as in client mode; leave it out",
        "--driver-cores" | "--total-executor-cores" => {
            "one process does all the work; --master local[N] says with how many threads"
        }
        "--queue" | "--principal" | "--keytab" | "--proxy-user" => {
            "there is no cluster manager to ask; leave it out and run as the user it names"
        }
        "--supervise" | "--kill" | "--status" => {
            "there is no cluster manager; a job is a process, and your service manager can restart, end or watch it"
        }
        "--remote" => "connecting to a Spark Connect server is not there; use --master local[N]",
        "--verbose" => {
            "plimsoll conf lists the settings with where each came from; --log-level info tells more of a run"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser;

    #[test]
    fn an_option_of_spark_submit_is_refused_by_name_with_an_alternative() {
        for option in ["--deploy-mode", "--class=Main", "--queue"] {
            let error =
                Cli::try_parse_from(["plimsoll", "run", option, "x", "job.sql"]).unwrap_err();
            let words = explain(&error).unwrap();
            assert!(
                words.starts_with(option.split('=').next().unwrap()),
                "{words}"
            );
        }
        let error = Cli::try_parse_from(["plimsoll", "run", "--nonsense", "job.sql"]).unwrap_err();
        assert_eq!(explain(&error), None);
    }
}
