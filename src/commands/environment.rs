//! What the daemon wants in its environment, for libraries that look nowhere else.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

/// What has an effect on cameras that are pulled out.
///
/// The V4L2 source of GStreamer 1.22.0, which Debian 12 has, stops by giving its buffers up to the kernel as
/// orphans, and then does not give back a reference to their pool (`gst_v4l2_object_stop`). The pool keeps
/// the device open, and as long as that is so, the kernel gives a camera that comes back another name:
/// `/dev/video1` after `/dev/video0`. With this variable the source stops in another way, and gives back all
/// of them.
const DRAIN: &str = "GST_V4L2_FORCE_DRAIN";

/// Starts this program anew, as the same process and with the same arguments, unless the variable is set.
/// To be called before anything is begun; it returns only where nothing is to be done, or with the error.
///
/// It cannot be set in this process, as other threads may be reading the environment.
pub(super) fn complete() -> io::Result<()> {
    if env::var_os(DRAIN).is_some() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut program = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    Err(program.args(arguments).env(DRAIN, "1").exec())
}
