//! Folds the attempts of a run into its report: pure sums over what the store grouped.
//!
//! Nothing is priced here; every attempt carries its cost since it ended, so that a later price
//! table does not change what was reported.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::status::ShownState;
use super::summary::{
    AttemptSums, CostSums, EstimateQuality, HourSums, LaneSums, ModelSums, PriceTableInfo, Report,
    StatusLook, TokenCounts,
};
use crate::model::{AttemptOutcome, CostBasis, ErrorClass, Lane, Pico, Run, Tokens};
use crate::store::{AttemptGroup, Reader};

/// Reads and sums up what a run did. `price_table_version` names the prices in use;
/// `dispatcher_alive` tells a running run from an interrupted one.
pub async fn load_report<R: Reader>(
    reader: &R,
    run: &Run,
    dispatcher_alive: bool,
    price_table_version: &str,
) -> super::Result<Report> {
    let groups = reader.attempt_groups(run.id).await?;
    let mut report = summarise(run, &groups, price_table_version);
    report.state = ShownState::of(run, dispatcher_alive);
    let hours = reader.hours_of_day(run.id).await?;
    report.by_hour = hours.into_iter().map(HourSums::from).collect();
    let changes = reader.status_changes(run.id).await?;
    report.status_page = changes.into_iter().map(StatusLook::from).collect();
    let estimates = reader.estimates(run.id).await?;
    report.estimates = estimates.into_iter().map(EstimateQuality::from).collect();
    Ok(report)
}

/// The report of a run with these attempts. Its `state` takes the store's word that a running run
/// is running, and its `by_hour`, `status_page` and `estimates` are empty; [`load_report`] knows better.
#[must_use]
pub fn summarise(run: &Run, groups: &[AttemptGroup], price_table_version: &str) -> Report {
    let on = |lane| Sums::of(groups.iter().filter(|group| group.lane == lane));
    let all = Sums::of(groups);
    Report {
        run_id: run.id.to_string(),
        name: run.name.clone(),
        file: run.file.clone(),
        state: ShownState::of(run, true),
        simulated: run.simulated,
        jobs: run.jobs,
        attempts: attempt_sums(groups),
        tokens: all.tokens.into(),
        cost_usd: cost_sums(groups),
        budget_usd: run.options.budget_usd,
        over_budget_usd: run.options.budget_usd.map(|budget| over(all.cost, budget)),
        cache_hit_rate: hit_rate(&all.tokens),
        by_model: by_model(groups),
        by_hour: Vec::new(),
        status_page: Vec::new(),
        estimates: Vec::new(),
        by_lane: [Lane::Live, Lane::Batch]
            .into_iter()
            .filter_map(|lane| lane_sums(lane, &on(lane)))
            .collect(),
        duration_s: duration_s(run),
        price_table: PriceTableInfo {
            version: price_table_version.to_owned(),
        },
    }
}

/// The money of any set of attempts.
pub(super) fn cost_sums(groups: &[AttemptGroup]) -> CostSums {
    let on = |lane| Sums::of(groups.iter().filter(|group| group.lane == lane)).cost;
    let all = Sums::of(groups);
    CostSums {
        total: all.cost,
        live: on(Lane::Live),
        batch: on(Lane::Batch),
        saved_by_batch: groups.iter().map(|group| group.cost.saved_by_batch).sum(),
        saved_by_cache: all.saved_by_cache,
        wasted_on_retries: wasted(groups),
        wasted_on_refusals: refused(groups),
        unknown_price_attempts: all.unknown_price,
        at_most_attempts: based_on(groups, CostBasis::AtMost),
        saturated_attempts: based_on(groups, CostBasis::Saturated),
        asked_model_attempts: based_on(groups, CostBasis::AskedModel),
    }
}

/// How many attempts have a cost that rests on that.
fn based_on(groups: &[AttemptGroup], basis: CostBasis) -> u64 {
    let based = groups
        .iter()
        .filter(|group| group.cost_basis == Some(basis));
    based.map(|group| group.attempts).sum()
}

/// The tokens of any set of attempts.
pub(super) fn token_sums(groups: &[AttemptGroup]) -> TokenCounts {
    Sums::of(groups).tokens.into()
}

/// What is summed of any set of attempts.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    attempts: u64,
    succeeded: u64,
    unknown_price: u64,
    tokens: Tokens,
    cost: Pico,
    saved_by_cache: Pico,
}

impl Sums {
    fn of<'a>(groups: impl IntoIterator<Item = &'a AttemptGroup>) -> Self {
        let mut sums = Self::default();
        for group in groups {
            sums.add(group);
        }
        sums
    }

    fn add(&mut self, group: &AttemptGroup) {
        self.attempts += group.attempts;
        if group.outcome == Some(AttemptOutcome::Succeeded) {
            self.succeeded += group.attempts;
        }
        if group.unknown_price {
            self.unknown_price += group.attempts;
        }
        self.tokens = self.tokens.plus(&group.tokens);
        self.cost += group.cost.total;
        self.saved_by_cache += group.cost.saved_by_cache;
    }
}

fn attempt_sums(groups: &[AttemptGroup]) -> AttemptSums {
    let mut sums = AttemptSums::default();
    let mut at_most = Pico::ZERO;
    for group in groups {
        let n = group.attempts;
        let if_so = |so: bool| if so { n } else { 0 };
        sums.total += n;
        sums.open += if_so(group.outcome.is_none());
        sums.results += if_so(group.is_result);
        sums.interrupted += if_so(group.outcome == Some(AttemptOutcome::Interrupted));
        sums.maybe_billed += if_so(group.maybe_billed);
        sums.maybe_billed_unbounded += group.unbounded;
        at_most += group.at_most;
        if group.is_result && group.outcome != Some(AttemptOutcome::Succeeded) {
            // What failed has a class; the sum is the number of failed jobs all the same.
            let class = group.error_class.unwrap_or(ErrorClass::Unknown);
            *sums.failed_by_class.entry(class).or_default() += n;
        }
        let Some(class) = group.error_class else {
            continue;
        };
        *sums.by_class.entry(class).or_default() += n;
        if group.is_result {
            *sums.results_by_class.entry(class).or_default() += n;
        }
    }
    // A bound that leaves out one attempt would be none.
    sums.maybe_billed_usd_at_most = (sums.maybe_billed_unbounded == 0).then_some(at_most);
    sums
}

/// What attempts cost that are no part of their job's result.
fn wasted(groups: &[AttemptGroup]) -> Pico {
    let wasted = groups.iter().filter(|group| !is_of_use(group));
    wasted.map(|group| group.cost.total).sum()
}

/// What results cost that are refusals; a refusal that was followed by another try is a retry.
fn refused(groups: &[AttemptGroup]) -> Pico {
    let refused = groups
        .iter()
        .filter(|group| group.is_result && group.error_class == Some(ErrorClass::Refused));
    refused.map(|group| group.cost.total).sum()
}

fn over(cost: Pico, budget: Pico) -> Pico {
    (cost - budget).max(Pico::ZERO)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate needs no more than a float's precision"
)]
fn hit_rate(tokens: &Tokens) -> Option<f64> {
    let (read, prompt) = (tokens.cache_read as f64, tokens.prompt() as f64);
    (prompt > 0.0).then(|| (read / prompt * 10_000.0).round() / 10_000.0)
}

/// A paused answer is the beginning of the one that its job goes on with.
fn is_of_use(group: &AttemptGroup) -> bool {
    let paused = group.outcome == Some(AttemptOutcome::Succeeded)
        && group.error_class == Some(ErrorClass::Paused);
    group.is_result || paused
}

fn by_model(groups: &[AttemptGroup]) -> Vec<ModelSums> {
    let mut models: BTreeMap<&str, (Sums, BTreeSet<&str>)> = BTreeMap::new();
    for group in groups {
        // Prices are those of the model that answered.
        let model = group.answered_by.as_ref().unwrap_or(&group.model);
        let (sums, rows) = models.entry(model).or_default();
        sums.add(group);
        rows.extend(group.price_row.as_deref());
    }
    let shown = models.into_iter().map(|(model, (sums, rows))| ModelSums {
        model: model.to_owned(),
        attempts: sums.attempts,
        succeeded: sums.succeeded,
        tokens: sums.tokens.into(),
        cost_usd: sums.cost,
        saved_by_cache: sums.saved_by_cache,
        unknown_price_attempts: sums.unknown_price,
        price_row: (!rows.is_empty()).then(|| Vec::from_iter(rows).join(", ")),
    });
    shown.collect()
}

fn lane_sums(lane: Lane, sums: &Sums) -> Option<LaneSums> {
    (sums.attempts > 0).then(|| LaneSums {
        lane,
        attempts: sums.attempts,
        succeeded: sums.succeeded,
        tokens: TokenCounts::from(sums.tokens),
        cost_usd: sums.cost,
    })
}

fn duration_s(run: &Run) -> Option<f64> {
    let until: Timestamp = run.ended_at.or(run.halt.as_ref().map(|halt| halt.at))?;
    let seconds = until.duration_since(run.started_at?).as_secs_f64();
    // A clock set back between two dispatches must not show as a negative duration.
    Some(seconds.max(0.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_of_use, load_report, summarise};
    use crate::model::{
        AttemptOutcome, Cost, ErrorClass, EstimateErrors, Indicator, Lane, PageStatus, Pico,
        RunState, Tokens,
    };
    use crate::report::Report;
    use crate::report::status::ShownState;
    use crate::report::testing::{MemoryReader, run};
    use crate::store::{AttemptGroup, EstimateKind, EstimateSums, StatusChange};

    fn off_by_a_fifth() -> EstimateErrors {
        let mut errors = EstimateErrors::default();
        errors.add(80, 100);
        errors
    }

    fn any_outcome() -> impl Strategy<Value = Option<AttemptOutcome>> {
        prop::option::of(prop::sample::select(vec![
            AttemptOutcome::Succeeded,
            AttemptOutcome::Errored,
            AttemptOutcome::Interrupted,
            AttemptOutcome::Expired,
            AttemptOutcome::Canceled,
        ]))
    }

    fn any_cost() -> impl Strategy<Value = Cost> {
        let amount = 0..10_i128.pow(20);
        (amount.clone(), amount, -(10_i128.pow(20))..10_i128.pow(20)).prop_map(
            |(total, batch, cache)| Cost {
                total: Pico(total),
                saved_by_batch: Pico(batch),
                saved_by_cache: Pico(cache),
                unknown_price: false,
            },
        )
    }

    fn any_tokens() -> impl Strategy<Value = Tokens> {
        let n = 0..1_u64 << 40;
        (n.clone(), n.clone(), n.clone(), n.clone(), n).prop_map(|(a, b, c, d, e)| Tokens {
            input: a,
            output: b,
            cache_read: c,
            cache_write_5m: d,
            cache_write_1h: e,
        })
    }

    fn any_group() -> impl Strategy<Value = AttemptGroup> {
        let classes: Vec<_> = ErrorClass::all().collect();
        let models = || prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
        (
            (models(), prop::option::of(models()), any::<bool>()),
            (
                any_outcome(),
                prop::option::of(prop::sample::select(classes)),
            ),
            (any::<bool>(), any::<bool>(), any::<bool>(), 1..1_000_u64),
            (any_tokens(), any_cost()),
        )
            .prop_map(|(asked, end, flags, used)| AttemptGroup {
                model: asked.0,
                answered_by: asked.1,
                lane: if asked.2 { Lane::Live } else { Lane::Batch },
                outcome: end.0,
                error_class: end.1,
                maybe_billed: flags.0,
                is_result: flags.1,
                unknown_price: flags.2,
                cost_basis: None,
                price_row: None,
                at_most: Pico::ZERO,
                unbounded: 0,
                attempts: flags.3,
                tokens: used.0,
                cost: used.1,
            })
    }

    fn sum(amounts: impl Iterator<Item = Pico>) -> Pico {
        amounts.sum()
    }

    proptest! {
        #[test]
        fn every_part_adds_up_to_the_total_to_the_last_digit(
            groups in prop::collection::vec(any_group(), 0..30)
        ) {
            let report = summarise(&run(), &groups, "v");
            let cost = &report.cost_usd;
            prop_assert_eq!(cost.total, sum([cost.live, cost.batch].into_iter()));
            prop_assert_eq!(cost.total, sum(report.by_model.iter().map(|m| m.cost_usd)));
            prop_assert_eq!(cost.total, sum(report.by_lane.iter().map(|l| l.cost_usd)));
            prop_assert_eq!(cost.saved_by_cache, sum(report.by_model.iter().map(|m| m.saved_by_cache)));
            let kept: Pico = groups.iter().filter(|g| is_of_use(g)).map(|g| g.cost.total).sum();
            prop_assert_eq!(cost.total, cost.wasted_on_retries + kept);
        }

        #[test]
        fn every_attempt_is_counted_once_in_each_breakdown(
            groups in prop::collection::vec(any_group(), 0..30)
        ) {
            let report = summarise(&run(), &groups, "v");
            let total: u64 = groups.iter().map(|g| g.attempts).sum();
            let with_class: u64 = groups.iter().filter(|g| g.error_class.is_some()).map(|g| g.attempts).sum();
            prop_assert_eq!(report.attempts.total, total);
            prop_assert_eq!(report.by_model.iter().map(|m| m.attempts).sum::<u64>(), total);
            prop_assert_eq!(report.by_lane.iter().map(|l| l.attempts).sum::<u64>(), total);
            prop_assert_eq!(report.attempts.by_class.values().sum::<u64>(), with_class);
            prop_assert_eq!(
                report.by_model.iter().map(|m| m.unknown_price_attempts).sum::<u64>(),
                report.cost_usd.unknown_price_attempts
            );
            for (class, n) in &report.attempts.results_by_class {
                prop_assert!(report.attempts.by_class.get(class).is_some_and(|all| all >= n));
            }
            let outputs: u64 = report.by_model.iter().map(|m| m.tokens.output).sum();
            prop_assert_eq!(outputs, report.tokens.output);
        }

        #[test]
        fn the_json_is_read_back_as_it_was(groups in prop::collection::vec(any_group(), 0..10)) {
            let report = summarise(&run(), &groups, "v");
            let json = serde_json::to_string(&report).unwrap();
            prop_assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        }
    }

    #[test]
    fn what_a_run_cost_beyond_its_budget_is_told() {
        let mut run = run();
        let spent = AttemptGroup {
            cost: Cost {
                total: Pico(7),
                ..Cost::default()
            },
            tokens: Tokens {
                input: 1,
                cache_read: 3,
                ..Tokens::default()
            },
            ..group()
        };
        for (budget, over) in [(None, None), (Some(5), Some(2)), (Some(9), Some(0))] {
            run.options.budget_usd = budget.map(Pico);
            let report = summarise(&run, std::slice::from_ref(&spent), "v");
            assert_eq!(report.over_budget_usd, over.map(Pico));
            assert_eq!(report.cache_hit_rate, Some(0.75));
        }
    }

    #[test]
    fn refusals_are_waste_of_their_own() {
        let refused = |is_result| AttemptGroup {
            error_class: Some(ErrorClass::Refused),
            is_result,
            cost: Cost {
                total: Pico(7),
                ..Cost::default()
            },
            ..group()
        };
        let report = summarise(&run(), &[refused(true), refused(false)], "v");
        assert_eq!(report.cost_usd.wasted_on_refusals, Pico(7));
        assert_eq!(report.cost_usd.wasted_on_retries, Pico(7));
    }

    fn group() -> AttemptGroup {
        AttemptGroup {
            model: "asked".to_owned(),
            answered_by: None,
            lane: Lane::Live,
            outcome: Some(AttemptOutcome::Succeeded),
            error_class: None,
            maybe_billed: false,
            is_result: true,
            unknown_price: false,
            cost_basis: None,
            price_row: None,
            at_most: Pico::ZERO,
            unbounded: 0,
            attempts: 1,
            tokens: Tokens::default(),
            cost: Cost::default(),
        }
    }

    #[test]
    fn marked_successes_are_counted_under_their_class() {
        let truncated = AttemptGroup {
            error_class: Some(ErrorClass::Truncated),
            attempts: 3,
            ..group()
        };
        let report = summarise(&run(), &[truncated, group()], "v");
        assert_eq!(
            report.attempts.by_class,
            [(ErrorClass::Truncated, 3)].into()
        );
        assert_eq!(report.by_model[0].succeeded, 4);
    }

    #[test]
    fn the_model_that_answered_has_the_costs() {
        let answered = AttemptGroup {
            answered_by: Some("other".to_owned()),
            ..group()
        };
        let report = summarise(&run(), &[answered, group()], "v");
        let models: Vec<_> = report.by_model.iter().map(|m| m.model.as_str()).collect();
        assert_eq!(models, ["asked", "other"]);
    }

    #[test]
    fn the_duration_ends_with_the_run_or_its_halt() {
        let mut run = run();
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(summarise(&run, &[], "v").duration_s, None);
        run.started_at = at("2026-03-01T12:00:00Z");
        assert_eq!(summarise(&run, &[], "v").duration_s, None);
        run.ended_at = at("2026-03-01T12:01:30.5Z");
        assert_eq!(summarise(&run, &[], "v").duration_s, Some(90.5));
        run.ended_at = at("2026-03-01T11:00:00Z");
        assert_eq!(summarise(&run, &[], "v").duration_s, Some(0.0));
    }

    #[tokio::test]
    async fn a_loaded_report_knows_whether_the_dispatcher_lives() {
        let mut run = run();
        run.state = RunState::Running;
        let reader = MemoryReader {
            groups: vec![group()],
            hours: vec![crate::store::HourOfDay {
                hour: 14,
                attempts: 3,
                service_failures: 1,
            }],
            estimates: vec![EstimateSums {
                model: "asked".to_owned(),
                kind: EstimateKind::Input,
                errors: off_by_a_fifth(),
            }],
            status_changes: vec![StatusChange {
                at: "2026-03-01T14:05:00Z".parse().unwrap(),
                status: PageStatus {
                    indicator: Indicator::Critical,
                    incident: Some("Elevated errors".to_owned()),
                    component: None,
                },
            }],
            ..MemoryReader::default()
        };
        let report = load_report(&reader, &run, false, "2026-03").await.unwrap();
        assert_eq!(report.state, ShownState::Interrupted);
        assert_eq!(report.status_page[0].indicator, Indicator::Critical);
        let text = crate::report::report_text(&report, crate::report::Layout::wide());
        let shown = "
What the status page said
  SINCE (UTC)       STATUS PAGE      INCIDENT
  2026-03-01 14:05  critical outage  Elevated errors
";
        assert!(text.contains(shown), "{text}");
        assert_eq!(report.attempts.total, 1);
        insta::assert_snapshot!(serde_json::to_string(&report).unwrap(), @r#"{"run_id":"01957a1c-6f00-7000-8000-000000000001","name":null,"file":"in.jsonl","state":"interrupted","simulated":false,"jobs":{"total":2,"succeeded":2,"failed":0,"canceled":0,"pending":0,"in_flight":0,"in_batch":0},"attempts":{"total":1,"open":0,"results":1,"by_class":{},"results_by_class":{},"failed_by_class":{},"interrupted":0,"maybe_billed":0,"maybe_billed_usd_at_most":"0.00","maybe_billed_unbounded":0},"tokens":{"input":0,"output":0,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0},"cost_usd":{"total":"0.00","live":"0.00","batch":"0.00","saved_by_batch":"0.00","saved_by_cache":"0.00","wasted_on_retries":"0.00","wasted_on_refusals":"0.00","unknown_price_attempts":0,"at_most_attempts":0,"saturated_attempts":0,"asked_model_attempts":0},"budget_usd":null,"over_budget_usd":null,"cache_hit_rate":null,"by_model":[{"model":"asked","attempts":1,"succeeded":1,"tokens":{"input":0,"output":0,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0},"cost_usd":"0.00","saved_by_cache":"0.00","unknown_price_attempts":0,"price_row":null}],"by_lane":[{"lane":"live","attempts":1,"succeeded":1,"tokens":{"input":0,"output":0,"cache_read":0,"cache_write_5m":0,"cache_write_1h":0},"cost_usd":"0.00"}],"by_hour":[{"hour":14,"attempts":3,"service_failures":1}],"status_page":[{"at":"2026-03-01T14:05:00.000Z","indicator":"critical","incident":"Elevated errors","component":null}],"estimates":[{"model":"asked","kind":"input","count":1,"mean_ratio":1.25,"error_p50":0.175,"error_p90":0.195}],"duration_s":null,"price_table":{"version":"2026-03"}}"#);
    }
}
