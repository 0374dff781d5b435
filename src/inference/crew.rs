//! Which workers there are: the sessions of each model, on what, and how wide.
//!
//! A *runner* is a model on a device with a number of threads. On the processor it has as many
//! sessions as runs of its width fit the cores that runs may take; on a GPU as many as may run there at
//! once. Each session has a worker of its own, since a session does one run at a time; those of a
//! runner share its jobs. The scheduler decides when which of them run.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use thiserror::Error;

use super::preprocess::Preprocessor;
use super::roster::{Loader, Roster, RosterError, WarmUp};
use super::stock::{AtWork, Heir, Kept, Stock, Stocked};
use crate::machine::{self, Machine};
use crate::models::{Device, Manifest, ModelId, Provider, RunSpec, Sha256Hex};
use crate::onnx::Session;
use crate::scheduler::estimate::{DeviceKey, PowerMode, Saved};
use crate::scheduler::{DeviceTerms, RunnerTerms};

/// How many runs there may be at once, and how wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Threads of a run on the processor: each number gives every model a runner of that width.
    pub threads: Vec<NonZeroUsize>,
    /// Cores that runs on the processor may take together; `None` for those of one run, the widest.
    pub cpu_cores: Option<NonZeroUsize>,
    /// Runs that a GPU may do at once.
    pub gpu_runs: NonZeroUsize,
}

impl Default for Widths {
    /// One run at a time, with one thread.
    fn default() -> Self {
        let one = NonZeroUsize::MIN;
        Self { threads: vec![one], cpu_cores: None, gpu_runs: one }
    }
}

impl Widths {
    /// Threads of the widest run.
    pub fn widest(&self) -> NonZeroUsize {
        self.threads.iter().copied().max().unwrap_or(NonZeroUsize::MIN)
    }

    /// Threads of the runs of a model: what its manifest says goes before.
    fn threads_of<'a>(&'a self, run: &'a RunSpec) -> &'a [NonZeroUsize] {
        run.threads.as_deref().unwrap_or(&self.threads)
    }

    /// The same for these models, all of which run on the processor: cores that nothing was said
    /// about are those of the widest run that there can be.
    fn fitted_to<'a>(&self, runs: impl Iterator<Item = &'a RunSpec>) -> Self {
        let widest = runs.filter_map(|run| self.threads_of(run).iter().max().copied()).max();
        Self { cpu_cores: self.cpu_cores.or(widest), ..self.clone() }
    }

    /// Finds a model whose manifest asks for more threads than runs have cores.
    pub fn check(&self, manifests: &[Manifest]) -> Result<(), TooWide> {
        let Some(cores) = self.cpu_cores else { return Ok(()) };
        for manifest in manifests.iter().filter(|manifest| manifest.run.allows(Device::Cpu)) {
            let widest = manifest.run.threads.iter().flatten().max();
            if let Some(&threads) = widest.filter(|threads| **threads > cores) {
                return Err(TooWide { model: manifest.id.clone(), threads, cores });
            }
        }
        Ok(())
    }

    /// The cores of the device that a provider runs on.
    fn cores(&self, provider: Provider) -> usize {
        match provider {
            Provider::Cpu => self.cpu_cores.unwrap_or(self.widest()).get(),
            Provider::Cuda | Provider::TensorRt => self.gpu_runs.get(),
        }
    }

    /// Of the runners of a model on this provider: the threads, and the cores that a run takes.
    fn runners(&self, provider: Provider, run: &RunSpec) -> Vec<(usize, usize)> {
        let threads = self.threads_of(run);
        match provider {
            Provider::Cpu => {
                let mut widths: Vec<usize> = threads.iter().map(|threads| threads.get()).collect();
                widths.sort_unstable();
                widths.dedup();
                let cores = self.cores(provider);
                widths.into_iter().map(|threads| (threads, threads.min(cores))).collect()
            }
            // Its kernels have the whole GPU, whatever the threads that start them.
            Provider::Cuda | Provider::TensorRt => {
                vec![(threads.first().map_or(1, |threads| threads.get()), 1)]
            }
        }
    }
}

/// A manifest asks for more threads than runs have cores.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "model {model}: runs of {threads} threads (run.threads in {model}.toml) do not fit {cores} cores: \
     give runs as many (--cores or devices.cpu_cores), or write fewer threads there"
)]
pub struct TooWide {
    /// Which model.
    pub model: ModelId,
    /// Threads of its widest run.
    pub threads: NonZeroUsize,
    /// Cores that runs may take together.
    pub cores: NonZeroUsize,
}

/// A session, and the runner that it is of.
pub struct Hand {
    /// By its place in [`Crew::runners`].
    pub runner: usize,
    /// What the model is.
    pub manifest: Manifest,
    /// The model, loaded.
    pub session: Session,
}

/// All that is needed to run models.
#[derive(Default)]
pub struct Crew {
    /// What models run on.
    pub devices: Vec<DeviceTerms>,
    /// The models on them.
    pub runners: Vec<RunnerTerms>,
    /// What makes the models' tensors.
    pub preprocessors: BTreeMap<ModelId, Preprocessor>,
    /// The sessions.
    pub hands: Vec<Hand>,
    /// Those that the crew before still has.
    pub heirs: Vec<Heir>,
    /// All of them, for the next crew to go on with.
    pub stock: Stock,
    /// What makes sessions anew.
    pub recruiter: Recruiter,
}

/// Makes the sessions of a model anew.
#[derive(Default)]
pub struct Recruiter {
    berths: BTreeMap<ModelId, (Manifest, Vec<Berth>)>,
}

/// The sessions of one runner.
#[derive(Clone)]
struct Berth {
    runner: usize,
    loader: Loader,
    sessions: usize,
    /// What its estimates are remembered as.
    key: DeviceKey,
}

/// A model of a roster.
struct Model {
    manifest: Manifest,
    provider: Provider,
    /// A session, and what its warm-up runs took.
    loaded: Option<(Session, WarmUp)>,
    /// Sessions of the crew before.
    kept: Vec<AtWork>,
}

impl Model {
    fn all_of(Roster { classifiers, kept, mut warm_ups, .. }: Roster) -> Vec<Self> {
        let loaded = classifiers.into_iter().map(|classifier| {
            let (manifest, _, session) = classifier.into_parts();
            let warm_up = warm_ups.remove(&manifest.id);
            let (provider, loaded) = (session.provider(), warm_up.map(|took| (session, took)));
            Self { manifest, provider, loaded, kept: Vec::new() }
        });
        let loaded: Vec<Self> = loaded.collect();
        let kept = kept.into_iter().map(|Kept { manifest, provider, berths }| Self {
            manifest,
            provider,
            loaded: None,
            kept: berths,
        });
        loaded.into_iter().chain(kept).collect()
    }
}

impl Crew {
    /// Loads what is still missing of a roster that was loaded with the first of the widths.
    pub fn raise(roster: Roster, widths: &Widths, saved: &Saved) -> Result<Self, RosterError> {
        let loader = roster.loader.clone();
        let models = Model::all_of(roster);
        let on_cpu = models.iter().filter(|model| model.provider == Provider::Cpu);
        let widths = &widths.fitted_to(on_cpu.map(|model| &model.manifest.run));
        let mut crew = Self::default();
        for model in models {
            crew.take_on(model, &loader, widths, saved)?;
        }
        Ok(crew)
    }

    fn take_on(
        &mut self,
        mut model: Model,
        loader: &Loader,
        widths: &Widths,
        saved: &Saved,
    ) -> Result<(), RosterError> {
        let (root, power_mode) = (Path::new("/"), PowerMode::read(Path::new("/")));
        let (provider, manifest) = (model.provider, model.manifest.clone());
        let confined = loader.confined_to(&manifest.run);
        let (device, fingerprint) = (self.device(provider, widths), manifest.fingerprint());
        let (mut berths, mut at_work) = (Vec::new(), Vec::new());
        for (threads, cores) in widths.runners(provider, &manifest.run) {
            let key = DeviceKey::new(provider, device_name(root, provider), threads);
            let remembered = saved.remembered(&key, &power_mode, &fingerprint).cloned();
            let (runner, loader) = (self.runners.len(), loader.for_session(provider, threads));
            let sessions = (self.devices[device].cores / cores).max(1);
            let berth = Berth { runner, loader, sessions, key };
            let is_loaded = confined.threads() == threads;
            let warm_up = self.man(&berth, &mut model, is_loaded, threads)?;
            at_work.push(AtWork { runner, threads, sessions, warm_up: warm_up.clone() });
            let model = manifest.id.clone();
            let WarmUp { single: warm_up, shared: batches } = warm_up;
            let terms = RunnerTerms { model, device, cores, warm_up, batches, remembered };
            self.runners.push(terms);
            berths.push(berth);
        }
        self.preprocessors.insert(manifest.id.clone(), Preprocessor::new(&manifest.input));
        let ladder = confined.providers().to_vec();
        self.stock.put(Stocked { manifest: manifest.clone(), ladder, provider, berths: at_work });
        self.recruiter.berths.insert(manifest.id.clone(), (manifest, berths));
        Ok(())
    }

    /// Sees to the sessions of a runner; what its warm-up took.
    fn man(
        &mut self,
        berth: &Berth,
        model: &mut Model,
        is_loaded: bool,
        threads: usize,
    ) -> Result<WarmUp, RosterError> {
        let (runner, manifest) = (berth.runner, &model.manifest);
        let kept = model.kept.iter().find(|kept| kept.threads == threads);
        let (there, warm_up) = match kept {
            Some(AtWork { runner: from, sessions, warm_up, .. }) => {
                let (from, sessions) = (*from, berth.sessions.min(*sessions));
                self.heirs.push(Heir { runner, manifest: manifest.clone(), from, sessions });
                (sessions, warm_up.clone())
            }
            None => {
                let (session, warm_up) = match model.loaded.take_if(|_| is_loaded) {
                    Some(loaded) => loaded,
                    None => {
                        let (classifier, warm_up) = berth.loader.load(manifest)?;
                        (classifier.into_parts().2, warm_up)
                    }
                };
                self.hands.push(Hand { runner, manifest: manifest.clone(), session });
                (1, warm_up)
            }
        };
        self.hands.extend(berth.recruit(manifest, berth.sessions - there)?);
        Ok(warm_up)
    }

    /// The place of the device of a provider, which is noted if it is new.
    fn device(&mut self, provider: Provider, widths: &Widths) -> usize {
        let (name, cores) = (provider.device().as_str(), widths.cores(provider));
        let known = self.devices.iter().position(|device| device.name == name);
        known.unwrap_or_else(|| {
            self.devices.push(DeviceTerms { name: name.to_owned(), cores });
            self.devices.len() - 1
        })
    }
}

impl Recruiter {
    /// Makes all sessions of a model anew, where they were; none of one that is not known.
    pub fn recruit(&self, model: &ModelId) -> Result<Vec<Hand>, RosterError> {
        let Some((manifest, berths)) = self.berths.get(model) else { return Ok(Vec::new()) };
        let mut hands = Vec::new();
        for berth in berths {
            hands.extend(berth.recruit(manifest, berth.sessions)?);
        }
        Ok(hands)
    }

    /// By runner: what its estimates are remembered as.
    pub fn keys(&self) -> Vec<(DeviceKey, Sha256Hex)> {
        let of_model = |(manifest, berths): &(Manifest, Vec<Berth>)| {
            let fingerprint = manifest.fingerprint();
            let of_berth = |berth: &Berth| (berth.runner, (berth.key.clone(), fingerprint.clone()));
            berths.iter().map(of_berth).collect::<Vec<_>>()
        };
        let by_runner: BTreeMap<usize, _> = self.berths.values().flat_map(of_model).collect();
        by_runner.into_values().collect()
    }
}

impl Berth {
    /// Loads, proves and warms up so many sessions. What their runs take is known of the runner.
    fn recruit(&self, manifest: &Manifest, sessions: usize) -> Result<Vec<Hand>, RosterError> {
        let hand = |_| {
            let (_, _, session) = self.loader.load(manifest)?.0.into_parts();
            Ok(Hand { runner: self.runner, manifest: manifest.clone(), session })
        };
        (0..sessions).map(hand).collect()
    }
}

/// What the device of a provider calls itself; estimates of one tell nothing of another.
fn device_name(root: &Path, provider: Provider) -> String {
    let machine = Machine::read(root);
    match provider {
        Provider::Cpu => machine.processor,
        Provider::Cuda | Provider::TensorRt => {
            machine::nvidia_card(root).or(machine.board).unwrap_or_else(|| "gpu".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn widths(threads: &[usize], cpu_cores: Option<usize>) -> Widths {
        let count = |number: usize| NonZeroUsize::new(number).unwrap();
        let threads = threads.iter().map(|&threads| count(threads)).collect();
        Widths { threads, cpu_cores: cpu_cores.map(count), gpu_runs: NonZeroUsize::MIN }
    }

    #[test]
    fn without_a_word_about_cores_runs_have_those_of_the_widest() {
        for (threads, cores) in [(&[1][..], 1), (&[4], 4), (&[1, 2], 2)] {
            assert_eq!(widths(threads, None).cores(Provider::Cpu), cores);
        }
        assert_eq!(widths(&[4], None).cores(Provider::Cuda), 1, "a GPU is one device");
    }

    /// What a manifest says of threads.
    fn wide(threads: &[usize]) -> RunSpec {
        RunSpec { threads: Some(widths(threads, None).threads), ..RunSpec::default() }
    }

    #[test]
    fn a_manifest_says_how_wide_its_model_runs_whatever_the_others_do() {
        let (widths, own, any) = (widths(&[1], None), wide(&[4, 2]), RunSpec::default());
        let fitted = widths.fitted_to([&any, &own].into_iter());
        assert_eq!(fitted.cores(Provider::Cpu), 4, "there is room for the widest run");
        assert_eq!(fitted.runners(Provider::Cpu, &own), [(2, 2), (4, 4)]);
        assert_eq!(fitted.runners(Provider::Cpu, &any), [(1, 1)]);
        assert_eq!(fitted.runners(Provider::Cuda, &own), [(4, 1)]);
        assert_eq!(widths.fitted_to([&any].into_iter()).cores(Provider::Cpu), 1);
    }

    #[test]
    fn cores_that_are_named_stay_however_wide_manifests_are() {
        let fitted = widths(&[4], Some(4)).fitted_to([&wide(&[1])].into_iter());
        assert_eq!(fitted.cores(Provider::Cpu), 4);
        assert_eq!(fitted.runners(Provider::Cpu, &wide(&[1])), [(1, 1)]);
    }

    #[test]
    fn each_width_is_a_runner_once() {
        let any = RunSpec::default();
        let runners = |widths: &Widths| widths.runners(Provider::Cpu, &any);
        assert_eq!(runners(&widths(&[2, 1, 2], Some(4))), [(1, 1), (2, 2)]);
        assert_eq!(runners(&widths(&[4], Some(2))), [(4, 2)], "it takes all cores there are");
        assert_eq!(widths(&[1, 2], None).runners(Provider::TensorRt, &any), [(1, 1)]);
    }

    #[test]
    fn a_card_is_called_what_its_driver_says() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(device_name(root.path(), Provider::Cuda), "gpu");
        let card = root.path().join("proc/driver/nvidia/gpus/0000:01:00.0");
        fs::create_dir_all(&card).unwrap();
        fs::write(card.join("information"), "Model: \t\t GeForce 9\nIRQ: 7\n").unwrap();
        assert_eq!(device_name(root.path(), Provider::TensorRt), "GeForce 9");
    }
}
