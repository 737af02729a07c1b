//! Answers that are read side by side share one budget, and none waits for ever.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::{FREE_PER_ANSWER, ReadBudget, STEP};

const MEGABYTE: usize = 1 << 20;

#[tokio::test]
async fn an_ordinary_answer_needs_no_room_even_if_there_is_none() {
    let budget = ReadBudget::of(MEGABYTE);
    let (mut large, mut small) = (budget.answer(), budget.answer());
    large.grow(64 * MEGABYTE).await;
    assert!(small.grow(FREE_PER_ANSWER).now_or_never().is_some());
    assert!(small.grow(FREE_PER_ANSWER + 1).now_or_never().is_none());
}

#[tokio::test]
async fn what_is_let_go_of_is_there_for_the_next() {
    let budget = ReadBudget::of(MEGABYTE);
    let mut first = budget.answer();
    first.grow(FREE_PER_ANSWER + 1).await;
    assert_eq!(budget.reserved(), STEP);
    first.grow(FREE_PER_ANSWER + STEP).await;
    assert_eq!(budget.reserved(), STEP);
    let kept = first.keep(FREE_PER_ANSWER + 100);
    assert_eq!((budget.reserved(), kept.bytes()), (100, 100));
    let copy = kept.clone();
    drop(kept);
    assert_eq!(budget.reserved(), 100);
    drop(copy);
    assert_eq!(budget.reserved(), 0);
}

#[tokio::test]
async fn the_oldest_that_waits_goes_over_the_limit_and_no_other() {
    let budget = ReadBudget::of(2 * MEGABYTE);
    let mut answers: Vec<_> = (0..3).map(|_| budget.answer()).collect();
    for answer in &mut answers {
        answer.grow(FREE_PER_ANSWER + MEGABYTE / 2).await;
    }
    let mut over = answers.remove(0);
    over.grow(64 * MEGABYTE).await;
    let [second, third] = &mut answers[..] else {
        panic!()
    };
    let (mut second, mut third) = (
        Box::pin(second.grow(3 * MEGABYTE)),
        Box::pin(third.grow(3 * MEGABYTE)),
    );
    assert!(second.as_mut().now_or_never().is_none());
    assert!(third.as_mut().now_or_never().is_none());
    over.grow(65 * MEGABYTE).await;
    drop(over);
    // The youngest asks first, and the oldest goes first all the same.
    assert!(third.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_some());
    assert!(third.as_mut().now_or_never().is_none());
}

#[tokio::test]
async fn a_wait_that_is_broken_off_holds_up_nobody() {
    let budget = ReadBudget::of(MEGABYTE);
    let (mut over, mut gone, mut next) = (budget.answer(), budget.answer(), budget.answer());
    over.grow(8 * MEGABYTE).await;
    {
        let mut wait = Box::pin(gone.grow(MEGABYTE));
        assert!(wait.as_mut().now_or_never().is_none());
    }
    drop(over);
    assert!(next.grow(8 * MEGABYTE).now_or_never().is_some());
}

/// Hundreds of answers, each larger than the whole budget and each half read: every one of them comes
/// to its end, and never is more in memory than the budget and one answer.
#[tokio::test(start_paused = true)]
async fn answers_that_are_half_read_never_wait_for_each_other() {
    const ANSWER: usize = 16 * MEGABYTE;
    let budget = ReadBudget::of(8 * MEGABYTE);
    let mut tasks = JoinSet::new();
    for number in 0..300_u64 {
        let budget = budget.clone();
        tasks.spawn(async move {
            let (mut answer, mut most) = (budget.answer(), 0);
            for piece in 1..=64 {
                // The servers' pieces come in another order each time.
                let wait = (number * 7919 + piece * 104_729) % 50;
                tokio::time::sleep(Duration::from_millis(wait)).await;
                answer
                    .grow(usize::try_from(piece).unwrap() * ANSWER / 64)
                    .await;
                most = most.max(budget.reserved());
            }
            let kept = answer.keep(ANSWER);
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(kept);
            most
        });
    }
    let ended = tokio::time::timeout(Duration::from_hours(10), tasks.join_all()).await;
    let most = ended
        .expect("answers wait for each other")
        .into_iter()
        .max();
    assert!(most.unwrap() <= 8 * MEGABYTE + ANSWER, "{most:?}");
    assert_eq!(budget.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_room_is_counted_while_it_lasts_and_after() {
    let budget = ReadBudget::of(MEGABYTE);
    let (mut over, mut next) = (budget.answer(), budget.answer());
    over.grow(8 * MEGABYTE).await;
    let stall = next.stall();
    {
        let mut wait = Box::pin(next.grow(MEGABYTE));
        assert!(wait.as_mut().now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(stall.waited(), Duration::from_secs(3));
        drop(over);
        wait.await;
    }
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(stall.waited(), Duration::from_secs(3));
}
