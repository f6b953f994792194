//! Names of several parts: `a.b`, `` `a.b`.c ``.

use crate::error::Error;

/// Cuts a name at its dots, heeding backticks: Spark's `UnresolvedAttribute.parseAttributeName`.
///
/// # Errors
/// If backticks are not in pairs around whole parts.
pub(crate) fn parts(name: &str) -> Result<Vec<String>, Error> {
    let invalid = || Error::analysis("INVALID_ATTRIBUTE_NAME_SYNTAX", &[("name", name)]);
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut characters = name.chars().peekable();
    let mut was_quoted = false;
    while let Some(character) = characters.next() {
        match character {
            '`' if part.is_empty() && !was_quoted => {
                was_quoted = true;
                loop {
                    match characters.next() {
                        Some('`') if characters.peek() == Some(&'`') => {
                            characters.next();
                            part.push('`');
                        }
                        Some('`') => break,
                        Some(character) => part.push(character),
                        None => return Err(invalid()),
                    }
                }
            }
            '`' => return Err(invalid()),
            '.' if part.is_empty() && !was_quoted => return Err(invalid()),
            '.' => {
                parts.push(std::mem::take(&mut part));
                was_quoted = false;
            }
            _ if was_quoted => return Err(invalid()),
            _ => part.push(character),
        }
    }
    match part.is_empty() && !was_quoted {
        true if name.is_empty() => Ok(vec![String::new()]),
        true => Err(invalid()),
        false => {
            parts.push(part);
            Ok(parts)
        }
    }
}

/// The parts in backticks, as Spark's messages have them.
pub(crate) fn quoted(parts: &[String]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|part| format!("`{}`", part.replace('`', "``")))
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_inside_backticks_do_not_cut() {
        assert_eq!(parts("a.`b.c`.d").unwrap(), ["a", "b.c", "d"]);
        assert_eq!(parts("`a``b`").unwrap(), ["a`b"]);
        assert_eq!(parts("sum(x + 1)").unwrap(), ["sum(x + 1)"]);
        for name in ["a..b", ".a", "a.", "`a", "`a`b", "a`b`"] {
            assert!(parts(name).is_err(), "{name}");
        }
    }
}
