//! What commands say: data to stdout; to stderr what people should know of them and their progress.

use std::fmt;
use std::io::{self, Write};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;

/// Writes to stdout. A reader that has seen enough and went away is no failure.
pub fn show(text: impl fmt::Display) -> Result<(), Failure> {
    show_bytes(text.to_string().as_bytes())
}

/// The same for bytes.
pub fn show_bytes(bytes: &[u8]) -> Result<(), Failure> {
    Ok(write_all(io::stdout().lock(), bytes).context("cannot write to stdout")?)
}

/// Writes to stderr. That nobody hears it can be told to nobody.
pub fn tell(text: impl fmt::Display) {
    let _ = io::stderr().lock().write_all(text.to_string().as_bytes());
}

fn write_all(mut output: impl Write, bytes: &[u8]) -> io::Result<()> {
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A bar of so many steps that shows as its template says.
pub fn bar(steps: usize, template: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
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
        assert!(write_all(Refusing(io::ErrorKind::BrokenPipe), b"x").is_ok());
        assert!(write_all(Refusing(io::ErrorKind::StorageFull), b"x").is_err());
        let mut output = Vec::new();
        write_all(&mut output, b"x").unwrap();
        assert_eq!(output, b"x");
    }
}
