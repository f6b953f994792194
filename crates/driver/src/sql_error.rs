//! What is wrong with a SQL text or a plan, by kind, for programs that tell one from another.

use datafusion::common::{Column, DataFusionError, SchemaError, TableReference};

/// The kind of a planning error: what Spark gives conditions such as `TABLE_OR_VIEW_NOT_FOUND`.
///
/// Names are lists of their parts, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The text is not SQL.
    Syntax,
    /// There is no such table or view.
    UnknownTable {
        /// Its name.
        name: Vec<String>,
    },
    /// There is no such column.
    UnknownColumn {
        /// Its name.
        name: Vec<String>,
        /// The columns there are.
        valid: Vec<Vec<String>>,
    },
    /// There are several columns of this name.
    AmbiguousColumn {
        /// The name.
        name: Vec<String>,
    },
    /// There is no such function.
    UnknownFunction {
        /// Its name.
        name: String,
    },
    /// Something else.
    Other,
}

impl SqlErrorKind {
    /// The kind of an error of DataFusion's planner.
    #[must_use]
    pub fn of(error: &DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::SQL(..) => Self::Syntax,
            DataFusionError::SchemaError(error, _) => Self::of_schema(error),
            root => Self::of_message(&root.message()),
        }
    }

    fn of_schema(error: &SchemaError) -> Self {
        match error {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => Self::UnknownColumn {
                name: parts(field),
                valid: valid_fields.iter().map(parts).collect(),
            },
            SchemaError::AmbiguousReference { field } => {
                Self::AmbiguousColumn { name: parts(field) }
            }
            _ => Self::Other,
        }
    }

    /// The kinds that the planner has no error of their own for.
    fn of_message(message: &str) -> Self {
        let quoted = |before: &str, after: &str| {
            let (name, rest) = message.strip_prefix(before)?.split_once('\'')?;
            rest.starts_with(after).then(|| name.to_owned())
        };
        if let Some(name) = quoted("table '", " not found") {
            let name = TableReference::parse_str(&name).to_vec();
            // Tables go by their own name: there is one catalog, with one schema of tables.
            let own =
                name.strip_prefix(["spark_catalog".to_owned(), "default".to_owned()].as_slice());
            return Self::UnknownTable {
                name: own.unwrap_or(&name).to_vec(),
            };
        }
        let function = quoted("Invalid function '", "")
            .or_else(|| quoted("Table function '", " not found"))
            .or_else(|| quoted("table function '", " not found"));
        function.map_or(Self::Other, |name| Self::UnknownFunction { name })
    }
}

fn parts(column: &Column) -> Vec<String> {
    let mut parts = column
        .relation
        .as_ref()
        .map_or(Vec::new(), TableReference::to_vec);
    parts.push(column.name.clone());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planning_error_is_told_by_its_kind() {
        let kind = |message: &str| SqlErrorKind::of(&DataFusionError::Plan(message.to_owned()));
        assert_eq!(
            kind("table 'spark_catalog.default.missing' not found"),
            SqlErrorKind::UnknownTable {
                name: vec!["missing".into()]
            }
        );
        assert_eq!(
            kind("Invalid function 'nope'.\nDid you mean 'nop'?"),
            SqlErrorKind::UnknownFunction {
                name: "nope".into()
            }
        );
        assert_eq!(kind("something else"), SqlErrorKind::Other);
    }
}
