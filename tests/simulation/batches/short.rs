//! Ended batches whose results come short: what was paid for is waited for, and never bought twice.

use std::time::Duration;

use claude_run::engine::{Ending, Stop};
use claude_run::model::{BatchState, ErrorClass, EventKind, Pico};
use claude_run::policy::BatchSettings;

use super::seeds;
use crate::world::World;
use crate::world::plan::Plan;
use crate::world::remote::{BATCH_PRICE, Counts, Create, Item, NoResults, Results};

const HOUR: Duration = Duration::from_hours(1);

/// Results are asked for an hour, so that the stories are short.
fn forced(seed: u64, jobs: u64, results: Results) -> Plan {
    World::of_both_lanes(seed)
        .jobs(jobs)
        .forced()
        .results(results)
        .settings(|it| it.short_for = HOUR)
}

/// All its lines are held back for this long.
fn empty(late: Duration) -> Results {
    Results {
        late,
        late_share: 1.0,
        ..Results::default()
    }
}

fn is_waiting(kind: &EventKind) -> bool {
    matches!(kind, EventKind::BatchWaiting { error_class, .. } if *error_class == ErrorClass::ResultMissing)
}

/// It halted and said what to do, and nothing was bought twice.
fn assert_given_up(world: &World, ending: &Ending, class: ErrorClass) {
    let Ending::Halted(halt) = ending else {
        panic!("it did not halt: {ending:?}");
    };
    assert_eq!(halt.class, class, "{}", halt.message);
    for words in [
        "claude-run batches forget msgbatch_",
        "Nothing is bought again",
    ] {
        assert!(halt.message.contains(words), "{}", halt.message);
    }
    assert!(world.remote.bought().values().all(|times| *times == 1));
}

#[test]
fn an_ended_batch_whose_results_are_empty_is_asked_again_for_hours_and_never_bought_again() {
    let usual = BatchSettings::default().short_for;
    forced(1, 30, empty(HOUR * 1_000))
        .settings(|it| it.short_for = usual)
        .block_on(async |world| {
            let ending = world.dispatch().await;
            assert_given_up(world, &ending, ErrorClass::ResultMissing);
            assert_eq!(world.remote.batches(), 1);
            let took = world.elapsed();
            assert!(took > HOUR * 6 && took < HOUR * 7, "{took:?}");
            let downloads = world.remote.downloads();
            assert!(
                (10..20).contains(&downloads),
                "rarer and rarer: {downloads}"
            );
            assert_eq!(world.told(is_waiting), downloads as usize - 1);
            let run = world.run().await;
            assert_eq!((run.jobs.in_batch, run.cost), (30, Pico::ZERO));
            let row = world.batches().await.remove(0);
            assert_eq!(row.state, BatchState::Ended);
            assert_eq!(row.short.map(|short| short.downloads), Some(downloads));

            // `resume` asks again, once.
            let ending = world.dispatch().await;
            assert_given_up(world, &ending, ErrorClass::ResultMissing);
            assert_eq!(world.remote.downloads(), downloads + 1);
        });
}

#[test]
fn a_lost_batch_whose_results_are_empty_is_adopted_once_they_say_whose_it_is() {
    forced(3, 30, empty(HOUR * 2)).block_on(async |world| {
        world.remote.script(&[Create::AnswerLost]);
        assert_eq!(world.dispatch().await, Ending::Completed);
        world.check().await;
        assert!(world.elapsed() > HOUR * 2, "{:?}", world.elapsed());
        assert_eq!(world.remote.creates(), 1);
        let adopted = |it: &EventKind| matches!(it, EventKind::BatchAdopted { .. });
        assert_eq!(world.told(adopted), 1);
    });
}

#[test]
fn a_stranger_s_line_before_a_download_breaks_off_does_not_make_a_lost_batch_a_stranger_s() {
    let cut_after_a_line = Results {
        noisy: true,
        cuts: 1,
        cut_after: 1,
        ..Results::default()
    };
    for seed in seeds() {
        forced(seed, 3, cut_after_a_line).block_on(async |world| {
            world.remote.script(&[Create::AnswerLost]);
            assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
            world.check().await;
            assert_eq!(world.remote.creates(), 1, "seed {seed}");
        });
    }
}

#[test]
fn results_that_come_after_the_halt_are_recorded_by_a_resume_for_nothing() {
    forced(2, 30, empty(HOUR * 2)).block_on(async |world| {
        let ending = world.dispatch().await;
        assert_given_up(world, &ending, ErrorClass::ResultMissing);
        tokio::time::sleep(HOUR * 2).await;
        assert_eq!(world.dispatch().await, Ending::Completed);
        world.check().await;
        world.check_money().await;
        assert_eq!(world.remote.batches(), 1);
    });
}

#[test]
fn the_last_third_of_the_lines_that_comes_late_is_there_for_free() {
    let late = Results {
        late: Duration::from_secs(90),
        late_share: 1.0 / 3.0,
        ..Results::default()
    };
    forced(3, 300, late).block_on(async |world| {
        assert_eq!(world.dispatch().await, Ending::Completed);
        world.check().await;
        world.check_money().await;
        assert_eq!(world.remote.batches(), 1);
        assert_eq!(world.ledger().await.len(), 300);
    });
}

#[test]
fn whatever_is_wrong_with_the_results_nothing_is_bought_twice_while_they_may_come() {
    let wrong = |none, counts| Results {
        none_for: HOUR / 2,
        none,
        counts,
        ..Results::default()
    };
    let lines = |counts| Results {
        late: HOUR / 2,
        late_share: 0.5,
        counts,
        ..Results::default()
    };
    for (seed, results) in [
        (10, wrong(NoResults::NotFound, Counts::True)),
        (11, wrong(NoResults::Page, Counts::True)),
        (12, wrong(NoResults::NotFound, Counts::Zero)),
        (13, lines(Counts::Zero)),
        (14, lines(Counts::AllSucceeded)),
        (
            15,
            Results {
                cuts: 12,
                cut_after: 10,
                ..Results::default()
            },
        ),
        (
            16,
            Results {
                contradicted: true,
                ..Results::default()
            },
        ),
        (
            17,
            Results {
                contradicted: true,
                counts: Counts::Zero,
                ..lines(Counts::Zero)
            },
        ),
    ] {
        forced(seed, 60, results).block_on(async |world| {
            assert_eq!(world.dispatch().await, Ending::Completed, "{results:?}");
            world.check().await;
            world.check_money().await;
            assert_eq!(world.remote.batches(), 1, "{results:?}");
            assert_eq!(world.ledger().await.len(), 60, "{results:?}");
        });
    }
}

#[test]
fn only_what_the_counts_call_unpaid_goes_again_without_a_line() {
    // Every tenth line is missing for good.
    let missing = |counts| Results {
        drop_every: 10,
        drop_in_downloads: u32::MAX,
        counts,
        ..Results::default()
    };
    forced(20, 100, missing(Counts::True)).block_on(async |world| {
        let ending = world.dispatch().await;
        assert_given_up(world, &ending, ErrorClass::ResultMissing);
        assert_eq!(world.run().await.jobs.succeeded, 90);
    });
    // The lines that are there say that they succeeded, so the counts have no room for them.
    forced(21, 100, missing(Counts::AllErrored)).block_on(async |world| {
        world.remote.behave(|it| it.results.drop_in_downloads = 2);
        assert_eq!(world.dispatch().await, Ending::Completed);
        world.check().await;
        // A line that one download lacks may be in the next, which costs nothing.
        let (downloads, batches) = (world.remote.downloads(), world.remote.creates());
        assert!(downloads > batches, "{downloads} downloads of {batches}");
        let ledger = world.ledger().await;
        let again = ledger
            .iter()
            .filter(|row| row.error_class == Some(ErrorClass::ResultMissing));
        let again: Vec<_> = again.collect();
        assert!(again.len() >= 10, "{}", again.len());
        assert!(again.iter().all(|row| !row.maybe_billed));
    });
    // All of them errored or expired, and the counts say so.
    for (seed, item, class) in [
        (
            22,
            Item::Error(ErrorClass::Overloaded),
            ErrorClass::ResultMissing,
        ),
        (23, Item::Expired, ErrorClass::Expired),
    ] {
        forced(seed, 60, missing(Counts::True)).block_on(async |world| {
            world.remote.behave(|it| {
                it.items = vec![(1.0, item)];
                it.processing = Duration::from_secs(20);
            });
            let well = async |world: &World| {
                world.remote.behave(|it| {
                    it.items = vec![(1.0, Item::Message)];
                    it.results = Results::default();
                });
            };
            let ending = world.dispatch_and(Duration::from_secs(50), well).await;
            assert_eq!(ending, Ending::Completed);
            world.check().await;
            let ledger = world.ledger().await;
            let of = ledger.iter().filter(|row| row.error_class == Some(class));
            assert!(of.count() >= 6, "{class}");
            assert!(ledger.iter().all(|row| !row.maybe_billed), "{class}");
        });
    }
}

#[test]
fn lines_that_call_unpaid_what_the_counts_call_succeeded_are_not_believed() {
    for (seed, item) in [
        (25, Item::Expired),
        (26, Item::Error(ErrorClass::Overloaded)),
        (27, Item::Error(ErrorClass::InvalidRequest)),
    ] {
        let results = Results {
            counts: Counts::AllSucceeded,
            ..Results::default()
        };
        forced(seed, 60, results).block_on(async |world| {
            world.remote.behave(|it| {
                it.items = vec![(1.0, item)];
                it.processing = Duration::from_secs(20);
            });
            let ending = world.dispatch().await;
            assert_given_up(world, &ending, ErrorClass::ResultMissing);
            assert_eq!(world.remote.batches(), 1, "{item:?}");
            assert_eq!(world.run().await.jobs.in_batch, 60, "{item:?}");
            assert!(world.elapsed() > HOUR, "{item:?}");
            // The counts were put right meanwhile.
            world.remote.behave(|it| {
                it.items = vec![(1.0, Item::Message)];
                it.results = Results::default();
            });
            assert_eq!(world.dispatch().await, Ending::Completed, "{item:?}");
            world.check().await;
        });
    }
}

#[test]
fn a_batch_that_comes_short_holds_up_no_other_and_its_money_stays_reserved() {
    forced(30, 100, Results::default())
        .settings(|it| it.size = 50)
        .block_on(async |world| {
            let spoil = async |world: &World| {
                world.remote.behave(|it| it.results = empty(HOUR * 1_000));
            };
            // The first batch has ended well by then, or the second; the other one is empty.
            let ending = world.dispatch_and(Duration::from_mins(1), spoil).await;
            assert_given_up(world, &ending, ErrorClass::ResultMissing);
        });
    let budget = Pico(BATCH_PRICE.0 * 1_000);
    forced(31, 60, empty(HOUR * 1_000))
        .budget(budget)
        .block_on(async |world| {
            let ending = world.dispatch().await;
            assert_given_up(world, &ending, ErrorClass::ResultMissing);
            // Held until its results come or somebody forgets it: nothing else may be bought for it.
            world.set_budget(Pico(BATCH_PRICE.0 * 10));
            let ending = world.dispatch().await;
            assert_given_up(world, &ending, ErrorClass::ResultMissing);
        });
}

#[test]
fn a_batch_that_was_forgotten_is_bought_again() {
    forced(40, 30, empty(HOUR * 9)).block_on(async |world| {
        let ending = world.dispatch().await;
        assert_given_up(world, &ending, ErrorClass::ResultMissing);
        world.forget_batches().await;
        world.remote.behave(|it| it.results = Results::default());
        assert_eq!(world.dispatch().await, Ending::Completed);
        world.check().await;
        assert_eq!(world.remote.batches(), 2);
        let ledger = world.ledger().await;
        assert_eq!(ledger.iter().filter(|row| row.maybe_billed).count(), 30);
    });
}

#[test]
fn the_hours_survive_a_restart_and_no_wait_waits_for_none_of_them() {
    forced(50, 30, empty(HOUR * 1_000)).block_on(async |world| {
        let ending = world.dispatch_and_stop_at(HOUR / 2, Stop::Drain).await;
        assert_eq!(ending, Ending::Interrupted);
        let ending = world.dispatch().await;
        assert_given_up(world, &ending, ErrorClass::ResultMissing);
        let took = world.elapsed();
        assert!(took > HOUR && took < HOUR * 2, "{took:?}");
    });
    forced(51, 30, empty(HOUR * 3))
        .settings(|it| it.short_for = HOUR * 6)
        .no_wait()
        .block_on(async |world| {
            let mut dispatches = 0;
            while world.dispatch().await == Ending::LeftInBatches {
                dispatches += 1;
                assert!(dispatches < 20);
                tokio::time::sleep(HOUR).await;
            }
            assert!((3..=6).contains(&dispatches), "{dispatches}");
            world.check().await;
            assert_eq!(world.remote.batches(), 1);
        });
}

#[test]
fn who_waits_on_a_halt_waits_for_results_as_long_as_they_are_kept() {
    forced(60, 30, empty(HOUR * 6))
        .wait_on_halt()
        .block_on(async |world| {
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.batches(), 1);
            let downloads = world.remote.downloads();
            assert!((12..16).contains(&downloads), "{downloads}");
        });
}

#[test]
fn kills_while_results_come_short_buy_nothing_twice() {
    for seed in seeds() {
        let results = Results {
            late: HOUR * 2,
            late_share: 0.4,
            contradicted: seed % 2 == 0,
            cuts: 1,
            cut_after: 7,
            ..Results::default()
        };
        let patient = forced(seed, 60, results).settings(|it| it.short_for = HOUR * 6);
        patient.block_on(async |world| {
            world.remote.behave(|it| it.trouble = 0.1);
            let mut ending = None;
            for _ in 0..500 {
                ending = world.dispatch_until(world.random_ms(2_000_000)).await;
                if ending.is_some() {
                    break;
                }
            }
            assert_eq!(ending, Some(Ending::Completed), "seed {seed}");
            world.check().await;
            world.check_money().await;
            assert_eq!(world.remote.batches(), 1, "seed {seed}");
        });
    }
}
