//! Has cameras that are pulled out let go of.
//!
//! The V4L2 source of GStreamer 1.22.0, which Debian 12 has, stops by giving its buffers up to the kernel
//! as orphans, and then does not give back a reference to their pool (`gst_v4l2_object_stop`). The pool
//! keeps the device open, and as long as that is so, the kernel gives a camera that comes back another
//! name: `/dev/video1` after `/dev/video0`. With this variable in its environment the source stops in
//! another way, and gives back all of them.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, io};

const VARIABLE: &str = "GST_V4L2_FORCE_DRAIN";

/// Starts this program anew, as the same process and with the same arguments, unless the variable is set.
/// To be called before anything is begun; it returns only where nothing is to be done, or with the error.
///
/// The variable cannot be set in this process, as other threads may be reading the environment.
pub fn let_go_of_cameras() -> io::Result<()> {
    if env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut program = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    Err(program.args(arguments).env(VARIABLE, "1").exec())
}
