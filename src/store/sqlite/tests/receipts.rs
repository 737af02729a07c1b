//! Receipts beyond SQLite's integers: what is kept of them, and that sums are exact all the same.

use super::*;
use crate::model::CostBasis;
use crate::store::{AttemptGroup, Reader};

/// A success whose receipt tells the most that numbers can.
fn beyond_all(job: &ClaimedJob) -> Finish {
    let mut finish = success(job);
    let record = &mut finish.record;
    record.usage.tokens = Tokens {
        input: u64::MAX,
        output: u64::MAX,
        cache_read: u64::MAX,
        cache_write_5m: u64::MAX,
        cache_write_1h: u64::MAX,
    };
    record.usage.web_searches = u64::MAX;
    record.cost = Cost {
        total: Pico(i128::MAX),
        saved_by_batch: Pico(i128::MAX),
        saved_by_cache: Pico(i128::MIN),
        unknown_price: false,
    };
    record.at_most = Some(Pico(i128::MAX));
    finish
}

#[tokio::test]
async fn a_receipt_that_the_store_cannot_hold_is_cut_and_marked_and_never_refused() {
    let bench = Bench::with_jobs(30).await;
    let claimed = bench.claim(30, at(0)).await;
    for job in &claimed.jobs[..29] {
        bench.finish(beyond_all(job)).await;
    }
    bench.finish(success(&claimed.jobs[29])).await;
    let one = success(&claimed.jobs[29]).record.cost.total;
    let reader = bench.reader();
    let run = reader.runs().await.unwrap().remove(0);
    assert_eq!(run.cost, Pico(Pico::MOST.0 * 29) + one, "to the last digit");
    let groups: Vec<AttemptGroup> = reader.attempt_groups(bench.run).await.unwrap();
    let total: Pico = groups.iter().map(|group| group.cost.total).sum();
    assert_eq!(total, run.cost);
    let cut = groups.iter().find(|group| group.attempts == 29).unwrap();
    assert_eq!(cut.cost_basis, Some(CostBasis::Saturated));
    let results = reader.results(bench.run, Only::All, 0).await.unwrap();
    assert_eq!(results.len(), 30);
    assert_eq!(results[0].cost.total, Pico::MOST);
    assert!(reader.verify(&[bench.run]).unwrap().holds());
}
