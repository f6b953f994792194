//! Random queries under a random line, for as long as one likes.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use plimsoll_bench::answers::{self, Answer};
use plimsoll_cage::{Exit, human, judge, names_line};
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

use crate::queries::{Random, query};
use crate::runs::{MIB, PATIENCE, Runs, tpch_data};
use crate::server::{Client, Server};

/// Queries at a time.
const CLIENTS: usize = 3;

/// Seconds from which a run is a long one.
const LONG: u64 = 300;

/// How long nothing is asked before it is looked what is resident: the server gives back what it does not use two seconds
/// after its last query, or later on a busy machine.
const REST: Duration = Duration::from_secs(5);

/// What may be resident at the end: a tenth more than after the warm-up. In the seconds of a short one not all queries have met
/// each other, so that the allocator's books, which have the size of the most that was ever held at once, may yet grow.
fn tolerated(level: u64, plan: &Plan) -> u64 {
    let books = if plan.is_long() { 0 } else { 4 * MIB };
    level + (level / 10).max(books)
}

/// The length of the run and of its warm-up, which is over when each query was asked once. Short ones have lines from 64 to 192 MiB
/// and data at scale 0.1, long ones lines from 512 MiB to 2 GiB and data at scale 1.
struct Plan {
    seconds: u64,
    warm_up: u64,
    line: u64,
    scale: &'static str,
    distinct: usize,
}

impl Plan {
    fn is_long(&self) -> bool {
        self.seconds >= LONG
    }

    fn of(seconds: u64, random: &mut Random) -> Self {
        let long = seconds >= LONG;
        let (least, most) = if long { (512, 2048) } else { (64, 192) };
        Self {
            seconds,
            warm_up: if long { 60 } else { seconds / 3 },
            line: (least + random.below(most - least + 1)) * MIB,
            scale: if long { "1" } else { "0.1" },
            distinct: if long { 60 } else { 12 },
        }
    }
}

/// Queries and their answers, dealt out in turn.
struct Queries {
    queries: Vec<(String, Answer)>,
    dealt: AtomicUsize,
}

type Asked = Arc<Queries>;

impl Queries {
    fn new(queries: Vec<(String, Answer)>) -> Self {
        let dealt = AtomicUsize::new(0);
        Self { queries, dealt }
    }

    fn next(&self) -> (&str, &Answer) {
        let at = self.dealt.fetch_add(1, Ordering::Relaxed) % self.queries.len();
        let (sql, answer) = &self.queries[at];
        (sql, answer)
    }
}

fn setting(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} takes a whole number")),
        Err(_) => default,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_random_queries_within_a_random_line_leave_no_growth_behind() {
    let seed = setting("PLIMSOLL_SEED", 1);
    let mut random = Random::new(seed);
    let plan = Plan::of(setting("PLIMSOLL_SOAK_SECONDS", 20), &mut random);
    eprintln!("seed {seed}, line {}, {} s", human(plan.line), plan.seconds);
    let texts: Vec<String> = (0..plan.distinct).map(|_| query(&mut random)).collect();
    let tables = tpch_data(plan.scale);
    let Some(queries) = with_answers(texts, &tables).await else {
        return;
    };
    let asked = Arc::new(Queries::new(queries));
    let Some(server) = Server::start(plan.line, &tables) else {
        return;
    };
    let mut runs = Runs::default();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(server.client().await);
    }
    let clients = ask_for(
        plan.warm_up,
        plan.distinct,
        clients,
        &asked,
        plan.line,
        &mut runs,
    )
    .await;
    let level = idle_level(&server).await;
    let rest = plan.seconds - plan.warm_up;
    let clients = ask_for(rest, 0, clients, &asked, plan.line, &mut runs).await;
    let end = idle_level(&server).await;
    eprintln!(
        "resident when idle: {} after the warm-up, {} at the end",
        human(level),
        human(end)
    );
    if end > tolerated(level, &plan) {
        runs.broke(format!(
            "resident when idle grew from {} to {} (seed {seed})",
            human(level),
            human(end)
        ));
    }
    drop(clients);
    let run = server.end();
    let verdict = judge(&run, |_| Ok(()), &[]);
    let kept = verdict.is_kept() && run.exit == Exit::Code(0);
    runs.add(&format!("soak with seed {seed}"), &run, &verdict, kept);
    runs.assert_kept();
}

/// The right answers, from a server that has more memory than they need and nothing else to do. `None` where no cage
/// can be made.
async fn with_answers(texts: Vec<String>, tables: &Path) -> Option<Vec<(String, Answer)>> {
    let ample = Server::start(2048 * MIB, tables)?;
    let mut client = ample.client().await;
    let mut answered = Vec::new();
    for text in texts {
        let answer = client.ask(&text).await;
        let answer = answer.unwrap_or_else(|error| panic!("{text}: {error}"));
        answered.push((text, answer));
    }
    Some(answered)
}

/// Clients ask one query after the other for some time, and until so many were asked; what is wrong with their answers goes
/// into `runs`.
async fn ask_for(
    seconds: u64,
    least: usize,
    clients: Vec<Client>,
    asked: &Asked,
    line: u64,
    runs: &mut Runs,
) -> Vec<Client> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut asking = Vec::new();
    for mut client in clients {
        let asked = Arc::clone(asked);
        asking.push(tokio::spawn(async move {
            let mut wrong = Vec::new();
            while Instant::now() < until || asked.dealt.load(Ordering::Relaxed) < least {
                let (sql, right) = asked.next();
                let answer = timeout(PATIENCE, client.ask(sql)).await;
                if let Some(found) = fault(sql, answer, right, line) {
                    wrong.push(found);
                }
            }
            (client, wrong)
        }));
    }
    let mut clients = Vec::new();
    for asking in asking {
        let (client, wrong) = asking.await.unwrap();
        clients.push(client);
        wrong.into_iter().for_each(|wrong| runs.broke(wrong));
    }
    clients
}

/// What is wrong with an answer.
fn fault(
    sql: &str,
    answer: Result<Result<Answer, String>, Elapsed>,
    right: &Answer,
    line: u64,
) -> Option<String> {
    let found = match answer {
        Err(_) => format!("no answer in {} s", PATIENCE.as_secs()),
        Ok(Ok(ours)) => answers::difference(&ours, right, &[], sql)?,
        Ok(Err(error)) if names_line(&error, line) => return None,
        Ok(Err(error)) => format!("an error that does not name the line: {error}"),
    };
    Some(format!("{sql}: {found}"))
}

/// What is resident once nothing has run for a while.
async fn idle_level(server: &Server) -> u64 {
    sleep(REST).await;
    server.resident()
}
