//! The prompt, typed at through a pseudo-terminal.

use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

/// What a query may take on a slow machine, in milliseconds.
const PATIENCE: u64 = 60_000;

struct Prompt {
    session: PtySession,
    _home: tempfile::TempDir,
}

impl Prompt {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .args(["sql", "--output", "tsv"])
            .env_clear()
            .env("TERM", "xterm")
            .env("HOME", home.path())
            .env("SPARK_LOCAL_DIRS", home.path());
        let mut session = spawn_command(command, Some(PATIENCE)).unwrap();
        session.exp_string("plimsoll> ").unwrap();
        Self {
            session,
            _home: home,
        }
    }

    fn type_line(&mut self, line: &str) {
        self.session.send(line).unwrap();
        self.session.send("\r").unwrap();
        self.session.flush().unwrap();
    }

    fn expect(&mut self, text: &str) {
        if let Err(error) = self.session.exp_string(text) {
            panic!("{text:?} did not come: {error}");
        }
    }
}

#[test]
fn statements_may_span_lines_and_errors_do_not_end_the_prompt() {
    let mut prompt = Prompt::start();
    prompt.type_line("SELECT 40");
    prompt.type_line("+ 2 AS answer;");
    prompt.expect("42");
    prompt.expect("1 row in");
    prompt.type_line("SELECT nope;");
    prompt.expect("error: ");
    prompt.type_line("SELECT 'still ' || 'here';");
    prompt.expect("still here");
    prompt.type_line("quit");
    prompt.session.exp_eof().unwrap();
}

/// A nested-loop join does not look up from its work for seconds; the prompt does.
#[test]
fn ctrl_c_cancels_the_query_and_not_the_program() {
    let mut prompt = Prompt::start();
    prompt.type_line("SELECT count(*) FROM range(100000) a JOIN range(10000000) b ON a.id < b.id;");
    prompt.expect("rows scanned");
    prompt.session.send_control('c').unwrap();
    prompt.expect("cancelled");
    prompt.type_line("SELECT 'going ' || 'on';");
    prompt.expect("going on");
    prompt.session.send_control('d').unwrap();
    prompt.session.exp_eof().unwrap();
}
