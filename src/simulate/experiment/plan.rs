//! How many cameras the devices carry.
//!
//! More cameras leave each frame less time, so what will do with some number of them will with fewer:
//! the most is found by doubling, then by halving the gap.

use std::collections::BTreeMap;

use super::{Bench, Circumstances, alike, all_settings, milliseconds, running_kinds};
use crate::simulate::figures::{self, Carried, Case, Entry, Kind, PlanRow};
use crate::simulate::scenario::{Plan, Policy, Scenario};
use crate::simulate::setting::Setting;

/// Carries a plan out; the events that were simulated besides.
pub(super) fn carry_out(
    scenario: &Scenario,
    plan: &Plan,
    bench: &Bench<'_>,
) -> (figures::Plan, u64) {
    let policies: Vec<Policy> = scenario.policies.clone();
    let kinds = running_kinds(&policies);
    let (mut rows, mut events) = (Vec::new(), 0);
    for (variant, setting) in all_settings(scenario) {
        for &rate in &plan.rates {
            let mut trials =
                Trials { plan, bench, setting: &setting, rate, seen: BTreeMap::new(), events: 0 };
            let cameras = kinds.iter().map(|&kind| trials.most(kind, &policies)).collect();
            events += trials.events;
            rows.push(PlanRow { variant: variant.clone(), rate, cameras });
        }
    }
    let percent = |share: f64| share * 100.0;
    let figures = figures::Plan {
        budget_ms: milliseconds(plan.budget),
        accuracy: plan.accuracy.map(percent),
        in_time: plan.in_time.map(percent),
        most: plan.most,
        rows,
    };
    (figures, events)
}

/// What was tried at one rate.
struct Trials<'a> {
    plan: &'a Plan,
    bench: &'a Bench<'a>,
    setting: &'a Setting,
    rate: f64,
    /// By kind and number of cameras.
    seen: BTreeMap<(Kind, usize), Case>,
    events: u64,
}

impl Trials<'_> {
    fn most(&mut self, kind: Kind, policies: &[Policy]) -> Carried {
        let policies: Vec<Policy> = policies
            .iter()
            .filter(|policy| super::measure::kind(policy) == kind)
            .cloned()
            .collect();
        let (mut good, mut bad) = (0, self.plan.most + 1);
        let mut next = 1;
        while good + 1 < bad {
            let cameras = next.clamp(good + 1, bad - 1);
            match self.does(kind, &policies, cameras) {
                true => (good, next) = (cameras, cameras * 2),
                false => bad = cameras,
            }
            if bad <= self.plan.most {
                next = good.midpoint(bad);
            }
        }
        let best = self.seen.get(&(kind, good)).and_then(|case| self.best(case));
        Carried {
            kind,
            cameras: good,
            policy: best.map(|entry| entry.policy.clone()),
            effective_accuracy: best.map(|entry| entry.effective_accuracy.mean),
        }
    }

    /// Whether so many cameras are carried.
    fn does(&mut self, kind: Kind, policies: &[Policy], cameras: usize) -> bool {
        let mut setting = self.setting.clone();
        setting.streams = alike(cameras, self.rate, self.plan.budget, self.plan.jitter);
        let name = format!("{cameras} cameras");
        let one = Circumstances { name, reference: setting.reference(), setting };
        let (mut cases, events) = self.bench.compare(&[one], policies);
        self.events += events;
        let Some(case) = cases.pop() else { return false };
        let does = self.best(&case).is_some();
        self.seen.insert((kind, cameras), case);
        does
    }

    /// Of the policies that will do the one that is most often right in time.
    fn best<'c>(&self, case: &'c Case) -> Option<&'c Entry> {
        let will_do = case.entries.iter().filter(|entry| self.will_do(entry));
        will_do.max_by(|a, b| a.expected_accuracy.mean.total_cmp(&b.expected_accuracy.mean))
    }

    fn will_do(&self, entry: &Entry) -> bool {
        let accuracy = entry.expected_accuracy.mean;
        let in_time = entry.run.as_ref().map_or(0.0, |run| run.in_time.mean);
        let reaches =
            |least: Option<f64>, found: f64| least.is_none_or(|least| found >= least * 100.0);
        reaches(self.plan.accuracy, accuracy) && reaches(self.plan.in_time, in_time)
    }
}
