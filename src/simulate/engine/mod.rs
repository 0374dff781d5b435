//! Discrete-event simulation: virtual time jumps from one event to the next.
//!
//! An event is a frame that gets ready, a tensor that is made, a run that ends, or an instant that the
//! contender waits for. After each the
//! contender is asked for steps until it is idle, as the daemon's thread `prepare` asks the scheduler:
//! it makes one tensor at a time, beside the runs, and asks for nothing meanwhile. The engine knows
//! how long runs take and who is right; the contender does not.
//!
//! **Invariant:** every captured frame is settled exactly once; a contender that would settle one
//! twice, or forget one, ends the simulation with a panic.

mod line;
mod tally;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter;
use std::time::Duration;

pub use tally::{Outcome, Run, Tally};

use super::contender::{After, Contender, Ended, FrameKey, Occupancy, Offer, RunKey, Step, answer};
use super::setting::Placement;
use super::world::{Arrivals, Frame, World};
use crate::scheduler::Cost;
use line::{Decided, Line};

/// Lets a contender loose on a world.
pub fn simulate(world: &World<'_>, contender: &mut dyn Contender) -> Run {
    let mut engine = Engine::new(world, contender);
    while let Some(Reverse((at, event))) = engine.events.pop() {
        engine.now = at;
        engine.happened += 1;
        engine.happen(event);
        engine.ask();
    }
    engine.finish()
}

/// Something that happens. Of what happens at the same instant, runs end first, and frames
/// come before the contender is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A run ends on a device.
    Ends { run: RunKey, device: usize },
    /// A tensor is made, for a run on a device.
    Prepared { device: usize },
    /// The next frame of a stream is ready.
    Ready { stream: usize },
    /// The contender wanted to be asked again.
    Asked,
}

/// A frame that is not settled.
#[derive(Debug)]
struct Open {
    frame: Frame,
    place: Place,
    /// The models that have run on it.
    ran: Vec<usize>,
}

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// With the contender.
    Waiting,
    /// Bound to a run.
    Bound,
    /// Settled; its place is free.
    Gone,
}

/// Whether it mattered to the contender what an answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Regard {
    /// It let the answer out whatever it was: it is right as often as was known before the run.
    Taken,
    /// It weighed the answer: those that go out are right as often as their confidences say.
    Weighed,
}

struct Engine<'a, 'b> {
    world: &'b World<'a>,
    contender: &'b mut dyn Contender,
    now: Duration,
    happened: u64,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    arrivals: Vec<Arrivals<'a>>,
    /// The next frame of each stream.
    coming: Vec<Option<Frame>>,
    /// Frames by their keys.
    open: Vec<Open>,
    free: Vec<usize>,
    lines: Vec<Line>,
    occupancy: Vec<Occupancy>,
    /// When the tensor in the making is made.
    prepared: Duration,
    /// When the contender last wanted to be asked.
    asked: Option<Duration>,
    runs: u64,
    streams: Vec<Tally>,
    /// Scratch.
    values: Vec<f64>,
}

impl<'a, 'b> Engine<'a, 'b> {
    fn new(world: &'b World<'a>, contender: &'b mut dyn Contender) -> Self {
        let setting = world.setting();
        let lines: Vec<Line> = setting.devices.iter().map(|one| Line::new(one.units)).collect();
        let count = setting.streams.len();
        let mut engine = Self {
            world,
            contender,
            now: Duration::ZERO,
            happened: 0,
            events: BinaryHeap::new(),
            arrivals: (0..count).map(|stream| world.arrivals(stream)).collect(),
            coming: vec![None; count],
            open: Vec::new(),
            free: Vec::new(),
            occupancy: lines.iter().map(Line::occupancy).collect(),
            lines,
            prepared: Duration::ZERO,
            asked: None,
            runs: 0,
            streams: vec![Tally::new(setting.models.len()); count],
            values: Vec::new(),
        };
        (0..count).for_each(|stream| engine.expect(stream));
        engine
    }

    /// Looks forward to the next frame of a stream.
    fn expect(&mut self, stream: usize) {
        let frame = self.arrivals[stream].next().map(|next| self.world.frame(stream, next));
        self.coming[stream] = frame;
        if let Some(frame) = frame {
            self.events.push(Reverse((frame.ready, Event::Ready { stream })));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ready { stream } => self.arrive(stream),
            Event::Prepared { device } => self.begin(device),
            Event::Ends { run, device } => {
                self.end(run, device);
                self.begin(device);
            }
            Event::Asked => {}
        }
    }

    fn arrive(&mut self, stream: usize) {
        let Some(frame) = self.coming[stream].take() else { return };
        self.streams[stream].captured += 1;
        let key = self.admit(frame);
        self.offer(key);
        self.expect(stream);
    }

    /// Gives a frame a key: that of one that is settled, or a new one.
    fn admit(&mut self, frame: Frame) -> FrameKey {
        if let Some(key) = self.free.pop() {
            let open = &mut self.open[key];
            (open.frame, open.place) = (frame, Place::Waiting);
            open.ran.clear();
            return FrameKey(key);
        }
        self.open.push(Open { frame, place: Place::Waiting, ran: Vec::new() });
        FrameKey(self.open.len() - 1)
    }

    fn offer(&mut self, key: FrameKey) {
        let Open { frame, ran, .. } = &self.open[key.0];
        self.world.belief(frame, ran, &mut self.values);
        let (captured, due) = (frame.captured, frame.due);
        let (stream, values) = (frame.stream, &self.values);
        let offer = Offer { frame: key, stream, captured, due, values, ran };
        self.contender.arrive(&offer, self.now);
    }

    /// Asks the contender for steps until it is idle or a tensor is being made.
    fn ask(&mut self) {
        while self.prepared <= self.now {
            match self.contender.step(self.now, &self.occupancy) {
                Step::Run { frame, company, model, placement } => {
                    let frames = iter::once(frame).chain(company).collect();
                    self.decide(frames, model, placement);
                }
                Step::Expire(frame) => self.give_up(frame, Outcome::Expired),
                Step::Supersede(frame) => self.give_up(frame, Outcome::Superseded),
                Step::Settle(frame) => {
                    assert!(!self.open[frame.0].ran.is_empty(), "there is no answer to let out");
                    self.move_on(frame, Place::Waiting, Place::Gone);
                    self.answer(frame, self.now, Regard::Weighed);
                }
                Step::Later(at) => return self.ask_again(at),
                Step::Idle => return,
            }
        }
    }

    /// Notes that the contender wants to be asked then.
    fn ask_again(&mut self, at: Duration) {
        assert!(at > self.now, "the contender waits for what is past");
        if self.asked != Some(at) {
            self.asked = Some(at);
            self.events.push(Reverse((at, Event::Asked)));
        }
    }

    fn decide(&mut self, keys: Vec<FrameKey>, model: usize, placement: usize) {
        keys.iter().for_each(|&key| self.move_on(key, Place::Waiting, Place::Bound));
        let of_model = &self.world.setting().models[model];
        let Placement { device, units, ref batches, .. } = of_model.placements[placement];
        assert!(keys.len() <= 1 + batches.len(), "a run has more frames than it can take");
        let frames: Vec<&Frame> = keys.iter().map(|key| &self.open[key.0].frame).collect();
        let run = RunKey(self.runs);
        self.runs += 1;
        self.prepared = self.now + of_model.preprocess * keys.len() as u32;
        let length = self.world.shared_length(&frames, model, placement);
        let prepared = self.prepared;
        frames.iter().for_each(|frame| self.streams[frame.stream].runs += 1);
        let decided = Decided { run, frames: keys, model, units, prepared, length };
        self.contender.decided(run);
        self.lines[device].push(decided);
        self.occupancy[device] = self.lines[device].occupancy();
        if prepared > self.now {
            self.events.push(Reverse((prepared, Event::Prepared { device })));
        } else {
            self.begin(device);
        }
    }

    /// Begins what there is room for.
    fn begin(&mut self, device: usize) {
        while let Some(&Decided { run, length, .. }) = self.lines[device].begin(self.now) {
            let end = self.world.speed().finish(self.now, length);
            self.events.push(Reverse((end, Event::Ends { run, device })));
            self.contender.began(run, self.now);
        }
        self.occupancy[device] = self.lines[device].occupancy();
    }

    fn end(&mut self, run: RunKey, device: usize) {
        let running = self.lines[device].end(run, self.now);
        let Decided { frames, model, .. } = running.decided;
        let preprocess = self.world.setting().models[model].preprocess * frames.len() as u32;
        let cost = Cost { preprocess, run: self.now - running.began };
        let after = self.contender.ended(&Ended { run, cost }, self.now);
        for frame in frames {
            let Open { frame: Frame { due, .. }, ref mut ran, .. } = self.open[frame.0];
            if self.now > due && !ran.is_empty() {
                // The answer of its earlier runs has gone out in time.
                self.move_on(frame, Place::Bound, Place::Gone);
                self.answer(frame, due, Regard::Weighed);
                continue;
            }
            match after {
                After::Answer => {
                    ran.push(model);
                    self.move_on(frame, Place::Bound, Place::Gone);
                    self.answer(frame, self.now, Regard::Taken);
                }
                After::Again => self.show(frame, model),
            }
        }
    }

    /// Offers a frame again that a model has run on, and takes off what is expected of all answers by how
    /// much likelier to be right that showed the frame's answer to be: it happened to be an easy frame. That
    /// comes to nothing in the long run, as beliefs do not change on average, and leaves less to chance (it is
    /// a martingale control variate; Henderson and Glynn, "Approximating Martingales for Variance Reduction in
    /// Markov Process Simulation", 2002). What a better answer gains is not taken off.
    fn show(&mut self, key: FrameKey, model: usize) {
        let Open { frame, ran, .. } = &mut self.open[key.0];
        let stream = frame.stream;
        self.world.belief(frame, ran, &mut self.values);
        let held = answer(ran, &self.values).unwrap_or(model);
        let before = self.values[held];
        ran.push(model);
        self.move_on(key, Place::Bound, Place::Waiting);
        self.offer(key);
        self.streams[stream].expected -= self.values[held] - before;
    }

    /// Lets the answer of a frame out that models have run on, at that time.
    fn answer(&mut self, key: FrameKey, at: Duration, regard: Regard) {
        let Open { frame, ran, .. } = &self.open[key.0];
        let seen: &[usize] = match (regard, ran.len()) {
            (Regard::Taken, 1) => &[],
            (Regard::Taken | Regard::Weighed, _) => ran,
        };
        self.world.belief(frame, seen, &mut self.values);
        let Some(model) = answer(ran, &self.values) else { return };
        let tally = &mut self.streams[frame.stream];
        tally.answered_by[model] += 1;
        if at > frame.due {
            tally.count(Outcome::Late);
            return;
        }
        tally.expected += self.values[model];
        let right = self.world.is_right(frame, model);
        tally.count(if right { Outcome::Right } else { Outcome::Wrong });
    }

    fn give_up(&mut self, key: FrameKey, outcome: Outcome) {
        assert!(self.open[key.0].ran.is_empty(), "a frame that has an answer is given up");
        self.move_on(key, Place::Waiting, Place::Gone);
        self.streams[self.open[key.0].frame.stream].count(outcome);
    }

    fn move_on(&mut self, key: FrameKey, from: Place, to: Place) {
        let place = &mut self.open[key.0].place;
        assert_eq!(*place, from, "a frame is not where the contender takes it from");
        *place = to;
        if to == Place::Gone {
            self.free.push(key.0);
        }
    }

    fn finish(self) -> Run {
        assert_eq!(self.free.len(), self.open.len(), "the contender forgot frames");
        assert!(self.streams.iter().all(Tally::is_balanced), "the books do not balance");
        Run {
            streams: self.streams,
            busy: self.lines.iter().map(|line| line.busy).collect(),
            ended: self.now.max(self.world.setting().duration),
            events: self.happened,
        }
    }
}
