use std::collections::{HashMap, HashSet};

use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

/// How each name is spelt, by its lower case.
type Spellings = HashMap<String, String>;

/// The statement with every name spelt as where it comes from: a column as its table spells it, and what
/// the statement itself names as it is first spelt there.
///
/// DataFusion takes unquoted names to lower case and quoted ones as they are; to Spark a name has no case,
/// and what it is called is what somebody wrote.
///
/// # Errors
/// If a table cannot be looked up.
pub(super) async fn respelled(
    state: &SessionState,
    text: &str,
    statement: Statement,
) -> Result<Statement> {
    let mut tokens = Vec::new();
    let readable =
        Tokenizer::new(&SparkSqlDialect, text).tokenize_with_location_into_buf(&mut tokens);
    let is_plain = text
        .bytes()
        .all(|byte| !byte.is_ascii_uppercase() && byte.is_ascii());
    let mut spellings = spellings_of_tables(state, &statement).await?;
    if readable.is_err()
        || (is_plain && spellings.values().all(|name| *name == name.to_lowercase()))
    {
        return Ok(statement);
    }
    respell(&mut tokens, &mut spellings);
    let limit = state.config().options().sql_parser.recursion_limit.get();
    let parsed = Parser::new(&SparkSqlDialect)
        .with_recursion_limit(limit)
        .with_tokens_with_locations(tokens)
        .parse_statement();
    match parsed {
        Ok(respelled) => Ok(Statement::Statement(Box::new(respelled))),
        // What DataFusion's parser alone can read stays as it is.
        Err(_) => Ok(statement),
    }
}

/// The names of the tables that a statement reads, and of their columns.
async fn spellings_of_tables(state: &SessionState, statement: &Statement) -> Result<Spellings> {
    let mut spellings = Spellings::new();
    let mut disputed = HashSet::new();
    for reference in state.resolve_table_references(statement)? {
        let name = reference.table().to_owned();
        let Ok(schema) = state.schema_for_ref(reference) else {
            continue;
        };
        let Some(table) = schema.table(&name).await? else {
            continue;
        };
        let columns = table.schema();
        let columns = columns.fields().iter().map(|field| field.name().clone());
        for name in columns.chain([name]) {
            let lower = name.to_lowercase();
            match spellings.get(&lower) {
                Some(other) if *other != name => {
                    disputed.insert(lower);
                }
                _ => {
                    spellings.insert(lower, name);
                }
            }
        }
    }
    // The column of the one table function, which is among no tables.
    if !spellings.contains_key("id") && statement.to_string().to_lowercase().contains("range(") {
        spellings.insert("id".to_owned(), "id".to_owned());
    }
    // Two tables that spell a name differently: it has to be written as one of them has it.
    spellings.retain(|lower, _| !disputed.contains(lower));
    Ok(spellings)
}

fn respell(tokens: &mut [TokenWithSpan], spellings: &mut Spellings) {
    let calls: HashSet<String> = (0..tokens.len())
        .filter(|at| matches!(next(tokens, *at), Some(Token::LParen)))
        .filter_map(|at| match &tokens[at].token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
            _ => None,
        })
        .filter(|name| !spellings.contains_key(name))
        .collect();
    for at in 0..tokens.len() {
        let Some(word) = name_at(tokens, at, spellings) else {
            continue;
        };
        let lower = word.value.to_lowercase();
        if calls.contains(&lower) {
            continue;
        }
        let spelling = spellings.entry(lower.clone()).or_insert(word.value);
        if *spelling != lower || word.quote_style.is_some() {
            tokens[at].token = Token::Word(Word {
                value: spelling.clone(),
                quote_style: Some('`'),
                keyword: Keyword::NoKeyword,
            });
        }
    }
}

/// The word at this place, if it is the name of something.
fn name_at(tokens: &[TokenWithSpan], at: usize, spellings: &Spellings) -> Option<Word> {
    let Token::Word(word) = &tokens[at].token else {
        return None;
    };
    if word.quote_style.is_some() {
        return (word.quote_style == Some('`')).then(|| word.clone());
    }
    let is_literal = matches!(
        next(tokens, at),
        Some(Token::LParen | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_))
    );
    let is_named = match previous(tokens, at) {
        Some(Token::Period) => true,
        Some(Token::Word(before)) if before.keyword == Keyword::AS => match is_type(tokens, at) {
            true => return None,
            false => true,
        },
        _ => false,
    };
    let is_known = spellings.contains_key(&word.value.to_lowercase());
    let is_name = word.keyword == Keyword::NoKeyword || is_named || is_known;
    (is_name && !is_literal).then(|| word.clone())
}

/// Whether the word is the type of a cast, `CAST(a AS INT)`: what follows is the end of it.
fn is_type(tokens: &[TokenWithSpan], at: usize) -> bool {
    let mut depth = 0;
    for token in tokens[..at].iter().rev() {
        match &token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => {
                let open = tokens[..at]
                    .iter()
                    .rposition(|other| std::ptr::eq(other, token));
                return matches!(
                    open.and_then(|open| previous(tokens, open)),
                    Some(Token::Word(word)) if matches!(word.keyword, Keyword::CAST | Keyword::TRY_CAST)
                );
            }
            Token::LParen => depth -= 1,
            _ => {}
        }
    }
    false
}

fn next(tokens: &[TokenWithSpan], at: usize) -> Option<&Token> {
    let mut rest = tokens[at + 1..].iter().map(|token| &token.token);
    rest.find(|token| !matches!(token, Token::Whitespace(_)))
}

fn previous(tokens: &[TokenWithSpan], at: usize) -> Option<&Token> {
    let mut before = tokens[..at].iter().rev().map(|token| &token.token);
    before.find(|token| !matches!(token, Token::Whitespace(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn respelled(text: &str, known: &[&str]) -> String {
        let mut tokens = Vec::new();
        Tokenizer::new(&SparkSqlDialect, text)
            .tokenize_with_location_into_buf(&mut tokens)
            .unwrap();
        let mut spellings = known
            .iter()
            .map(|name| (name.to_lowercase(), (*name).to_owned()))
            .collect();
        respell(&mut tokens, &mut spellings);
        tokens.iter().map(|token| token.token.to_string()).collect()
    }

    #[test]
    fn a_column_is_spelt_as_its_table_spells_it() {
        assert_eq!(
            respelled(
                "SELECT NAME, p.age FROM People p",
                &["Name", "Age", "people"]
            ),
            "SELECT `Name`, p.`Age` FROM People p"
        );
    }

    #[test]
    fn an_alias_keeps_its_first_spelling_throughout() {
        assert_eq!(
            respelled("SELECT sum(x) AS Total FROM t ORDER BY total", &["x", "t"]),
            "SELECT sum(x) AS `Total` FROM t ORDER BY `Total`"
        );
    }

    #[test]
    fn functions_types_and_typed_strings_are_no_names() {
        for text in [
            "SELECT Date '2024-01-01', Count(*), CAST(a AS Int) FROM t",
            "SELECT Max(a) OVER (PARTITION BY b) FROM t",
        ] {
            assert_eq!(respelled(text, &["Date", "Count", "Int", "a", "t"]), text);
        }
    }
}
