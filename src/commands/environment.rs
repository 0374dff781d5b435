//! What the daemon wants in its environment, for libraries that look nowhere else.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

/// By name: what has an effect on
///
/// - cameras that are pulled out. The V4L2 source of GStreamer 1.22.0, which Debian 12 has, stops by giving
///   its buffers up to the kernel as orphans, and then does not give back a reference to their pool
///   (`gst_v4l2_object_stop`). The pool keeps the device open, and as long as that is so, the kernel gives a
///   camera that comes back another name: `/dev/video1` after `/dev/video0`. With this variable the source
///   stops in another way, and gives back all of them.
/// - memory. glibc keeps what was freed: in up to eight arenas for each core, and in blocks of up to 64 MiB
///   once a large one was freed, which is so when a model is dropped. A reload or a model built anew then
///   leaves the old weights' memory behind, and lost cameras some MiB for each arena. With two arenas, and the
///   threshold for giving memory back fixed at what it is at first, large blocks go back at once.
const WANTED: [(&str, &str); 3] = [
    ("GST_V4L2_FORCE_DRAIN", "1"),
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// Starts this program anew, as the same process and with the same arguments, unless all variables are set.
/// To be called before anything is begun; it returns only where nothing is to be done, or with the error.
///
/// They cannot be set in this process, as other threads may be reading the environment, and the allocator has
/// read it.
pub(super) fn complete() -> io::Result<()> {
    let mut missing = WANTED.into_iter().filter(|(name, _)| env::var_os(name).is_none()).peekable();
    if missing.peek().is_none() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut program = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    Err(program.args(arguments).envs(missing).exec())
}
