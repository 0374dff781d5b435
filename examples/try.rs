use classifyd::learn::adapt::*;
use classifyd::learn::profile_file::Profile;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let profiles: Vec<Profile> = args
        .iter()
        .filter(|a| a.ends_with("parquet"))
        .map(|p| Profile::read(std::path::Path::new(p)).unwrap())
        .collect();
    let answers = Answers::gather(&profiles);
    let n = answers.pictures.len();
    println!("{n} pictures");
    for (m, t) in answers.models.iter().zip(&answers.times) {
        println!("{m} {t:?}");
    }
    let mut order: Vec<usize> = (0..n).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut order);
    let folds: Vec<Vec<usize>> =
        (0..10).map(|f| order.iter().skip(f).step_by(10).copied().collect()).collect();
    let mut opts = vec![("full", AdaptOptions::default())];
    for p in Part::ALL {
        opts.push((p.name(), AdaptOptions { without: Some(p), ..Default::default() }));
    }
    if args.iter().any(|a| a == "quick") {
        opts.truncate(1);
    }
    for (name, o) in opts {
        #[allow(clippy::disallowed_methods)]
        let s = Instant::now();
        let mut k = fit(&answers, &order, &o).unwrap();
        println!(
            "== {name} pool {:?} prior {} sets {} fit {:?}",
            k.pool.iter().map(|&m| answers.models[m].as_str()).collect::<Vec<_>>(),
            k.prior.strength,
            k.sets.len(),
            s.elapsed()
        );
        let t =
            assurance::cross_validate(&answers, &folds, &o, &answers.times.clone(), None).unwrap();
        let all: Vec<usize> = (0..n).collect();
        assurance::note(&mut k.points, &t, &answers, &all);
        for p in &k.points {
            println!(
                "price {:.5} time {:.2} acc {:.2} assured {:.2}",
                p.price_per_ms,
                p.mean_time_ms,
                100. * p.accuracy,
                100. * p.assured_accuracy
            );
        }
        println!("{:?}", s.elapsed());
    }
}
