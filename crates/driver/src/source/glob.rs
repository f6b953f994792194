use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether Spark would take this path for a pattern.
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['{', '}', '[', ']', '*', '?', '\\'])
}

/// The paths that match a pattern such as `/data/{a,b}/part-*`, in order. A `*` ends at a slash, as in
/// Hadoop's `GlobFilter`.
pub(crate) fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    for pattern in alternatives(pattern) {
        let root = match pattern.starts_with('/') {
            true => PathBuf::from("/"),
            false => PathBuf::new(),
        };
        let mut paths = vec![root];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            paths = paths.iter().flat_map(|path| children(path, part)).collect();
        }
        found.extend(paths);
    }
    found.into_iter().collect()
}

fn children(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    if !is_pattern(pattern) {
        let path = directory.join(pattern);
        return if path.exists() { vec![path] } else { vec![] };
    }
    let here = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    let Ok(entries) = fs::read_dir(here) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| matches(pattern, name))
        .map(|name| directory.join(name))
        .collect()
}

/// The patterns without braces that one with braces stands for.
fn alternatives(pattern: &str) -> Vec<String> {
    let Some(open) = pattern.find('{') else {
        return vec![pattern.to_owned()];
    };
    let mut depth = 0;
    let mut cuts = vec![open];
    let mut close = None;
    for (at, character) in pattern[open..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => cuts.push(open + at),
            _ => {}
        }
        if depth == 0 {
            close = Some(open + at);
            break;
        }
    }
    let Some(close) = close else {
        return vec![pattern.to_owned()];
    };
    cuts.push(close);
    let pieces = cuts.windows(2).map(|cut| &pattern[cut[0] + 1..cut[1]]);
    pieces
        .map(|piece| format!("{}{piece}{}", &pattern[..open], &pattern[close + 1..]))
        .flat_map(|pattern| alternatives(&pattern))
        .collect()
}

/// Whether a name matches a pattern of `*`, `?`, `[a-z]`, `[^a]` and `\x`, or one with braces.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    alternatives(pattern).iter().any(|pattern| {
        let pattern: Vec<char> = pattern.chars().collect();
        rest_matches(&pattern, &name)
    })
}

fn rest_matches(pattern: &[char], name: &[char]) -> bool {
    // Where to go on after a mismatch: behind the last star, with one more character left to it.
    let (mut at, mut name_at) = (0, 0);
    let mut star = None;
    while name_at < name.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at + 1, name_at));
            at += 1;
        } else if let Some(length) = one_matches(&pattern[at..], name[name_at]) {
            at += length;
            name_at += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (at, name_at) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&character| character == '*')
}

/// The length of the pattern's first part, if the character matches it.
fn one_matches(pattern: &[char], character: char) -> Option<usize> {
    match *pattern.first()? {
        '?' => Some(1),
        '[' => {
            let end = pattern.iter().skip(2).position(|&c| c == ']')? + 2;
            let set = &pattern[1..end];
            let (negated, set) = match set {
                ['^' | '!', rest @ ..] => (true, rest),
                set => (false, set),
            };
            (in_set(set, character) != negated).then_some(end + 1)
        }
        '\\' => (pattern.get(1) == Some(&character)).then_some(2),
        other => (other == character).then_some(1),
    }
}

fn in_set(mut set: &[char], character: char) -> bool {
    loop {
        set = match set {
            [from, '-', to, ..] if (*from..=*to).contains(&character) => return true,
            [_, '-', _, rest @ ..] => rest,
            [one, ..] if *one == character => return true,
            [_, rest @ ..] => rest,
            [] => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        for (pattern, name) in [
            ("*.csv", "a.csv"),
            ("part-?[0-4]*", "part-03-x"),
            ("{x1,y}.csv", "y.csv"),
            ("a{b,{c,d}}e", "ade"),
            ("[^ab]", "c"),
            ("\\*", "*"),
            ("*a*b*", "xxaxxbxx"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.csv", "a.csv.gz"),
            ("?", ""),
            ("[a-c]", "d"),
            ("\\*", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_expands_to_the_paths_that_are_there() {
        let root = tempfile::tempdir().unwrap();
        for path in ["a=1/x.csv", "a=2/x.csv", "b/x.csv"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let pattern = format!("{}/a=*/x.csv", root.path().display());
        assert_eq!(expand(&pattern).len(), 2);
    }
}
