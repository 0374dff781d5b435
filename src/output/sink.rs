//! Where records go, as JSON Lines, until it refuses them.

use std::io::{self, BufWriter, Write};

use crossbeam_channel::Sender;
use serde::Serialize;

/// What main should know of the output, at most once per run.
#[derive(Debug)]
pub enum OutputEvent {
    /// Nobody reads the output any more (a closed pipe); frames are still counted.
    ReaderGone,
    /// The output cannot be written (say, the disk is full); frames are still counted.
    Failed(io::Error),
}

/// A buffered writer that, once refused, is closed for good.
pub(super) struct Sink {
    /// `None` once it refused a record.
    writer: Option<BufWriter<Box<dyn Write + Send>>>,
    events: Sender<OutputEvent>,
    /// The current line, kept for its memory.
    line: Vec<u8>,
}

impl Sink {
    /// A sink that writes to `writer` and tells `events` should it refuse.
    pub(super) fn new(writer: Box<dyn Write + Send>, events: Sender<OutputEvent>) -> Self {
        Self { writer: Some(BufWriter::new(writer)), events, line: Vec::new() }
    }

    /// Writes one record as a line; it may stay in the buffer until [`Self::flush`].
    pub(super) fn write(&mut self, record: &impl Serialize) {
        let Some(writer) = &mut self.writer else { return };
        let written = encode(record, &mut self.line).and_then(|()| writer.write_all(&self.line));
        self.close_if_refused(written);
    }

    /// Hands everything written so far to the reader.
    pub(super) fn flush(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let flushed = writer.flush();
        self.close_if_refused(flushed);
    }

    fn close_if_refused(&mut self, result: io::Result<()>) {
        let Err(error) = result else { return };
        // Taken apart, the buffer is not written again on drop.
        let _unwritten = self.writer.take().map(BufWriter::into_parts);
        let event = match error.kind() {
            io::ErrorKind::BrokenPipe => OutputEvent::ReaderGone,
            _ => OutputEvent::Failed(error),
        };
        if self.events.send(event).is_err() {
            log::debug!("the output closed after main stopped listening");
        }
    }
}

/// Replaces `line` by the record and a line end, so that a record is written whole or not at all.
fn encode(record: &impl Serialize, line: &mut Vec<u8>) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, record)?;
    line.push(b'\n');
    Ok(())
}
