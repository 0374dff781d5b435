//! The report as a whole.

use std::fs;

use roxmltree::Document;

use super::*;
use crate::report::checks::{HOSTILE, assert_described, assert_on_its_own, parse, with_id};
use crate::simulate::figures::{
    Carried, Entry, Kind, Plan, PlanRow, Point, RunFigures, Share, Spread,
};

fn spread(mean: f64) -> Spread {
    Spread { mean, deviation: 0.5 }
}

fn entry(kind: Kind, model: Option<&str>, accuracy: f64) -> Entry {
    let name = kind.name();
    let run = RunFigures {
        in_time: spread(accuracy + 5.0),
        miss_ratio: spread(1.0),
        late: spread(1.0),
        expired: spread(94.0 - accuracy),
        superseded: spread(0.0),
        utilisation: spread(80.0),
        runs_per_answer: 1.0,
        shares: vec![Share { model: HOSTILE.to_owned(), percent: 100.0 }],
        streams: vec![spread(accuracy)],
    };
    Entry {
        policy: model.map_or(name.to_owned(), |model| format!("{name}:{model}")),
        kind,
        model: model.map(str::to_owned),
        effective_accuracy: spread(accuracy),
        expected_accuracy: spread(accuracy),
        reached: (kind == Kind::Oracle).then(|| spread(accuracy - 0.5)),
        run: (!matches!(kind, Kind::Oracle | Kind::Omniscient)).then_some(run),
    }
}

fn case(name: &str, ours: f64) -> Case {
    Case {
        name: name.to_owned(),
        rate: 50.0,
        load: 1.0,
        reference: HOSTILE.to_owned(),
        streams: vec!["a".to_owned()],
        duration_ms: 1e4,
        frames: 500.0,
        entries: vec![
            entry(Kind::Oracle, None, 80.0),
            entry(Kind::Ours, None, ours),
            entry(Kind::Fixed, Some("middle"), 70.0),
            entry(Kind::Fifo, Some(HOSTILE), 60.0),
        ],
    }
}

fn simulation() -> Simulation {
    let point = |(load, ours): (f64, f64)| Point {
        streams: 2,
        budget_ms: 33.0,
        load,
        case: case("point", ours),
    };
    let carried = |kind, cameras| Carried {
        kind,
        cameras,
        policy: Some(HOSTILE.to_owned()),
        effective_accuracy: Some(71.0),
    };
    let row = PlanRow {
        variant: HOSTILE.to_owned(),
        rate: 15.0,
        cameras: vec![carried(Kind::Ours, 8), carried(Kind::Fixed, 5), carried(Kind::Edf, 6)],
    };
    Simulation {
        name: HOSTILE.to_owned(),
        about: HOSTILE.to_owned(),
        seeds: 3,
        cases: vec![case(HOSTILE, 79.0)],
        grid: [(0.5, 79.2), (1.0, 76.0), (2.0, 69.0)].map(point).to_vec(),
        plan: Some(Plan {
            budget_ms: 50.0,
            accuracy: Some(70.0),
            in_time: None,
            most: 8,
            rows: vec![row],
        }),
        ..Simulation::default()
    }
}

#[test]
fn the_report_stands_on_its_own_whatever_things_are_called() {
    let directory = tempfile::tempdir().unwrap();
    let written = write(&directory.path().join("new"), &simulation()).unwrap();
    let html = fs::read_to_string(&written.html).unwrap();
    assert!(!html.contains(['\u{1}', '\u{202e}']) && !html.contains("<!--"));
    let document = parse(&html);
    assert_on_its_own(&document);
    for section in ["summary", "policies", "points", "cameras", "method"] {
        assert!(with_id(&document, section).has_tag_name("section"), "{section}");
    }
    for id in ["outcomes-1", "grid", "heat", "plan"] {
        assert_described(&document, id);
        let file = directory.path().join(format!("new/{id}.svg"));
        let svg = fs::read_to_string(&file).unwrap();
        let parsed = Document::parse(&svg).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert!(parsed.descendants().filter(|node| node.has_tag_name("rect")).count() > 0);
    }
    assert_eq!(written.plots.len(), 4);
}

#[test]
fn findings_say_how_near_the_oracle_and_how_far_from_one_model() {
    let findings = findings(&simulation());
    assert!(
        findings[0].contains("79.0 % of the frames, 98.8 % of what the oracle"),
        "{findings:?}"
    );
    assert_eq!(
        findings[1],
        "Over the 2 points of the grid with loads up to 1, ours is expected to reach 97.0 % of the \
         oracle on average, within 2 % of it at 1, and 95.0 % at the worst (2 streams with 33 ms at \
         load 1)."
    );
    assert_eq!(
        findings[2],
        "Against the best policy with one model, picked anew at every point, ours is below it at 1 of \
         3 points: from −1.0 points (2 streams with 33 ms at load 2) to +9.2 points (2 streams with 33 \
         ms at load 0.5)."
    );
}

#[test]
fn what_was_not_simulated_has_no_section() {
    let directory = tempfile::tempdir().unwrap();
    let empty = Simulation { name: "nothing".to_owned(), ..Simulation::default() };
    let written = write(directory.path(), &empty).unwrap();
    assert!(written.plots.is_empty());
    let html = fs::read_to_string(&written.html).unwrap();
    assert!(!html.contains("id=\"points\"") && html.contains("id=\"method\""));
    let table = fs::read_to_string(&written.csv).unwrap();
    assert_eq!(table.lines().count(), 1, "{table}");
}

#[test]
fn the_table_has_a_row_for_each_entry() {
    let table = csv::table(&simulation());
    let mut reader = ::csv::Reader::from_reader(table.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4 * 4);
    assert_eq!((&rows[1][0], &rows[1][8], &rows[1][13]), ("case", "ours", "79"));
    assert_eq!((&rows[4][0], &rows[4][3], &rows[4][4]), ("grid", "33", "1"));
    assert_eq!(&rows[5][14], "99", "percent of the oracle");
}

#[test]
fn the_grid_has_a_row_for_each_point() {
    let table = csv::points(&simulation().grid);
    let mut reader = ::csv::Reader::from_reader(table.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    let cells = |row: usize, columns: &[usize]| -> Vec<&str> {
        columns.iter().map(|&column| rows[row].get(column).unwrap()).collect()
    };
    assert_eq!(cells(1, &[0, 1, 2, 6, 7, 9, 10]), ["2", "33", "1", "80", "79.5", "76", "95"]);
    assert_eq!(cells(2, &[11, 12, 13]), ["70", "fixed:middle", "-1"]);
}
