//! A configuration held against the machine: what it names must be there. All that is not is named
//! at once, each with its line; no device is touched.

use std::path::{Path, PathBuf};

use super::catalogue::{self, ModelFault};
use super::equipment::{self, AdaptiveFault};
use super::playing::delivery;
use super::{ExitCode, Failure, Places};
use crate::capture::{
    CaptureError, Login, LoginError, LoginFile, Patience, Playback, Source, StreamSpec,
};
use crate::config::{Config, Fault, Faults, Located, Location, PolicyKind, StreamConfig};
use crate::daemon::StreamPlan;
use crate::models::{Manifest, ModelId};
use crate::premodel::Premodel;

/// What a configuration comes to.
pub struct Found {
    /// Its streams.
    pub streams: Vec<StreamPlan>,
    /// Its policy.
    pub policy: PolicyKind,
    /// The models that the policy may need.
    pub manifests: Vec<Manifest>,
}

/// Finds all that a configuration names; what the command line `named` goes before it.
pub fn find(config: &Config, named: &Places) -> Result<Found, Failure> {
    let mut survey = Survey::new(config, named);
    let default = || equipment::default_policy(&survey.places);
    let policy = config.policy().unwrap_or_else(default);
    let streams = survey.streams();
    let manifests = survey.parts(&policy);
    survey.finish()?;
    Ok(Found { streams, policy, manifests })
}

/// The same without the streams, for a policy that may be another than the configuration's.
pub fn find_models(
    config: &Config,
    named: &Places,
    policy: &PolicyKind,
) -> Result<Vec<Manifest>, Failure> {
    let mut survey = Survey::new(config, named);
    let manifests = survey.parts(policy);
    survey.finish()?;
    Ok(manifests)
}

const CHOOSE: &str = "choose such models, or another policy";

struct Survey<'a> {
    config: &'a Config,
    named: &'a Places,
    places: Places,
    faults: Vec<Fault>,
    /// The first failure that is no fault of the configuration.
    failure: Option<Failure>,
}

impl<'a> Survey<'a> {
    fn new(config: &'a Config, named: &'a Places) -> Self {
        let places = named.clone().or_config(config);
        Self { config, named, places, faults: Vec::new(), failure: None }
    }

    /// Faults come first: they are what the user can mend in the file.
    fn finish(self) -> Result<(), Failure> {
        if !self.faults.is_empty() {
            return Err(Failure::new(ExitCode::Configuration, Faults::new(self.faults)));
        }
        self.failure.map_or(Ok(()), Err)
    }

    fn fail(&mut self, failure: impl Into<Failure>) {
        self.failure.get_or_insert(failure.into());
    }

    /// Keeps what was found; a failure is a fault if it is of what the configuration says.
    fn keep<T>(&mut self, found: Result<T, Failure>) -> Option<T> {
        found.map_err(|failure| self.fail(failure)).ok()
    }

    fn streams(&mut self) -> Vec<StreamPlan> {
        let pipelines = self.places.pipelines();
        let config = self.config;
        config
            .streams
            .iter()
            .filter_map(|stream| self.stream(stream, pipelines.as_deref()))
            .collect()
    }

    fn stream(&mut self, stream: &StreamConfig, pipelines: Option<&Path>) -> Option<StreamPlan> {
        let (text, parameters) = (&stream.source.value, &stream.parameters);
        let source = match &stream.credentials {
            None => Source::parse_with(text, parameters, pipelines),
            Some(file) => {
                let login = self.login(file)?;
                Source::parse_with_login(text, &login, parameters, pipelines)
            }
        };
        match source {
            Ok(source) if stream.playback == Playback::Loop && source.is_live() => {
                let remedy = "leave `loop` out: a live source goes on by itself";
                self.faults.push(stream.source.location.fault("this cannot be looped", remedy));
                None
            }
            Ok(source) => Some(plan(stream, source)),
            Err(error) => {
                match remedy(&error) {
                    Some(remedy) => {
                        self.faults.push(stream.source.location.fault(error.to_string(), remedy));
                    }
                    None => self.fail(error),
                }
                None
            }
        }
    }

    fn login(&mut self, file: &Located<LoginFile>) -> Option<Login> {
        let fault = |error: LoginError| file.location.fault(error.to_string(), error.remedy());
        file.value.read().map_err(|error| self.faults.push(fault(error))).ok()
    }

    /// The models that the policy may need; the library and the premodel are looked for as well.
    fn parts(&mut self, policy: &PolicyKind) -> Vec<Manifest> {
        self.library();
        let manifests = match self.models_directory() {
            Some(directory) => self.manifests(policy, &directory),
            None => Vec::new(),
        };
        if let Err(too_wide) = self.config.widths.check(&manifests) {
            self.fail(too_wide);
        }
        self.premodel(policy, &manifests);
        self.study(policy, &manifests);
        manifests
    }

    fn library(&mut self) {
        let named = self.named.onnxruntime.is_none();
        if let Some(library) = self.config.onnxruntime.as_ref().filter(|_| named)
            && !library.value.is_file()
        {
            let remedy = "correct the path, or leave it out to use the one that is installed";
            self.faults.push(library.location.fault("there is no such file", remedy));
        }
    }

    fn models_directory(&mut self) -> Option<PathBuf> {
        let named = self.named.models.is_none();
        if let Some(directory) = self.config.models.directory.as_ref().filter(|_| named)
            && !directory.value.is_dir()
        {
            let remedy = "correct the path, or leave it out to use the models that are installed";
            self.faults.push(directory.location.fault("there is no such directory", remedy));
            return None;
        }
        let directory = self.places.models();
        self.keep(directory)
    }

    fn manifests(&mut self, policy: &PolicyKind, directory: &Path) -> Vec<Manifest> {
        let used = self.used(directory);
        let manifests = match (policy, used) {
            (PolicyKind::Fixed(model), _) => self.fixed(model, directory).into_iter().collect(),
            (PolicyKind::Premodel | PolicyKind::Adaptive | PolicyKind::Random, Some(used)) => used,
            (PolicyKind::Premodel | PolicyKind::Adaptive | PolicyKind::Random, None) => {
                let present = catalogue::present(directory).map_err(Failure::from);
                self.keep(present).unwrap_or_default()
            }
        };
        let manifests = match policy {
            PolicyKind::Adaptive => equipment::of_pool(manifests, &self.places),
            PolicyKind::Premodel | PolicyKind::Fixed(_) | PolicyKind::Random => manifests,
        };
        if *policy == PolicyKind::Random
            && let Err(mixed) = catalogue::common_classes(&manifests)
        {
            match self.written(policy) {
                Some(written) => self.faults.push(written.fault(mixed.to_string(), CHOOSE)),
                None => self.fail(mixed),
            }
        }
        manifests
    }

    /// Where the configuration names the policy; `None` if it is the command line's or the default.
    fn written(&self, policy: &PolicyKind) -> Option<&'a Location> {
        let kind = self.config.policy.kind.as_ref()?;
        (kind.value == *policy).then_some(&kind.location)
    }

    /// The models that `models.use` names, if it is there.
    fn used(&mut self, directory: &Path) -> Option<Vec<Manifest>> {
        let config = self.config;
        let names = config.models.names.as_ref()?;
        let found = |name: &Located<ModelId>| {
            let fault = |fault| self.faults.push(model_fault(&name.location, fault));
            catalogue::named(directory, &name.value).map_err(fault).ok()
        };
        Some(names.iter().filter_map(found).collect())
    }

    /// The one model of a fixed policy, which the command line may have chosen.
    fn fixed(&mut self, model: &ModelId, directory: &Path) -> Option<Manifest> {
        let written = self.written(&PolicyKind::Fixed(model.clone()));
        match (catalogue::named(directory, model), written) {
            (Ok(manifest), _) => return Some(manifest),
            (Err(fault), Some(written)) => self.faults.push(model_fault(written, fault)),
            (Err(fault), None) => self.fail(fault),
        }
        None
    }

    /// The model that is to study, which must be one of those that the policy may need.
    fn study(&mut self, policy: &PolicyKind, manifests: &[Manifest]) {
        let Some(study) = &self.config.policy.study else { return };
        let is_there = manifests.iter().any(|manifest| manifest.id == study.value);
        if *policy == PolicyKind::Adaptive && !manifests.is_empty() && !is_there {
            let names: Vec<&str> = manifests.iter().map(|one| one.id.as_str()).collect();
            let problem = format!("{} is none of the adaptive policy's models", study.value);
            let remedy = format!("name one of {}", names.join(", "));
            self.faults.push(study.location.fault(problem, remedy));
        }
    }

    fn premodel(&mut self, policy: &PolicyKind, manifests: &[Manifest]) {
        let named = self.named.premodel.is_none();
        let configured = self.config.models.premodel.as_ref().filter(|_| named);
        if let Some(premodel) = configured.filter(|premodel| !premodel.value.is_file()) {
            let remedy = "correct the path, or train one with `classifyd train`";
            self.faults.push(premodel.location.fault("there is no such file", remedy));
            return;
        }
        let needs_it = matches!(policy, PolicyKind::Premodel | PolicyKind::Adaptive);
        if !needs_it || manifests.is_empty() {
            return;
        }
        let file = self.places.premodel();
        let Some(file) = self.keep(file) else { return };
        match (Premodel::load(&file), configured) {
            (Ok(premodel), _) => {
                self.adaptive_part(policy, &premodel);
                let loaded: Vec<_> = manifests.iter().map(|m| (&m.id, m.fingerprint())).collect();
                let restriction = premodel.restrict_to(&loaded).map_err(Failure::from);
                self.keep(restriction);
            }
            (Err(error), Some(premodel)) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                let remedy = "name a file that `classifyd train` wrote";
                self.faults.push(premodel.location.fault(error, remedy));
            }
            (Err(error), None) => self.fail(error),
        }
    }

    /// The part that the adaptive policy needs, and the point that its target asks for.
    fn adaptive_part(&mut self, policy: &PolicyKind, premodel: &Premodel) {
        if *policy != PolicyKind::Adaptive {
            return;
        }
        match (&premodel.recipe().adaptive, &self.config.policy.target) {
            (None, _) => self.fail(AdaptiveFault::NoPart),
            (Some(knowledge), Some(target)) => {
                if let Err(none) = knowledge.point_for(target.value) {
                    let remedy = "or leave it out to use the one that training chose";
                    self.faults.push(target.location.fault(none.to_string(), remedy));
                }
            }
            (Some(_), None) => {}
        }
    }
}

fn plan(stream: &StreamConfig, source: Source) -> StreamPlan {
    let delivery = delivery(&source, stream.pace);
    let StreamConfig { budget, stall_after, every, target_rate, terms, playback, .. } = *stream;
    // What is lost of a recording does not come back.
    let patience = source.is_live().then(|| {
        let patience = Patience { stall_after, ..Patience::default() };
        source.answers_within().map_or(patience, |answer| patience.with_answer_within(answer))
    });
    let spec = StreamSpec { name: stream.name.clone(), source, budget, patience, playback };
    StreamPlan { spec, delivery, every, target_rate, terms }
}

/// What to do about a source that the configuration names wrongly; `None` if it does not.
fn remedy(error: &CaptureError) -> Option<&'static str> {
    match error {
        CaptureError::Uri { .. } | CaptureError::Parameter { .. } => {
            Some("README.md, \"Sources\", lists what can stand here")
        }
        CaptureError::MissingInput { .. } => Some("correct the path, or put the file there"),
        CaptureError::Description { .. } => Some("correct that file, or name another"),
        CaptureError::Gstreamer { .. }
        | CaptureError::MissingElement { .. }
        | CaptureError::MissingDecoder { .. }
        | CaptureError::Camera { .. }
        | CaptureError::NoVideo { .. }
        | CaptureError::Undecodable { .. }
        | CaptureError::Thread { .. } => None,
    }
}

fn model_fault(location: &Location, fault: ModelFault) -> Fault {
    let remedy = match &fault {
        ModelFault::Unknown { .. } => "name one of these",
        ModelFault::Manifest(_) => "correct the manifest, or leave the model out",
        ModelFault::Absent { .. } | ModelFault::NoneLeft(_) => "or leave the model out",
    };
    location.fault(format!("{:#}", anyhow::Error::from(fault)), remedy)
}
