//! What a client sends ahead of its plans: rows of large local relations, named by their hash.
//! Spark's `ArtifactManager`, as far as data goes; code (Python files, jars) is not taken.
//!
//! The rows lie in files below `spark.local.dir`, so that they take no memory until a plan names them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use parking_lot::Mutex;
use proto::add_artifacts_request::{ArtifactChunk, Payload};
use proto::add_artifacts_response::ArtifactSummary;
use spark_connect_proto as proto;
use tempfile::{NamedTempFile, TempDir, TempPath};

use crate::error::{Error, Kind};

/// What the names of artifacts begin with that are found by their hash.
const CACHE: &str = "cache/";
/// How much a session may send, in bytes. The client bounds a local relation at 3 GiB
/// (`spark.sql.session.localRelationSizeLimit`).
const SESSION_BYTES: u64 = 8 << 30;

/// The artifacts of a session.
pub(crate) struct Artifacts {
    parent: PathBuf,
    stored: Mutex<Stored>,
}

#[derive(Default)]
struct Stored {
    directory: Option<TempDir>,
    by_hash: HashMap<String, (TempPath, u64)>,
    bytes: u64,
}

impl Artifacts {
    /// No artifacts yet; they will lie below `parent`.
    pub(crate) fn new(parent: PathBuf) -> Self {
        Self {
            parent,
            stored: Mutex::default(),
        }
    }

    /// Whether there is an artifact of this name.
    pub(crate) fn exists(&self, name: &str) -> bool {
        let hash = name.strip_prefix(CACHE);
        hash.is_some_and(|hash| self.stored.lock().by_hash.contains_key(hash))
    }

    /// The rows that a plan names by their hash.
    pub(crate) fn read(&self, hash: &str) -> Result<Vec<u8>, Error> {
        let file = self
            .stored
            .lock()
            .by_hash
            .get(hash)
            .map(|(path, bytes)| (File::open(path), *bytes));
        let (file, bytes) = file.ok_or_else(|| {
            invalid(format!(
                "The rows of a local relation are not there: no artifact has the hash {hash}. Create the DataFrame again."
            ))
        })?;
        let mut data = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
        file.and_then(|mut file| file.read_to_end(&mut data))
            .map_err(|error| failed("read", &error))?;
        Ok(data)
    }

    fn file(&self) -> Result<NamedTempFile, Error> {
        let mut stored = self.stored.lock();
        let directory = match &mut stored.directory {
            Some(directory) => directory,
            none => none.insert(
                tempfile::Builder::new()
                    .prefix("plimsoll-artifacts-")
                    .tempdir_in(&self.parent)
                    .map_err(|error| failed("store", &error))?,
            ),
        };
        NamedTempFile::new_in(directory.path()).map_err(|error| failed("store", &error))
    }

    fn keep(&self, hash: String, file: NamedTempFile, bytes: u64) -> Result<(), Error> {
        let mut stored = self.stored.lock();
        if stored.by_hash.contains_key(&hash) {
            return Ok(());
        }
        if stored.bytes + bytes > SESSION_BYTES {
            return Err(invalid(format!(
                "The local data of this session takes more than {} GiB: write it to a file and read that.",
                SESSION_BYTES >> 30
            )));
        }
        stored.bytes += bytes;
        stored.by_hash.insert(hash, (file.into_temp_path(), bytes));
        Ok(())
    }
}

/// Takes the messages of one `AddArtifacts` request. Spark's
/// `SparkConnectAddArtifactsStreamObserver`.
pub(crate) struct Receiver<'a> {
    artifacts: &'a Artifacts,
    begun: Option<Begun>,
    summaries: Vec<ArtifactSummary>,
}

/// An artifact of which more is to come.
struct Begun {
    name: String,
    hash: String,
    file: NamedTempFile,
    bytes: u64,
    of_bytes: u64,
    chunks_left: u64,
    is_sound: bool,
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(artifacts: &'a Artifacts) -> Self {
        Self {
            artifacts,
            begun: None,
            summaries: Vec::new(),
        }
    }

    /// Takes the next message.
    pub(crate) fn take(&mut self, payload: Payload) -> Result<(), Error> {
        match payload {
            Payload::Batch(batch) => {
                self.expect_none_begun()?;
                for artifact in batch.artifacts {
                    let chunk = artifact.data.unwrap_or_default();
                    self.begin(artifact.name, chunk.data.len() as u64, 1, &chunk)?;
                }
                Ok(())
            }
            Payload::BeginChunk(begin) => {
                self.expect_none_begun()?;
                let unsigned = |number: i64| {
                    u64::try_from(number)
                        .map_err(|_| invalid("The size of an artifact is negative.".to_owned()))
                };
                let (bytes, chunks) = (unsigned(begin.total_bytes)?, unsigned(begin.num_chunks)?);
                self.begin(
                    begin.name,
                    bytes,
                    chunks,
                    &begin.initial_chunk.unwrap_or_default(),
                )
            }
            Payload::Chunk(chunk) => self.add(&chunk),
        }
    }

    /// What was received, once there are no more messages.
    pub(crate) fn finish(self) -> Result<Vec<ArtifactSummary>, Error> {
        self.expect_none_begun()?;
        Ok(self.summaries)
    }

    fn begin(
        &mut self,
        name: String,
        of_bytes: u64,
        chunks: u64,
        first: &ArtifactChunk,
    ) -> Result<(), Error> {
        let hash = hash_of(&name)?.to_owned();
        if of_bytes > SESSION_BYTES {
            return Err(invalid(format!("The artifact {name} is too large.")));
        }
        self.begun = Some(Begun {
            hash,
            name,
            file: self.artifacts.file()?,
            bytes: 0,
            of_bytes,
            chunks_left: chunks,
            is_sound: true,
        });
        self.add(first)
    }

    fn add(&mut self, chunk: &ArtifactChunk) -> Result<(), Error> {
        let begun = self
            .begun
            .as_mut()
            .ok_or_else(|| invalid("A chunk came of no artifact.".to_owned()))?;
        begun.bytes += chunk.data.len() as u64;
        if begun.bytes > begun.of_bytes || begun.chunks_left == 0 {
            return Err(invalid(format!(
                "More came of {} than was said.",
                begun.name
            )));
        }
        begun.chunks_left -= 1;
        begun.is_sound &= i64::from(crc32fast::hash(&chunk.data)) == chunk.crc;
        begun
            .file
            .write_all(&chunk.data)
            .map_err(|error| failed("store", &error))?;
        match begun.chunks_left {
            0 => self.end(),
            _ => Ok(()),
        }
    }

    /// Keeps an artifact that has come whole; one that was damaged on its way is dropped, and the
    /// client told.
    fn end(&mut self) -> Result<(), Error> {
        let Some(begun) = self.begun.take() else {
            return Ok(());
        };
        if begun.bytes != begun.of_bytes {
            return Err(invalid(format!(
                "Less came of {} than was said.",
                begun.name
            )));
        }
        if begun.is_sound {
            self.artifacts.keep(begun.hash, begun.file, begun.bytes)?;
        }
        self.summaries.push(ArtifactSummary {
            name: begun.name,
            is_crc_successful: begun.is_sound,
        });
        Ok(())
    }

    fn expect_none_begun(&self) -> Result<(), Error> {
        match &self.begun {
            Some(begun) => Err(invalid(format!("Not all of {} has come.", begun.name))),
            None => Ok(()),
        }
    }
}

/// The hash in the name of an artifact.
fn hash_of(name: &str) -> Result<&str, Error> {
    let hash = name.strip_prefix(CACHE).ok_or_else(|| {
        Error::unsupported(format!(
            "Sending files and code to the engine (SparkSession.addArtifact, {name})"
        ))
    })?;
    let is_hash = (1..=128).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_hexdigit());
    match is_hash {
        true => Ok(hash),
        false => Err(invalid(format!("{name} is not the name of an artifact."))),
    }
}

fn invalid(message: String) -> Error {
    Error::of_message(Kind::IllegalArgument, message)
}

fn failed(what: &str, error: &std::io::Error) -> Error {
    Error::of_message(
        Kind::Spark,
        format!("Cannot {what} local data below spark.local.dir: {error}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::add_artifacts_request::{Batch, BeginChunkedArtifact, SingleChunkArtifact};

    fn chunk(data: &'static [u8]) -> ArtifactChunk {
        ArtifactChunk {
            data: data.into(),
            crc: i64::from(crc32fast::hash(data)),
        }
    }

    fn begin(name: &str, total_bytes: i64, num_chunks: i64, data: &'static [u8]) -> Payload {
        Payload::BeginChunk(BeginChunkedArtifact {
            name: name.to_owned(),
            total_bytes,
            num_chunks,
            initial_chunk: Some(chunk(data)),
        })
    }

    fn batch(name: &str, data: ArtifactChunk) -> Payload {
        Payload::Batch(Batch {
            artifacts: vec![SingleChunkArtifact {
                name: name.to_owned(),
                data: Some(data),
            }],
        })
    }

    #[test]
    fn artifacts_come_whole_or_in_chunks_and_are_found_by_their_hash() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(directory.path().to_owned());
        let mut receiver = Receiver::new(&artifacts);
        receiver.take(batch("cache/aa", chunk(b"abc"))).unwrap();
        receiver.take(begin("cache/bb", 5, 2, b"123")).unwrap();
        receiver.take(Payload::Chunk(chunk(b"45"))).unwrap();
        let summaries = receiver.finish().unwrap();
        assert!(summaries.iter().all(|summary| summary.is_crc_successful));
        assert_eq!(artifacts.read("aa").unwrap(), b"abc");
        assert_eq!(artifacts.read("bb").unwrap(), b"12345");
        assert!(artifacts.exists("cache/aa") && !artifacts.exists("cache/cc"));
        assert!(artifacts.read("cc").is_err());
    }

    #[test]
    fn damaged_artifacts_are_dropped_and_the_client_told() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(directory.path().to_owned());
        let mut receiver = Receiver::new(&artifacts);
        let damaged = ArtifactChunk {
            crc: 1,
            ..chunk(b"abc")
        };
        receiver.take(batch("cache/aa", damaged)).unwrap();
        assert!(!receiver.finish().unwrap()[0].is_crc_successful);
        assert!(!artifacts.exists("cache/aa"));
    }

    #[test]
    fn what_is_no_data_or_not_as_announced_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(directory.path().to_owned());
        let refused = |payloads: Vec<Payload>| {
            let mut receiver = Receiver::new(&artifacts);
            let taken = payloads
                .into_iter()
                .try_for_each(|payload| receiver.take(payload));
            taken.and_then(|()| receiver.finish()).unwrap_err().message
        };
        assert!(refused(vec![batch("pyfiles/a.py", chunk(b"x"))]).contains("pyfiles/a.py"));
        assert!(refused(vec![batch("cache/../x", chunk(b"x"))]).contains("not the name"));
        assert!(refused(vec![Payload::Chunk(chunk(b"x"))]).contains("no artifact"));
        assert!(refused(vec![begin("cache/aa", 9, 2, b"x")]).contains("Not all"));
        assert!(refused(vec![begin("cache/aa", 9, 1, b"x")]).contains("Less"));
        assert!(refused(vec![begin("cache/aa", 1, 1, b"xyz")]).contains("More"));
        assert!(refused(vec![begin("cache/aa", -1, 1, b"")]).contains("negative"));
    }
}
