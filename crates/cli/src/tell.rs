use std::fmt::Display;
use std::io::{Write, stderr};

/// Tells a person something on stderr. That nobody listens (a full disk behind a redirection, a
/// terminal that is gone) does not end what is being done.
pub fn tell(words: impl Display) {
    let _ = writeln!(stderr(), "{words}");
}
