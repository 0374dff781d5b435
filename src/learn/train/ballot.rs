//! What the sequence of stages chooses, given the neighbours: the premodel's vote, without the rest.

use std::ops::AddAssign;
use std::time::Duration;

use super::Score;
use super::samples::Picture;

/// A deployment, and the pictures that vote and are voted on; pictures are given by their position.
pub(super) struct Ballot<'a> {
    pub(super) pictures: &'a [&'a Picture],
    /// For each picture its optimum: the fastest deployed model that is right on it.
    optima: Vec<Option<usize>>,
    fallback: usize,
}

impl<'a> Ballot<'a> {
    /// `deployed` comes fastest first.
    pub(super) fn new(pictures: &'a [&'a Picture], deployed: &[usize], fallback: usize) -> Self {
        let optima = pictures.iter().map(|picture| picture.right.first_of(deployed)).collect();
        Self { pictures, optima, fallback }
    }

    /// Runs the model that the neighbours choose on a picture.
    pub(super) fn run(&self, picture: usize, neighbours: &[usize], tally: &mut Tally) {
        tally.run(self.pictures[picture], self.choose(neighbours));
    }

    /// The model that is the optimum of more than half of the neighbours, or else the fallback. At
    /// most one is, so the order of the stages does not matter.
    fn choose(&self, neighbours: &[usize]) -> usize {
        let optima = || neighbours.iter().map(|&neighbour| self.optima[neighbour]);
        // Whoever has a majority outlives the others when each vote cancels one for another.
        let (mut leader, mut lead) = (None, 0_usize);
        for optimum in optima() {
            match (lead, leader == optimum) {
                (0, _) => (leader, lead) = (optimum, 1),
                (_, true) => lead += 1,
                (_, false) => lead -= 1,
            }
        }
        let votes = optima().filter(|optimum| *optimum == leader).count();
        leader.filter(|_| 2 * votes > neighbours.len()).unwrap_or(self.fallback)
    }
}

/// Runs of models, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) runs: usize,
    pub(super) right: usize,
    pub(super) time: Duration,
}

impl Tally {
    /// Counts the run of `model` on a picture.
    pub(super) fn run(&mut self, picture: &Picture, model: usize) {
        self.runs += 1;
        self.right += usize::from(picture.right.contains(model));
        self.time += picture.latencies[model];
    }

    /// Greater for more right answers, and of as many in less time.
    pub(super) fn merit(&self) -> impl Ord + use<> {
        (self.right, std::cmp::Reverse(self.time))
    }

    /// At least one run is needed.
    pub(super) fn score(&self) -> Score {
        let runs = self.runs as f64;
        Score {
            accuracy: 100.0 * self.right as f64 / runs,
            latency: Duration::from_secs_f64(self.time.as_secs_f64() / runs),
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.right += other.right;
        self.time += other.time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Features;

    /// A picture on which `right` are right; model n takes n + 1 ms.
    fn picture(right: &[usize]) -> Picture {
        Picture {
            features: Features::new([0.0; Features::COUNT]).unwrap(),
            right: right.iter().copied().collect(),
            latencies: (1..=3).map(Duration::from_millis).collect(),
            group: 0,
        }
    }

    #[test]
    fn a_majority_of_the_neighbours_chooses_or_else_the_fallback() {
        let pictures = [picture(&[0, 1]), picture(&[1]), picture(&[]), picture(&[2])];
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let ballot = Ballot::new(&pictures, &[0, 1], 1);
        assert_eq!(ballot.choose(&[0, 0, 1]), 0);
        assert_eq!(ballot.choose(&[1, 0, 0]), 0);
        assert_eq!(ballot.choose(&[0, 1, 0, 1, 0]), 0);
        assert_eq!(ballot.choose(&[0, 0, 2, 2]), 1, "half is no majority");
        assert_eq!(ballot.choose(&[2, 2, 0]), 1, "that none is right is no choice");
        assert_eq!(ballot.choose(&[3, 3, 3]), 1, "2 is not deployed");
        assert_eq!(ballot.choose(&[]), 1);
    }

    #[test]
    fn runs_are_counted_and_compared() {
        let pictures = [picture(&[0]), picture(&[1])];
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let ballot = Ballot::new(&pictures, &[0, 1], 1);
        let mut tally = Tally::default();
        ballot.run(0, &[0], &mut tally);
        ballot.run(0, &[1], &mut tally);
        assert_eq!(tally, Tally { runs: 2, right: 1, time: Duration::from_millis(3) });
        assert_eq!(tally.score().accuracy, 50.0);
        let slower = Tally { time: Duration::from_millis(4), ..tally };
        let better = Tally { right: 2, ..slower };
        assert!(tally.merit() > slower.merit() && better.merit() > tally.merit());
    }
}
