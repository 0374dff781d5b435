//! What commands print for people: written whole, and no failure if nobody reads it.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::Context as _;

/// Prints `text`. A reader that went away, like the `head` of a pipe, has seen enough.
pub fn print(text: impl Display) -> anyhow::Result<()> {
    write(io::stdout().lock(), &text.to_string()).context("cannot write to stdout")
}

fn write(mut output: impl Write, text: &str) -> io::Result<()> {
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses what it is given.
    struct Refusing(io::ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
        assert!(write(Refusing(io::ErrorKind::BrokenPipe), "x").is_ok());
        assert!(write(Refusing(io::ErrorKind::StorageFull), "x").is_err());
        let mut output = Vec::new();
        write(&mut output, "x").unwrap();
        assert_eq!(output, b"x");
    }
}
