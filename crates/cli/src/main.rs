//! The `plimsoll` command.

mod args;
mod engine;
mod failure;
mod idle;
mod interrupt;
mod list;
mod memory;
mod output;
mod progress;
mod prompt;
mod python;
mod refused;
mod script;
mod serve;
mod settings;
mod tell;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    plimsoll_allocator::install();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(words) = refused::explain(&error) {
                tell::tell(format_args!("error: {words}"));
                return ExitCode::from(2);
            }
            error.exit();
        }
    };
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Error(message) = &failure {
                tell::tell(format_args!("error: {message}"));
            }
            ExitCode::from(failure.exit_status())
        }
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Sql(args) => script::sql(args),
        Command::Run(args) => script::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Memory(args) => memory::show(args),
        Command::Conf(args) => list::show(args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "plimsoll", &mut script);
            output::print_text(&String::from_utf8_lossy(&script))
        }
    }
}
