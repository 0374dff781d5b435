//! The text that Prometheus reads: the meters, and gauges of what is asked for at that moment.

use std::time::{Duration, SystemTime};

use prometheus::{Counter, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use prometheus::{TextEncoder, core::Collector};

use super::Operations;
use super::board::Board;
use super::machinery::{Machinery, SideWork};
use super::process::ProcessFigures;
use crate::inference::LateWork;
use crate::scheduler::{Glance, RunnerGlance};
use crate::study::StudyWork;

/// The form of the text, as HTTP names it.
pub(super) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Expectation of what is decided below.
const SOUND: &str = "names and labels of this program are well formed and unique";

impl Operations {
    /// All metrics, in Prometheus's text format.
    pub(super) fn exposition(&self) -> String {
        let mut families = self.meters.registry.gather();
        families.extend(self.snapshot().0.gather());
        // Writing text to memory cannot fail; should it, an empty answer tells as much.
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }

    fn snapshot(&self) -> Snapshot {
        let snapshot = Snapshot(Registry::new());
        let version = env!("CARGO_PKG_VERSION");
        let labels = ("classifyd_build_info", &["version"][..]);
        snapshot.gauges(labels, "The version of the program.", [(vec![version], 1.0)]);
        let is_healthy = self.faults().is_none_or(|faults| faults.is_empty());
        let help = "1 as long as nothing was given up for good, 0 otherwise.";
        snapshot.gauge("classifyd_healthy", help, i64::from(is_healthy));
        snapshot.engine_builds(self);
        snapshot.process(ProcessFigures::read(&self.root), self.started.wall);
        snapshot.board(&Board::read(&self.root));
        self.ask(|machinery| snapshot.machinery(machinery));
        snapshot
    }
}

/// Metrics that hold for one reading.
struct Snapshot(Registry);

impl Snapshot {
    fn machinery(&self, machinery: &Machinery) {
        let glance = machinery.glance();
        let depths = machinery.depths(glance.waiting);
        let queues = [
            ("mailbox", depths.mailbox),
            ("scheduler", depths.scheduler),
            ("output", depths.output),
        ];
        let queues = queues.map(|(queue, frames)| (vec![queue], frames as f64));
        let help = "Frames that wait for features, for a decision, or to be written.";
        self.gauges(("classifyd_queue_frames", &["queue"]), help, queues);
        let SideWork { late_work, study } = machinery.side_work();
        self.late_work(late_work);
        self.study(study);
        self.devices(&glance);
        self.runners(&glance.runners);
    }

    fn late_work(&self, late_work: LateWork) {
        let LateWork { answered_without, terminated, fenced, rebuilt, lost } = late_work;
        let counts = [
            (
                "classifyd_frames_answered_without_run_total",
                "Frames that had another answer when their run was late.",
                answered_without,
            ),
            ("classifyd_runs_terminated_total", "Late runs that were asked to end.", terminated),
            ("classifyd_workers_fenced_total", "Workers that were given up as stuck.", fenced),
            ("classifyd_models_rebuilt_total", "Models that came back with a new worker.", rebuilt),
            ("classifyd_models_lost_total", "Models that could not be brought back.", lost),
        ];
        for (name, help, count) in counts {
            let counter = IntCounter::new(name, help).expect(SOUND);
            counter.inc_by(count);
            self.keep(counter);
        }
    }

    fn study(&self, study: StudyWork) {
        let StudyWork { done, in_vain, failed, seconds } = study;
        let outcomes = [("done", done), ("in_vain", in_vain), ("failed", failed)];
        let name = "classifyd_studies_total";
        let help =
            "Frames that a model has studied for the sake of later ones, by what came of it.";
        let counter = IntCounterVec::new(Opts::new(name, help), &["result"]).expect(SOUND);
        for (outcome, count) in outcomes {
            counter.with_label_values(&[outcome]).inc_by(count);
        }
        self.keep(counter);
        let help = "What studies took together, preprocessing included.";
        let counter = Counter::new("classifyd_study_seconds_total", help).expect(SOUND);
        counter.inc_by(seconds);
        self.keep(counter);
    }

    fn devices(&self, glance: &Glance) {
        let slowdowns = glance.devices.iter().map(|device| (vec![&*device.name], device.slowdown));
        let help = "By what factor runs on the device take longer than usual.";
        self.gauges(("classifyd_device_slowdown_ratio", &["device"]), help, slowdowns);
        let runs =
            glance.devices.iter().map(|device| (vec![&*device.name], device.committed as f64));
        let help = "Runs that are decided for the device and not over.";
        self.gauges(("classifyd_device_runs", &["device"]), help, runs);
    }

    fn runners(&self, runners: &[RunnerGlance]) {
        let cores: Vec<String> = runners.iter().map(|runner| runner.cores.to_string()).collect();
        let figures = |figure: fn(&RunnerGlance) -> Duration| {
            runners.iter().zip(&cores).map(move |(runner, cores)| {
                let labels = vec![runner.model.as_str(), &*runner.device, cores];
                (labels, figure(runner).as_secs_f64())
            })
        };
        let labels = &["model", "device", "cores"];
        let help = "What a run is expected to take, preprocessing included.";
        let expected = figures(|runner| runner.expected);
        self.gauges(("classifyd_model_expected_seconds", labels), help, expected);
        let help = "What a run takes at most, with the probability that is asked for.";
        let longest = figures(|runner| runner.longest);
        self.gauges(("classifyd_model_longest_seconds", labels), help, longest);
        let in_choice = runners
            .iter()
            .map(|runner| (vec![runner.model.as_str()], f64::from(u8::from(runner.is_in))));
        let help = "1 for a model that is in the choice, 0 for one that was taken out.";
        self.gauges(("classifyd_model_in_choice", &["model"]), help, in_choice);
    }

    fn engine_builds(&self, operations: &Operations) {
        let mut counts = operations.engine_builds.counts();
        // Those that were never built show as 0, so that the first build is an increase.
        operations.ask(|machinery| {
            for model in machinery.providers.keys() {
                counts.entry(model.clone()).or_default();
            }
        });
        let help = "TensorRT engines that were built, rather than taken from the cache.";
        let options = Opts::new("classifyd_engine_builds_total", help);
        let counters = IntCounterVec::new(options, &["model"]).expect(SOUND);
        for (model, count) in counts {
            counters.with_label_values(&[model.as_str()]).inc_by(count);
        }
        self.keep(counters);
    }

    fn process(&self, figures: ProcessFigures, started: SystemTime) {
        let ProcessFigures { resident_bytes, threads, open_files } = figures;
        let figures = [
            ("process_resident_memory_bytes", "Memory that the process has.", resident_bytes),
            ("process_threads", "Threads of the process.", threads),
            ("process_open_fds", "Files and sockets that the process has open.", open_files),
        ];
        for (name, help, figure) in figures {
            if let Some(figure) = figure {
                self.gauge(name, help, figure);
            }
        }
        let since = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let help = "When the process began, in seconds since 1970.";
        let start = Gauge::new("process_start_time_seconds", help).expect(SOUND);
        start.set(since.as_secs_f64());
        self.keep(start);
    }

    fn board(&self, board: &Board) {
        let temperatures = board.temperatures.iter();
        let temperatures =
            temperatures.map(|place| (vec![&*place.zone, &*place.sensor], place.celsius));
        let labels = ("classifyd_temperature_celsius", &["zone", "sensor"][..]);
        self.gauges(labels, "The machine's temperatures.", temperatures);
        let clocks = board.clocks.iter();
        let clocks = clocks.map(|clock| (vec![&*clock.kind, &*clock.device], clock.hertz as f64));
        let labels = ("classifyd_clock_hertz", &["kind", "device"][..]);
        self.gauges(labels, "The machine's clocks.", clocks);
        let mode = [(vec![&*board.power_mode], 1.0)];
        let help = "The machine's power mode.";
        self.gauges(("classifyd_power_mode_info", &["mode"]), help, mode);
    }

    fn gauge(&self, name: &str, help: &str, value: i64) {
        let gauge = IntGauge::new(name, help).expect(SOUND);
        gauge.set(value);
        self.keep(gauge);
    }

    fn gauges<'a>(
        &self,
        (name, labels): (&str, &[&str]),
        help: &str,
        values: impl IntoIterator<Item = (Vec<&'a str>, f64)>,
    ) {
        let gauges = GaugeVec::new(Opts::new(name, help), labels).expect(SOUND);
        for (labels, value) in values {
            gauges.with_label_values(&labels).set(value);
        }
        self.keep(gauges);
    }

    fn keep(&self, meter: impl Collector + 'static) {
        self.0.register(Box::new(meter)).expect(SOUND);
    }
}
