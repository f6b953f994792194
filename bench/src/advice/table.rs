//! What was judged, as text.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, presets};
use plimsoll_conf::fmt_bytes;

use super::draw::Pair;
use super::judge::Held;
use super::run::{Outcome, Run};

/// One advice that was followed, or that was missing.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The pair's number in its seed.
    pub number: u64,
    /// What kind of pair it is.
    pub name: String,
    /// The settings that it ran with.
    pub settings: String,
    /// What was seen before.
    pub trouble: String,
    /// By what: the operator that wrote most, or that it failed or lost cached blocks.
    pub by: String,
    /// The change, if there was one.
    pub change: String,
    /// What came of it.
    pub held: Held,
    /// The least memory that would have done, in bytes, where it was looked for.
    pub least: Option<u64>,
}

impl Judged {
    /// Of a pair that had trouble.
    pub fn new(number: u64, pair: &Pair, before: &Outcome, change: String, held: Held) -> Self {
        let (by, trouble) = trouble(before);
        Self {
            number,
            name: pair.name.clone(),
            settings: settings(&pair.run),
            trouble,
            by,
            change,
            held,
            least: None,
        }
    }

    fn verdict(&self) -> &str {
        match &self.held {
            Held::Right => "right",
            Held::Wrong(_) => "NOT RIGHT",
            Held::NotHere => "not followed",
        }
    }

    /// A line for whoever waits.
    pub fn told(&self) -> String {
        let why = match &self.held {
            Held::Wrong(why) => format!(": {why}"),
            _ => String::new(),
        };
        let least = match self.least {
            Some(least) => format!(" (least: {})", fmt_bytes(least)),
            None => String::new(),
        };
        format!(
            "{}. {} [{}], {}: {}{least}: {}{why}",
            self.number,
            self.name,
            self.settings,
            self.trouble,
            self.change,
            self.verdict()
        )
    }
}

fn trouble(before: &Outcome) -> (String, String) {
    let spilled: u64 = before.queries.iter().map(|query| query.spilled).sum();
    let failed = before.queries.iter().any(|query| query.error.is_some());
    let most = before.queries.iter().max_by_key(|query| query.spilled);
    let operator = most.and_then(|query| query.operator.clone());
    let by = match (failed, operator) {
        (true, _) => "an error".to_owned(),
        (_, Some(operator)) => operator,
        (_, None) => "the cache".to_owned(),
    };
    let mut parts = Vec::new();
    if failed {
        parts.push("failed".to_owned());
    }
    if spilled > 0 {
        parts.push(format!("spilled {}", fmt_bytes(spilled)));
    }
    if before.evicted > 0 {
        parts.push(format!("{} blocks lost or read", before.evicted));
    }
    (by, parts.join(", "))
}

fn settings(run: &Run) -> String {
    let short = |option: &str| option.rsplit('.').next().unwrap_or(option).to_owned();
    let options = run.options.iter();
    let told: Vec<String> = options
        .map(|(option, value)| format!("{} {value}", short(option)))
        .collect();
    told.join(" ")
}

/// All of them, and how many were right, by what had gone to disk.
pub fn drawn(all: &[Judged]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "", "pair", "settings", "trouble", "advice", "least", "", "why",
        ]);
    for judged in all {
        let why = match &judged.held {
            Held::Wrong(why) => why.as_str(),
            _ => "",
        };
        table.add_row([
            judged.number.to_string(),
            judged.name.clone(),
            judged.settings.clone(),
            judged.trouble.clone(),
            judged.change.clone(),
            judged
                .least
                .map_or(String::new(), |least| fmt_bytes(least).to_string()),
            judged.verdict().to_owned(),
            why.to_owned(),
        ]);
    }
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for judged in all.iter().filter(|judged| judged.held != Held::NotHere) {
        let (right, followed) = counts.entry(&judged.by).or_default();
        *followed += 1;
        *right += usize::from(judged.held == Held::Right);
    }
    let mut text = format!("{table}\n\n");
    for (by, (right, followed)) in &counts {
        text.push_str(&format!("{by}: {right} of {followed} right\n"));
    }
    let (right, followed) = right_of(all);
    text.push_str(&format!("all: {right} of {followed} right\n"));
    text
}

/// How many were right, and how many were followed or missing.
pub fn right_of(all: &[Judged]) -> (usize, usize) {
    let right = all.iter().filter(|judged| judged.held == Held::Right);
    let followed = all.iter().filter(|judged| judged.held != Held::NotHere);
    (right.count(), followed.count())
}
