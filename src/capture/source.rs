//! What the user may name as a source, and what it means.
//!
//! | written | meaning |
//! |---|---|
//! | `clip.mp4`, `file:///videos/clip.mp4` | a video file: `pipelines/file.toml` |
//! | `cat.jpg`, `photos/`, `photos/*.jpg` | images, in natural order |
//! | `rtsp://camera/stream`, `rtsps://...` | a network camera: `pipelines/rtsp.toml` |
//! | `v4l2://0`, `v4l2:///dev/video0` | a USB camera: `pipelines/usb.toml` |
//! | `csi://0` | a Jetson's own camera: `pipelines/csi.toml` |
//! | `test://`, `test://ball` | a test pattern: `pipelines/test.toml` |
//! | `pipeline://yard` | the description `yard.toml` of the user's own directory |
//!
//! Parameters follow a URI as `?width=640&fps=10`. A plain path has none; what names an existing
//! file is that file, whatever characters it has.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::argus;
use super::description::{Description, Flow, Values};
use super::error::CaptureError;
use super::image_list;
use super::launch::Launch;
use super::login::Login;
use super::watch::Device;
use crate::redact::{Secrets, decoded, redact};
use crate::scene::Continuity;

/// A source of frames, checked as far as it can be without starting it.
#[derive(Clone)]
pub struct Source {
    shown: String,
    kind: Kind,
}

/// How the frames are made.
#[derive(Clone)]
pub(super) enum Kind {
    /// By the image decoder, from these files.
    Images(Vec<PathBuf>),
    /// By GStreamer.
    Pipeline(Recipe),
}

/// A pipeline that is ready to be built.
#[derive(Clone)]
pub(super) struct Recipe {
    /// The file of the description.
    pub(super) description: PathBuf,
    /// At whose pace it runs, and until when.
    pub(super) flow: Flow,
    /// The texts to choose from, the preferred one first.
    pub(super) launches: Vec<Launch>,
    /// What must not be shown of what GStreamer says.
    pub(super) secrets: Secrets,
    /// How long it may take to answer, if its pipeline is told that.
    pub(super) answers_within: Option<Duration>,
}

impl Recipe {
    /// What its pictures come through.
    pub(super) fn device(&self) -> Device {
        match self.launches.iter().any(|launch| launch.text.contains(argus::ELEMENT)) {
            true => Device::Argus,
            false => Device::Camera,
        }
    }
}

impl Source {
    /// Reads what the user wrote. `pipelines` is the directory of the user's own descriptions.
    ///
    /// Files must exist and directories hold an image; devices are not touched.
    pub fn parse(text: &str, pipelines: Option<&Path>) -> Result<Self, CaptureError> {
        let Some((scheme, _)) = text.split_once("://") else {
            return from_path(text, text, &Values::new(), pipelines);
        };
        let url = Url::parse(text).map_err(|error| unreadable(text, error))?;
        match scheme.to_ascii_lowercase().as_str() {
            "file" => from_file_url(text, &url, pipelines),
            "rtsp" | "rtsps" => from_rtsp_url(text, url, pipelines),
            "v4l2" => from_device_url(text, &url, ("usb", "device", v4l2_device), pipelines),
            "csi" => from_device_url(text, &url, ("csi", "sensor", verbatim), pipelines),
            "test" => from_device_url(text, &url, ("test", "pattern", verbatim), pipelines),
            "pipeline" => Self::filled(text, &address(&url), values(&url), pipelines),
            _ => Err(unreadable(
                text,
                "the schemes are file, rtsp, rtsps, v4l2, csi, test and pipeline",
            )),
        }
    }

    /// The same for a source whose parameters are given apart, as a configuration does. Here
    /// `text` may also be the mere name of a pipeline description.
    pub fn parse_with(
        text: &str,
        parameters: &Values,
        pipelines: Option<&Path>,
    ) -> Result<Self, CaptureError> {
        if Description::find(text, pipelines)?.is_some() {
            return Self::named(text, parameters, pipelines);
        }
        if !text.contains("://") {
            return from_path(text, text, parameters, pipelines);
        }
        if parameters.is_empty() {
            return Self::parse(text, pipelines);
        }
        let mut url = Url::parse(text).map_err(|error| unreadable(text, error))?;
        extend(text, &mut url, parameters)?;
        Self::parse(url.as_str(), pipelines)
    }

    /// The same for a network camera whose user and password are not in its address.
    pub fn parse_with_login(
        text: &str,
        login: &Login,
        parameters: &Values,
        pipelines: Option<&Path>,
    ) -> Result<Self, CaptureError> {
        let mut url = Url::parse(text).map_err(|_| unreadable(text, NO_LOGIN))?;
        if !["rtsp", "rtsps"].contains(&url.scheme()) {
            return Err(unreadable(text, NO_LOGIN));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let fault =
                "it already has a user: leave `user:password@` out of it, or the credentials";
            return Err(unreadable(text, fault));
        }
        extend(text, &mut url, parameters)?;
        let shown = url.to_string();
        if !login.enter(&mut url) {
            return Err(unreadable(text, NO_HOST));
        }
        from_rtsp_url(&shown, url, pipelines)
    }

    /// The pipeline description `name`, filled with `values`.
    pub fn named(
        name: &str,
        values: &Values,
        pipelines: Option<&Path>,
    ) -> Result<Self, CaptureError> {
        Self::filled(&format!("pipeline://{name}"), name, values.clone(), pipelines)
    }

    /// Whether it gives frames at its own pace, as cameras do; replay asks for the others.
    pub fn is_live(&self) -> bool {
        match &self.kind {
            Kind::Images(_) => false,
            Kind::Pipeline(recipe) => recipe.flow.is_live(),
        }
    }

    /// How long it may take to answer when it is started, if that is known.
    pub fn answers_within(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Images(_) => None,
            Kind::Pipeline(recipe) => recipe.answers_within,
        }
    }

    /// Whether `other` gives the same frames in the same way.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Images(files), Kind::Images(others)) => files == others,
            (Kind::Pipeline(recipe), Kind::Pipeline(others)) => {
                let texts = |recipe: &Recipe| -> Vec<String> {
                    recipe.launches.iter().map(|launch| launch.text.clone()).collect()
                };
                recipe.flow == others.flow && texts(recipe) == texts(others)
            }
            (Kind::Images(_), Kind::Pipeline(_)) | (Kind::Pipeline(_), Kind::Images(_)) => false,
        }
    }

    /// How many frames it has, if that is known before it is opened.
    pub fn frames(&self) -> Option<u64> {
        match &self.kind {
            Kind::Images(files) => Some(files.len() as u64),
            Kind::Pipeline(_) => None,
        }
    }

    /// Whether its frames show what those before them show: a video's do, single images do not.
    pub fn continuity(&self) -> Continuity {
        match &self.kind {
            Kind::Images(_) => Continuity::Unrelated,
            Kind::Pipeline(_) => Continuity::Continuous,
        }
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    fn filled(
        text: &str,
        name: &str,
        values: Values,
        pipelines: Option<&Path>,
    ) -> Result<Self, CaptureError> {
        let description = find(text, name, pipelines)?;
        let recipe = Recipe {
            description: description.path().to_owned(),
            flow: description.flow,
            launches: description.fill(&values)?,
            secrets: description.secrets(&values),
            answers_within: description.answers_within(&values),
        };
        Ok(Self { shown: redact(text), kind: Kind::Pipeline(recipe) })
    }

    fn images(text: &str, files: Vec<PathBuf>) -> Self {
        Self { shown: text.to_owned(), kind: Kind::Images(files) }
    }
}

/// As the user wrote it, passwords hidden.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.shown)
    }
}

fn from_path(
    text: &str,
    path: &str,
    values: &Values,
    pipelines: Option<&Path>,
) -> Result<Source, CaptureError> {
    let file = Path::new(path);
    if let Some(files) = image_list::find(text, path)? {
        return match values.keys().next() {
            Some(name) => Err(unreadable(text, format!("images have no parameter `{name}`"))),
            None => Ok(Source::images(text, files)),
        };
    }
    file.metadata().map_err(|error| missing(text, error))?;
    let absolute = std::path::absolute(file).map_err(|error| missing(text, error))?;
    let location = absolute.to_str().ok_or_else(|| unreadable(text, NOT_UTF8))?;
    let mut values = values.clone();
    insert(text, &mut values, "location", location.to_owned())?;
    Source::filled(text, "file", values, pipelines)
}

const NOT_UTF8: &str = "the path is not UTF-8, and GStreamer descriptions are: rename the file";

fn from_file_url(text: &str, url: &Url, pipelines: Option<&Path>) -> Result<Source, CaptureError> {
    let path = url.to_file_path().map_err(|()| {
        unreadable(text, "a file URI has three slashes and an absolute path: file:///videos/a.mp4")
    })?;
    let path = path.to_str().ok_or_else(|| unreadable(text, NOT_UTF8))?;
    from_path(text, path, &values(url), pipelines)
}

const NO_HOST: &str = "it names no host: rtsp://camera/stream";

const NO_LOGIN: &str =
    "only the address of a network camera (rtsp://, rtsps://) goes with credentials";

/// Adds parameters to the query of an address.
fn extend(text: &str, url: &mut Url, parameters: &Values) -> Result<(), CaptureError> {
    let given = values(url);
    if let Some(twice) = parameters.keys().find(|name| given.contains_key(*name)) {
        return Err(unreadable(text, format!("the address already gives `{twice}`")));
    }
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    Ok(())
}

/// Parameters of the description are taken from the query; the rest of it is the camera's own.
fn from_rtsp_url(
    text: &str,
    mut url: Url,
    pipelines: Option<&Path>,
) -> Result<Source, CaptureError> {
    if url.host_str().is_none_or(str::is_empty) {
        return Err(unreadable(text, NO_HOST));
    }
    let description = find(text, "rtsp", pipelines)?;
    let ours = |piece: &str| {
        let name = piece.split('=').next().unwrap_or_default();
        name != "location" && description.has_parameter(name)
    };
    let mut values = values(&url);
    values.retain(|name, _| ours(name));
    let query = url.query().unwrap_or_default().to_owned();
    let theirs: Vec<&str> = query.split('&').filter(|piece| !ours(piece)).collect();
    let theirs = theirs.join("&");
    url.set_query(Some(theirs.as_str()).filter(|query| !query.is_empty()));
    values.insert("location".into(), url.into());
    Source::filled(text, "rtsp", values, pipelines)
}

/// A description, its parameter that the address gives, and how the address is read.
type DeviceScheme = (&'static str, &'static str, fn(&str) -> Result<String, String>);

fn from_device_url(
    text: &str,
    url: &Url,
    (name, parameter, read): DeviceScheme,
    pipelines: Option<&Path>,
) -> Result<Source, CaptureError> {
    let mut values = values(url);
    let address = address(url);
    if !address.is_empty() {
        let value = read(&address).map_err(|fault| unreadable(text, fault))?;
        insert(text, &mut values, parameter, value)?;
    }
    Source::filled(text, name, values, pipelines)
}

fn v4l2_device(address: &str) -> Result<String, String> {
    if !address.is_empty() && address.chars().all(|c| c.is_ascii_digit()) {
        return Ok(format!("/dev/video{address}"));
    }
    if address.starts_with('/') {
        return Ok(decoded(address));
    }
    Err("write v4l2://0 or v4l2:///dev/video0".into())
}

fn verbatim(address: &str) -> Result<String, String> {
    Ok(address.to_owned())
}

/// What stands between `://` and `?`, as written.
fn address(url: &Url) -> String {
    format!("{}{}", url.host_str().unwrap_or_default(), url.path())
}

fn values(url: &Url) -> Values {
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn insert(text: &str, values: &mut Values, name: &str, value: String) -> Result<(), CaptureError> {
    match values.insert(name.to_owned(), value) {
        Some(_) => Err(unreadable(text, format!("the address already gives `{name}`"))),
        None => Ok(()),
    }
}

fn find(text: &str, name: &str, pipelines: Option<&Path>) -> Result<Description, CaptureError> {
    Description::find(name, pipelines)?.ok_or_else(|| {
        let names = Description::names(pipelines).join(", ");
        unreadable(text, format!("there is no pipeline description `{name}`; there are {names}"))
    })
}

fn unreadable(text: &str, fault: impl fmt::Display) -> CaptureError {
    CaptureError::Uri { text: redact(text), fault: fault.to_string() }
}

fn missing(text: &str, error: std::io::Error) -> CaptureError {
    CaptureError::MissingInput { input: redact(text), fault: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn launch(source: &Source) -> &str {
        match source.kind() {
            Kind::Pipeline(recipe) => &recipe.launches.last().unwrap().text,
            Kind::Images(files) => panic!("images: {files:?}"),
        }
    }

    fn parse(text: &str) -> Source {
        Source::parse(text, None).unwrap()
    }

    fn fault(text: &str) -> CaptureError {
        Source::parse(text, None).unwrap_err()
    }

    #[test]
    fn cameras_are_addressed_by_number_and_by_device() {
        assert!(launch(&parse("v4l2://2")).contains("device=/dev/video2 "));
        assert!(
            launch(&parse("v4l2:///dev/v4l/by%20id")).contains(r#"device=\"/dev/v4l/by\\040id\" "#)
        );
        assert!(launch(&parse("v4l2://")).contains("device=/dev/video0 "));
        assert!(launch(&parse("csi://1?fps=60")).contains("sensor-id=1 "));
        assert!(launch(&parse("csi://1?fps=60")).contains("framerate=60/1"));
        assert!(launch(&parse("test://ball")).contains("pattern=ball"));
        assert!(parse("csi://0").is_live() && parse("test://").is_live());
    }

    #[test]
    fn a_source_is_another_if_its_pipeline_is() {
        assert!(parse("test://ball").is_same_as(&parse("test://ball")));
        assert!(parse("test://ball").is_same_as(&parse("test://?pattern=ball")));
        assert!(!parse("test://ball").is_same_as(&parse("test://ball?width=64")));
        assert!(!parse("rtsp://me:one@cam/").is_same_as(&parse("rtsp://me:two@cam/")));
    }

    #[test]
    fn an_rtsp_address_keeps_the_cameras_own_query() {
        let source = parse("rtsp://cam/real?channel=1&latency=50&subtype=0&transport=udp");
        let text = launch(&source);
        assert!(
            text.contains(
                r#"/real\\077channel\\0751\\046subtype\\0750\" latency=50 protocols=udp"#
            ),
            "{text}"
        );
    }

    #[test]
    fn passwords_are_not_shown_but_used() {
        let source = parse("rtsp://me:sesame@cam/live");
        assert!(launch(&source).contains("sesame"));
        assert!(!format!("{source} {source:?}").contains("sesame"));
        assert_eq!(source.to_string(), "rtsp://me:***@cam/live");
        let source = parse("rtsp://sesame@cam/live?password=open%20it&m=a@b");
        assert_eq!(source.to_string(), "rtsp://***@cam/live?password=***&m=a@b");
        let Kind::Pipeline(recipe) = source.kind() else { panic!("{source}") };
        assert_eq!(recipe.secrets.hide("user sesame, open it, open%20it"), "user ***, ***, ***");
        for wrong in [
            "rtsp://me:sesame@cam:99999/live",
            "rtsp://me:sesame@cam/?latency=-1",
            "rtsp://me:open/sesame@cam/live",
            "rtsp://cam/live?password=sesame&latency=-1",
            "http://cam/live?password=sesame&m=a@b",
        ] {
            let shown = format!("{0} {0:?}", fault(wrong));
            assert!(!shown.contains("sesame"), "{shown}");
        }
    }

    fn login(directory: &Path, line: &str) -> Login {
        fs::write(directory.join("door"), line).unwrap();
        crate::capture::LoginFile::new("door", directory).read().unwrap()
    }

    #[test]
    fn a_login_from_a_file_is_used_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let login = login(directory.path(), "me:open it/@5%41sesame");
        let values = Values::from([("latency".to_owned(), "50".to_owned())]);
        let text = "rtsps://cam/live?a=1";
        let source = Source::parse_with_login(text, &login, &values, None).unwrap();
        let address = r"me:open\\04520it\\0452F\\045405\\0452541sesame\\100cam/live\\077a\\0751";
        assert!(launch(&source).contains(address), "{}", launch(&source));
        assert!(launch(&source).contains("latency=50"), "{}", launch(&source));
        assert_eq!(source.to_string(), "rtsps://cam/live?a=1&latency=50");
        let Kind::Pipeline(recipe) = source.kind() else { panic!("{source}") };
        let words = "open it/@5%41sesame, open%20it%2F%405%2541sesame";
        assert_eq!(recipe.secrets.hide(words), "***, ***");
    }

    #[test]
    fn a_login_goes_with_a_network_camera_that_has_none() {
        let directory = tempfile::tempdir().unwrap();
        let login = login(directory.path(), "me:sesame");
        let cases = [
            ("rtsp://you@cam/live", "already has a user"),
            ("rtsp://you:other@cam/live", "already has a user"),
            ("rtsp:///live", "names no host"),
            ("test://ball", "goes with credentials"),
            ("clip.mp4", "goes with credentials"),
        ];
        for (text, words) in cases {
            let fault = Source::parse_with_login(text, &login, &Values::new(), None).unwrap_err();
            let shown = fault.to_string();
            assert!(shown.contains(words), "{shown}");
            assert!(!shown.contains("sesame") && !shown.contains("other"), "{shown}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_uri_is_said() {
        let cases = [
            ("http://host/a.mp4", "the schemes are"),
            ("test://nonsense", "none of smpte"),
            ("test://?widht=5", "there are fps, frames, height, pattern, width"),
            ("test://ball?pattern=snow", "already gives `pattern`"),
            ("v4l2://video0", "v4l2:///dev/video0"),
            ("file://clip.mp4", "three slashes"),
            ("file:///%FF.mp4", "not UTF-8"),
            ("rtsp:///live", "names no host"),
            ("pipeline://yard", "there are csi, file, rtsp, test, usb"),
        ];
        for (text, words) in cases {
            let fault = fault(text);
            assert!(fault.to_string().contains(words), "{text}: {fault}");
            assert!(matches!(fault, CaptureError::Uri { .. } | CaptureError::Parameter { .. }));
        }
    }

    #[test]
    fn paths_are_videos_images_or_missing() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        for name in ["clip [1]?.mp4", "10.jpg", "9.JPG", "note.txt"] {
            fs::write(at(name), "x").unwrap();
        }
        assert!(launch(&parse(&at("clip [1]?.mp4"))).contains(r"clip\\040\\1331\\135\\077.mp4"));
        assert!(!parse(&at("clip [1]?.mp4")).is_live());
        for images in [at(""), at("*"), format!("file://{}", at("*.[jJ]*"))] {
            let source = parse(&images);
            let Kind::Images(files) = source.kind() else { panic!("{images}") };
            let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap()).collect();
            assert_eq!(names, ["9.JPG", "10.jpg"], "{images}");
        }
        fs::create_dir(at("empty")).unwrap();
        for nothing in [at("gone.mp4"), at("gone.jpg"), at("*.png"), at("empty"), String::new()] {
            assert!(matches!(fault(&nothing), CaptureError::MissingInput { .. }), "{nothing}");
        }
    }

    #[test]
    fn a_parameter_that_sounds_secret_is_hidden_from_others_words() {
        let directory = tempfile::tempdir().unwrap();
        let text = "description = ''\nlive = true\npipeline = 'mine user-pw={user_pw} key={key}'\n\
                    [parameters]\nuser_pw = { type = 'text', about = '' }\n\
                    key = { type = 'integer', about = '', default = 7 }";
        fs::write(directory.path().join("yard.toml"), text).unwrap();
        let source =
            Source::parse("pipeline://yard?user_pw=sesame&key=8", Some(directory.path())).unwrap();
        assert_eq!(source.to_string(), "pipeline://yard?user_pw=***&key=***");
        let Kind::Pipeline(recipe) = source.kind() else { panic!("{source}") };
        assert_eq!(recipe.secrets.hide("no sesame on 8 doors"), "no *** on 8 doors");
    }

    #[test]
    fn a_description_of_ones_own_is_used_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let text = "description = ''\nlive = false\npipeline = 'mine size={size}'\n\
                    [parameters.size]\ntype = 'integer'\nabout = ''";
        fs::write(directory.path().join("yard.toml"), text).unwrap();
        let source = Source::parse("pipeline://yard?size=4", Some(directory.path())).unwrap();
        assert_eq!(launch(&source), "mine size=4");
        let values = Values::from([("size".to_owned(), "5".to_owned())]);
        let source = Source::named("yard", &values, Some(directory.path())).unwrap();
        assert_eq!(launch(&source), "mine size=5");
    }
}
