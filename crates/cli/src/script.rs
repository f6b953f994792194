//! Running statements, one after the other, with their rows on stdout and all else on stderr.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use plimsoll_driver::{Rows, Session, Statement, WriteRequest, split};

use crate::args::{Output, RunArgs, SqlArgs};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::output::{Destination, printer};
use crate::progress::ProgressLine;
use crate::prompt;
use crate::python;
use crate::tell::tell;

/// `plimsoll sql`.
pub fn sql(args: &SqlArgs) -> Result<(), Failure> {
    let script = match (&args.execute, &args.file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(file)) => Some(read(file)?),
        (None, None) if !io::stdin().is_terminal() => {
            let script = io::read_to_string(io::stdin())
                .map_err(|error| Failure::system("cannot read statements from stdin", &error))?;
            Some(without_mark(script))
        }
        (None, None) => None,
    };
    let destination = Destination::new(&args.io)?;
    match &script {
        Some(script) => destination.fits(&readable(script))?,
        None if destination.write.is_some() => {
            return Err(Failure::Error(
                "at the prompt COPY (query) TO 'path' writes files; --output with a path goes with -e or -f".to_owned(),
            ));
        }
        None => {}
    }
    let mut engine = Engine::start(
        &args.settings,
        args.io.tables.as_deref(),
        |conf, machine| Session::new(conf, machine, Vec::new()),
    )?;
    let outcome = match script {
        Some(script) => run_all(&mut engine, &script, &destination),
        None => prompt::run(&mut engine, destination.print),
    };
    engine.end(args.report);
    outcome
}

/// `plimsoll run`.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let (file, arguments) = args
        .job
        .split_first()
        .ok_or_else(|| Failure::Error("run needs a script: plimsoll run job.py".to_owned()))?;
    let file = Path::new(file);
    let destination = Destination::new(&args.io)?;
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("py") if destination.write.is_some() => {
            return Err(Failure::Error(format!(
                "{} writes its files itself, with df.write: --output with a path is for SQL",
                file.display()
            )));
        }
        Some("py") => return python::run(args, &args.job),
        Some("jar") => {
            return Err(Failure::Error(format!(
                "{} cannot be run: there is no JVM. A job is a PySpark script (job.py) or a file of SQL (job.sql)",
                file.display()
            )));
        }
        _ => {}
    }
    let script = read(file)?;
    destination.fits(&readable(&script))?;
    let mut engine = Engine::start(
        &args.settings,
        args.io.tables.as_deref(),
        |conf, machine| Session::new(conf, machine, arguments.to_vec()),
    )?;
    let outcome = run_all(&mut engine, &script, &destination);
    engine.end(args.report);
    outcome
}

fn read(file: &Path) -> Result<String, Failure> {
    let script = fs::read_to_string(file).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        };
        Failure::Error(format!(
            "cannot read the SQL file {}: {what}",
            file.display()
        ))
    })?;
    Ok(without_mark(script))
}

/// The text without the mark that some editors put before UTF-8.
fn without_mark(script: String) -> String {
    match script.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => script,
    }
}

/// The statements of a script up to where it cannot be read, which is told when they have run.
fn readable(script: &str) -> Vec<Statement> {
    split(script).into_iter().map_while(Result::ok).collect()
}

/// Runs the statements of a script in order, up to the first error.
fn run_all(engine: &mut Engine, script: &str, to: &Destination) -> Result<(), Failure> {
    for statement in split(script) {
        let statement = statement?;
        let write = to.of(&statement).cloned();
        run_statement(engine, statement, script, to.print, write)?;
    }
    Ok(())
}

/// Runs one statement and says how many rows it gave, if it is of a kind that has rows. They are printed, or written.
pub fn run_statement(
    engine: &mut Engine,
    statement: Statement,
    script: &str,
    output: Output,
    write: Option<WriteRequest>,
) -> Result<Option<u64>, Failure> {
    let progress = ProgressLine::start();
    let (session, script) = (Arc::clone(engine.session()), script.to_owned());
    let work = async move {
        match write {
            Some(request) => session.run_into(&statement, &script, request).await,
            None => session.run(&statement, &script).await,
        }
    };
    engine.run(work, |answer| async {
        let answer = answer?;
        for notice in &answer.notices {
            progress.clear();
            tell(notice);
        }
        match answer.rows {
            // A statement that works and answers nothing.
            Some(rows) if rows.schema().fields().is_empty() => {
                print(rows, output, &progress).await.map(|_| None)
            }
            Some(rows) => print(rows, output, &progress).await.map(Some),
            None => Ok(None),
        }
    })
}

async fn print(mut rows: Rows, output: Output, progress: &ProgressLine) -> Result<u64, Failure> {
    let stdout = io::stdout();
    let shares_terminal = stdout.is_terminal();
    let mut to = BufWriter::new(stdout.lock());
    let has_columns = !rows.schema().fields().is_empty();
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
    if has_columns {
        printer.end(&mut to)?;
    }
    to.flush()?;
    rows.notices().iter().for_each(tell);
    Ok(count)
}
