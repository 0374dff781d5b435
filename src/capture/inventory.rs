//! What the machine offers: GStreamer, its elements, cameras. `classifyd doctor` shows it.

use std::fs;
use std::path::{Path, PathBuf};

use gstreamer::prelude::*;
use gstreamer::{Caps, ElementFactory, ElementFactoryType, Rank};

use super::description::Description;
use super::error::CaptureError;
use super::natural;
use super::pipeline;

/// An element that a shipped pipeline may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: &'static str,
    /// The Debian package that brings it.
    pub package: &'static str,
    /// What cannot be done without it.
    pub purpose: &'static str,
    /// Whether only a Jetson has it.
    pub platform: Platform,
}

/// Where an element can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Everywhere.
    Any,
    /// On NVIDIA's Jetson boards only.
    Jetson,
}

/// A pipeline of some kind of source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The name of its description.
    pub name: String,
    /// The elements for whose sake this one of its pipelines is used; none for the one that serves
    /// everywhere.
    pub by: Vec<String>,
    /// What the pipelines need that would have been preferred.
    pub instead_of: Vec<String>,
}

/// Who decodes a kind of video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoder {
    /// The element.
    pub element: String,
    /// Where it works.
    pub engine: Engine,
}

/// Where a decoder works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// In video hardware.
    Hardware,
    /// On the processor.
    Software,
}

/// A camera that the kernel shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its device, as in `v4l2:///dev/video0`.
    pub device: PathBuf,
    /// What the driver calls it.
    pub name: Option<String>,
}

const BASE: &str = "gstreamer1.0-plugins-base";
const GOOD: &str = "gstreamer1.0-plugins-good";
const BAD: &str = "gstreamer1.0-plugins-bad";
const LIBAV: &str = "gstreamer1.0-libav";
const JETPACK: &str = "nvidia-l4t-gstreamer";

const fn any(name: &'static str, package: &'static str, purpose: &'static str) -> Element {
    Element { name, package, purpose, platform: Platform::Any }
}

const fn jetson(name: &'static str, purpose: &'static str) -> Element {
    Element { name, package: JETPACK, purpose, platform: Platform::Jetson }
}

/// The elements that the shipped pipelines use or that decodebin chooses for common videos.
pub const ELEMENTS: [Element; 20] = [
    any("appsink", BASE, "everything"),
    any("videoconvert", BASE, "everything"),
    any("decodebin", BASE, "video files, network and USB cameras"),
    any("filesrc", BASE, "video files"),
    any("videoflip", GOOD, "video files"),
    any("videotestsrc", BASE, "test patterns"),
    any("rtspsrc", GOOD, "network cameras"),
    any("rtph264depay", GOOD, "network cameras that send H.264"),
    any("v4l2src", GOOD, "USB cameras"),
    any("jpegdec", GOOD, "USB cameras and files with MJPEG"),
    any("qtdemux", GOOD, "MP4 and MOV files"),
    any("matroskademux", GOOD, "MKV and WebM files"),
    any("avidemux", GOOD, "AVI files"),
    any("h264parse", BAD, "H.264 video"),
    any("h265parse", BAD, "H.265 video"),
    any("avdec_h264", LIBAV, "H.264 video, decoded by the processor"),
    any("avdec_h265", LIBAV, "H.265 video, decoded by the processor"),
    jetson("nvarguscamerasrc", "CSI cameras"),
    jetson("nvvidconv", "CSI cameras and hardware decoding"),
    jetson("nvv4l2decoder", "H.264 and H.265 video, decoded in hardware"),
];

/// Kinds of video that cameras and recordings have, and their media types.
pub const CODECS: [(&str, &str); 4] = [
    ("H.264", "video/x-h264"),
    ("H.265", "video/x-h265"),
    ("MJPEG", "image/jpeg"),
    ("VP9", "video/x-vp9"),
];

/// The decoder that decodebin chooses for a media type: of those that can, the one of the highest rank.
/// `None` if there is none.
pub fn decoder(media: &str) -> Result<Option<Decoder>, CaptureError> {
    pipeline::init()?;
    let caps = Caps::new_empty_simple(media);
    let kind = ElementFactoryType::DECODER;
    let factories = ElementFactory::factories_with_type(kind, Rank::MARGINAL).into_iter();
    let fitting = factories.filter(|factory| factory.can_sink_any_caps(&caps));
    // Of equals, decodebin takes the first by name.
    let best = fitting.max_by(|left, right| {
        left.rank().cmp(&right.rank()).then_with(|| right.name().cmp(&left.name()))
    });
    Ok(best
        .map(|factory| Decoder { element: factory.name().to_string(), engine: engine(&factory) }))
}

/// By name: which pipeline sources get here, of those that each description offers; those of the user's
/// `directory` too.
pub fn routes(directory: Option<&Path>) -> Result<Vec<Result<Route, CaptureError>>, CaptureError> {
    pipeline::init()?;
    let route = |name: String| {
        let description = Description::find(&name, directory).transpose()?;
        Some(description.map(|description| route(name, &description)))
    };
    Ok(Description::names(directory).into_iter().filter_map(route).collect())
}

fn route(name: String, description: &Description) -> Route {
    let preferred = description.needs().take_while(|needs| !pipeline::are_installed(needs));
    let instead_of: Vec<String> = preferred.flatten().cloned().collect();
    let by = description.needs().find(|needs| pipeline::are_installed(needs));
    Route { name, by: by.unwrap_or_default().to_vec(), instead_of }
}

fn engine(factory: &ElementFactory) -> Engine {
    let class = factory.metadata("klass").unwrap_or_default();
    // NVIDIA's decoder does not say so itself.
    let is_nvidias = factory.name().starts_with("nvv4l2");
    if is_nvidias || class.split('/').any(|word| word == "Hardware") {
        Engine::Hardware
    } else {
        Engine::Software
    }
}

/// GStreamer's version, as in `1.22.0`.
pub fn version() -> Result<String, CaptureError> {
    pipeline::init()?;
    let (major, minor, micro, _) = gstreamer::version();
    Ok(format!("{major}.{minor}.{micro}"))
}

/// Whether GStreamer has the element.
pub fn is_installed(element: &str) -> Result<bool, CaptureError> {
    pipeline::init()?;
    Ok(ElementFactory::find(element).is_some())
}

/// How to get an element.
pub fn remedy(element: &str) -> String {
    match ELEMENTS.iter().find(|known| known.name == element) {
        Some(Element { package, platform: Platform::Any, .. }) => {
            format!("apt install {package}")
        }
        Some(Element { package, platform: Platform::Jetson, .. }) => {
            format!("it comes with JetPack, package {package}, on a Jetson only")
        }
        None => "install the GStreamer plugin that has it, or correct the pipeline".into(),
    }
}

/// The cameras that the kernel shows, in the order of their numbers. A CSI camera shows up here
/// too, though it is used as `csi://0`.
pub fn cameras() -> Vec<Camera> {
    cameras_under(Path::new("/dev"), Path::new("/sys/class/video4linux"))
}

fn cameras_under(devices: &Path, classes: &Path) -> Vec<Camera> {
    let entries = fs::read_dir(devices).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_video_node(name)).collect();
    names.sort_by(|left, right| natural::compare(left, right));
    let camera = |name: &String| Camera {
        device: devices.join(name),
        name: fs::read_to_string(classes.join(name).join("name")).ok().map(|n| n.trim().into()),
    };
    names.iter().map(camera).collect()
}

fn is_video_node(name: &str) -> bool {
    let number = name.strip_prefix("video");
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_are_listed_with_the_drivers_name() {
        let root = tempfile::tempdir().unwrap();
        let (devices, classes) = (root.path().join("dev"), root.path().join("sys"));
        fs::create_dir_all(classes.join("video2")).unwrap();
        fs::create_dir(&devices).unwrap();
        for node in ["video10", "video2", "video", "null", "video2x"] {
            fs::write(devices.join(node), "").unwrap();
        }
        fs::write(classes.join("video2/name"), "Webcam C920\n").unwrap();
        let found = cameras_under(&devices, &classes);
        let expected = [("video2", Some("Webcam C920".to_owned())), ("video10", None)]
            .map(|(node, name)| Camera { device: devices.join(node), name });
        assert_eq!(found, expected);
        assert!(cameras_under(&root.path().join("none"), &classes).is_empty());
    }

    #[test]
    fn a_decoder_is_found_for_what_one_is_installed_for() {
        let h264 = decoder("video/x-h264").unwrap().unwrap();
        assert!(is_installed(&h264.element).unwrap(), "{h264:?}");
        assert_eq!(decoder("video/x-no-such-codec").unwrap(), None);
    }

    #[test]
    fn the_route_is_that_of_the_first_elements_that_are_installed() {
        let directory = tempfile::tempdir().unwrap();
        let alternative =
            |needs: &str| format!("[[alternatives]]\nneeds = ['{needs}']\npipeline = 'fakesrc'\n");
        let route = |alternatives: &[&str]| {
            let alternatives: String = alternatives.iter().copied().map(alternative).collect();
            let text =
                format!("description = ''\nlive = true\npipeline = 'fakesrc'\n{alternatives}");
            fs::write(directory.path().join("yard.toml"), text).unwrap();
            let routes = routes(Some(directory.path())).unwrap().into_iter().map(Result::unwrap);
            let route = routes.filter(|route| route.name == "yard").last().unwrap();
            (route.by.join(" "), route.instead_of.join(" "))
        };
        assert_eq!(route(&[]), ("".into(), "".into()));
        assert_eq!(route(&["noelement"]), ("".into(), "noelement".into()));
        assert_eq!(route(&["noelement", "identity"]), ("identity".into(), "noelement".into()));
        assert_eq!(route(&["identity", "noelement"]), ("identity".into(), "".into()));
    }

    #[test]
    fn installed_elements_are_told_from_others() {
        assert!(is_installed("filesrc").unwrap());
        assert!(!is_installed("noelement").unwrap());
        assert!(remedy("rtspsrc").contains("gstreamer1.0-plugins-good"));
        assert!(remedy("nvvidconv").contains("JetPack"));
        assert!(version().unwrap().starts_with("1."));
    }
}
