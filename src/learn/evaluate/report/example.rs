//! An evaluation with realistic figures, to look at and to test with.

use crate::learn::evaluate::figures::*;

const SINGLES: [(&str, f64, f64); 10] = [
    ("lite0", 80.7, 9.6),
    ("lite0_128", 69.3, 4.2),
    ("lite0_160", 77.4, 5.6),
    ("lite0_96", 52.9, 3.1),
    ("lite1", 81.5, 13.4),
    ("lite2", 82.0, 17.7),
    ("inception_v3", 83.1, 78.6),
    ("mobilenet_v1", 75.4, 10.1),
    ("pplcnetv2_base", 81.6, 16.4),
    ("resnet50_v1", 79.7, 54.2),
];

const ADAPTIVE: [(f64, f64); 6] =
    [(76.0, 5.7), (83.2, 7.6), (85.2, 10.7), (86.2, 13.0), (86.8, 17.0), (88.0, 30.0)];

const FEATURES: [&str; 7] = [
    "n_keypoints",
    "avg_perceived_brightness",
    "hue1",
    "contrast",
    "area_by_perim",
    "edge_length1",
    "aspect_ratio",
];

const BUDGETS: [f64; 4] = [8.0, 16.7, 33.3, 100.0];

fn around(value: f64) -> Interval {
    Interval { value, low: value - 1.6, high: value + 1.6 }
}

fn entry(name: &str, kind: Kind, accuracy: f64, time: f64) -> Entry {
    let chooses = !matches!(kind, Kind::Single | Kind::Oracle);
    let in_time = |budget: f64| (budget / time - 0.4).clamp(0.0, 1.0) * accuracy;
    let effective = |budget_ms| Effective { budget_ms, accuracy: around(in_time(budget_ms)) };
    let points = |value: f64| Interval { value, low: value - 0.9, high: value + 0.9 };
    Entry {
        name: name.to_owned(),
        kind,
        note: format!("What {name} is."),
        top1: around(accuracy),
        top5: around(88.0 + accuracy / 10.0),
        precision: accuracy + 1.2,
        recall: accuracy - 0.1,
        f1: accuracy + 0.4,
        time_ms: Times { mean: around(time), p50: 0.9 * time, p95: 1.7 * time },
        overhead_ms: if chooses { 0.41 } else { 0.0 },
        energy_j: None,
        shares: shares(kind),
        effective: BUDGETS.map(effective).to_vec(),
        against_random_mix: chooses.then(|| points(accuracy - 81.4)),
        against_best_single: (kind != Kind::Single).then(|| points(accuracy - 83.1)),
    }
}

fn shares(kind: Kind) -> Vec<Share> {
    let shares: &[(&str, f64)] = match kind {
        Kind::Single => &[],
        Kind::PaperSequence => &[("lite0", 71.0), ("lite2", 18.0), ("inception_v3", 11.0)],
        Kind::Oracle => &[
            ("lite0_96", 53.0),
            ("lite0_128", 20.0),
            ("lite0_160", 12.0),
            ("lite0", 9.0),
            ("inception_v3", 6.0),
        ],
        Kind::Adaptive => &[("lite0_160", 100.0), ("lite1", 31.0), ("inception_v3", 4.5)],
        _ => &[("lite0", 80.0), ("pplcnetv2_base", 12.5), ("resnet50_v1", 7.5)],
    };
    let share = |&(model, percent): &(&str, f64)| Share { model: model.to_owned(), percent };
    shares.iter().map(share).collect()
}

fn group(selection: Selection, images: usize, less: f64) -> Group {
    let single = |&(name, accuracy, time): &(&str, f64, f64)| {
        entry(name, Kind::Single, accuracy - less, time)
    };
    let mut entries: Vec<Entry> = SINGLES.iter().map(single).collect();
    entries.push(entry("paper KNN", Kind::PaperSequence, 81.1 - less, 13.7));
    let mixes = (0..12).map(|mix| {
        let (accuracy, time) = (79.9 + 0.17 * f64::from(mix % 8), 10.8 + 0.4 * f64::from(mix));
        entry(&format!("mix {mix} of KNN, DT, SVM"), Kind::LearnerMix, accuracy - less, time)
    });
    entries.extend(mixes);
    entries.push(entry("confidence cascade", Kind::Reference, 84.1 - less, 12.4));
    entries.push(entry("adaptive, quick", Kind::Adaptive, 83.2 - less, 7.6));
    entries.push(entry("adaptive, balanced", Kind::Adaptive, 85.2 - less, 10.7));
    entries.push(entry("adaptive, careful", Kind::Adaptive, 86.2 - less, 13.0));
    entries.push(entry("adaptive without scene", Kind::Ablation, 84.0 - less, 11.1));
    entries.push(entry("adaptive without calibration", Kind::Ablation, 83.7 - less, 10.9));
    entries.push(entry("oracle", Kind::Oracle, 91.1 - less, 11.0));
    Group { selection, images, entries, curves: curves(less) }
}

fn curves(less: f64) -> Vec<Curve> {
    let curve = |name: &str, kind, points: &[(f64, f64)]| {
        let point = |&(accuracy, time_ms): &(f64, f64)| Point {
            time_ms,
            accuracy: around(accuracy - less),
        };
        Curve { name: name.to_owned(), kind, points: points.iter().map(point).collect() }
    };
    let mix = [
        (52.9, 3.1),
        (69.3, 4.2),
        (77.4, 5.6),
        (80.7, 9.6),
        (81.5, 13.4),
        (82.0, 17.7),
        (83.1, 78.6),
    ];
    let cascade = [(79.0, 7.4), (82.3, 9.7), (84.1, 12.4), (84.9, 21.0)];
    vec![
        curve("random mix", Kind::RandomMix, &mix),
        curve("confidence cascade", Kind::Reference, &cascade),
        curve("adaptive", Kind::Adaptive, &ADAPTIVE),
    ]
}

fn bins(lift: f64) -> Vec<Bin> {
    let bin = |number: u32| {
        let confidence = 8.0 + 10.0 * f64::from(number);
        Bin { images: 240, confidence, accuracy: (confidence * lift).clamp(0.0, 100.0) }
    };
    (0..10).map(bin).collect()
}

fn correlation() -> Correlation {
    let r = |row: usize, column: usize| {
        let apart = row.abs_diff(column) as f64;
        let sign = if (row + column).is_multiple_of(3) { -1.0 } else { 1.0 };
        Some(if row == column { 1.0 } else { sign * (0.95 - 0.13 * apart) })
    };
    let row = |row| (0..FEATURES.len()).map(|column| r(row, column)).collect();
    let features = FEATURES.map(str::to_owned).to_vec();
    Correlation { features, matrix: (0..FEATURES.len()).map(row).collect() }
}

fn deployed() -> Vec<Deployed> {
    let models = ["lite0", "lite0_160", "lite2", "inception_v3", "resnet50_v1"];
    let series = [
        ("paper KNN", Kind::PaperSequence, [80.7, 80.9, 81.1, 81.0, 80.8], 9.6),
        ("adaptive", Kind::Adaptive, [80.7, 83.4, 84.8, 85.6, 85.8], 9.6),
    ];
    let points = series.iter().flat_map(|(chooser, kind, accuracies, time)| {
        accuracies.iter().zip(1..).map(move |(&accuracy, count)| Deployed {
            chooser: (*chooser).to_owned(),
            kind: *kind,
            count,
            models: models[..count].iter().map(|&model| model.to_owned()).collect(),
            accuracy: around(accuracy),
            time_ms: time + 1.1 * (count - 1) as f64,
        })
    });
    points.collect()
}

fn data() -> Data {
    let set = |name: &str, images| ImageSet { name: name.to_owned(), images };
    let model = |&(name, _, latency_ms): &(&str, f64, f64)| Model {
        name: name.to_owned(),
        latency_ms,
        energy_j: None,
        provider: "cpu".to_owned(),
    };
    Data {
        sets: vec![set("validation", 1600), set("matched", 800)],
        images: 2400,
        classes: 1000,
        truth: "the labels files".to_owned(),
        machines: vec!["4 cores at 2.5 GHz".to_owned()],
        models: SINGLES.iter().map(model).collect(),
        folds: 10,
        seed: 7,
        resamples: 1000,
        latency_table: None,
        premodel: Some(GivenPremodel {
            file: "premodel.safetensors".to_owned(),
            trained_on: "2,400 pictures".to_owned(),
        }),
        notes: vec!["The same on every image, so that nothing looks at it: hue7.".to_owned()],
    }
}

/// An evaluation that has everything.
pub(crate) fn evaluation() -> Evaluation {
    let set = |name: &str| Selection::Set(name.to_owned());
    let transfer = |from: &str, to: &str| Selection::Transfer {
        trained_on: vec![from.to_owned()],
        tested_on: to.to_owned(),
    };
    let auc = |(number, &(model, ..)): (usize, &(&str, f64, f64))| Auc {
        model: model.to_owned(),
        from_features: Some(0.54 + 0.01 * number as f64),
        from_own_confidence: Some(0.80 + 0.009 * number as f64),
        calibrated: Some(0.81 + 0.009 * number as f64),
    };
    let calibration = |(number, &(model, ..)): (usize, &(&str, f64, f64))| Calibration {
        model: model.to_owned(),
        before: bins(if number.is_multiple_of(2) { 1.18 } else { 0.82 }),
        after: bins(1.02),
        ece_before: 9.6,
        ece_after: 1.1,
    };
    let lost = [2.1, 0.7, 0.4, 0.2, 0.1, 0.0, -0.3];
    let importance = |(feature, points_lost): (&str, f64)| Importance {
        feature: feature.to_owned(),
        points_lost,
    };
    Evaluation {
        data: data(),
        groups: vec![
            group(Selection::All, 2400, 0.0),
            group(set("validation"), 1600, -0.6),
            group(set("matched"), 800, 1.2),
            group(transfer("validation", "matched"), 800, 1.6),
            group(transfer("matched", "validation"), 1600, 0.3),
        ],
        auc: SINGLES.iter().enumerate().map(auc).collect(),
        importance: FEATURES.into_iter().zip(lost).map(importance).collect(),
        correlation: Some(correlation()),
        calibration: SINGLES.iter().enumerate().map(calibration).collect(),
        deployed: deployed(),
    }
}
