//! What readers see: pages, sums, and runs found again.

use super::*;
use crate::model::EstimateErrors;
use crate::store::{AttemptGroup, EstimateKind, EstimateSums};

#[tokio::test]
async fn readers_page_through_results_with_the_sums_of_all_attempts() {
    let bench = Bench::with_jobs(450).await;
    let first = bench.claim(1, at(0)).await;
    bench.finish(retry(&first.jobs[0], at(1))).await;
    let all = bench.claim(450, at(10)).await;
    for job in &all.jobs {
        bench.finish(success(job)).await;
    }
    let (reader, mut lines, mut after) = (bench.reader(), Vec::new(), 0);
    loop {
        let page = reader.results(bench.run, Only::All, after).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.line;
        lines.extend(page.iter().map(|row| row.line));
        if lines.len() == page.len() {
            assert_eq!((page[0].attempts, page[0].cost.total), (2, Pico(7_000_000)));
            assert_eq!(page[1].metadata.as_deref(), Some(r#"{"row":17}"#));
        }
    }
    assert_eq!(lines, (1..=450).collect::<Vec<_>>());
}

#[tokio::test]
async fn attempt_groups_add_up_to_the_ledger() {
    let bench = Bench::with_jobs(3).await;
    let claimed = bench.claim(2, at(0)).await;
    bench.finish(retry(&claimed.jobs[0], at(1))).await;
    bench.finish(success(&claimed.jobs[1])).await;
    let groups = bench.reader().attempt_groups(bench.run).await.unwrap();
    let total: Pico = groups.iter().map(|group| group.cost.total).sum();
    assert_eq!(total, Pico(7_000_000));
    assert_eq!(groups.iter().map(|group| group.attempts).sum::<u64>(), 2);
    let wasted = groups.iter().find(|group| !group.is_result).unwrap();
    assert_eq!(wasted.error_class, Some(ErrorClass::Overloaded));
}

#[tokio::test]
async fn sums_of_a_run_are_told_once_however_many_slices_it_has() {
    let bench = Bench::with_jobs(450).await;
    let claimed = bench.claim(450, at(0)).await;
    for (n, job) in claimed.jobs.iter().enumerate() {
        let again = retry(job, at(99 * 3_600_000));
        bench
            .finish(if n % 3 == 0 { again } else { success(job) })
            .await;
    }
    let reader = bench.reader();
    let (groups, days) = tokio::join!(
        reader.attempt_groups(bench.run),
        reader.day_groups(bench.run)
    );
    let told = |group: &AttemptGroup| (group.error_class, group.attempts, group.cost.total);
    let groups: Vec<_> = groups.unwrap().iter().map(told).collect();
    let overloaded = Some(ErrorClass::Overloaded);
    assert_eq!(
        groups,
        [
            (overloaded, 150, Pico(150 * 3_500_000)),
            (None, 300, Pico(300 * 3_500_000)),
        ]
    );
    let days: Vec<_> = days.unwrap().iter().map(|day| told(&day.group)).collect();
    assert_eq!(days, groups);
    let hours = reader.hours_of_day(bench.run).await.unwrap();
    assert_eq!((hours.len(), hours[0].attempts), (1, 450));
    let minutes = reader.attempts_by_minute(bench.run).unwrap();
    assert_eq!(
        minutes.iter().map(|minute| minute.attempts).sum::<u64>(),
        450
    );
}

#[tokio::test]
async fn failures_of_the_service_are_told_by_hour_of_day() {
    let bench = Bench::with_jobs(3).await;
    let hour = 3_600_000;
    for (n, start) in [0, 24 * hour, 25 * hour].into_iter().enumerate() {
        let claimed = bench.claim(1, at(start)).await;
        let job = &claimed.jobs[0];
        let finish = if n == 0 {
            retry(job, at(99 * hour))
        } else {
            success(job)
        };
        bench.finish(finish).await;
    }
    let hours = bench.reader().hours_of_day(bench.run).await.unwrap();
    let first = hours[0].hour;
    let told: Vec<_> = hours
        .iter()
        .map(|hour| (hour.hour - first, hour.attempts, hour.service_failures))
        .collect();
    assert_eq!(told, [(0, 2, 1), (1, 1, 0)]);
}

#[tokio::test]
async fn the_ledger_tells_which_attempts_went_to_the_second_endpoint() {
    let bench = Bench::with_jobs(2).await;
    let claimed = bench.claim(2, at(0)).await;
    let mut there = success(&claimed.jobs[0]);
    there.record.endpoint = Some("https://second.test".to_owned());
    bench.finish(there).await;
    bench.finish(success(&claimed.jobs[1])).await;
    let ledger = bench.reader().attempts(bench.run, None, 0).await.unwrap();
    let endpoints: Vec<_> = ledger.iter().map(|row| row.endpoint.as_deref()).collect();
    assert_eq!(endpoints, [Some("https://second.test"), None]);
}

#[tokio::test]
async fn what_the_status_page_said_is_kept_once_and_read_in_order() {
    let bench = Bench::with_jobs(1).await;
    let change = |ms, indicator, incident: Option<&str>| StatusChange {
        at: at(ms),
        status: PageStatus {
            indicator,
            incident: incident.map(str::to_owned),
            component: Some("partial_outage".to_owned()),
        },
    };
    let changes = [
        change(0, Indicator::Major, Some("Elevated errors")),
        change(300_000, Indicator::None, None),
    ];
    for change in changes.iter().rev().chain(&changes) {
        let noted = bench.store.note_status(bench.run, change.clone()).await;
        noted.unwrap();
    }
    let read = bench.reader().status_changes(bench.run).await.unwrap();
    assert_eq!(read, changes);
}

#[tokio::test]
async fn errors_of_estimates_add_up_by_model_and_kind() {
    let bench = Bench::with_jobs(1).await;
    let sums = |kind, estimated| {
        let mut errors = EstimateErrors::default();
        errors.add(estimated, 100);
        EstimateSums {
            model: "claude-opus-5".to_owned(),
            kind,
            errors,
        }
    };
    let (input, output) = (EstimateKind::Input, EstimateKind::Output);
    for noted in [
        vec![sums(input, 90), sums(output, 500)],
        vec![sums(input, 130)],
    ] {
        bench.store.note_estimates(bench.run, noted).await.unwrap();
    }
    let mut both = sums(input, 90);
    both.errors.merge(&sums(input, 130).errors);
    let read = bench.reader().estimates(bench.run).await.unwrap();
    assert_eq!(read, [both, sums(output, 500)]);
}
