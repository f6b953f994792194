use std::fmt;

use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// A hint, as it is written: its name, and what stands in brackets behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
}

/// What stands in a hint's brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parameter {
    /// The parts of a name.
    Name(Vec<String>),
    /// Something else, such as a number.
    Other(String),
}

/// What a hint of some name comes to here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The relations it names, or all below it, are to be broadcast.
    Broadcast,
    /// Nothing, for this reason.
    None(String),
}

/// Hints of joins that sort, hash or repeat what is exchanged: joins that do not fit do what fits.
const OF_OTHER_JOINS: [&str; 6] = [
    "MERGE",
    "SHUFFLE_MERGE",
    "MERGEJOIN",
    "SHUFFLE_HASH",
    "SHUFFLE_REPLICATE_NL",
    "SKEW",
];

/// Hints on how rows are dealt out to tasks.
const OF_PARTITIONS: [&str; 4] = [
    "COALESCE",
    "REPARTITION",
    "REPARTITION_BY_RANGE",
    "REBALANCE",
];

impl Meaning {
    /// What a hint of this name means, in any case. `hint` is all of it, for what is said of one that means nothing.
    pub fn of(name: &str, hint: &str) -> Self {
        let upper = name.to_uppercase();
        let is = |names: &[&str]| names.contains(&upper.as_str());
        if is(&["BROADCAST", "BROADCASTJOIN", "MAPJOIN"]) {
            return Self::Broadcast;
        }
        Self::None(if is(&OF_OTHER_JOINS) {
            format!(
                "hint {hint} has no effect: joins choose by what fits into memory while they run"
            )
        } else if is(&OF_PARTITIONS) {
            format!("hint {hint} has no effect: rows go to as many partitions as there are threads")
        } else {
            format!("unrecognized hint: {hint}")
        })
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let parameters: Vec<String> = self.parameters.iter().map(Parameter::to_string).collect();
        match parameters.is_empty() {
            true => Ok(()),
            false => write!(f, "({})", parameters.join(", ")),
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(parts) => f.write_str(&parts.join(".")),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// The hints in a comment `/*+ … */`, given what stands between the stars; none if it is another comment. What is no hint in
/// it is passed over.
pub(super) fn hints(comment: &str) -> Option<Vec<Hint>> {
    let text = comment.strip_prefix('+')?;
    let mut tokens = Tokenizer::new(&SparkSqlDialect, text)
        .tokenize()
        .unwrap_or_default();
    tokens.retain(|token| !matches!(token, Token::Whitespace(_)));
    let mut tokens = tokens.into_iter().peekable();
    let mut hints = Vec::new();
    while let Some(token) = tokens.next() {
        let Token::Word(name) = token else {
            continue;
        };
        let mut hint = Hint {
            name: name.value,
            parameters: Vec::new(),
        };
        if tokens.next_if_eq(&Token::LParen).is_some() {
            let mut depth = 1;
            let mut parameter = Vec::new();
            for token in tokens.by_ref() {
                match token {
                    Token::LParen => depth += 1,
                    Token::RParen => depth -= 1,
                    _ => {}
                }
                let is_end = depth == 0;
                if is_end || depth == 1 && token == Token::Comma {
                    hint.parameters.extend(Parameter::of(&parameter));
                    parameter.clear();
                } else {
                    parameter.push(token);
                }
                if is_end {
                    break;
                }
            }
        }
        hints.push(hint);
    }
    Some(hints)
}

impl Parameter {
    fn of(tokens: &[Token]) -> Option<Self> {
        let name = tokens.iter().enumerate().map(|(at, token)| match token {
            Token::Word(word) if at % 2 == 0 => Some(Some(word.value.clone())),
            Token::Period if at % 2 == 1 => Some(None),
            _ => None,
        });
        let name: Option<Vec<Option<String>>> = name.collect();
        let text = || tokens.iter().map(Token::to_string).collect();
        match name {
            _ if tokens.is_empty() => None,
            Some(parts) if tokens.len() % 2 == 1 => {
                Some(Self::Name(parts.into_iter().flatten().collect()))
            }
            _ => Some(Self::Other(text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(comment: &str) -> Vec<String> {
        let hints = hints(comment).unwrap();
        hints.iter().map(Hint::to_string).collect()
    }

    #[test]
    fn hints_are_read_with_their_parameters() {
        assert_eq!(
            told("+ BROADCAST(a, `b c`.d), merge(x) MapJoin , COALESCE(3)"),
            ["BROADCAST(a, b c.d)", "merge(x)", "MapJoin", "COALESCE(3)"]
        );
        assert_eq!(told("+REPARTITION(3, f(a, b))"), ["REPARTITION(3, f(a,b))"]);
        assert_eq!(hints(" not a hint "), None);
        for broken in [
            "+",
            "+ (",
            "+ BROADCAST(",
            "+ BROADCAST(a",
            "+ a..b(,)",
            "+ 'x",
        ] {
            hints(broken).unwrap();
        }
    }

    #[test]
    fn every_hint_of_spark_has_a_meaning() {
        for name in ["broadcast", "BroadcastJoin", "MAPJOIN"] {
            assert_eq!(Meaning::of(name, name), Meaning::Broadcast);
        }
        for name in OF_OTHER_JOINS.into_iter().chain(OF_PARTITIONS) {
            let Meaning::None(why) = Meaning::of(&name.to_lowercase(), name) else {
                panic!("{name} is no broadcast");
            };
            assert!(why.contains("no effect"), "{why}");
        }
        let unknown = Meaning::of("NO_SUCH", "NO_SUCH(t)");
        assert_eq!(
            unknown,
            Meaning::None("unrecognized hint: NO_SUCH(t)".into())
        );
    }
}
