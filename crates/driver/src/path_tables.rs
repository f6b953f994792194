use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::SessionState;
use parking_lot::RwLock;

use crate::format::FileFormat;
use crate::source::{Source, open_source};

/// The schema that makes ``SELECT * FROM parquet.`path` `` work: its tables are paths.
pub(crate) struct PathTables {
    format: FileFormat,
    /// Weak, because the session's catalog holds this schema.
    state: Weak<RwLock<SessionState>>,
}

impl PathTables {
    /// Puts such a schema for each file format into the default catalog.
    pub(crate) fn register(context: &SessionContext) -> Result<()> {
        let state = context.state_ref();
        let name = context
            .copied_config()
            .options()
            .catalog
            .default_catalog
            .clone();
        let catalog = context
            .catalog(&name)
            .ok_or_else(|| DataFusionError::Internal(format!("there is no catalog {name}")))?;
        for format in FileFormat::ALL {
            let tables = PathTables {
                format,
                state: Arc::downgrade(&state),
            };
            catalog.register_schema(format.name(), Arc::new(tables))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PathTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathTables({})", self.format)
    }
}

#[async_trait]
impl SchemaProvider for PathTables {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, path: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(state) = self.state.upgrade() else {
            return Ok(None);
        };
        let state = state.read().clone();
        open_source(&state, &Source::of_path(self.format, path))
            .await
            .map(Some)
            .map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn table_exist(&self, _path: &str) -> bool {
        true
    }
}
