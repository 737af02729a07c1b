//! What readers see: pages, sums, and runs found again.

use super::*;
use crate::model::{CostBasis, EstimateErrors};
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
async fn the_attempts_of_one_job_are_found_by_its_id_and_no_other_job_is_looked_at() {
    let bench = Bench::with_jobs(450).await;
    let claimed = bench.claim(450, at(0)).await;
    for job in &claimed.jobs {
        bench.finish(retry(job, at(1))).await;
    }
    let again = bench.claim(450, at(10)).await;
    for job in &again.jobs {
        bench.finish(success(job)).await;
    }
    let reader = bench.reader();
    let (job, line) = (&claimed.jobs[439], 440);
    let of_job = |after| reader.attempts(bench.run, Some(&job.custom_id), after);
    let told = of_job(0).await.unwrap();
    let told: Vec<_> = told.iter().map(|row| (row.line, row.attempt.n)).collect();
    assert_eq!(told, [(line, 1), (line, 2)]);
    assert_eq!(of_job(line - 1).await.unwrap().len(), 2);
    assert_eq!(of_job(line).await.unwrap(), [], "there is no second page");
    let other = reader.attempts(bench.run, Some("no such id"), 0).await;
    assert_eq!(other.unwrap(), []);
    let plan = format!(
        "EXPLAIN QUERY PLAN {}",
        crate::store::sqlite::reader::attempts_of_job()
    );
    let steps = reader.query_all(&plan, (1, "a", 0), |row| row.get::<_, String>(3));
    let steps = steps.unwrap().join("; ");
    assert!(
        steps.contains("INDEX sqlite_autoindex_jobs_1 (run_id=? AND custom_id=?"),
        "{steps}"
    );
    assert!(!steps.contains("SCAN jobs"), "{steps}");
}

/// Every column of a row differs from every other, so that none can stand in for its neighbour.
#[tokio::test]
async fn an_attempt_is_read_as_it_was_recorded_column_by_column() {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(7)).await.jobs.remove(0);
    bench.finish(success(&job)).await;
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    connection
        .execute(
            "UPDATE attempts SET started_at_ms = 1, ended_at_ms = 2, http_status = 203, error_type = 'type',
                message = 'message', request_id = 'request', retry_after_ms = 4, next_try_at_ms = 5,
                answered_by = 'answerer', endpoint = 'endpoint', input_tokens = 6, output_tokens = 7,
                cache_read_tokens = 8, cache_write_5m_tokens = 9, cache_write_1h_tokens = 10, cost_pico = 11,
                saved_by_batch_pico = 12, saved_by_cache_pico = 13, at_most_pico = 14, price_row = 'price',
                cost_basis = 'saturated', error_class = 'truncated', latency_ms = 15, unknown_price = 0,
                maybe_billed = 1",
            [],
        )
        .unwrap();
    let reader = bench.reader();
    let row = reader.attempts(bench.run, None, 0).await.unwrap().remove(0);
    let ms = |time: Timestamp| time.as_millisecond();
    assert_eq!((ms(row.started_at), row.ended_at.map(ms)), (1, Some(2)));
    assert_eq!((row.line, row.attempt.n), (1, 1));
    assert_eq!((row.custom_id, row.model), (job.custom_id, job.model));
    assert_eq!(row.outcome, Some(AttemptOutcome::Succeeded));
    assert_eq!(row.error_class, Some(ErrorClass::Truncated));
    assert_eq!((row.lane, row.http_status), (Lane::Live, Some(203)));
    let texts = [
        row.error_type,
        row.message,
        row.request_id,
        row.answered_by,
        row.endpoint,
        row.price_row,
    ];
    let texts: Vec<_> = texts.iter().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(
        texts,
        [
            "type", "message", "request", "answerer", "endpoint", "price"
        ]
    );
    let durations = [row.retry_after, row.latency].map(|time| time.unwrap().as_millis());
    assert_eq!((durations, row.next_try_at.map(ms)), ([4, 15], Some(5)));
    let tokens = Tokens {
        input: 6,
        output: 7,
        cache_read: 8,
        cache_write_5m: 9,
        cache_write_1h: 10,
    };
    assert_eq!(row.tokens, tokens);
    let money = [
        row.cost.total,
        row.cost.saved_by_batch,
        row.cost.saved_by_cache,
        row.at_most.unwrap(),
    ];
    assert_eq!(money, [Pico(11), Pico(12), Pico(13), Pico(14)]);
    assert_eq!(row.cost_basis, Some(CostBasis::Saturated));
    assert_eq!((row.cost.unknown_price, row.maybe_billed), (false, true));
    // The result of the job, and the group that its attempt is of, tell the same.
    let result = reader.results(bench.run, Only::All, 0).await.unwrap();
    let result = &result[0];
    assert_eq!((result.tokens, result.cost), (tokens, row.cost));
    assert_eq!(result.note.as_deref(), Some("message"));
    assert_eq!(result.model, "answerer");
    assert_eq!(result.latency.map(|time| time.as_millis()), Some(15));
    let group = reader.attempt_groups(bench.run).await.unwrap().remove(0);
    assert_eq!((group.tokens, group.cost), (tokens, row.cost));
    assert_eq!((group.at_most, group.unbounded), (Pico(14), 0));
    assert!(group.maybe_billed && group.is_result);
    assert_eq!(group.price_row.as_deref(), Some("price"));
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
