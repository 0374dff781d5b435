//! What the learners learn, on rows whose answers are known.

use super::*;
use crate::features::{FeatureRow, FeatureSet, Features};
use crate::premodel::tests::{id, two_clusters};
use crate::premodel::{Example, Premodel, Scaling};

type Rows = Vec<Vec<f32>>;

/// Rows in the cells of a 4 × 4 grid on 0..1, with a third column that says nothing; yes in the
/// cells (column, row) that `is_yes` says.
fn cells(count: usize, seed: u64, is_yes: fn(u8, u8) -> bool) -> (Rows, Vec<bool>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut row = || {
        let (column, row) = (random.u8(..4), random.u8(..4));
        let mut within = |cell: u8| (f32::from(cell) + 0.1 + 0.8 * random.f32()) / 4.0;
        (vec![within(column), within(row), random.f32()], is_yes(column, row))
    };
    (0..count).map(|_| row()).unzip()
}

/// The shares of right answers on unseen rows, as [`Learner::ALL`].
fn accuracies(is_yes: fn(u8, u8) -> bool) -> [f64; 5] {
    let (rows, yes) = cells(400, 1, is_yes);
    let (unseen, expected) = cells(400, 2, is_yes);
    Learner::ALL.map(|learner| {
        let stage = FittedStage::fit(learner, &rows, &yes, 3).unwrap();
        let right = unseen.iter().zip(&expected).filter(|(row, yes)| stage.decide(row) == **yes);
        right.count() as f64 / unseen.len() as f64
    })
}

/// Rows on which the answers are a matter of chance, though not of pure chance.
fn noisy(count: usize, seed: u64) -> (Rows, Vec<Option<usize>>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let rows: Rows = (0..count).map(|_| vec![random.f32(), random.f32()]).collect();
    let optimum = rows.iter().map(|row| {
        let stage = if random.f32() < row[0] { 0 } else { 1 };
        (random.f32() < row[1]).then_some(stage)
    });
    let optimum = optimum.collect();
    (rows, optimum)
}

fn noisy_bank(count: usize, seed: u64) -> StageBank {
    let (rows, optimum) = noisy(count, 4);
    let data = StageData { rows: &rows, optimum: &optimum, stages: 2 };
    StageBank::fit(&data, &Learner::ALL, seed).unwrap()
}

fn error(rows: &[Vec<f32>], optimum: &[Option<usize>], stages: usize) -> LearnerError {
    let data = StageData { rows, optimum, stages };
    StageBank::fit(&data, &Learner::ALL, 0).unwrap_err()
}

#[test]
fn every_learner_tells_two_sides_apart() {
    let shares = accuracies(|column, _| column > 1);
    assert!(shares.iter().all(|&share| share >= 0.98), "{shares:?}");
}

#[test]
fn all_but_logistic_regression_learn_a_band() {
    let shares = accuracies(|column, _| (1..=2).contains(&column));
    for (learner, share) in Learner::ALL.into_iter().zip(shares) {
        let is_linear = learner == Learner::LogisticRegression;
        assert!(if is_linear { share <= 0.6 } else { share >= 0.95 }, "{learner}: {share}");
    }
}

#[test]
fn all_that_do_not_ask_one_question_at_a_time_learn_exclusive_or() {
    let [knn, _, svm, logistic, boosting] = accuracies(|column, row| (column > 1) != (row > 1));
    assert!(knn >= 0.95 && svm >= 0.95 && boosting >= 0.95, "{knn} {svm} {boosting}");
    assert!(logistic <= 0.6, "{logistic}");
}

#[test]
fn scores_rank_the_surer_yes_higher() {
    let bank = noisy_bank(1000, 0);
    let (unseen, optimum) = noisy(1000, 5);
    let said: Vec<Decisions> = unseen.iter().map(|row| bank.decisions(row)).collect();
    let labels: Vec<bool> = optimum.iter().map(|&best| best == Some(0)).collect();
    for learner in Learner::ALL {
        let scores: Vec<f32> = said.iter().map(|said| said.score(0, learner).unwrap()).collect();
        let area = roc_auc(&scores, &labels).unwrap();
        assert!(area > 0.65, "{learner}: {area}");
        let between = scores.iter().any(|score| *score > 0.2 && *score < 0.8);
        assert!(between, "{learner} knows no doubt");
    }
}

#[test]
fn the_seed_settles_every_answer() {
    // More rows than the support vector machine takes.
    let rows = svm::ROWS + 300;
    let (first, again, other) = (noisy_bank(rows, 1), noisy_bank(rows, 1), noisy_bank(rows, 2));
    let mut drawn = [false; 2];
    for row in &noisy(200, 6).0 {
        let said = first.decisions(row);
        assert_eq!(said, again.decisions(row));
        for (drawn, learner) in drawn.iter_mut().zip([Learner::Svm, Learner::GradientBoosting]) {
            *drawn |= said.score(0, learner) != other.decisions(row).score(0, learner);
        }
    }
    assert_eq!(drawn, [true; 2], "another seed draws other rows");
}

#[test]
fn a_stage_without_a_choice_always_gives_its_one_answer() {
    let (rows, _) = cells(20, 1, |_, _| true);
    for learner in Learner::ALL {
        for answer in [true, false] {
            let stage = FittedStage::fit(learner, &rows, &[answer; 20], 0).unwrap();
            assert_eq!(stage.decide(&[9.0, -9.0, 0.5]), answer, "{learner}");
            assert_eq!(stage.score(&rows[0]), f32::from(u8::from(answer)), "{learner}");
        }
    }
}

#[test]
fn few_rows_suffice() {
    let rows = [vec![0.0], vec![1.0]];
    for learner in Learner::ALL {
        let stage = FittedStage::fit(learner, &rows, &[false, true], 0).unwrap();
        assert!(stage.score(&[1.0]) >= stage.score(&[0.0]), "{learner}");
    }
}

#[test]
fn each_stage_learns_its_own_question() {
    let (rows, right) = cells(600, 7, |column, _| column > 1);
    // Right: the first stage; left: the second at the top, none at the bottom.
    let optimum = rows.iter().zip(right).map(|(row, right)| match (right, row[1] > 0.5) {
        (true, _) => Some(0),
        (false, true) => Some(1),
        (false, false) => None,
    });
    let optimum: Vec<_> = optimum.collect();
    let data = StageData { rows: &rows[..400], optimum: &optimum[..400], stages: 2 };
    let bank = StageBank::fit(&data, &Learner::ALL, 0).unwrap();
    let said: Vec<Decisions> = rows[400..].iter().map(|row| bank.decisions(row)).collect();
    for mix in mixes(2, bank.learners()) {
        let pairs = said.iter().zip(&optimum[400..]);
        let right = pairs.filter(|(said, best)| choose(said, &mix) == **best).count();
        // One line cannot fence off a corner well.
        assert!(right >= 165, "{mix:?}: {right} of 200");
    }
}

#[test]
fn a_bank_answers_as_its_stages_do() {
    let (rows, optimum) = noisy(300, 4);
    let yes: Vec<bool> = optimum.iter().map(|&best| best == Some(1)).collect();
    let data = StageData { rows: &rows, optimum: &optimum, stages: 2 };
    // In another order than that of declaration.
    let learners = [Learner::GradientBoosting, Learner::Svm, Learner::Knn];
    let bank = StageBank::fit(&data, &learners, 9).unwrap();
    for learner in learners {
        let stage = FittedStage::fit(learner, &rows, &yes, 9).unwrap();
        for row in &noisy(50, 8).0 {
            let said = bank.decisions(row);
            assert_eq!(said.is_yes(1, learner), Some(stage.decide(row)), "{learner}");
            assert_eq!(said.score(1, learner), Some(stage.score(row)), "{learner}");
            assert_eq!(said.is_yes(1, Learner::DecisionTree), None);
        }
    }
}

#[test]
fn neighbours_vote_as_in_the_premodel() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut recipe = two_clusters();
    // A coarse grid makes ties frequent.
    let all = FeatureSet::all();
    let mut features = || Features::new(std::array::from_fn(|_| random.u8(..3).into())).unwrap();
    let queries: Vec<Features> = (0..300).map(|_| features()).collect();
    let mut draw = fastrand::Rng::with_seed(12);
    let mut right = || [&[0][..], &[0, 1], &[2], &[]][draw.usize(..4)];
    recipe.features = all.clone();
    let example =
        |_| Example { features: all.pick(&features()), right: right().iter().copied().collect() };
    recipe.examples = (0..200).map(example).collect();
    let row = |value| FeatureRow::new([value; Features::COUNT]).unwrap();
    recipe.scaling = Scaling::new(row(0.0), row(2.0)).unwrap();
    let scaling = recipe.scaling.clone();
    let premodel = Premodel::new(recipe).unwrap();
    let examples = (0..200).map(|number| premodel.example(number).unwrap());
    let rows: Rows = examples.map(|example| scaling.apply(&example.features).to_vec()).collect();
    let quick: Vec<bool> =
        (0..200).map(|number| premodel.optimum(number) == Some(&id("quick"))).collect();
    let stage = FittedStage::fit(Learner::Knn, &rows, &quick, 0).unwrap();
    let mut said_yes = 0;
    for query in &queries {
        let vote = &premodel.consult(query).stages[0];
        let row = scaling.apply(&all.pick(query));
        assert_eq!(stage.score(&row), vote.votes as f32 / vote.voters as f32);
        assert_eq!(stage.decide(&row), vote.is_yes());
        said_yes += usize::from(vote.is_yes());
    }
    assert!((50..250).contains(&said_yes), "the votes differ: {said_yes} of 300 are yes");
}

#[test]
fn a_number_that_is_none_is_named_by_row_and_column() {
    let rows = [vec![0.1, 0.2], vec![0.3, f32::NAN]];
    let found = error(&rows, &[Some(0), None], 1);
    assert_eq!(found.to_string(), "row 1, column 1 is NaN; leave the row out or mend its features");
    let rows = [vec![f32::INFINITY, 0.2], vec![0.3, 0.4]];
    let found = FittedStage::fit(Learner::Knn, &rows, &[true, false], 0).unwrap_err();
    assert_eq!(found, LearnerError::NotFinite { row: 0, column: 0, value: f32::INFINITY });
}

#[test]
fn data_that_does_not_fit_together_is_refused() {
    let rows = [vec![0.1, 0.2], vec![0.3, 0.4]];
    assert_eq!(error(&[], &[], 1), LearnerError::NoRow);
    assert_eq!(error(&[vec![]], &[None], 1), LearnerError::NoColumn);
    assert_eq!(error(&rows, &[None, None], 0), LearnerError::NoStage);
    assert_eq!(error(&rows, &[None], 1), LearnerError::Labels { rows: 2, labels: 1 });
    let found = FittedStage::fit(Learner::Svm, &rows, &[true; 3], 0).unwrap_err();
    assert_eq!(found, LearnerError::Labels { rows: 2, labels: 3 });
    let ragged = [vec![0.1, 0.2], vec![0.3]];
    let found = error(&ragged, &[None, None], 1);
    assert_eq!(found, LearnerError::Ragged { row: 1, columns: 1, expected: 2 });
    let found = error(&rows, &[Some(1), Some(2)], 2);
    assert_eq!(found, LearnerError::UnknownStage { row: 1, stage: 2, stages: 2 });
}

#[test]
#[should_panic(expected = "as wide as those learnt from")]
fn a_row_of_another_width_is_not_answered() {
    let (rows, yes) = cells(20, 1, |column, _| column > 1);
    FittedStage::fit(Learner::DecisionTree, &rows, &yes, 0).unwrap().decide(&[0.5]);
}

#[test]
fn learners_are_found_by_their_names() {
    for learner in Learner::ALL {
        assert_eq!(learner.to_string().parse(), Ok(learner));
    }
    assert!(Learner::ALL.is_sorted());
    let found = "cnn".parse::<Learner>().unwrap_err().to_string();
    assert!(found.contains("`cnn`") && found.contains("knn, decision-tree, svm"), "{found}");
}
