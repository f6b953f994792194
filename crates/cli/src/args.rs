use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use plimsoll_conf::Profile;

use crate::output::{Choice, ChoiceParser};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

/// A data engine that keeps to its memory limit.
///
/// Runs SQL and PySpark inside Apache Spark's memory model, under Spark's own setting names.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, styles = STYLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run SQL: a query, a file of statements, or a prompt
    #[command(after_help = SQL_EXAMPLES)]
    Sql(SqlArgs),
    /// Run a PySpark script or a SQL file as a job; options come before the file, as with spark-submit
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Serve Spark Connect, for PySpark clients
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Show how driver and executor memory are laid out for these settings
    #[command(after_help = MEMORY_EXAMPLES)]
    Memory(MemoryArgs),
    /// List the settings: value, default, where the value came from, what it does
    #[command(after_help = CONF_EXAMPLES)]
    Conf(ConfArgs),
    /// Print a script that completes this command in your shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

const SQL_EXAMPLES: &str = "\
Examples:
  plimsoll sql                                            a prompt
  plimsoll sql -e 'SELECT 1 + 1'
  plimsoll sql --tables data --memory 1g -f report.sql --output csv > report.csv
  plimsoll sql -f report.sql --output parquet:report.parquet --mode overwrite
  plimsoll sql -e \"SELECT count(*) FROM parquet.`data/events`\" --report text";

const RUN_EXAMPLES: &str = "\
Examples:
  plimsoll run --driver-memory 4g job.py 2026-01-01       sys.argv[1] in job.py is 2026-01-01
  plimsoll run --executor-memory 4g --conf spark.memory.storageFraction=0.2 job.sql
  plimsoll run --memory 4g --profile shuffle job.py
  plimsoll run --tables data job.sql 2026-01-01           ${1} in job.sql is 2026-01-01";

const SERVE_EXAMPLES: &str = "\
Examples:
  plimsoll serve --memory 4g
  plimsoll serve --listen 0.0.0.0:15002 --token \"$SECRET\" --tables data

In Python:
  SparkSession.builder.remote(\"sc://localhost:15002\").getOrCreate()";

const MEMORY_EXAMPLES: &str = "\
Examples:
  plimsoll memory --executor-memory 8g
  plimsoll memory --memory 1g --conf spark.memory.fraction=0.8
  plimsoll memory --memory 1g --profile cache             what the profile changes, and what it comes to
  plimsoll memory --executor-memory 8g --format json | jq .executor.unified";

const CONF_EXAMPLES: &str = "\
Examples:
  plimsoll conf --properties-file job.conf
  plimsoll conf --all";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  plimsoll completions bash > ~/.local/share/bash-completion/completions/plimsoll";

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// Run these statements, separated by semicolons
    #[arg(short = 'e', value_name = "QUERY", conflicts_with = "file")]
    pub execute: Option<String>,
    /// Run the statements of this file
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub io: IoArgs,
    /// End with a report of who held what, on stderr
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "none")]
    pub report: Report,
    #[command(flatten)]
    pub settings: SettingArgs,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub io: IoArgs,
    /// End with a report of who held what, on stderr
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub report: Report,
    #[command(flatten)]
    pub settings: SettingArgs,
    /// The script, and its arguments: sys.argv in Python, ${1}, ${2}, … in SQL
    #[arg(required = true, trailing_var_arg = true, value_names = ["FILE", "ARGS"])]
    pub job: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen; beyond this machine only with --token
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:15002")]
    pub listen: SocketAddr,
    /// What clients must send to be let in (sc://host:port/;token=…)
    #[arg(
        long,
        value_name = "TOKEN",
        env = "PLIMSOLL_SERVE_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Register each Parquet, CSV or JSON file, or folder of files, in DIR under its name
    #[arg(long, value_name = "DIR")]
    pub tables: Option<PathBuf>,
    /// End with a report of who held what, on stderr
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub report: Report,
    #[command(flatten)]
    pub settings: SettingArgs,
}

#[derive(Debug, Args)]
pub struct IoArgs {
    /// Register each Parquet, CSV or JSON file, or folder of files, in DIR under its name
    #[arg(long, value_name = "DIR")]
    pub tables: Option<PathBuf>,
    /// How rows are printed, or where they are written [default: table on a terminal, else tsv]
    #[arg(long, value_parser = ChoiceParser, value_name = "FORMAT[:PATH]")]
    pub output: Option<Choice>,
    /// What is done about files that are at PATH already [default: error]
    #[arg(long, value_enum, value_name = "MODE", requires = "output")]
    pub mode: Option<Mode>,
}

#[derive(Debug, Args)]
pub struct MemoryArgs {
    /// How the breakdown is printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    #[command(flatten)]
    pub settings: SettingArgs,
}

#[derive(Debug, Args)]
pub struct ConfArgs {
    /// Also those that have no effect here, or not yet
    #[arg(long)]
    pub all: bool,
    /// How the list is printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    #[command(flatten)]
    pub settings: SettingArgs,
}

/// The options that make settings; Spark's are spelt as spark-submit spells them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingArgs {
    /// All the memory of this process (512m, 4g), or auto for the container's limit
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Settings for a kind of work; what is set by other means is kept
    #[arg(long, value_name = "PROFILE", value_parser = profiles())]
    pub profile: Option<String>,
    /// Memory of the driver [default: 1g]
    #[arg(long, value_name = "SIZE")]
    pub driver_memory: Option<String>,
    /// Memory of the executor [default: 1g]
    #[arg(long, value_name = "SIZE")]
    pub executor_memory: Option<String>,
    #[arg(
        long,
        value_name = "N",
        help = "Cores of an executor; in local mode --master local[N] says how many threads run"
    )]
    pub executor_cores: Option<String>,
    /// Executors; in local mode there is one
    #[arg(long, value_name = "N")]
    pub num_executors: Option<String>,
    #[arg(
        long,
        value_name = "URL",
        help = "Where to run: local, local[N] or local[*] [default: local[*]]"
    )]
    pub master: Option<String>,
    /// A name for the application
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Any setting
    #[arg(short = 'c', long, value_name = "KEY=VALUE")]
    pub conf: Vec<String>,
    /// A file of settings, in place of spark-defaults.conf
    #[arg(long, value_name = "FILE")]
    pub properties_file: Option<PathBuf>,
    /// Read spark-defaults.conf even with --properties-file
    #[arg(long)]
    pub load_spark_defaults: bool,
    /// How much is logged, on stderr: error, warn, info, debug or trace [default: warn]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// The profiles by name, so that help texts and shells can tell them.
fn profiles() -> PossibleValuesParser {
    let value = |profile: Profile| PossibleValue::new(profile.name()).help(profile.purpose());
    Profile::ALL.map(value).into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A drawn table
    Table,
    /// Comma-separated, with a header
    Csv,
    /// Tab-separated, without a header, as spark-sql prints
    Tsv,
    /// A JSON object a line
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// An error
    #[value(alias = "errorifexists")]
    Error,
    /// More files beside them
    Append,
    /// They are replaced, once all is written
    Overwrite,
    /// Nothing is written
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Report {
    /// For people
    Text,
    /// One line of JSON, the last on stderr
    Json,
    /// No report
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs; sizes in bytes
    Json,
}
