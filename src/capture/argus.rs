//! What the camera service of a Jetson says, and what to do about it.
//!
//! nvarguscamerasrc hands on the words of the service `nvargus-daemon`, which name the place in its
//! source rather than the fault. Often it ends the stream and says nothing.

/// The element that speaks for the service.
pub(super) const ELEMENT: &str = "nvarguscamerasrc";

/// What is done in most cases.
const RESTART: &str = "restart the camera service: sudo systemctl restart nvargus-daemon";

/// Words of the service in lower case, and what to do; the first that fits counts.
const REMEDIES: [(&str, &str); 12] = [
    (
        "no cameras available",
        "no sensor was found: check the ribbon cable and the sensor chosen in jetson-io, then \
         restart the camera service: sudo systemctl restart nvargus-daemon",
    ),
    (
        "invalid camera device",
        "there is no such sensor: csi://0 is the first; v4l2-ctl --list-devices lists them",
    ),
    (
        "sensor mode",
        "the sensor has no such mode: v4l2-ctl --list-formats-ext lists sizes and rates",
    ),
    (
        "frame rate",
        "the sensor has no such mode: v4l2-ctl --list-formats-ext lists sizes and rates",
    ),
    ("egl", "no display is needed, and a wrong one is in the way: unset DISPLAY"),
    (
        "out_of_memory",
        "the video memory is used up: use fewer or smaller cameras, or close other programs",
    ),
    (
        "capturesession",
        "another program has the camera, or one did not give it back: end it, then sudo systemctl \
         restart nvargus-daemon",
    ),
    (
        "unavailable",
        "another program has the camera, or one did not give it back: end it, then sudo systemctl \
         restart nvargus-daemon",
    ),
    (
        "timeout",
        "the sensor sends no pictures: check its cable, then sudo systemctl restart \
         nvargus-daemon; journalctl -u nvargus-daemon says more",
    ),
    ("cameraprovider", RESTART),
    ("disconnected", RESTART),
    ("cancelled", RESTART),
];

/// What to do about it. `words` is all that was said.
pub(super) fn remedy(words: &str) -> &'static str {
    let words = words.to_lowercase();
    let known = REMEDIES.iter().find(|(known, _)| words.contains(known));
    known.map_or(RESTART, |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_service_are_told_apart() {
        let cases = [
            ("execute:740 No cameras available", "ribbon cable"),
            ("execute:751 Invalid camera device specified 3 specified, 1 present", "csi://0"),
            ("execute:667 Failed to create CaptureSession", "another program"),
            ("execute:645 Failed to create CameraProvider", "restart nvargus-daemon"),
            ("Argus Error Status: TIMEOUT", "journalctl"),
            ("CANCELLED", "restart nvargus-daemon"),
            ("Frame Rate specified is greater than supported", "v4l2-ctl"),
            ("something new", "restart nvargus-daemon"),
        ];
        for (words, expected) in cases {
            assert!(remedy(words).contains(expected), "{words}: {}", remedy(words));
        }
    }
}
