//! More frames than the device can answer, or answer well.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::simulation::{Setup, Simulation};
use super::*;
use crate::scheduler::{Discipline, Terms};

/// What came of ten seconds of video.
#[derive(Debug, Default)]
struct Tally {
    /// Frames answered, by stream.
    answered: [usize; 4],
    captured: [usize; 4],
    /// Runs of the small, the middle and the large model.
    runs: [usize; 3],
}

impl Tally {
    fn share(&self, stream: usize) -> f64 {
        self.answered[stream] as f64 / self.captured[stream] as f64
    }

    fn share_of_runs(&self, place: usize) -> f64 {
        self.runs[place] as f64 / self.runs.iter().sum::<usize>() as f64
    }
}

/// The large model is a little better than the middle one, which is much better than the small one.
fn wish() -> Selection {
    let values = ALL.iter().zip([0.8, 0.75, 0.6]);
    let ranking = values.map(|(name, value)| (model(name), value)).collect();
    Selection { ranking, basis: Basis::Premodel }
}

/// Plays four streams with a frame every so many milliseconds each, by turns, on one core. Frames have
/// 100 ms, and models take 60, 20 and 5 ms.
fn play(every: u64, terms: &[(u8, Terms)]) -> Tally {
    let mut simulation = Simulation::with_terms(Setup::one_core(), terms);
    simulation.selection = wish();
    let start = simulation.now;
    for at in 0..10_000 {
        simulation.pass_until(start + ms(at), false);
        for stream in (0..4).filter(|stream| at % every == every / 4 * stream) {
            simulation.arrive(stream as u8, 100);
            simulation.decide();
        }
    }
    simulation.pass_until(start + ms(11_000), false);
    assert!(simulation.late.is_empty());
    let mut tally = Tally::default();
    for job in &simulation.jobs {
        tally.captured[usize::from(job.stream)] += 1;
    }
    for &(job, runner) in &simulation.ran {
        tally.answered[usize::from(simulation.jobs[job as usize].stream)] += 1;
        tally.runs[runner] += 1;
    }
    tally
}

#[test]
fn with_time_to_spare_every_frame_gets_the_best_model() {
    let tally = play(300, &[]);
    assert_eq!(tally.runs[..2], [0, 0], "{tally:?}");
    assert!((0..4).all(|stream| tally.share(stream) > 0.99), "{tally:?}");
}

#[test]
fn under_load_frames_get_quicker_models_rather_than_none() {
    let tally = play(100, &[]);
    assert!((0..4).all(|stream| tally.share(stream) > 0.97), "{tally:?}");
    assert!(tally.share_of_runs(1) > 0.6, "20 ms for 25 that there are: {tally:?}");
}

#[test]
fn frames_that_come_at_once_share_the_time() {
    let now = Clock.now();
    let mut scheduler = scheduler::<usize>();
    for stream in 0..4 {
        let name = StreamName::new(&stream.to_string());
        scheduler.submit(stream, &name, wish(), (due(now, 100), Pace::Clock), now);
    }
    for turn in 0..4 {
        let now = now + ms(20 * turn);
        let Decision::Run { model, reason, serial, .. } = scheduler.next(now) else {
            panic!("80 ms of 100")
        };
        assert_eq!(model.as_str(), "middle", "one large would leave two others the small one");
        let is_last = turn == 3;
        assert_eq!(matches!(reason, Reason::PreferredTooCostly(_)), !is_last);
        scheduler.started(serial, now);
        scheduler.finished(serial, 1, run_of(20));
    }
}

#[test]
fn an_overload_is_spread_and_no_stream_starves() {
    let tally = play(10, &[]);
    assert!(tally.share_of_runs(0) > 0.9, "{tally:?}");
    assert!((0..4).all(|stream| (0.3..0.7).contains(&tally.share(stream))), "{tally:?}");
}

#[test]
fn in_an_overload_priority_counts_and_a_minimum_share_is_kept() {
    let first = Terms { priority: 9, minimum_share: 0.0 };
    let modest = Terms { priority: 0, minimum_share: 0.25 };
    let tally = play(10, &[(0, first), (1, modest)]);
    assert!(tally.share(0) > 0.9, "{tally:?}");
    assert!((0.2..0.4).contains(&tally.share(1)), "{tally:?}");
    assert!((2..4).all(|stream| tally.share(stream) > 0.05), "{tally:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn every_stream_gets_its_minimum_share_whatever_the_others_want(
        streams in prop::collection::vec((6..15_u64, 0..3_u8, 0..25_u8), 2..4),
    ) {
        let terms: Vec<(u8, Terms)> = (0..).zip(&streams).map(|(stream, &(_, priority, percent))| {
            (stream, Terms { priority, minimum_share: f32::from(percent) / 100.0 })
        }).collect();
        let mut simulation = Simulation::with_terms(Setup::one_core(), &terms);
        simulation.selection = wish();
        let start = simulation.now;
        for at in 0..3_000 {
            for (stream, &(every, ..)) in (0..).zip(&streams) {
                if at % every == 0 {
                    simulation.pass_until(start + ms(at), false);
                    simulation.arrive(stream, 100);
                    simulation.decide();
                }
            }
        }
        simulation.pass_until(start + ms(4_000), false);
        prop_assert!(simulation.late.is_empty());
        let answered: BTreeSet<u32> = simulation.ran.iter().map(|&(job, _)| job).collect();
        for &(stream, terms) in &terms {
            let frames = (0..).zip(&simulation.jobs).filter(|(_, job)| job.stream == stream);
            let frames: Vec<u32> = frames.map(|(number, _)| number).collect();
            // Only then is a loss held against what went before.
            let settled = &frames[frames.len() / 2..];
            let share = settled.iter().filter(|job| answered.contains(job)).count() as f32
                / settled.len() as f32;
            prop_assert!(share >= terms.minimum_share - 0.03, "stream {stream}: {share}, {terms:?}");
        }
    }
}

#[test]
fn one_stream_that_asks_for_less_than_it_takes_is_not_starved() {
    // A frame every 18 ms and nobody else: the middle model, which takes 20, cannot have them all.
    let mut simulation = Simulation::with_terms(Setup::one_core(), &[]);
    simulation.selection = wish();
    let start = simulation.now;
    for at in 0..10_000 {
        simulation.pass_until(start + ms(at), false);
        if at % 18 == 0 {
            simulation.arrive(0, 200);
            simulation.decide();
        }
    }
    let (captured, ran) = (simulation.jobs.len(), simulation.ran.len());
    assert!(ran as f64 > 0.95 * captured as f64, "{ran} of {captured}");
}

#[test]
fn newest_wins_runs_the_newest_of_each_stream_in_turn_and_looks_at_no_deadline() {
    let now = Clock.now();
    let mut scheduler = scheduler().with_discipline(Discipline::NewestWins);
    let (a, b) = (StreamName::new("a"), StreamName::new("b"));
    let submit = |scheduler: &mut Scheduler<u32>, job, stream: &StreamName, after| {
        let due = (due(now, 30), Pace::Clock);
        scheduler.submit(job, stream, ranking(&ALL), due, now + ms(after))
    };
    assert_eq!(submit(&mut scheduler, 1, &a, 0), Admission::Waits);
    assert_eq!(submit(&mut scheduler, 2, &b, 1), Admission::Waits);
    assert_eq!(submit(&mut scheduler, 3, &a, 2), Admission::Displaced(1));
    let later = now + ms(90);
    let (job, _, _, serial) = run(scheduler.next(later));
    assert_eq!(job, 2);
    scheduler.given_up(serial);
    let (job, model, reason, _) = run(scheduler.next(later));
    assert_eq!((job, &*model), (3, "large"), "60 ms, though its time is over");
    assert_eq!(reason, Reason::Preferred(Basis::Premodel));
    for name in ALL {
        scheduler.retire(&super::model(name));
    }
    submit(&mut scheduler, 4, &a, 3);
    assert_eq!(expired(scheduler.next(later)).0, 4);
}

/// What a frame gets that comes ten milliseconds before one of another stream may, if frames of that one
/// come every 50 ms and have 30; that is what is said to be worth most.
fn chosen_before_another(comes: bool) -> String {
    let (start, mut scheduler) = (Clock.now(), scheduler().explaining());
    let periodic = StreamName::new("periodic");
    let mut now = start;
    for job in (0..20).take_while(|_| comes) {
        let due = (due(now, 30), Pace::Clock);
        scheduler.submit(job, &periodic, ranking(&["small"]), due, now);
        let (.., serial) = run(scheduler.next(now));
        scheduler.started(serial, now);
        scheduler.finished(serial, SMALL, run_of(5));
        now += ms(50);
    }
    let now = now - if comes { ms(10) } else { ms(0) };
    let due = (due(now, 500), Pace::Clock);
    scheduler.submit(99, &StreamName::new("a"), wish(), due, now);
    let Decision::Run { model, considered, .. } = scheduler.next(now) else { panic!("500 ms") };
    let best = considered.iter().max_by(|a, b| a.utility.total_cmp(&b.utility)).unwrap();
    assert_eq!(best.model, model, "{considered:?}");
    model.to_string()
}

#[test]
fn a_long_run_makes_way_for_a_frame_that_is_expected() {
    assert_eq!(chosen_before_another(false), "large");
    assert_ne!(chosen_before_another(true), "large");
}

#[test]
fn a_frame_is_not_given_up_because_what_runs_might_last_longer() {
    let now = Clock.now();
    for is_over_in_time in [true, false] {
        let mut scheduler = that_is(OnTime::default());
        submit(&mut scheduler, 1, &["large"], 900, now);
        let (_, _, _, serial) = run(scheduler.next(now));
        scheduler.started(serial, now);
        submit(&mut scheduler, 2, &["small"], 68, now);
        assert_eq!(later(scheduler.next(now), now), 68, "it waits to see");
        if is_over_in_time {
            scheduler.finished(serial, LARGE, run_of(60));
            assert_eq!(run(scheduler.next(now + ms(60))).0, 2);
        } else {
            assert_eq!(expired(scheduler.next(now + ms(69))).0, 2);
        }
    }
}

#[test]
fn a_frame_that_what_runs_leaves_no_time_for_expires_at_once() {
    let (now, mut scheduler) = (Clock.now(), that_is(OnTime::default()));
    submit(&mut scheduler, 1, &["large"], 900, now);
    let (_, _, _, serial) = run(scheduler.next(now));
    scheduler.started(serial, now);
    submit(&mut scheduler, 2, &["small"], 64, now);
    assert_eq!(expired(scheduler.next(now)).0, 2);
}
