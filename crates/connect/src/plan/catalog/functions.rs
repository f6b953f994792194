//! The session's functions, as `spark.catalog` tells of them.

use datafusion::execution::FunctionRegistry;
use spark_connect_proto::catalog::CatType;

use super::answers::{Answer, FunctionRow};
use super::{known_database, matching, parts};
use crate::error::Error;
use crate::functions;
use crate::identifier;
use crate::plan::Planner;

impl Planner {
    /// The answer about functions; none if the question is about something else.
    pub(super) fn functions(&self, asked: &CatType) -> Result<Option<Answer>, Error> {
        Ok(Some(match asked {
            CatType::FunctionExists(exists) => {
                let parts = parts(exists.db_name.as_deref(), &exists.function_name)?;
                Answer::Flag(matches!(parts.as_slice(), [name] if self.is_function(name)))
            }
            CatType::GetFunction(get) => {
                let parts = parts(get.db_name.as_deref(), &get.function_name)?;
                match parts.as_slice() {
                    [name] if self.is_function(name) => {
                        Answer::Functions(vec![self.function_row(&name.to_lowercase())])
                    }
                    _ => return Err(unknown_function(&parts)),
                }
            }
            CatType::ListFunctions(list) => {
                if let Some(database) = &list.db_name {
                    known_database(database)?;
                }
                let names = self.function_names();
                let names = matching(names.iter().map(String::as_str), list.pattern.as_deref());
                Answer::Functions(names.iter().map(|name| self.function_row(name)).collect())
            }
            _ => return Ok(None),
        }))
    }

    /// The session's functions that can be called, in order.
    fn function_names(&self) -> Vec<String> {
        let state = self.state();
        let names = state
            .udfs()
            .into_iter()
            .chain(state.udafs())
            .chain(state.udwfs());
        let mut names: Vec<String> = names.collect();
        names.retain(|name| self.is_function(name));
        names.sort();
        names.dedup();
        names
    }

    /// Whether there is such a function: called without arguments, it misses those and not itself.
    fn is_function(&self, name: &str) -> bool {
        let environment = self.environment();
        if functions::is_generator(name)
            || functions::window(name, Vec::new(), &environment).is_some()
        {
            return true;
        }
        let call = functions::call(name, Vec::new(), false, &environment);
        let condition = call.err().and_then(|error| error.condition);
        !matches!(
            condition.as_deref(),
            Some("UNRESOLVED_ROUTINE" | "UNSUPPORTED_OPERATION")
        )
    }

    fn function_row(&self, name: &str) -> FunctionRow {
        let state = self.state();
        let described = match (state.udf(name), state.udaf(name)) {
            (Ok(function), _) => function
                .documentation()
                .map(|text| text.description.clone()),
            (_, Ok(function)) => function
                .documentation()
                .map(|text| text.description.clone()),
            _ => None,
        };
        FunctionRow {
            name: name.to_owned(),
            description: described,
        }
    }
}

fn unknown_function(parts: &[String]) -> Error {
    Error::analysis(
        "UNRESOLVED_ROUTINE",
        &[
            ("routineName", &identifier::quoted(parts)),
            (
                "searchPath",
                "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]",
            ),
        ],
    )
}
