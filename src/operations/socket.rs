//! The unix socket of the status document: whoever connects gets the document, and that is all.
//!
//! The socket has mode 0660: root, the service's user and its group may ask. A lock beside it
//! (`classifyd.sock.lock`) is held for as long as the daemon lives, so that a socket that a dead one left
//! behind is told from a living one's.

use std::env;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use super::serve::LONGEST;

/// The name of the socket in its directory.
const NAME: &str = "classifyd.sock";

/// Where a service's sockets are that systemd gave no other place.
const SYSTEM_DIRECTORY: &str = "/run/classifyd";

/// Who may ask.
const MODE: u32 = 0o660;

/// How long a client waits: longer than the daemon is busy with clients that hang.
const PATIENCE: Duration = Duration::from_secs(3 * LONGEST.as_secs());

/// The longest document that a client reads, in bytes.
const LONGEST_DOCUMENT: u64 = 64 << 20;

/// Where a daemon has its socket unless it is told: in systemd's runtime directory, else the user's,
/// else the system's.
pub fn default_path() -> PathBuf {
    let service = env::var("RUNTIME_DIRECTORY").ok();
    // It may name several, separated by colons.
    let service = service.as_deref().and_then(|list| list.split(':').next()).map(PathBuf::from);
    let user = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let is_usable = |directory: &PathBuf| directory.is_absolute();
    let named = [service, user].into_iter().flatten().find(is_usable);
    named.unwrap_or_else(|| PathBuf::from(SYSTEM_DIRECTORY)).join(NAME)
}

/// Where a client looks for a daemon, one after the other: where its own would be, then the service's.
fn likely_paths() -> Vec<PathBuf> {
    let (own, system) = (default_path(), Path::new(SYSTEM_DIRECTORY).join(NAME));
    if own == system { vec![own] } else { vec![own, system] }
}

/// Why there is no socket.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another daemon lives there.
    #[error(
        "another daemon has the status socket {}: stop that one, or give each daemon a socket of its \
         own ([status] socket in the configuration)", path.display()
    )]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// There is something else.
    #[error(
        "there is a file {} that is no socket: remove it, or name another path ([status] socket in the \
         configuration)", path.display()
    )]
    NoSocket {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses it.
    #[error(
        "cannot make the status socket {}: name a path in a directory that this user may write to \
         ([status] socket in the configuration)", path.display()
    )]
    Refused {
        /// The socket.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// A socket that is listened on. Dropped, it is gone.
pub struct StatusSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Held as long as the socket is there.
    _lock: File,
}

impl StatusSocket {
    /// Makes a socket in a directory that is there.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let refused = |source| SocketError::Refused { path: path.to_owned(), source };
        let lock = lock(path)?;
        match fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => {
                return Err(SocketError::NoSocket { path: path.to_owned() });
            }
            Ok(_) | Err(_) => {}
        }
        // Made under another name, nobody finds it before it has its mode.
        let nascent = beside(path, ".new");
        remove(&nascent).map_err(refused)?;
        let listener = UnixListener::bind(&nascent).map_err(refused)?;
        let placed = fs::set_permissions(&nascent, Permissions::from_mode(MODE))
            .and_then(|()| fs::rename(&nascent, path));
        placed.map_err(refused)?;
        Ok(Self { listener, path: path.to_owned(), _lock: lock })
    }

    /// The same in the default place, whose directory is made if it may be.
    pub fn bind_default() -> Result<Self, SocketError> {
        let path = default_path();
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)
                .map_err(|source| SocketError::Refused { path: path.clone(), source })?;
        }
        Self::bind(&path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StatusSocket {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            log::debug!("the status socket {} stays behind: {error}", self.path.display());
        }
    }
}

/// Takes the lock of a socket, or finds that a daemon lives there.
fn lock(path: &Path) -> Result<File, SocketError> {
    let refused = |source| SocketError::Refused { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(beside(path, ".lock")).map_err(refused)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(SocketError::Taken { path: path.to_owned() }),
        Err(error) => Err(refused(error.into())),
    }
}

/// The path of a file whose name is longer by `suffix`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Why a daemon does not answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// There is none.
    #[error(
        "no daemon runs: nobody listens on {} (start one with `classifyd run --config FILE`, or name \
         its socket with --socket PATH)",
        in_a_row(paths)
    )]
    NoDaemon {
        /// Where it was looked for.
        paths: Vec<PathBuf>,
    },
    /// It may not be asked.
    #[error(
        "this user may not ask the daemon at {}: run as root, as the daemon's user or in its group",
        path.display()
    )]
    Forbidden {
        /// Its socket.
        path: PathBuf,
    },
    /// It does not answer.
    #[error("the daemon at {} does not answer", path.display())]
    Silent {
        /// Its socket.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

fn in_a_row(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
}

/// Asks the daemon at a socket, or where one is likely to be, for its status document.
pub fn ask(named: Option<&Path>) -> Result<String, AskError> {
    let paths = named.map_or_else(likely_paths, |path| vec![path.to_owned()]);
    for path in &paths {
        match UnixStream::connect(path) {
            Ok(connection) => {
                return read(connection)
                    .map_err(|source| AskError::Silent { path: path.clone(), source });
            }
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::ConnectionRefused => {}
                io::ErrorKind::PermissionDenied => {
                    return Err(AskError::Forbidden { path: path.clone() });
                }
                _ => return Err(AskError::Silent { path: path.clone(), source: error }),
            },
        }
    }
    Err(AskError::NoDaemon { paths })
}

fn read(connection: UnixStream) -> io::Result<String> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut document = String::new();
    connection.take(LONGEST_DOCUMENT).read_to_string(&mut document)?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_its_user_and_group_and_goes_with_its_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let socket = StatusSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(UnixStream::connect(socket.path()).is_ok());
        drop(socket);
        assert!(!path.exists());
        assert!(matches!(ask(Some(&path)), Err(AskError::NoDaemon { .. })));
    }

    #[test]
    fn a_living_daemons_socket_is_left_alone_and_a_dead_ones_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let first = StatusSocket::bind(&path).unwrap();
        assert!(matches!(StatusSocket::bind(&path), Err(SocketError::Taken { .. })));
        assert!(UnixStream::connect(&path).is_ok(), "it is still there");
        drop(first);
        // What a process leaves that was killed: a socket that nobody listens on.
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(ask(Some(&path)), Err(AskError::NoDaemon { .. })));
        let second = StatusSocket::bind(&path).unwrap();
        assert!(UnixStream::connect(second.path()).is_ok());
    }

    #[test]
    fn what_is_no_socket_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(StatusSocket::bind(&path), Err(SocketError::NoSocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = directory.path().join("none/classifyd.sock");
        assert!(matches!(StatusSocket::bind(&nowhere), Err(SocketError::Refused { .. })));
    }
}
