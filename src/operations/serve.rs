//! Answers connections: few at a time, and none for long.
//!
//! A listener has so many threads ([`ANSWERING`]), each of which takes a connection, answers it within
//! [`LONGEST`] and takes the next. Clients that hang or read slowly so hold up others for a few seconds,
//! and the stages not at all. The threads end with the process.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::after;

use crate::clock::Clock;

/// Connections that are answered at a time.
const ANSWERING: usize = 3;

/// The longest that a connection is served.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Bytes that are written at a time: of more, the system would give each part the time that is left.
const PIECE: usize = 16 << 10;

/// Pause after the system gave no connection, as when there are too many open files.
const PAUSE: Duration = Duration::from_secs(1);

/// Where connections come from.
pub(super) trait Listener: Send + Sized + 'static {
    /// What comes.
    type Connection: Connection;

    /// Waits for a connection.
    fn next(&self) -> io::Result<Self::Connection>;

    /// Another handle of the same.
    fn another(&self) -> io::Result<Self>;
}

/// A connection whose waiting can be limited.
pub(super) trait Connection: Read + Write {
    /// Limits how long the next reads and writes may wait; more than nothing.
    fn limit(&self, time: Duration) -> io::Result<()>;
}

impl Listener for UnixListener {
    type Connection = UnixStream;

    fn next(&self) -> io::Result<UnixStream> {
        self.accept().map(|(connection, _)| connection)
    }

    fn another(&self) -> io::Result<Self> {
        self.try_clone()
    }
}

impl Connection for UnixStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

impl Listener for TcpListener {
    type Connection = TcpStream;

    fn next(&self) -> io::Result<TcpStream> {
        self.accept().map(|(connection, _)| connection)
    }

    fn another(&self) -> io::Result<Self> {
        self.try_clone()
    }
}

impl Connection for TcpStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

/// A connection that is given up at an instant, whatever its other end does.
pub(super) struct Limited<C> {
    connection: C,
    until: Instant,
    clock: Clock,
}

impl<C: Connection> Limited<C> {
    fn new(connection: C, time: Duration, clock: Clock) -> Self {
        Self { connection, until: clock.now() + time, clock }
    }

    fn limit(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(self.clock.now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.connection.limit(left)
    }
}

impl<C: Connection> Read for Limited<C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        self.connection.read(buffer)
    }
}

impl<C: Connection> Write for Limited<C> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limit()?;
        self.connection.write(&bytes[..bytes.len().min(PIECE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}

/// Starts threads called `name` that give every connection of a listener to `answer`.
pub(super) fn start<L: Listener>(
    name: &'static str,
    listener: &L,
    answer: impl Fn(Limited<L::Connection>) -> io::Result<()> + Clone + Send + 'static,
    clock: Clock,
) -> io::Result<()> {
    for _ in 0..ANSWERING {
        let (listener, answer) = (listener.another()?, answer.clone());
        let work = move || {
            loop {
                match listener.next() {
                    Ok(connection) => {
                        if let Err(error) = answer(Limited::new(connection, LONGEST, clock)) {
                            log::debug!("{name}: a client was not answered: {error}");
                        }
                    }
                    Err(error) => {
                        log::debug!("{name}: no connection: {error}");
                        // Nothing comes on this channel but the end of the pause.
                        let _ = after(PAUSE).recv();
                    }
                }
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn who_neither_asks_nor_reads_is_given_up() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut asked = Limited::new(ours, SHORT, Clock);
        assert!(asked.read(&mut [0]).is_err(), "nothing comes");
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut told = Limited::new(ours, SHORT, Clock);
        assert!(told.write_all(&vec![0; 64 << 20]).is_err(), "more than the system keeps");
    }

    #[test]
    fn who_reads_a_little_at_a_time_is_given_up_as_well() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let slow = thread::spawn(move || {
            let mut piece = [0; 4096];
            while theirs.read(&mut piece).is_ok_and(|length| length > 0) {
                let _ = after(SHORT / 10).recv();
            }
        });
        let start = Clock.now();
        let mut told = Limited::new(ours, SHORT, Clock);
        assert!(told.write_all(&vec![0; 64 << 20]).is_err());
        assert!(
            Clock.now() - start < LONGEST,
            "each piece had its time, and all together had none"
        );
        drop(told);
        slow.join().unwrap();
    }
}
