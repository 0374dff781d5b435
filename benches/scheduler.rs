//! What a decision costs: many streams, many models, frames of all streams waiting. Also what a frame
//! costs the scheduler in all: to be handed in, the decisions, and to learn what its run took.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use classifyd::clock::Clock;
use classifyd::frame::{Budget, Deadline, Pace, StreamName};
use classifyd::models::ModelId;
use classifyd::outcome::Basis;
use classifyd::premodel::Selection;
use classifyd::scheduler::estimate::OnTime;
use classifyd::scheduler::{Cost, Decision, DeviceTerms, RunnerTerms, Scheduler};
use criterion::{BatchSize, Criterion};
use tikv_jemallocator::Jemalloc;

/// The daemon's.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const STREAMS: usize = 64;
const MODELS: usize = 16;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("scheduler");
    for (name, budget) in [("with_time", 10_000), ("in_an_overload", 100)] {
        let (mut world, orders) = (World::new(budget)?, orders()?);
        for order in &orders {
            world.submit(order.clone());
        }
        world.turn(None);
        ensure!(world.runs > 0, "nothing was decided");
        let mut next = orders.iter().cycle();
        group.bench_function(format!("decision_{name}"), |bencher| {
            bencher.iter_custom(|turns| {
                (0..turns).map(|_| world.turn(next.next().cloned())).sum::<Duration>()
            });
        });
        group.bench_function(format!("frame_{name}"), |bencher| {
            bencher.iter_batched(
                || next.next().cloned(),
                |order| world.turn(order),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// A stream, and what its frames wish for.
type Order = (StreamName, Selection);

fn orders() -> anyhow::Result<Vec<Order>> {
    let models: Vec<ModelId> = (0..MODELS).map(model).collect::<Result<_, _>>()?;
    let stream = |number| {
        // The slower, the better.
        let value = |place: usize| 0.9 - 0.02 * place as f32;
        let ranking = models.iter().rev().cloned().enumerate();
        let ranking = ranking.map(|(place, model)| (model, value(place))).collect();
        let selection = Selection { ranking, basis: Basis::Adaptive };
        (StreamName::new(&format!("stream{number}")), selection)
    };
    Ok((0..STREAMS).map(stream).collect())
}

fn model(number: usize) -> anyhow::Result<ModelId> {
    ModelId::new(&format!("model{number}")).context("it is a good name")
}

/// A scheduler whose runs take as long as expected.
struct World {
    scheduler: Scheduler<()>,
    budget: Budget,
    now: Instant,
    runs: usize,
}

impl World {
    /// A device whose quickest model takes 2 ms, each further one 3 ms more.
    fn new(budget: u64) -> anyhow::Result<Self> {
        let device = DeviceTerms { name: "gpu0".to_owned(), cores: 1 };
        let runner = |number: usize| {
            let run = Duration::from_millis(2 + 3 * number as u64);
            let warm_up = vec![Cost { preprocess: Duration::from_millis(1), run }; 32];
            let model = model(number)?;
            let batches = Vec::new();
            Ok(RunnerTerms { model, device: 0, cores: 1, warm_up, batches, remembered: None })
        };
        let runners = (0..MODELS).map(runner).collect::<anyhow::Result<_>>()?;
        let scheduler = Scheduler::new(&[device], runners, OnTime::default());
        let budget = Budget::new(Duration::from_millis(budget))?;
        Ok(Self { scheduler, budget, now: Clock.now(), runs: 0 })
    }

    fn submit(&mut self, (stream, selection): Order) {
        let due = (Deadline::new(self.now, self.budget), Pace::Clock);
        self.scheduler.submit((), &stream, selection, due, self.now);
    }

    /// A frame comes, the scheduler decides what is next, and that is done. How long the decision
    /// took that a model is to run.
    fn turn(&mut self, order: Option<Order>) -> Duration {
        if let Some(order) = order {
            self.submit(order);
        }
        loop {
            let start = Clock.now();
            let decision = self.scheduler.next(self.now);
            let took = Clock.now() - start;
            match decision {
                Decision::Run { runner, serial, expected, .. } => {
                    self.scheduler.started(serial, self.now);
                    self.now += expected;
                    let preprocess = Duration::from_millis(1);
                    self.scheduler.finished(serial, runner, Cost { preprocess, run: expected });
                    self.runs += 1;
                    return took;
                }
                Decision::Expired { .. } | Decision::Settle { .. } => {}
                Decision::Idle | Decision::Later(_) => return took,
            }
        }
    }
}
