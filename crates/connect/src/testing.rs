//! What the tests of sessions and of the server share.

use std::sync::Arc;

use async_trait::async_trait;
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::{Error, Session};
use uuid::Uuid;

use crate::sessions::{Engine, Key};

/// An engine with one session for all, as `plimsoll run` has.
pub(crate) struct OneEngine(Arc<Session>);

impl OneEngine {
    pub(crate) fn new() -> Self {
        let mut conf = Conf::default();
        conf.set("spark.plimsoll.memory", "256m", Origin::Code)
            .unwrap();
        let session = Session::new(conf, Machine::detect().unwrap(), vec![]).unwrap();
        Self(Arc::new(session))
    }
}

#[async_trait]
impl Engine for OneEngine {
    async fn open(&self) -> Result<Arc<Session>, Error> {
        Ok(Arc::clone(&self.0))
    }
}

pub(crate) fn key(user: &str) -> Key {
    Key {
        user_id: user.to_owned(),
        session_id: Uuid::new_v4().to_string(),
    }
}
