//! `spark.catalog`: tables that are cached.

use spark_connect_proto::catalog::CatType;

use super::answers::Answer;
use crate::error::Error;
use crate::frame::Frame;
use crate::identifier;
use crate::plan::Planner;

impl Planner {
    pub(super) async fn cached(&mut self, asked: &CatType) -> Result<Option<Answer>, Error> {
        Ok(Some(match asked {
            CatType::IsCached(is) => {
                let table = self.of_name(&is.table_name).await?;
                Answer::Flag(self.storage_level(&table)?.is_some())
            }
            CatType::CacheTable(cache) => {
                let table = self.of_name(&cache.table_name).await?;
                self.persist(&table, &cache.table_name, cache.storage_level.as_ref())?;
                Answer::Done
            }
            CatType::UncacheTable(uncache) => {
                self.unpersist(&self.of_name(&uncache.table_name).await?)?;
                Answer::Done
            }
            CatType::ClearCache(_) => {
                self.session().engine.clear_cache();
                Answer::Done
            }
            CatType::RefreshTable(refresh) => {
                let table = self.of_name(&refresh.table_name).await?;
                self.session().engine.refresh(&table.plan)?;
                Answer::Done
            }
            CatType::RefreshByPath(refresh) => {
                self.session().engine.refresh_path(&refresh.path);
                Answer::Done
            }
            _ => return Ok(None),
        }))
    }

    async fn of_name(&self, name: &str) -> Result<Frame, Error> {
        self.named_table(&identifier::parts(name)?).await
    }
}
