//! How answers are carried through time, learnt from the videos of the profiles.
//!
//! **Reuse.** Of two successive frames of a video that differ by less than a threshold, the later one
//! would take over the answer of the earlier. A right answer is *lost* if that of the earlier frame is
//! wrong for the later one, and the later one's own would have been right. For each of a few
//! thresholds, the share of pairs that lose is bounded from above by the exact binomial bound
//! (Clopper and Pearson, 1934). They are tested in ascending order, and the last is taken before the
//! first that loses and whose bound exceeds one percent: fixed-sequence testing, as in "Learn then
//! Test" (Angelopoulos et al., 2021). A threshold below which pairs are too few to pass, and none
//! loses, is passed over, and so is one that takes in no further pair: nothing speaks for going so
//! far.
//!
//! **What is assured:** if pairs of frames came independently, and new ones come like those of the
//! profiles, then with 95 % confidence at most one in a hundred frames that differ by less than the
//! threshold from the frame profiled before loses its right answer by reuse. What is not:
//!
//! - Pairs of one video are *not* independent: a video that loses does so many times. The bound
//!   counts pairs, as if they were; it is as good as it says only if there are many videos, so profile
//!   many short ones rather than one long one.
//! - A pair is as far apart as the frames that were profiled (`--every`). An answer is taken over by
//!   up to [`TimeFit::reuse_at_most`] frames; to test such spans, profile one frame in so many.
//! - The policy is the one at the chosen operating point and has learnt from the same frames; it is
//!   taken to be as good on others, and other points to lose no more.
//!
//! **Memory.** Each video is played through the policy as frames are at run time, with each of a few
//! values of [`TimeFit::remembered`]. The most accurate is taken; of equals the quickest, then the
//! smallest. None of them is a memory too, so what is taken was no less accurate than that. Frames
//! that were profiled far apart have forgotten each other, and teach no memory.
//!
//! Cuts and the number of frames that take over an answer are not learnt ([`UNLEARNT`]), and nothing is
//! where a model stands in for labels: its answers flicker from one frame to the next while the scene
//! stays the same, and to agree with each of them is to remember nothing.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::answers::{Answered, Answers};
use super::assurance::upper_bound;
use super::trial::{Trial, go_on, try_out};
use crate::adaptive::{Adaptive, Evidence, TimeFit};
use crate::learn::parallel::in_parallel;
use crate::learn::profile_file::Truth;

/// What holds where no video says anything else: a frame is taken for the one before at a mean
/// difference of 1 of 255 levels, about a camera's noise, and for half a second at 30 frames a
/// second; a cut is a difference that no pan reaches; a model may look again at a scene after a fifth
/// of a second.
pub const UNLEARNT: TimeFit =
    TimeFit { reuse_below: 0.004, reuse_at_most: 15, cut_above: 0.12, remembered: 0.9 };

/// Differences that are tried, ascending.
const THRESHOLDS: [f32; 7] = [0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05];

/// The share of right answers that reuse may lose, and how certainly it loses no more.
const MOST_LOST: f64 = 0.01;
const CONFIDENCE: f64 = 0.95;

/// What may be left of a frame's evidence one frame on, ascending, none first.
const SHARES: [f32; 5] = [0.0, 0.5, 0.7, 0.8, 0.9];

/// What was learnt, and from what. `Display` says it in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// What was learnt; [`UNLEARNT`] without pairs, or if no one labelled them.
    pub time: TimeFit,
    /// Whether people labelled the frames.
    pub is_labelled: bool,
    /// Videos of two frames or more.
    pub videos: usize,
    /// Their frames.
    pub frames: usize,
    /// Their pairs of successive frames.
    pub pairs: usize,
    /// The threshold that was taken.
    pub passed: Option<Losses>,
    /// The one that ended the search.
    pub refused: Option<Losses>,
    /// The share of right answers with the best memory, and without any.
    pub right: (f64, f64),
}

/// What reuse would lose below a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// The threshold.
    pub below: f32,
    /// Pairs that differ by less.
    pub pairs: usize,
    /// Those of them that lose a right answer.
    pub lost: usize,
    /// The share of losses is below this, with 95 % confidence.
    pub bound: f64,
}

/// What is learnt of time, for a policy at its operating point, from some of the pictures, numbered
/// in ascending order; with the grounds for it.
pub fn study(answers: &Answers, pictures: &[usize], policy: &Adaptive) -> Study {
    let mut clips = clips(answers, pictures);
    clips.retain(|clip| clip.len() > 1);
    let pairs = pairs(answers, policy, &clips);
    let mut study = Study {
        time: UNLEARNT,
        is_labelled: answers.truth == Truth::Labels,
        videos: clips.len(),
        frames: clips.iter().map(Vec::len).sum(),
        pairs: pairs.len(),
        passed: None,
        refused: None,
        right: (0.0, 0.0),
    };
    if study.is_labelled && !pairs.is_empty() {
        study.learn_reuse(&pairs);
        study.learn_memory(answers, policy, &clips);
    }
    study
}

/// The frames of each video among some pictures, which ascend and have videos as a whole or not at
/// all; in order, by their numbers in [`Answers::pictures`]. A frame that was compared with none before
/// it begins a video, even if it is called like another: such are the parts that shards took, and
/// files of one name.
pub fn clips(answers: &Answers, pictures: &[usize]) -> Vec<Vec<usize>> {
    let mut clips: Vec<Vec<usize>> = Vec::new();
    let mut latest: HashMap<&str, usize> = HashMap::new();
    for &number in pictures {
        let picture = &answers.pictures[number];
        let Some(group) = &picture.group else { continue };
        match latest.get(group.as_str()) {
            Some(&clip) if picture.change.is_some() => clips[clip].push(number),
            _ => {
                latest.insert(group, clips.len());
                clips.push(vec![number]);
            }
        }
    }
    clips
}

/// Plays frames of one video, in order, as they meet the policy at run time: frames that hardly
/// differ from the last classified one take over its answer, in no time and without a run; others go
/// on from its evidence, faded by the frames that lie between, and take over its answer, too, if no
/// model would add to it; after a cut there is none.
///
/// Profiles know the differences of successive frames only. That from the last classified frame is
/// taken to be their sum, which it never exceeds, so no frame is reused here that would not be at run
/// time; a few that would be are not.
pub fn play(
    policy: &Adaptive,
    answers: &Answers,
    frames: &[usize],
    times: &[Duration],
) -> Vec<Trial> {
    let mut latest: Option<Latest> = None;
    let show = |&frame: &usize| {
        let picture = &answers.pictures[frame];
        let mut evidence = match latest.as_mut().map(|latest| latest.meet(picture, policy)) {
            Some(Meeting::Same(trial)) => return trial,
            Some(Meeting::Other(evidence)) => evidence,
            None => Evidence::default(),
        };
        let start = policy.start(&evidence);
        if let (true, Some(latest)) = (start.is_empty(), &latest) {
            return latest.without_runs();
        }
        let trial = go_on(policy, start, (answers, frame), (times, None), &mut evidence);
        let (number, shown) = (picture.number, trial.clone());
        latest = Some(Latest { evidence, trial, number, away: 0.0, reuses: 0 });
        shown
    };
    frames.iter().map(show).collect()
}

/// The last frame of a video that models have answered.
struct Latest {
    evidence: Evidence,
    trial: Trial,
    number: u64,
    /// How far the frame before the present one is from it, at most.
    away: f32,
    /// Frames that have taken over its answer.
    reuses: u32,
}

/// What a frame has of the last one.
enum Meeting {
    Same(Trial),
    Other(Evidence),
}

impl Latest {
    /// What a frame has that takes over its answer.
    fn without_runs(&self) -> Trial {
        let (runs, time) = (Vec::new(), Duration::ZERO);
        Trial { runs, time, ..self.trial.clone() }
    }

    /// As [`Memory::recall`](crate::scene::Memory::recall) and what follows on it.
    fn meet(&mut self, picture: &Answered, policy: &Adaptive) -> Meeting {
        let time = policy.time();
        let Some(change) = picture.change else { return Meeting::Other(Evidence::default()) };
        self.away += change;
        if self.away < time.reuse_below && self.reuses < time.reuse_at_most {
            self.reuses += 1;
            return Meeting::Same(self.without_runs());
        }
        if self.away > time.cut_above {
            return Meeting::Other(Evidence::default());
        }
        let apart = picture.number.saturating_sub(self.number).max(1);
        let share = time.remembered.powf(apart as f32);
        Meeting::Other(policy.carry(&self.evidence, share))
    }
}

/// Two successive frames of a video.
struct Pair {
    change: f32,
    /// Whether reuse would lose a right answer.
    is_lost: bool,
}

fn pairs(answers: &Answers, policy: &Adaptive, clips: &[Vec<usize>]) -> Vec<Pair> {
    let of_clip = |clip: &Vec<usize>| {
        let top = |&frame: &usize| {
            let trial = try_out(policy, answers, frame, &answers.times, None);
            trial.ranking.first().map(|&(class, _)| class)
        };
        let tops: Vec<Option<usize>> = clip.iter().map(top).collect();
        let pair = |(tops, &frame): (&[Option<usize>], &usize)| {
            let picture = &answers.pictures[frame];
            let [before, own] = [tops[0], tops[1]].map(|top| top == Some(picture.class));
            Some(Pair { change: picture.change?, is_lost: own && !before })
        };
        tops.windows(2).zip(&clip[1..]).filter_map(pair).collect::<Vec<_>>()
    };
    in_parallel(clips, of_clip).into_iter().flatten().collect()
}

impl Losses {
    fn below(below: f32, pairs: &[Pair]) -> Self {
        let near = pairs.iter().filter(|pair| pair.change < below);
        let (count, lost) =
            near.fold((0, 0), |(count, lost), pair| (count + 1, lost + usize::from(pair.is_lost)));
        Self { below, pairs: count, lost, bound: upper_bound(lost, count, CONFIDENCE) }
    }
}

impl Study {
    fn learn_reuse(&mut self, pairs: &[Pair]) {
        for below in THRESHOLDS {
            let losses = Losses::below(below, pairs);
            let takes_in_more = self.passed.is_none_or(|passed| passed.pairs < losses.pairs);
            if losses.bound <= MOST_LOST && takes_in_more {
                self.passed = Some(losses);
            } else if losses.bound > MOST_LOST && losses.lost > 0 {
                self.refused = Some(losses);
                break;
            }
        }
        self.time.reuse_below = self.passed.map_or(0.0, |passed| passed.below);
    }

    fn learn_memory(&mut self, answers: &Answers, policy: &Adaptive, clips: &[Vec<usize>]) {
        let time = self.time;
        let scores = in_parallel(&SHARES, |&remembered| {
            let policy = policy.clone().with_time(TimeFit { remembered, ..time });
            Score::of(&policy, answers, clips)
        });
        let mut best = 0;
        for (place, score) in scores.iter().enumerate() {
            if score.is_better_than(&scores[best]) {
                best = place;
            }
        }
        self.time.remembered = SHARES[best];
        let with_memory = scores[1..].iter().map(|score| score.right).max().unwrap_or(0);
        let share = |right: usize| right as f64 / self.frames as f64;
        self.right = (share(with_memory), share(scores[0].right));
    }
}

/// What videos, played in order, come to.
struct Score {
    right: usize,
    time: Duration,
}

impl Score {
    fn of(policy: &Adaptive, answers: &Answers, clips: &[Vec<usize>]) -> Self {
        let mut score = Self { right: 0, time: Duration::ZERO };
        for clip in clips {
            let trials = play(policy, answers, clip, &answers.times);
            for (trial, &frame) in trials.iter().zip(clip) {
                score.right += usize::from(trial.is_right(answers.pictures[frame].class));
                score.time += trial.time;
            }
        }
        score
    }

    fn is_better_than(&self, other: &Self) -> bool {
        (self.right, Reverse(self.time)) > (other.right, Reverse(other.time))
    }
}

impl fmt::Display for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, videos, frames, pairs, .. } = self;
        let nothing_learnt = match (*pairs, self.is_labelled) {
            (0, _) => Some("the profiles have no frames that follow one another"),
            (_, false) => Some("the labels are models' answers, which flicker in a still scene"),
            (_, true) => None,
        };
        if let Some(why) = nothing_learnt {
            return write!(
                f,
                "video: {why}, so that reuse below {} and a memory of {:.0} % are not learnt but \
                 assumed",
                time.reuse_below,
                100.0 * time.remembered
            );
        }
        writeln!(f, "video, from {pairs} pairs of successive frames of {videos} videos:")?;
        self.write_reuse(f)?;
        let (with, without) = (100.0 * self.right.0, 100.0 * self.right.1);
        write!(
            f,
            "  {:.0} % of what was said of a frame counts for the next: of {frames} frames \
             {with:.2} % are right with the best memory, {without:.2} % without",
            100.0 * time.remembered
        )
    }
}

impl Study {
    fn write_reuse(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.passed, self.refused) {
            (Some(Losses { below, pairs, lost, bound }), _) => writeln!(
                f,
                "  frames that differ by less than {below} take over an answer: {lost} of {pairs} \
                 lose a right one by it (with 95 % confidence at most {:.2} %, if pairs are \
                 independent)",
                100.0 * bound
            ),
            (None, Some(Losses { below, pairs, lost, .. })) => writeln!(
                f,
                "  no frame takes over an answer: {lost} of {pairs} that differ by less than {below} \
                 would lose a right one by it"
            ),
            (None, None) => writeln!(
                f,
                "  no frame takes over an answer: too few hardly differ from the one before"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
