//! Running statements, one after the other, with their rows on stdout and all else on stderr.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use futures::StreamExt;
use plimsoll_driver::{Rows, Session, Statement, split};

use crate::args::{Output, RunArgs, SqlArgs};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::output::printer;
use crate::progress::ProgressLine;
use crate::prompt;

/// `plimsoll sql`.
pub fn sql(args: &SqlArgs) -> Result<(), Failure> {
    let script = match (&args.execute, &args.file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(file)) => Some(read(file)?),
        (None, None) if !io::stdin().is_terminal() => Some(io::read_to_string(io::stdin())?),
        (None, None) => None,
    };
    let mut engine = Engine::start(&args.settings, args.io.tables.as_deref(), Vec::new())?;
    let output = output(args.io.output);
    let outcome = match script {
        Some(script) => run_all(&mut engine, &script, output),
        None => prompt::run(&mut engine, output),
    };
    engine.end(args.report);
    outcome
}

/// `plimsoll run`.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let (file, arguments) = args
        .job
        .split_first()
        .ok_or_else(|| Failure::Error("run needs a SQL file: plimsoll run job.sql".to_owned()))?;
    let file = Path::new(file);
    if file
        .extension()
        .is_some_and(|ending| ending == "py" || ending == "jar")
    {
        return Err(Failure::Error(format!(
            "{} is not a SQL file: Python and JVM jobs cannot be run yet, only SQL (plimsoll run job.sql)",
            file.display()
        )));
    }
    let script = read(file)?;
    let mut engine = Engine::start(
        &args.settings,
        args.io.tables.as_deref(),
        arguments.to_vec(),
    )?;
    let outcome = run_all(&mut engine, &script, output(args.io.output));
    engine.end(args.report);
    outcome
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        };
        Failure::Error(format!(
            "cannot read the SQL file {}: {what}",
            file.display()
        ))
    })
}

fn output(asked: Option<Output>) -> Output {
    asked.unwrap_or(match io::stdout().is_terminal() {
        true => Output::Table,
        false => Output::Tsv,
    })
}

/// Runs the statements of a script in order, up to the first error.
fn run_all(engine: &mut Engine, script: &str, output: Output) -> Result<(), Failure> {
    let Engine {
        session,
        runtime,
        interrupts,
    } = engine;
    for statement in split(script) {
        let statement = statement?;
        let work = run_statement(session, &statement, script, output);
        runtime.block_on(interrupts.unless(work))??;
    }
    Ok(())
}

/// Runs one statement and says how many rows it gave, if it is of a kind that has rows.
pub async fn run_statement(
    session: &Session,
    statement: &Statement,
    script: &str,
    output: Output,
) -> Result<Option<u64>, Failure> {
    let progress = ProgressLine::start();
    let answer = session.run(statement, script).await?;
    for notice in &answer.notices {
        progress.clear();
        eprintln!("{notice}");
    }
    match answer.rows {
        Some(rows) => print(rows, output, &progress).await.map(Some),
        None => Ok(None),
    }
}

async fn print(mut rows: Rows, output: Output, progress: &ProgressLine) -> Result<u64, Failure> {
    let stdout = io::stdout();
    let shares_terminal = stdout.is_terminal();
    let mut to = BufWriter::new(stdout.lock());
    let mut printer = printer(output, rows.schema());
    let mut count = 0;
    let query = rows.query();
    let follow = async {
        match query {
            Some(query) => progress.follow(query).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(follow);
    loop {
        let batch = tokio::select! {
            batch = rows.next() => batch,
            () = &mut follow => continue,
        };
        let Some(batch) = batch.transpose()? else {
            break;
        };
        if shares_terminal {
            progress.clear();
        }
        count += batch.num_rows() as u64;
        printer.batch(&batch, &mut to)?;
        to.flush()?;
    }
    progress.clear();
    printer.end(&mut to)?;
    to.flush()?;
    Ok(count)
}
