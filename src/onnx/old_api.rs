//! ONNX Runtimes that are older than `ort` takes: 1.11 to 1.16, such as there are for JetPack 4.
//!
//! The C interface of ONNX Runtime is a table of pointers to functions. It only ever grows at its
//! end: a library of version 1.N has the first so many [entries](entries) of the table that `ort`
//! was made for, and nothing behind them. The table that `ort` gets is made here, of the entries
//! that the library has, and behind those of one function that answers "not implemented".
//!
//! What an old library lacks is therefore an error of the call that needs it, never a wild jump.
//! Two calls are made at every start and have no error to give: that for the log level, which
//! [`Version::has_log_level`] spares, and that for the build's description, which is made up here.
//!
//! **This is the only module with `unsafe` code.** It is right as long as: the library is what its
//! version says; entries up to the last of its version are as in `ort`'s table, which the interface
//! promises; and a C function may be called with more arguments than it looks at, which holds for
//! the calling conventions of x86-64 and aarch64, the processors that there are such libraries for.

use std::ffi::{CStr, CString, c_char};
use std::mem::{self, offset_of};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use ort::sys::{OrtApi, OrtApiBase, OrtErrorCode, OrtStatusPtr};
use thiserror::Error;

use super::Version;

/// The oldest interface that has all that sessions and their runs need.
pub const OLDEST: Version = Version::new(1, 11, 0);

/// The version from which on `ort` loads a library itself.
pub const CURRENT: Version = Version::new(1, ort::MINOR_VERSION, 0);

/// A library, loaded; it stays so while this lives.
pub struct Library {
    handle: libloading::Library,
    base: NonNull<OrtApiBase>,
    version: Version,
}

/// Why a library's functions cannot be called.
#[derive(Debug, Error)]
pub enum LibraryFault {
    /// The loader refuses it.
    #[error(
        "the loader refuses it (is it for this processor, and for a glibc as old as this one?)"
    )]
    Loader(#[from] libloading::Error),
    /// It is a library of something else.
    #[error("it is no ONNX Runtime: it has no OrtGetApiBase")]
    Foreign,
    /// It states no version.
    #[error("it calls its version `{0}`, which is none")]
    Unversioned(String),
    /// It is older than any that can be used.
    #[error("it is version {0}, and {OLDEST} or later is needed")]
    TooOld(Version),
    /// It does not have what its version should have.
    #[error("it calls itself version {0} and does not have that version's interface")]
    NoInterface(Version),
    /// Another library is in use.
    #[error("this process has loaded another ONNX Runtime before")]
    Second,
}

impl Library {
    /// Loads a library and asks for its version.
    pub fn load(path: &Path) -> Result<Self, LibraryFault> {
        type GetBase = unsafe extern "C" fn() -> *const OrtApiBase;
        // SAFETY: loading runs the library's initialisers. It is the file that the user named, or
        // that is installed, as ONNX Runtime.
        let handle = unsafe { libloading::Library::new(path) }?;
        // SAFETY: the type is that of this symbol in every ONNX Runtime.
        let get_base = unsafe { handle.get::<GetBase>(b"OrtGetApiBase\0") };
        let get_base = get_base.map_err(|_| LibraryFault::Foreign)?;
        // SAFETY: it takes nothing and gives a table with the library's life, or null.
        let base = NonNull::new(unsafe { get_base() }.cast_mut()).ok_or(LibraryFault::Foreign)?;
        // SAFETY: the table is whole; its text ends with zero and has the library's life.
        let text = unsafe { CStr::from_ptr((base.as_ref().GetVersionString)()) };
        let text = text.to_string_lossy();
        let version = text.parse().map_err(|()| LibraryFault::Unversioned(text.into_owned()))?;
        Ok(Self { handle, base, version })
    }

    /// What it calls itself.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Has `ort` call this library, which is older than it takes by itself, for good.
    pub fn install(self) -> Result<(), LibraryFault> {
        let version = self.version;
        let known = entries(version).ok_or(LibraryFault::TooOld(version))?;
        // SAFETY: the base table is whole; what comes back has the library's life, or is null.
        let table = unsafe { (self.base.as_ref().GetApi)(version.interface()) };
        let table = NonNull::new(table.cast_mut()).ok_or(LibraryFault::NoInterface(version))?;
        // SAFETY: a library of this version has `known` entries, the first of which makes statuses.
        let table = unsafe { complete(table, known, version) };
        // It must never be unloaded: `ort` has its functions now.
        mem::forget(self.handle);
        if ort::set_api(table) { Ok(()) } else { Err(LibraryFault::Second) }
    }
}

/// How many entries the table of a library of this version has; `None` if that is not known.
///
/// Named are the last functions that each version added.
fn entries(version: Version) -> Option<usize> {
    let last = match version.interface() {
        _ if version < OLDEST || version >= CURRENT => return None,
        11 => offset_of!(OrtApi, SessionOptionsAppendExecutionProvider_MIGraphX),
        12 => offset_of!(OrtApi, ReleaseKernelInfo),
        13 => offset_of!(OrtApi, ReleaseCANNProviderOptions),
        14 => offset_of!(OrtApi, GetSessionConfigEntry),
        15 => offset_of!(OrtApi, GetBuildInfoString),
        16 => offset_of!(OrtApi, KernelContext_GetResource),
        _ => return None,
    };
    Some(last / size_of::<Entry>() + 1)
}

/// An entry of the table, whatever its function's type.
type Entry = *const ();

/// Entries of the table that `ort` calls.
const ENTRIES: usize = size_of::<OrtApi>() / size_of::<Entry>();

/// Makes a status; the first entry of every table.
type CreateStatus = unsafe extern "system" fn(OrtErrorCode, *const c_char) -> OrtStatusPtr;

/// That of the library in use, for [`not_implemented`].
static CREATE_STATUS: OnceLock<CreateStatus> = OnceLock::new();

/// What [`build_info`] answers.
static BUILD_INFO: OnceLock<CString> = OnceLock::new();

/// The table of `known` entries, made as long as `ort`'s.
///
/// # Safety
///
/// `table` has at least `known` entries, as those that `ort` knows.
unsafe fn complete(table: NonNull<OrtApi>, known: usize, version: Version) -> OrtApi {
    let mut entries = [not_implemented as Entry; ENTRIES];
    // SAFETY: the caller's word for the source; `known` is an index of a field of `OrtApi`, plus one.
    unsafe { ptr::copy_nonoverlapping(table.as_ptr().cast(), entries.as_mut_ptr(), known) };
    // SAFETY: `OrtApi` is `repr(C)` and has nothing but pointers to functions, none of them null.
    let mut table = unsafe { mem::transmute::<[Entry; ENTRIES], OrtApi>(entries) };
    CREATE_STATUS.get_or_init(|| table.CreateStatus);
    if known <= offset_of!(OrtApi, GetBuildInfoString) / size_of::<Entry>() {
        let info = format!(
            "ONNX Runtime {version}, called by version {} of its interface",
            version.interface()
        );
        // No number contains a zero byte.
        BUILD_INFO.get_or_init(|| CString::new(info).unwrap_or_default());
        table.GetBuildInfoString = build_info;
    }
    table
}

/// Stands for every function that the library lacks.
unsafe extern "system" fn not_implemented() -> OrtStatusPtr {
    let message = c"this version of ONNX Runtime has no such function";
    match CREATE_STATUS.get() {
        // SAFETY: the function is the library's own; the text ends with zero, and is copied.
        Some(create) => unsafe { create(OrtErrorCode::ORT_NOT_IMPLEMENTED, message.as_ptr()) },
        // It is set before anyone has a table with this function.
        None => OrtStatusPtr::default(),
    }
}

/// Stands for the one function that gives a text and not a status.
unsafe extern "system" fn build_info() -> *const c_char {
    BUILD_INFO.get().map_or(c"".as_ptr(), |info| info.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_each_version_has_the_length_that_its_version_fixed() {
        let length = |minor| entries(Version::new(1, minor, 0));
        let lengths = [11, 12, 13, 14, 15, 16].map(length);
        assert_eq!(lengths, [210, 219, 225, 239, 255, 266].map(Some));
        assert_eq!(length(10), None, "too old");
        assert_eq!(length(17), None, "ort loads it itself");
        assert_eq!(entries(Version::new(2, 12, 0)), None);
        assert_eq!(size_of::<OrtApi>() % size_of::<Entry>(), 0);
    }
}
