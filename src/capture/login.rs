//! The login of a network camera, kept in a file of its own: `user:password` on one line.
//!
//! So no configuration holds a password, and under systemd no other service can read one. A file is
//! named by its path, or by a mere name, which is looked up where systemd puts a service's credentials
//! (`LoadCredential=`, `$CREDENTIALS_DIRECTORY`) before it counts as a path. Nothing here shows what is
//! in a file.

use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use url::Url;

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: String,
    password: String,
}

/// Where a login is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFile {
    /// What the user wrote, if it is a mere name.
    name: Option<String>,
    /// What it is as a path.
    path: PathBuf,
}

/// Why there is no login.
#[derive(Debug, Error)]
pub enum LoginError {
    /// There is no such file.
    #[error("there is no file {}{}", .path.display(), beside(.credential))]
    Missing {
        /// As a path.
        path: PathBuf,
        /// Among the service's credentials, if that was looked at.
        credential: Option<PathBuf>,
    },
    /// It cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// It does not hold what it should.
    #[error("{}, line {line}: {fault}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        fault: &'static str,
    },
}

fn beside(credential: &Option<PathBuf>) -> String {
    let shown = |path: &PathBuf| format!(", nor a credential {} of the service", path.display());
    credential.as_ref().map(shown).unwrap_or_default()
}

impl LoginError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "put it there, or have systemd load it: LoadCredential=NAME:FILE (then only the service \
                 itself finds it)"
            }
            Self::Unreadable { .. } => {
                "let the user that classifyd runs as read it, or have systemd load it: \
                 LoadCredential=NAME:FILE"
            }
            Self::Empty(_) | Self::Malformed { .. } => {
                "write one line, user:password; all behind the first colon is the password"
            }
        }
    }
}

impl LoginFile {
    /// The file that is called `text` in a configuration in `directory`.
    pub fn new(text: &str, directory: &Path) -> Self {
        let name = (!text.contains('/')).then(|| text.to_owned());
        Self { name, path: directory.join(text) }
    }

    /// Reads it, with a warning if others can read it too.
    pub fn read(&self) -> Result<Login, LoginError> {
        self.read_with(env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref())
    }

    fn read_with(&self, credentials: Option<&Path>) -> Result<Login, LoginError> {
        let credential = credentials.zip(self.name.as_deref()).map(|(all, name)| all.join(name));
        let found = credential.iter().chain([&self.path]).find(|path| path.exists());
        let Some(path) = found else {
            return Err(LoginError::Missing { path: self.path.clone(), credential });
        };
        warn_if_exposed(path);
        let bytes = fs::read(path)
            .map_err(|source| LoginError::Unreadable { path: path.clone(), source })?;
        parse(&bytes).map_err(|(line, fault)| match fault {
            "" => LoginError::Empty(path.clone()),
            fault => LoginError::Malformed { path: path.clone(), line, fault },
        })
    }
}

fn warn_if_exposed(path: &Path) {
    if path.metadata().is_ok_and(|file| file.permissions().mode() & 0o004 != 0) {
        let path = path.display();
        log::warn!("everybody on this machine can read the password in {path}: chmod 600 {path}");
    }
}

/// A login, or the line of the fault and the fault, which is empty if all is.
fn parse(bytes: &[u8]) -> Result<Login, (usize, &'static str)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        (1 + before.iter().filter(|byte| **byte == b'\n').count(), "this is not UTF-8")
    })?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (number, line) = lines.next().ok_or((1, ""))?;
    let (user, password) = line.split_once(':').ok_or((number + 1, "there is no colon"))?;
    if user.is_empty() {
        return Err((number + 1, "before the colon stands no user"));
    }
    if line.chars().any(char::is_control) {
        return Err((number + 1, "there are control characters"));
    }
    match lines.next() {
        Some((second, _)) => Err((second + 1, "there is more than one line")),
        None => Ok(Login { user: user.to_owned(), password: password.to_owned() }),
    }
}

impl Login {
    /// Puts it into an address; `false` if that cannot have one.
    pub(super) fn enter(&self, address: &mut Url) -> bool {
        // An address escapes whatever else would end a part of it.
        let [user, password] = [&self.user, &self.password].map(|word| word.replace('%', "%25"));
        let entered = address.set_username(&user);
        entered.and_then(|()| address.set_password(Some(&password))).is_ok()
    }
}

/// The user alone.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}:***)", self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn a_line_is_a_user_and_a_password() {
        for text in ["me:sesame", "me:sesame\n", "\n\nme:sesame\r\n\n"] {
            assert_eq!(parse(text.as_bytes()), Ok(login("me", "sesame")), "{text:?}");
        }
        assert_eq!(parse(b"me:a:b c@/d\n"), Ok(login("me", "a:b c@/d")));
        assert_eq!(parse(b"me:\n"), Ok(login("me", "")), "some cameras have none");
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said_without_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("door");
        let cases: [(&[u8], &str); 7] = [
            (b"", "door is empty"),
            (b" \n\n", "door is empty"),
            (b"sesame\n", "door, line 1: there is no colon"),
            (b"\n:sesame\n", "door, line 2: before the colon stands no user"),
            (b"me:sesame\nyou:sesame\n", "door, line 2: there is more than one line"),
            (b"me:ses\tame\n", "door, line 1: there are control characters"),
            (b"\nme:sesame\xff\n", "door, line 2: this is not UTF-8"),
        ];
        for (bytes, words) in cases {
            fs::write(&path, bytes).unwrap();
            let error = LoginFile::new("door", directory.path()).read_with(None).unwrap_err();
            assert!(error.to_string().ends_with(words), "{error}");
            let shown = format!("{error} {error:?} {}", error.remedy());
            assert!(!shown.contains("sesame") && !shown.contains(r"ses\tame"), "{shown}");
        }
        fs::remove_file(&path).unwrap();
        let missing = LoginFile::new("door", directory.path()).read_with(None).unwrap_err();
        assert_eq!(missing.to_string(), format!("there is no file {}", path.display()));
    }

    #[test]
    fn a_credential_of_the_service_goes_before_a_file_of_that_name() {
        let directory = tempfile::tempdir().unwrap();
        let credentials = directory.path().join("credentials");
        fs::create_dir(&credentials).unwrap();
        let named = LoginFile::new("door", directory.path());
        let missing = named.read_with(Some(&credentials)).unwrap_err().to_string();
        assert!(missing.contains("nor a credential") && missing.contains("credentials/door"));
        fs::write(directory.path().join("door"), "file:pw").unwrap();
        assert_eq!(named.read_with(Some(&credentials)).unwrap().user, "file");
        fs::write(credentials.join("door"), "service:pw").unwrap();
        assert_eq!(named.read_with(Some(&credentials)).unwrap().user, "service");
        let path = LoginFile::new("./door", directory.path());
        assert_eq!(path.read_with(Some(&credentials)).unwrap().user, "file");
    }

    #[test]
    fn a_login_is_shown_without_its_password() {
        assert_eq!(format!("{:?}", login("me", "sesame")), "Login(me:***)");
    }
}
