//! Outages and the status page: when it is asked, and what its word changes.

use std::ops::Range;
use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, EventKind, Indicator};
use claude_run::store::AttemptRow;
use tokio::time::Instant;

use crate::world::World;
use crate::world::scripted::Answer;

const MINUTE: Duration = Duration::from_mins(1);

/// An outage of two hours that begins soon.
fn outage(world: &World) -> Range<Instant> {
    let from = world.began() + Duration::from_secs(2);
    let between = from..from + 120 * MINUTE;
    world
        .provider
        .outage(between.clone(), Answer::Error(ErrorClass::Overloaded));
    between
}

fn gaps(moments: &[Instant]) -> Vec<Duration> {
    moments.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// The gaps between the probes of this time.
fn probe_gaps(world: &World, between: &Range<Instant>) -> Vec<Duration> {
    let mut probes = world.provider.starts();
    probes.retain(|at| between.contains(at));
    gaps(&probes)
}

#[test]
fn the_page_is_asked_when_the_circuit_opens_and_every_five_minutes_while_it_stays_open() {
    for scale in [1.0, 0.1] {
        World::new(30)
            .jobs(400)
            .with_status_page()
            .retry_scale(scale)
            .block_on(async |world| {
                let outage = outage(world);
                assert_eq!(world.dispatch().await, Ending::Completed);
                let looks = world.page.looks();
                assert!(looks[0] > outage.start && looks[0] < outage.start + MINUTE);
                assert!(*looks.last().unwrap() < outage.end + 2 * MINUTE);
                let gaps = gaps(&looks);
                assert!(gaps.len() >= 22, "{} looks", looks.len());
                for gap in gaps {
                    assert!(gap >= 5 * MINUTE && gap < 6 * MINUTE, "{gap:?}");
                }
            });
    }
}

#[test]
fn without_an_outage_the_page_is_never_asked() {
    World::new(31)
        .jobs(500)
        .with_status_page()
        .block_on(async |world| {
            world.provider.mix(&[
                (0.8, Answer::Message),
                (0.2, Answer::Error(ErrorClass::Overloaded)),
            ]);
            world.dispatch().await;
            assert_eq!(world.page.looks(), []);
            assert_eq!(world.status_changes().await, []);
        });
}

#[test]
fn probes_are_three_minutes_apart_while_the_page_says_major_or_critical() {
    for indicator in [Indicator::Major, Indicator::Critical] {
        World::new(32)
            .jobs(400)
            .with_status_page()
            .block_on(async |world| {
                let outage = outage(world);
                world.page.says_from(world.began(), indicator);
                assert_eq!(world.dispatch().await, Ending::Completed);
                let known = outage.start + MINUTE..outage.end;
                let gaps = probe_gaps(world, &known);
                assert!(gaps.len() >= 30, "{}", gaps.len());
                for gap in gaps {
                    // From the failure of one probe to the next; an answer takes up to 1.5 s.
                    let least = 3 * MINUTE;
                    assert!(
                        gap >= least && gap < least + Duration::from_secs(3),
                        "{gap:?}"
                    );
                }
                assert_eq!(world.counts().await.succeeded, 400);
                world.check().await;
            });
    }
}

#[test]
fn the_wait_that_the_page_asks_for_is_scaled_like_the_other_probe_waits() {
    World::new(33)
        .jobs(400)
        .with_status_page()
        .retry_scale(0.1)
        .block_on(async |world| {
            let outage = outage(world);
            world.page.says_from(world.began(), Indicator::Major);
            world.dispatch().await;
            let gaps = probe_gaps(world, &(outage.start + MINUTE..outage.end));
            let within = |gap: &Duration| (18_000..21_000).contains(&gap.as_millis());
            assert!(gaps.iter().all(within), "{gaps:?}");
        });
}

#[test]
fn every_other_word_of_the_page_changes_no_request() {
    let requests = |page: Option<Indicator>| {
        let mut starts = Vec::new();
        let plan = World::new(34).jobs(400);
        let plan = match page {
            Some(_) => plan.with_status_page(),
            None => plan,
        };
        plan.block_on(async |world| {
            outage(world);
            if let Some(indicator) = page {
                world.page.says_from(world.began(), indicator);
            }
            world.dispatch().await;
            let began = world.began();
            let requests = world.provider.starts();
            starts = requests.into_iter().map(|at| at - began).collect();
        });
        starts
    };
    let without = requests(None);
    for indicator in [
        Indicator::Unknown,
        Indicator::None,
        Indicator::Minor,
        Indicator::Maintenance,
    ] {
        assert_eq!(requests(Some(indicator)), without, "{indicator}");
    }
}

#[test]
fn each_change_of_the_page_is_one_row_and_one_event() {
    World::new(35)
        .jobs(400)
        .with_status_page()
        .block_on(async |world| {
            let outage = outage(world);
            for (minutes, indicator) in [
                (0, Indicator::Minor),
                (21, Indicator::Unknown),
                (31, Indicator::Minor),
                (41, Indicator::Major),
                (81, Indicator::Unknown),
                (91, Indicator::None),
            ] {
                world
                    .page
                    .says_from(outage.start + minutes * MINUTE, indicator);
            }
            world.dispatch().await;
            let changes = world.status_changes().await;
            let said: Vec<_> = changes
                .iter()
                .map(|change| change.status.indicator)
                .collect();
            assert_eq!(said, [Indicator::Minor, Indicator::Major, Indicator::None]);
            let told: Vec<_> = changes.into_iter().map(|change| change.status).collect();
            let shown = world.events().into_iter().filter_map(|event| match event {
                EventKind::StatusPage(status) => Some(status),
                _ => None,
            });
            assert_eq!(told, shown.collect::<Vec<_>>());
            assert_eq!(told[1].incident.as_deref(), Some("a major incident"));
            assert_eq!(told[1].component.as_deref(), Some("partial_outage"));
        });
}

#[test]
fn in_a_confirmed_outage_a_job_goes_to_its_fallback_model_at_its_first_failure() {
    let (down, up) = ("claude-haiku-5-5", "claude-sonnet-5-5");
    World::new(36)
        .jobs_of(down, 200)
        .with_status_page()
        .amend(&[up])
        .block_on(async |world| {
            world
                .provider
                .poison_model(down, Answer::Error(ErrorClass::Overloaded));
            world.page.says_from(world.began(), Indicator::Major);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 200);
            let ledger = world.ledger().await;
            let moved_at_once = |row: &&AttemptRow| row.attempt.n == 2 && row.model == up;
            assert!(ledger.iter().any(|row| moved_at_once(&row)));
        });
}
