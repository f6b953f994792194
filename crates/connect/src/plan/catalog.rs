//! `spark.catalog`: what the session has. Spark's `SparkConnectPlanner.transformCatalog` and
//! `Catalog`.
//!
//! There is one catalog with one database, and every table is a temporary view.

mod answers;
mod caching;
mod functions;

use spark_connect_proto as proto;
use spark_connect_proto::catalog::CatType;

use super::Planner;
use crate::error::{Error, Kind};
use crate::frame::Frame;
use crate::identifier;
use answers::{Answer, ColumnRow};

pub(super) const CATALOG: &str = "spark_catalog";
pub(super) const DATABASE: &str = "default";

impl Planner {
    pub(super) async fn catalog(&mut self, asked: &proto::Catalog) -> Result<Frame, Error> {
        let asked = asked
            .cat_type
            .as_ref()
            .ok_or_else(|| Error::internal("a catalog request without a kind"))?;
        let answer = match self.databases(asked)? {
            Some(answer) => answer,
            None => match self.tables(asked).await? {
                Some(answer) => answer,
                None => match self.cached(asked).await? {
                    Some(answer) => answer,
                    None => self.functions(asked)?.ok_or_else(|| missing(asked))?,
                },
            },
        };
        self.table(answer.into_batch()?)
    }

    fn databases(&self, asked: &CatType) -> Result<Option<Answer>, Error> {
        Ok(Some(match asked {
            CatType::CurrentCatalog(_) => Answer::Text(CATALOG),
            CatType::SetCurrentCatalog(set) => {
                known_catalog(&set.catalog_name)?;
                Answer::Done
            }
            CatType::ListCatalogs(list) => {
                Answer::Catalogs(matching([CATALOG], list.pattern.as_deref()))
            }
            CatType::CurrentDatabase(_) => Answer::Text(DATABASE),
            CatType::SetCurrentDatabase(set) => {
                known_database(&set.db_name)?;
                Answer::Done
            }
            CatType::DatabaseExists(exists) => Answer::Flag(is_database(&exists.db_name)?),
            CatType::GetDatabase(get) => {
                known_database(&get.db_name)?;
                Answer::Databases(vec![DATABASE.to_owned()], self.warehouse())
            }
            CatType::ListDatabases(list) => {
                let names = matching([DATABASE], list.pattern.as_deref());
                Answer::Databases(names, self.warehouse())
            }
            _ => return Ok(None),
        }))
    }

    /// Where Spark would keep tables.
    fn warehouse(&self) -> String {
        let conf = self.session().engine.conf();
        let set = conf
            .get("spark.sql.warehouse.dir")
            .map(|(directory, _)| directory.to_owned());
        let directory = set.unwrap_or_else(|| match std::env::current_dir() {
            Ok(directory) => directory
                .join("spark-warehouse")
                .to_string_lossy()
                .into_owned(),
            Err(_) => "/spark-warehouse".to_owned(),
        });
        match directory.starts_with('/') {
            true => format!("file:{directory}"),
            false => directory,
        }
    }

    async fn tables(&self, asked: &CatType) -> Result<Option<Answer>, Error> {
        Ok(Some(match asked {
            CatType::ListTables(list) => {
                self.listed(list.db_name.as_deref(), list.pattern.as_deref())?
            }
            CatType::ListViews(list) => {
                self.listed(list.db_name.as_deref(), list.pattern.as_deref())?
            }
            CatType::TableExists(exists) => {
                let parts = parts(exists.db_name.as_deref(), &exists.table_name)?;
                Answer::Flag(self.exists(&parts).await?)
            }
            CatType::GetTable(get) => {
                let parts = parts(get.db_name.as_deref(), &get.table_name)?;
                self.named_table(&parts).await?;
                let name = parts.last().map(|name| name.to_lowercase());
                Answer::Tables(name.into_iter().collect())
            }
            CatType::ListColumns(list) => {
                let parts = parts(list.db_name.as_deref(), &list.table_name)?;
                let table = self.named_table(&parts).await?;
                Answer::Columns(table.visible().map(ColumnRow::of).collect())
            }
            CatType::DropTempView(drop) => {
                let name = self.name_of_view(&drop.view_name)?;
                Answer::Flag(self.session().engine.drop_temp_view(&name)?)
            }
            CatType::DropGlobalTempView(drop) => {
                let name = drop.view_name.to_lowercase();
                let name = name.strip_prefix("global_temp.").unwrap_or(&name);
                Answer::Flag(self.session().engine.drop_global_view(name)?)
            }
            CatType::DropView(drop) => {
                let parts = identifier::parts(&drop.view_name)?;
                let name = self.name_of_view(&drop.view_name)?;
                if !self.session().engine.drop_table(&name)? && !drop.if_exists {
                    return Err(unknown_table(&parts));
                }
                Answer::Done
            }
            _ => return Ok(None),
        }))
    }

    fn listed(&self, database: Option<&str>, pattern: Option<&str>) -> Result<Answer, Error> {
        if let Some(database) = database {
            known_database(database)?;
        }
        let names = self.session().engine.table_names()?;
        Ok(Answer::Tables(matching(
            names.iter().map(String::as_str),
            pattern,
        )))
    }

    async fn exists(&self, parts: &[String]) -> Result<bool, Error> {
        match self.named_table(parts).await {
            Ok(_) => Ok(true),
            Err(error) if error.condition.as_deref() == Some("TABLE_OR_VIEW_NOT_FOUND") => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The name of a view, which has no other part.
    fn name_of_view(&self, name: &str) -> Result<String, Error> {
        let parts = identifier::parts(name)?;
        match parts.as_slice() {
            [name] => Ok(name.to_lowercase()),
            _ => Err(Error::new(
                Kind::Analysis,
                "TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS",
                &[("actualName", &identifier::quoted(&parts))],
            )),
        }
    }
}

/// The parts of a name, after those of its database if that is given apart.
fn parts(database: Option<&str>, name: &str) -> Result<Vec<String>, Error> {
    let mut parts = match database {
        Some(database) => identifier::parts(database)?,
        None => Vec::new(),
    };
    parts.extend(identifier::parts(name)?);
    Ok(parts)
}

fn is_database(name: &str) -> Result<bool, Error> {
    let parts = identifier::parts(name)?;
    Ok(match parts.as_slice() {
        [database] => database.eq_ignore_ascii_case(DATABASE),
        [catalog, database] => catalog == CATALOG && database.eq_ignore_ascii_case(DATABASE),
        _ => false,
    })
}

fn known_database(name: &str) -> Result<(), Error> {
    if is_database(name)? {
        return Ok(());
    }
    let mut parts = identifier::parts(name)?;
    if parts.len() == 1 {
        parts.insert(0, CATALOG.to_owned());
    }
    Err(Error::analysis(
        "SCHEMA_NOT_FOUND",
        &[("schemaName", &identifier::quoted(&parts))],
    ))
}

fn known_catalog(name: &str) -> Result<(), Error> {
    match name == CATALOG {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Spark,
            "CATALOG_NOT_FOUND",
            &[
                ("catalogName", &identifier::quoted(&[name.to_owned()])),
                ("config", &format!("\"spark.sql.catalog.{name}\"")),
            ],
        )),
    }
}

fn unknown_table(parts: &[String]) -> Error {
    Error::analysis(
        "TABLE_OR_VIEW_NOT_FOUND",
        &[("relationName", &identifier::quoted(parts))],
    )
}

/// The names that a pattern stands for: `*` is anything, `|` parts alternatives, and case does not
/// matter. Spark's `StringUtils.filterPattern`.
fn matching<'n>(names: impl IntoIterator<Item = &'n str>, pattern: Option<&str>) -> Vec<String> {
    let alternatives: Vec<String> = pattern
        .unwrap_or("*")
        .split('|')
        .map(|alternative| alternative.trim().to_lowercase())
        .collect();
    let names = names.into_iter().filter(|name| {
        let name = name.to_lowercase();
        alternatives
            .iter()
            .any(|alternative| is_like(alternative, &name))
    });
    names.map(str::to_owned).collect()
}

fn is_like(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    // The first place of each part will do; the last part has to end the name.
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match name.split_once(part) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(last)
}

fn missing(asked: &CatType) -> Error {
    Error::unsupported(match asked {
        CatType::CreateTable(_) | CatType::CreateExternalTable(_) => {
            "spark.catalog.createTable: write files, and make a temporary view of them"
        }
        CatType::RecoverPartitions(_) => "spark.catalog.recoverPartitions",
        CatType::DropTable(_) => "spark.catalog.dropTable: all tables are temporary views",
        CatType::CreateDatabase(_) | CatType::DropDatabase(_) => {
            "databases other than spark_catalog.default"
        }
        CatType::ListPartitions(_) => "spark.catalog.listPartitions",
        CatType::GetTableProperties(_) => "spark.catalog.getTableProperties",
        CatType::GetCreateTableString(_) => "spark.catalog.getCreateTableString",
        CatType::TruncateTable(_) => "spark.catalog.truncateTable",
        CatType::AnalyzeTable(_) => "spark.catalog.analyzeTable",
        _ => "this part of spark.catalog",
    })
}

#[cfg(test)]
mod tests;
