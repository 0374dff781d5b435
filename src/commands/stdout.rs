//! What commands print for people: written whole, and no failure if nobody reads it.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::Context as _;

/// Prints `text`. A reader that went away, like the `head` of a pipe, has seen enough.
pub fn print(text: impl Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    let written = stdout.write_all(text.to_string().as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}
