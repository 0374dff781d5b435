//! `classifyd doctor`: every part, ok or with its remedy.

use std::fmt::Display;

use clap::Parser;

use super::{Context, ExitCode, Failure, stdout};
use crate::capture::inventory::{self, CODECS, Decoder, ELEMENTS, Engine, Route};
use crate::models::{self, Manifest, ManifestEntry, ManifestError, Provider};
use crate::onnx::Runtime;
use crate::premodel::Premodel;

/// Elements that every pipeline is made of; the others serve some inputs only.
const NEEDED_ELEMENTS: [&str; 4] = ["appsink", "videoconvert", "decodebin", "filesrc"];

/// What `doctor` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {}

const EXAMPLES: &str = "\
Examples:
  classifyd doctor
  classifyd doctor | grep --invert-match ^ok     what to look at
  classifyd doctor --models /srv/models

ok: it is there. absent: some inputs or machines need it. MISSING: it is needed; the exit code is 69.";

/// Runs `doctor`; fails if something that every run needs is missing.
pub fn run(_arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut report = Report { needed: 0, written: Ok(()) };
    gstreamer(&mut report);
    decoders(&mut report);
    pipelines(&mut report, context);
    onnxruntime(&mut report, context);
    models(&mut report, context);
    premodel(&mut report, context);
    cameras(&mut report);
    report.written?;
    match report.needed {
        0 => Ok(()),
        needed => {
            let error = anyhow::anyhow!("{needed} needed part(s) missing, see above");
            Err(Failure::new(ExitCode::Unavailable, error))
        }
    }
}

/// Shows a line for each part as soon as it is known: a broken part may take the program down.
struct Report {
    needed: usize,
    written: anyhow::Result<()>,
}

impl Report {
    fn ok(&mut self, part: impl Display, found: impl Display) {
        self.line(format_args!("ok       {part}: {found}\n"));
    }

    /// Something that some can do without.
    fn absent(&mut self, part: impl Display, remedy: impl Display) {
        self.line(format_args!("absent   {part}: {remedy}\n"));
    }

    fn missing(&mut self, part: impl Display, remedy: impl Display) {
        self.needed += 1;
        self.line(format_args!("MISSING  {part}: {remedy}\n"));
    }

    fn missing_as(&mut self, part: impl Display, failure: &Failure) {
        self.missing(part, format!("{:#}", failure.error));
    }

    fn line(&mut self, line: impl Display) {
        if self.written.is_ok() {
            self.written = stdout::print(line);
        }
    }
}

fn gstreamer(report: &mut Report) {
    match inventory::version() {
        Ok(version) => report.ok("GStreamer", version),
        Err(error) => return report.missing_as("GStreamer", &error.into()),
    }
    for element in ELEMENTS {
        let part = format!("GStreamer element {} ({})", element.name, element.purpose);
        match inventory::is_installed(element.name) {
            Ok(true) => report.ok(part, "installed"),
            Ok(false) if NEEDED_ELEMENTS.contains(&element.name) => {
                report.missing(part, inventory::remedy(element.name));
            }
            Ok(false) => report.absent(part, inventory::remedy(element.name)),
            Err(error) => report.missing_as(part, &error.into()),
        }
    }
}

/// Who decodes what cameras and recordings send.
fn decoders(report: &mut Report) {
    for (codec, media) in CODECS {
        let part = format!("decoder of {codec}");
        match inventory::decoder(media) {
            Ok(Some(Decoder { element, engine: Engine::Hardware })) => {
                report.ok(part, format!("{element}, in hardware"));
            }
            Ok(Some(Decoder { element, engine: Engine::Software })) => {
                report.ok(part, format!("{element}, in software"));
            }
            Ok(None) => report.absent(
                part,
                "apt install gstreamer1.0-libav gstreamer1.0-plugins-good gstreamer1.0-plugins-bad",
            ),
            Err(error) => report.missing_as(part, &error.into()),
        }
    }
}

/// Which pipeline each kind of source gets.
fn pipelines(report: &mut Report, context: &Context) {
    let routes = match inventory::routes(context.places.pipelines().as_deref()) {
        Ok(routes) => routes,
        Err(error) => return report.missing_as("pipelines", &error.into()),
    };
    for route in routes {
        let Route { name, by, instead_of } = match route {
            Ok(route) => route,
            Err(error) => {
                report.missing_as("a pipeline", &error.into());
                continue;
            }
        };
        let part = format!("pipeline {name}");
        match (by.as_slice(), instead_of.as_slice()) {
            ([], []) => report.ok(part, "there is one"),
            ([], others) => {
                report.ok(part, format!("the one for all machines, without {}", others.join(", ")));
            }
            (elements, _) => report.ok(part, format!("the one with {}", elements.join(", "))),
        }
    }
}

fn onnxruntime(report: &mut Report, context: &Context) {
    let runtime = context.places.library().and_then(|library| Ok(Runtime::load(&library)?));
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(failure) => return report.missing_as("ONNX Runtime", &failure),
    };
    report.ok(
        "ONNX Runtime",
        format!("{} from {}", runtime.build_info(), runtime.library().display()),
    );
    for provider in Provider::LADDER {
        let part = format!("execution provider {provider}");
        match (runtime.probe(provider), remedy(provider)) {
            (Ok(()), _) => report.ok(part, "can be registered"),
            (Err(reason), Some(remedy)) => {
                report.absent(part, format!("{}; {remedy}", reason.trim().trim_end_matches('.')));
            }
            (Err(reason), None) => report.missing(part, reason.trim()),
        }
    }
}

/// How to get TensorRT.
pub const TENSORRT: &str = "it needs a libonnxruntime.so built with TensorRT, named with --onnxruntime, and the CUDA and \
     TensorRT that it was built for (on a Jetson: the build for its JetPack)";

/// How to get a provider; `None` for the one that every build has.
fn remedy(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::TensorRt => Some(TENSORRT),
        Provider::Cuda => Some(
            "it needs a libonnxruntime.so built with CUDA, named with --onnxruntime, and the CUDA \
             and cuDNN that it was built for (on a Jetson: the build for its JetPack)",
        ),
        Provider::Cpu => None,
    }
}

fn models(report: &mut Report, context: &Context) {
    let entries = context.places.models().and_then(|dir| Ok(models::load_directory(&dir)?));
    let entries = match entries {
        Ok(entries) => entries,
        Err(failure) => return report.missing_as("models", &failure),
    };
    let mut usable = 0;
    for ManifestEntry { name, manifest } in entries {
        let part = format!("model {name}");
        match manifest.and_then(|manifest| state(&manifest)) {
            Ok(State::Installed) => {
                usable += 1;
                report.ok(part, "installed, checksum right");
            }
            Ok(State::Absent) => {
                report.absent(part, "not installed: `make setup` or `make models-all` fetches it");
            }
            Err(error) => report.missing_as(part, &error.into()),
        }
    }
    if usable == 0 {
        report.missing("models", "none is usable: run `make setup`");
    }
}

enum State {
    Installed,
    Absent,
}

fn state(manifest: &Manifest) -> Result<State, ManifestError> {
    if !manifest.is_present() {
        return Ok(State::Absent);
    }
    manifest.verify_file().map(|()| State::Installed)
}

fn premodel(report: &mut Report, context: &Context) {
    let file = match context.places.premodel() {
        Ok(file) => file,
        Err(failure) => return report.missing_as("premodel", &failure),
    };
    match Premodel::load(&file) {
        Ok(premodel) => {
            let found = format!(
                "{} examples, {} models, from {}",
                premodel.training_size(),
                premodel.models().len(),
                file.display()
            );
            report.ok("premodel", found);
        }
        Err(error) => report.missing_as("premodel", &error.into()),
    }
}

fn cameras(report: &mut Report) {
    let cameras = inventory::cameras();
    if cameras.is_empty() {
        report.absent("cameras", "no /dev/video* (recordings and network cameras need none)");
    }
    for camera in cameras {
        let name = camera.name.unwrap_or_else(|| "unnamed".to_owned());
        report.ok(format!("camera {}", camera.device.display()), name);
    }
}
