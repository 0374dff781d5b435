//! Writes files, all or nothing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Writes what `fill` writes to `path`. A file that is there stays as it is until the new one is
/// complete and on the disk.
pub(crate) fn write(path: &Path, fill: impl FnOnce(File) -> io::Result<File>) -> io::Result<()> {
    let temporary = beside(path);
    let written = File::create(&temporary)
        .and_then(fill)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // It is of no use to anybody; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&temporary);
    })
}

/// A name for this process alone, in the same directory, so that renaming is possible.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let fill = |text: &'static str| {
            move |mut file: File| file.write_all(text.as_bytes()).map(|()| file)
        };
        write(&path, fill("old")).unwrap();
        let failed = write(&path, |file| {
            fill("ne")(file)?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        write(&path, fill("new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
    }
}
