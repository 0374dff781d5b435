//! The engine with contenders whose results can be worked out by hand, and with all of them.

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::simulate::contender::ours::{Look, Ours};
use crate::simulate::contender::{Briefing, Edf, NewestWins};
use crate::simulate::example::{device, model, ms, setting, stream};
use crate::simulate::setting::{Placement, Setting, Slowdown};
use crate::simulate::world::{Episode, Latency, LoadCurve, Spread};

const SMALL: usize = 0;
const MIDDLE: usize = 1;
const LARGE: usize = 2;

fn newest_wins(setting: &Setting, model: usize) -> Run {
    simulate(&World::new(setting, 1), &mut NewestWins::new(setting, model))
}

fn edf(setting: &Setting, model: usize) -> Run {
    simulate(&World::new(setting, 1), &mut Edf::new(setting, model))
}

fn ours(setting: &Setting, seed: u64, look: Look) -> Run {
    let world = World::new(setting, seed);
    let choice = (0..setting.models.len()).collect();
    let briefing = Briefing::new(&world);
    simulate(&world, &mut Ours::new(&briefing, choice, look, Clock.now()))
}

/// One stream of a frame every 40 ms.
fn one_stream() -> Setting {
    Setting { streams: vec![stream("a", 40, 100)], ..setting() }
}

#[test]
fn a_device_that_is_not_pressed_answers_every_frame_in_time() {
    let setting = setting();
    for run in [newest_wins(&setting, MIDDLE), edf(&setting, MIDDLE)] {
        let total = run.total();
        assert_eq!((total.captured, total.answered(), total.late), (500, 500, 0));
        assert_eq!((total.runs, &total.answered_by[..]), (500, &[0, 500, 0][..]));
        assert_eq!(run.busy, [ms(5000)]);
        assert!((total.expected_accuracy() - 0.7).abs() < 1e-9);
        assert!((total.effective_accuracy() - 0.7).abs() < 0.06);
        assert_eq!((total.in_time(), total.miss_ratio()), (1.0, 0.0));
    }
}

#[test]
fn under_overload_the_loop_drops_frames_and_firm_deadlines_expire_them() {
    // Two frames every 40 ms, and one run takes as long.
    let setting = setting();
    let newest = newest_wins(&setting, LARGE).total();
    assert!((248..=252).contains(&newest.superseded), "{newest:?}");
    assert!(newest.expired == 0 && newest.late <= 2, "{newest:?}");
    let edf = edf(&setting, LARGE).total();
    assert!((245..=252).contains(&edf.expired), "{edf:?}");
    assert!(edf.superseded == 0 && edf.late <= 2, "{edf:?}");
}

#[test]
fn a_loop_that_knows_no_deadline_is_late() {
    let setting = Setting { streams: vec![stream("a", 40, 30)], ..setting() };
    let total = newest_wins(&setting, LARGE).total();
    assert!(total.late > 200 && total.right + total.wrong == 0, "{total:?}");
    assert_eq!(total.miss_ratio(), 1.0);
    assert_eq!(edf(&setting, LARGE).total().expired, 250, "each of them, and at no cost");
}

#[test]
fn selection_and_publication_count_towards_the_deadline() {
    let mut setting = one_stream();
    (setting.selection, setting.publish) = (ms(45), ms(45));
    assert_eq!(newest_wins(&setting, MIDDLE).total().in_time(), 1.0);
    setting.publish += ms(1);
    assert_eq!(newest_wins(&setting, MIDDLE).total().late, 250);
}

#[test]
fn a_tensor_is_made_while_the_run_before_goes_on() {
    let mut setting = Setting { streams: vec![stream("a", 12, 100)], ..setting() };
    setting.models[MIDDLE].preprocess = ms(11);
    // 21 ms one after the other, but 11 ms overlapped.
    let total = edf(&setting, MIDDLE).total();
    assert_eq!((total.late, total.expired), (0, 0), "{total:?}");
    setting.models[MIDDLE].preprocess = ms(13);
    let total = edf(&setting, MIDDLE).total();
    assert!(total.expired > 30, "a tensor every 13 ms is too slow: {total:?}");
}

#[test]
fn a_slowdown_makes_runs_late_while_it_lasts() {
    let mut setting = Setting { streams: vec![stream("a", 40, 39)], ..setting() };
    let episode = Episode { from: ms(2000), until: ms(4000), factor: 4.0 };
    setting.slowdowns = vec![Slowdown::Once(episode)];
    let total = newest_wins(&setting, MIDDLE).total();
    assert!((48..=51).contains(&total.late), "{total:?}");
}

#[test]
fn a_device_of_several_units_runs_several_models() {
    let mut setting = setting();
    setting.devices = vec![device("cpu", 3)];
    setting.models[LARGE].placements[0].units = 2;
    let one_at_a_time = edf(&setting, LARGE).total();
    assert!(one_at_a_time.expired > 200, "{one_at_a_time:?}");
    setting.devices[0].units = 4;
    let run = edf(&setting, LARGE);
    assert_eq!(run.total().in_time(), 1.0);
    assert_eq!(run.busy, [ms(500 * 40 * 2)], "unit times");
    setting.devices = vec![device("gpu", 2), device("cpu", 1)];
    let latency = Latency::constant(ms(60));
    setting.models[LARGE].placements.push(Placement {
        device: 1,
        units: 1,
        latency,
        batches: Vec::new(),
    });
    let run = edf(&setting, LARGE);
    assert!(run.busy[1] > ms(1000), "what the one has no room for runs on the other: {run:?}");
}

#[test]
fn our_scheduler_runs_the_most_accurate_model_that_fits() {
    let total = ours(&one_stream(), 1, Look::Once).total();
    assert_eq!(total.answered_by, [0, 0, 250]);
    let hurried = Setting { streams: vec![stream("a", 40, 39)], ..setting() };
    assert_eq!(ours(&hurried, 1, Look::Once).total().answered_by, [0, 250, 0]);
}

#[test]
fn our_scheduler_uses_all_devices_and_their_units() {
    let mut setting = setting();
    setting.devices = vec![device("gpu", 1), device("cpu", 2)];
    let latency = Latency::constant(ms(60));
    setting.models[LARGE].placements.push(Placement {
        device: 1,
        units: 1,
        latency,
        batches: Vec::new(),
    });
    // Two frames every 40 ms: the GPU can run `large` on one of them, the processor on the other.
    let run = ours(&setting, 1, Look::Once);
    assert!(run.total().answered_by[LARGE] > 400, "{run:?}");
    assert!(run.busy.iter().all(|busy| *busy > ms(6000)), "{run:?}");
    assert_eq!(run.total().in_time(), 1.0);
}

#[test]
fn a_second_look_is_worth_what_confidences_say() {
    let mut setting = Setting { streams: vec![stream("a", 100, 100)], ..setting() };
    setting.duration = Duration::from_secs(400);
    setting.answers.correlation = 0.5;
    // The first look is at the most accurate model; what it doubts another may know.
    let [once, again] = [Look::Once, Look::Again].map(|look| ours(&setting, 1, look).total());
    assert_eq!((once.runs, once.captured), (4000, 4000));
    assert!(again.runs > 4200, "{again:?}");
    assert!(again.expected_accuracy() > once.expected_accuracy() + 0.01, "{again:?} {once:?}");
    let luck = again.effective_accuracy() - again.expected_accuracy();
    assert!(luck.abs() < 0.02, "what is expected comes about: {luck}");
    assert_eq!(again.in_time(), 1.0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let setting = setting();
    assert_eq!(ours(&setting, 5, Look::Again), ours(&setting, 5, Look::Again));
    assert_ne!(ours(&setting, 5, Look::Again), ours(&setting, 6, Look::Again));
}

#[test]
#[should_panic(expected = "forgot frames")]
fn a_contender_that_forgets_frames_is_found_out() {
    struct Forgetful;
    impl Contender for Forgetful {
        fn arrive(&mut self, _: &Offer<'_>, _: Duration) {}
        fn step(&mut self, _: Duration, _: &[Occupancy]) -> Step {
            Step::Idle
        }
        fn decided(&mut self, _: RunKey) {}
        fn began(&mut self, _: RunKey, _: Duration) {}
        fn ended(&mut self, _: &Ended, _: Duration) -> After {
            After::Answer
        }
    }
    simulate(&World::new(&setting(), 1), &mut Forgetful);
}

prop_compose! {
    fn any_stream()(
        period in 5..80_u64, budget in 2..150_u64, jitter in 0.0..=1.0_f64, load in 0.2..3.0_f64,
    ) -> crate::simulate::world::Stream {
        let points = vec![(ms(0), 1.0), (ms(700), load)];
        let load = LoadCurve { points };
        crate::simulate::world::Stream { jitter, load, ..stream("s", period, budget) }
    }
}

prop_compose! {
    fn any_setting()(
        streams in prop::collection::vec(any_stream(), 1..5),
        spread in 1.0..2.0_f64,
        preprocess in 0..8_u64,
        selection in 0..5_u64,
        factor in 0.5..4.0_f64,
        skill in 0.0..=1.0_f64,
    ) -> Setting {
        let mut setting = Setting { streams, duration: ms(2000), ..setting() };
        for model in &mut setting.models {
            let median = model.placements[0].latency.median();
            let spread = Spread::Percentile95(median.mul_f64(spread));
            model.placements[0].latency = Latency::lognormal(median, spread);
            model.preprocess = ms(preprocess);
        }
        let (every, lasting) = (ms(500), ms(200));
        setting.slowdowns = vec![Slowdown::Recurring { every, lasting, factor }];
        (setting.selection, setting.answers.skill) = (ms(selection), skill);
        setting
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whoever_contends_every_frame_has_one_outcome(setting in any_setting(), seed in 0..9_u64) {
        let world = World::new(&setting, seed);
        let frames = world.frames().count() as u64;
        let runs = [
            newest_wins(&setting, MIDDLE),
            edf(&setting, SMALL),
            ours(&setting, seed, Look::Once),
            ours(&setting, seed, Look::Again),
        ];
        for (run, of_this_seed) in runs.iter().zip([false, false, true, true]) {
            let total = run.total();
            // The engine has asserted that the books balance.
            prop_assert!(!of_this_seed || total.captured == frames);
            prop_assert!(run.busy[0] <= run.ended);
            prop_assert!(total.runs >= total.answered());
            prop_assert_eq!(total.answered_by.iter().sum::<u64>(), total.answered());
            prop_assert!(total.expected <= (total.right + total.wrong) as f64 + 1e-9);
        }
    }
}

#[test]
fn settings_differ_in_models_too() {
    let mut setting = setting();
    setting.models.push(model("huge", 0.9, 90));
    assert_eq!(newest_wins(&setting, 3).total().answered_by.len(), 4);
}

#[test]
fn a_contender_is_asked_when_it_wants_to_be() {
    struct Waiting(Vec<Duration>, FrameKey);
    impl Contender for Waiting {
        fn arrive(&mut self, offer: &Offer<'_>, now: Duration) {
            (self.0, self.1) = (vec![now], offer.frame);
        }
        fn step(&mut self, now: Duration, _: &[Occupancy]) -> Step {
            let Some(arrived) = self.0.first().copied() else { return Step::Idle };
            if now < arrived + ms(7) {
                return Step::Later(arrived + ms(7));
            }
            assert_eq!(now, arrived + ms(7));
            self.0.clear();
            Step::Expire(self.1)
        }
        fn decided(&mut self, _: RunKey) {}
        fn began(&mut self, _: RunKey, _: Duration) {}
        fn ended(&mut self, _: &Ended, _: Duration) -> After {
            After::Answer
        }
    }
    let nobody = FrameKey(usize::MAX);
    let run = simulate(&World::new(&one_stream(), 1), &mut Waiting(Vec::new(), nobody));
    assert_eq!(run.total().expired, 250);
}

#[test]
fn second_looks_cost_no_other_frames_their_first() {
    // Two frames every 25 ms: `middle` would take 20 ms of them, `large` 80.
    let streams = vec![stream("a", 25, 100), stream("b", 25, 100)];
    let setting = Setting { streams, duration: Duration::from_secs(60), ..setting() };
    let [once, again] = [Look::Once, Look::Again].map(|look| ours(&setting, 1, look).total());
    assert!(once.in_time() > 0.99 && again.in_time() > 0.99, "{again:?} {once:?}");
    assert!(again.expected_accuracy() > once.expected_accuracy() - 0.005, "{again:?} {once:?}");
}

/// Four streams, and a large model that takes up to four frames at once in hardly more time.
fn four_streams_that_share() -> Setting {
    let mut setting = setting();
    setting.streams = ["a", "b", "c", "d"].map(|name| stream(name, 40, 150)).to_vec();
    setting.models = vec![model("large", 0.8, 40)];
    setting.models[0].placements[0].batches = vec![1.1, 1.2, 1.3];
    setting
}

#[test]
fn frames_that_share_runs_are_answered_where_runs_of_their_own_are_too_many() {
    // A hundred frames a second: 25 runs of one are to be had, or 19 of four.
    let shared = four_streams_that_share();
    let mut alone = shared.clone();
    alone.models[0].placements[0].batches.clear();
    let [shared, alone] = [&shared, &alone].map(|setting| ours(setting, 1, Look::Once));
    let (of_shared, of_alone) = (shared.total(), alone.total());
    assert!((0.2..0.27).contains(&of_alone.in_time()), "{of_alone:?}");
    assert!((0.6..0.79).contains(&of_shared.in_time()), "{of_shared:?}");
    assert_eq!(of_shared.late, 0, "and each of them in time");
    assert!(shared.busy[0] <= shared.ended, "runs of a device of one unit do not overlap");
}

#[test]
fn frames_that_look_again_share_runs_too() {
    let mut setting = four_streams_that_share();
    setting.models.insert(0, model("small", 0.6, 3));
    let total = ours(&setting, 1, Look::Again).total();
    assert!(total.in_time() > 0.95 && total.late == 0, "{total:?}");
    let mut alone = setting.clone();
    alone.models[1].placements[0].batches.clear();
    let alone = ours(&alone, 1, Look::Again).total();
    assert!(total.answered_by[1] > 2 * alone.answered_by[1], "{total:?} {alone:?}");
    assert!(total.expected_accuracy() > alone.expected_accuracy());
}

#[test]
fn no_scheduler_that_shares_runs_passes_the_oracle() {
    use crate::simulate::oracle::{Knowledge, oracle};
    let mut setting = four_streams_that_share();
    let spread = Spread::Percentile95(ms(60));
    setting.models[0].placements[0].latency = Latency::lognormal(ms(40), spread);
    let world = World::new(&setting, 1);
    let bound = oracle(&world, Knowledge::Times);
    assert!(bound.lower.is_none(), "it is a bound from above alone");
    let reached = ours(&setting, 1, Look::Once).total().expected_accuracy();
    assert!(reached <= bound.upper, "{reached} {bound:?}");
    assert!(reached > 0.5 * bound.upper, "{reached} {bound:?}");
}

#[test]
fn a_frame_that_has_an_answer_gets_it_in_time_if_a_further_run_is_late() {
    /// Runs `small` on every frame, and then `large`, come what may.
    struct Both(Vec<(FrameKey, usize)>);
    impl Contender for Both {
        fn arrive(&mut self, offer: &Offer<'_>, _: Duration) {
            assert!(offer.ran.len() < 2, "the second run is late");
            self.0.push((offer.frame, [SMALL, LARGE][offer.ran.len()]));
        }
        fn step(&mut self, _: Duration, _: &[Occupancy]) -> Step {
            match self.0.pop() {
                Some((frame, model)) => {
                    Step::Run { frame, company: Vec::new(), model, placement: 0 }
                }
                None => Step::Idle,
            }
        }
        fn decided(&mut self, _: RunKey) {}
        fn began(&mut self, _: RunKey, _: Duration) {}
        fn ended(&mut self, _: &Ended, _: Duration) -> After {
            After::Again
        }
    }
    // The second run ends 43 ms after the capture.
    let setting = Setting { streams: vec![stream("a", 100, 42)], ..setting() };
    let total = simulate(&World::new(&setting, 1), &mut Both(Vec::new())).total();
    assert_eq!((total.captured, total.late, total.runs), (100, 0, 200));
    assert_eq!(total.answered_by, [100, 0, 0]);
    assert!((total.expected_accuracy() - 0.5).abs() < 0.05, "{total:?}");
}
