//! The sessions of clients: found by user and session id, opened when first named, closed when
//! released or left alone. Spark's `SparkConnectSessionManager`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::artifacts::Artifacts;
use crate::error::{Error, Kind};
use crate::errors::Errors;
use crate::functions::register_functions;
use crate::known_files::KnownFiles;
use crate::operations::Operations;

/// How long a session is kept that nobody uses: Spark's
/// `spark.connect.session.manager.defaultSessionTimeout`.
const IDLE_AFTER: Duration = Duration::from_secs(60 * 60);
/// How many closed sessions are remembered, so that nobody opens them anew unawares.
const REMEMBERED: usize = 1000;

/// Where sessions come from: a server gives each client one of its own, `plimsoll run` gives its
/// script the one there is.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// A session for a client that comes for the first time.
    ///
    /// # Errors
    /// If there can be no session.
    async fn open(&self) -> Result<Arc<plimsoll_driver::Session>, plimsoll_driver::Error>;
}

/// A client's session. Spark's `SessionHolder`.
pub(crate) struct ClientSession {
    pub(crate) session_id: String,
    /// Tells the client that this is the session it knows, and not one opened since.
    pub(crate) server_side_session_id: String,
    pub(crate) engine: Arc<plimsoll_driver::Session>,
    pub(crate) artifacts: Artifacts,
    pub(crate) known_files: KnownFiles,
    pub(crate) operations: Operations,
    pub(crate) errors: Arc<Errors>,
    last_used: Mutex<Instant>,
}

impl ClientSession {
    pub(crate) fn new(session_id: &str, engine: Arc<plimsoll_driver::Session>) -> Self {
        let errors = Arc::new(Errors::default());
        Self {
            session_id: session_id.to_owned(),
            server_side_session_id: Uuid::new_v4().to_string(),
            artifacts: Artifacts::new(engine.local_directory().to_owned()),
            operations: Operations::new(Arc::clone(&errors), engine.driver_books()),
            engine,
            known_files: KnownFiles::default(),
            errors,
            last_used: Mutex::new(Instant::now()),
        }
    }

    fn touch(&self) {
        *self.last_used.lock() = Instant::now();
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.duration_since(*self.last_used.lock()) >= IDLE_AFTER && !self.operations.is_running()
    }
}

/// How a request names its session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) user_id: String,
    pub(crate) session_id: String,
}

/// The sessions of a server.
pub(crate) struct Sessions {
    engine: Arc<dyn Engine>,
    known: Mutex<Known>,
    /// Held while a session is opened, so that two requests do not open the same.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    open: HashMap<Key, Arc<ClientSession>>,
    /// Those that were closed for good, oldest first.
    closed: VecDeque<Key>,
}

impl Known {
    fn close(&mut self, key: &Key, may_reconnect: bool) -> Option<Arc<ClientSession>> {
        let session = self.open.remove(key);
        if session.is_some() && !may_reconnect {
            if self.closed.len() == REMEMBERED {
                self.closed.pop_front();
            }
            self.closed.push_back(key.clone());
        }
        session
    }

    fn find(&self, key: &Key, observed: Option<&str>) -> Result<Option<Arc<ClientSession>>, Error> {
        if self.closed.contains(key) {
            return Err(invalid("INVALID_HANDLE.SESSION_CLOSED", key));
        }
        let session = self.open.get(key);
        match (session, observed) {
            (Some(session), Some(id)) if session.server_side_session_id != id => {
                Err(invalid("INVALID_HANDLE.SESSION_CHANGED", key))
            }
            (session, _) => Ok(session.inspect(|session| session.touch()).cloned()),
        }
    }
}

impl Sessions {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            known: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// The session of this key, opened if it is not there. `observed` is the server's id of the
    /// session that the client believes to be in.
    pub(crate) async fn get_or_open(
        &self,
        key: &Key,
        observed: Option<&str>,
    ) -> Result<Arc<ClientSession>, Error> {
        check_uuid(&key.session_id)?;
        if let Some(session) = self.known.lock().find(key, observed)? {
            return Ok(session);
        }
        // The client has been in a session, so it was of an earlier server.
        if observed.is_some() {
            return Err(invalid("INVALID_HANDLE.SESSION_CHANGED", key));
        }
        let _opening = self.opening.lock().await;
        if let Some(session) = self.known.lock().find(key, observed)? {
            return Ok(session);
        }
        let engine = self.engine.open().await?;
        register_functions(&engine);
        let session = Arc::new(ClientSession::new(&key.session_id, engine));
        self.known
            .lock()
            .open
            .insert(key.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// The session of this key, which must be there.
    pub(crate) fn get(
        &self,
        key: &Key,
        observed: Option<&str>,
    ) -> Result<Arc<ClientSession>, Error> {
        check_uuid(&key.session_id)?;
        self.known
            .lock()
            .find(key, observed)?
            .ok_or_else(|| invalid("INVALID_HANDLE.SESSION_NOT_FOUND", key))
    }

    /// Closes a session and ends its operations, if it is there.
    pub(crate) fn close(&self, key: &Key, may_reconnect: bool) -> Option<Arc<ClientSession>> {
        let session = self.known.lock().close(key, may_reconnect)?;
        session.operations.end_all();
        Some(session)
    }

    /// Closes all sessions.
    pub(crate) fn close_all(&self) {
        let keys: Vec<Key> = self.known.lock().open.keys().cloned().collect();
        for key in keys {
            self.close(&key, false);
        }
    }

    /// Closes the sessions that by `now` were left alone, and forgets the operations that were.
    pub(crate) fn sweep(&self, now: Instant) {
        let all: Vec<_> = {
            let known = self.known.lock();
            known
                .open
                .iter()
                .map(|(key, session)| (key.clone(), Arc::clone(session)))
                .collect()
        };
        for (key, session) in all {
            session.operations.sweep(now);
            if session.is_idle(now) {
                self.close(&key, false);
            }
        }
    }
}

/// Whether an id of a client's is what Spark asks for.
pub(crate) fn check_uuid(id: &str) -> Result<(), Error> {
    match id.len() == 36 && Uuid::parse_str(id).is_ok() {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Sql,
            "INVALID_HANDLE.FORMAT",
            &[("handle", id)],
        )),
    }
}

fn invalid(condition: &str, key: &Key) -> Error {
    Error::new(Kind::Sql, condition, &[("handle", &key.session_id)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{OneEngine, key};

    fn condition(error: Error) -> String {
        error.condition.unwrap()
    }

    fn sessions() -> Sessions {
        Sessions::new(Arc::new(OneEngine::new()))
    }

    #[tokio::test]
    async fn a_session_is_opened_once_for_each_user_and_id() {
        let sessions = sessions();
        let first = key("a");
        let (one, two) = tokio::join!(
            sessions.get_or_open(&first, None),
            sessions.get_or_open(&first, None)
        );
        assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
        let other_user = Key {
            user_id: "b".into(),
            ..first.clone()
        };
        let other = sessions.get_or_open(&other_user, None).await.unwrap();
        let again = sessions.get(&first, None).unwrap();
        assert!(!Arc::ptr_eq(&other, &again));
    }

    #[tokio::test]
    async fn a_client_hears_that_its_session_is_gone_or_another() {
        let sessions = sessions();
        let key = key("a");
        let unknown = sessions.get(&key, None).err().unwrap();
        assert_eq!(condition(unknown), "INVALID_HANDLE.SESSION_NOT_FOUND");
        let session = sessions.get_or_open(&key, None).await.unwrap();
        let id = session.server_side_session_id.as_str();
        assert!(sessions.get(&key, Some(id)).is_ok());
        let changed = sessions
            .get_or_open(&key, Some("other"))
            .await
            .err()
            .unwrap();
        assert_eq!(condition(changed), "INVALID_HANDLE.SESSION_CHANGED");
        assert!(sessions.close(&key, false).is_some());
        assert!(sessions.close(&key, false).is_none());
        let closed = sessions.get_or_open(&key, None).await.err().unwrap();
        assert_eq!(condition(closed), "INVALID_HANDLE.SESSION_CLOSED");
        let not_uuid = Key {
            session_id: "x".into(),
            ..key
        };
        let format = sessions.get_or_open(&not_uuid, None).await.err().unwrap();
        assert_eq!(condition(format), "INVALID_HANDLE.FORMAT");
    }

    #[tokio::test]
    async fn a_session_released_for_reconnecting_opens_anew() {
        let sessions = sessions();
        let key = key("a");
        let before = sessions.get_or_open(&key, None).await.unwrap();
        sessions.close(&key, true);
        let after = sessions.get_or_open(&key, None).await.unwrap();
        assert!(!Arc::ptr_eq(&before, &after));
    }

    #[tokio::test]
    async fn of_a_closed_session_nothing_is_left_but_its_name() {
        let sessions = sessions();
        for _ in 0..3 {
            let key = Key {
                user_id: "a".into(),
                session_id: Uuid::new_v4().to_string(),
            };
            let session = sessions.get_or_open(&key, None).await.unwrap();
            let held = Arc::downgrade(&session);
            drop(session);
            assert!(held.upgrade().is_some());
            sessions.close(&key, false);
            assert!(held.upgrade().is_none());
        }
        assert_eq!(sessions.known.lock().closed.len(), 3);
    }

    #[tokio::test]
    async fn a_session_left_alone_is_closed() {
        let sessions = sessions();
        let key = key("a");
        sessions.get_or_open(&key, None).await.unwrap();
        sessions.sweep(Instant::now() + IDLE_AFTER / 2);
        assert!(sessions.get(&key, None).is_ok());
        sessions.sweep(Instant::now() + IDLE_AFTER);
        assert!(sessions.get(&key, None).is_err());
    }
}
