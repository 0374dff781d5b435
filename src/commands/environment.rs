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
/// - memory. By default glibc has up to eight arenas for each core, and a thread gets one that few others
///   use. Each keeps what was freed in it: some 20 MiB, as the threads of GStreamer come and go with lost
///   cameras, which is a gigabyte with the six cores of a Jetson TX2.
const WANTED: [(&str, &str); 2] = [("GST_V4L2_FORCE_DRAIN", "1"), ("MALLOC_ARENA_MAX", "2")];

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
