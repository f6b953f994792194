use std::collections::VecDeque;

use parking_lot::Mutex;
use tracing::warn;

/// How many notices are remembered.
const REMEMBERED: usize = 64;

/// Says what comes of a hint that has no effect, unless it was said lately: a statement is planned more than once, and the
/// next has the same hint.
pub fn say(notice: String) {
    static SAID: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
    let is_new = is_new(&mut SAID.lock(), &notice);
    // Without the lock: who reads the log may be slow.
    if is_new {
        warn!("{notice}");
    }
}

fn is_new(said: &mut VecDeque<String>, notice: &str) -> bool {
    if said.iter().any(|before| before == notice) {
        return false;
    }
    if said.len() == REMEMBERED {
        said.pop_front();
    }
    said.push_back(notice.to_owned());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice_and_little_is_remembered() {
        let mut said = VecDeque::new();
        assert!(is_new(&mut said, "a") && !is_new(&mut said, "a"));
        let others = (0..100).map(|number| number.to_string());
        assert!(others.into_iter().all(|notice| is_new(&mut said, &notice)));
        assert_eq!(said.len(), REMEMBERED);
        assert!(is_new(&mut said, "a"));
    }
}
