//! `classifyd doctor`: every part, ok or with its remedy.

use std::fmt::Display;

use clap::Parser;

use super::{Context, ExitCode, Failure, stdout};
use crate::capture::inventory::{self, ELEMENTS, Platform};
use crate::models::{self, Provider};
use crate::onnx::Runtime;
use crate::premodel::Premodel;

/// What `doctor` takes.
#[derive(Debug, Parser)]
pub struct Arguments {}

/// Runs `doctor`; fails if something that every run needs is missing.
pub fn run(_arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut report = Report::default();
    gstreamer(&mut report);
    onnxruntime(&mut report, context);
    models(&mut report, context);
    premodel(&mut report, context);
    cameras(&mut report);
    stdout::print(&report.lines)?;
    match report.needed {
        0 => Ok(()),
        needed => {
            let error = anyhow::anyhow!("{needed} needed part(s) missing, see above");
            Err(Failure::new(ExitCode::Unavailable, error))
        }
    }
}

#[derive(Default)]
struct Report {
    /// What was found, a line each.
    lines: String,
    /// Parts that every run needs and that are missing.
    needed: usize,
}

impl Report {
    fn ok(&mut self, part: impl Display, found: impl Display) {
        self.lines += &format!("ok       {part}: {found}\n");
    }

    /// Something that some can do without.
    fn absent(&mut self, part: impl Display, remedy: impl Display) {
        self.lines += &format!("absent   {part}: {remedy}\n");
    }

    fn missing(&mut self, part: impl Display, remedy: impl Display) {
        self.needed += 1;
        self.lines += &format!("MISSING  {part}: {remedy}\n");
    }

    fn missing_as(&mut self, part: impl Display, failure: &Failure) {
        self.missing(part, format!("{:#}", failure.error));
    }
}

fn gstreamer(report: &mut Report) {
    match inventory::version() {
        Ok(version) => report.ok("GStreamer", version),
        Err(error) => return report.missing_as("GStreamer", &error.into()),
    }
    for element in ELEMENTS {
        let part = format!("GStreamer element {} ({})", element.name, element.purpose);
        match (inventory::is_installed(element.name), element.platform) {
            (Ok(true), _) => report.ok(part, "installed"),
            (Ok(false), Platform::Jetson) => {
                report.absent(part, inventory::remedy(element.name));
            }
            (Ok(false), Platform::Any) => report.missing(part, inventory::remedy(element.name)),
            (Err(error), _) => report.missing_as(part, &error.into()),
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
        match runtime.probe(provider) {
            Ok(()) => report.ok(part, "can be registered"),
            Err(reason) => report.absent(part, reason.trim()),
        }
    }
}

fn models(report: &mut Report, context: &Context) {
    let manifests = context.places.models().and_then(|dir| Ok(models::load_directory(&dir)?));
    let manifests = match manifests {
        Ok(manifests) => manifests,
        Err(failure) => return report.missing_as("models", &failure),
    };
    let mut usable = 0;
    for manifest in &manifests {
        let part = format!("model {}", manifest.id);
        if !manifest.is_present() {
            report.absent(part, "not installed: `make setup` or `make models-all` fetches it");
            continue;
        }
        match manifest.verify_file() {
            Ok(()) => {
                usable += 1;
                report.ok(part, "installed, checksum right");
            }
            Err(error) => report.missing_as(part, &error.into()),
        }
    }
    if usable == 0 {
        report.missing("models", "none is usable: run `make setup`");
    }
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
