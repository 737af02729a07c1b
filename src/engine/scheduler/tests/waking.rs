//! When a plan is to be made although nothing has happened: what waits for a time alone begins at that
//! time, and not at the next heartbeat.

use super::*;
use crate::model::OnHalt;
use crate::policy::Ceilings;

/// A plan, with everything that it wants.
fn plan(scheduler: &mut Scheduler, settings: &EngineSettings, now: Timestamp) -> Vec<Effect> {
    let prices = std::sync::Arc::clone(&settings.prices);
    let mut budget = RunBudget::new(None, BudgetRule::default(), Pico::ZERO, prices);
    scheduler.plan(&mut budget, now, &mut Rng::with_seed(1))
}

#[test]
fn a_job_that_waits_for_a_ceiling_is_woken_up_for_when_it_has_room() {
    let mut settings = testing::settings(BatchOptions::default());
    settings.limits.ceilings = Ceilings {
        rpm: Some(1),
        ..Ceilings::default()
    };
    let queues = snapshot(vec![load(0, 2)]);
    let mut scheduler = Scheduler::new(&run(), &settings, queues, start());
    plan(&mut scheduler, &settings, start());
    let jobs = vec![
        claimed("model-0", 1, start()),
        claimed("model-0", 2, start()),
    ];
    let (next_due, more) = (None, false);
    let found = Claimed {
        jobs,
        next_due,
        more,
    };
    scheduler.on_claimed("model-0", found, vec![Prompt::default(); 2]);
    let effects = plan(&mut scheduler, &settings, start());
    let starts = |effects: &[Effect]| effects.iter().filter(|it| is_start(it)).count();
    assert_eq!(starts(&effects), 1, "{effects:?}");
    let at = scheduler.wakes_at().unwrap();
    assert!(at > start(), "{at}");
    let effects = plan(&mut scheduler, &settings, at);
    assert_eq!(starts(&effects), 1, "at {at}: {effects:?}");
}

fn is_start(effect: &Effect) -> bool {
    matches!(effect, Effect::Start(_))
}

#[test]
fn a_halt_that_is_waited_out_is_woken_up_for() {
    let mut settings = testing::settings(BatchOptions::default());
    settings.on_halt = OnHalt::Wait;
    let queues = snapshot(vec![load(0, 2)]);
    let mut scheduler = Scheduler::new(&run(), &settings, queues, start());
    let halt = Halt::new(ErrorClass::Billing, "no credit".to_owned(), start());
    let QueueChange::Waiting { until, .. } = scheduler.halt(halt, start()) else {
        panic!("it does not wait");
    };
    assert_eq!(plan(&mut scheduler, &settings, start()), []);
    assert_eq!(scheduler.wakes_at(), Some(until));
    let effects = plan(&mut scheduler, &settings, until);
    assert!(matches!(effects[..], [Effect::Claim(_)]), "{effects:?}");
}

#[test]
fn a_halt_that_is_waited_out_leaves_nothing_of_what_was_known_before() {
    let mut settings = testing::settings(BatchOptions::default());
    settings.on_halt = OnHalt::Wait;
    let queues = snapshot(vec![load(0, 2)]);
    let mut scheduler = Scheduler::new(&run(), &settings, queues, start());
    let doubt = |scheduler: &Scheduler| {
        let queue = scheduler.queues.of("model-0").unwrap();
        let doubt = &queue.routes.to(Endpoint::First).doubt;
        (doubt.is_proven(), doubt.is_open())
    };
    scheduler.queues.each(|queue| {
        let route = queue.routes.to_mut(Endpoint::First);
        route.doubt.succeeded(JobId(1));
        route
            .doubt
            .doubted(JobId(2), Duration::from_secs(3), start());
    });
    assert_eq!(doubt(&scheduler), (true, true));
    let halt = Halt::new(ErrorClass::Billing, "no credit".to_owned(), start());
    scheduler.halt(halt, start());
    assert_eq!(doubt(&scheduler), (false, false));
}

/// Of an endpoint that has never answered, and when that is to be told.
fn of_a_silent_endpoint(settings: &EngineSettings) -> (Scheduler, Timestamp) {
    let silent = RunSnapshot {
        answered: false,
        ..snapshot(vec![load(0, 2)])
    };
    let mut scheduler = Scheduler::new(&run(), settings, silent, start());
    let connectivity = scheduler.gate.connectivity();
    connectivity.waits_from(start());
    connectivity.failed(&crate::model::Evidence::default());
    let at = scheduler.unreachable_at().unwrap();
    (scheduler, at)
}

#[test]
fn an_endpoint_that_never_answered_is_called_unreachable_at_the_end_of_its_time() {
    let settings = testing::settings(BatchOptions::default());
    let (mut scheduler, at) = of_a_silent_endpoint(&settings);
    plan(&mut scheduler, &settings, start());
    assert_eq!(scheduler.leaving(), None);
    plan(&mut scheduler, &settings, at);
    let leaving = scheduler.leaving();
    let unreachable = ErrorClass::Unreachable;
    assert!(matches!(leaving, Some(Leave::Halted(halt)) if halt.class == unreachable));
}

#[test]
fn the_store_is_asked_once_whether_nothing_is_left() {
    let settings = testing::settings(BatchOptions::default());
    let mut scheduler = Scheduler::new(&run(), &settings, snapshot(Vec::new()), start());
    assert_eq!(plan(&mut scheduler, &settings, start()), [Effect::Snapshot]);
    assert_eq!(plan(&mut scheduler, &settings, start()), []);
    scheduler.on_snapshot(snapshot(Vec::new()));
    let effects = plan(&mut scheduler, &settings, start());
    assert_eq!(effects, [Effect::Leave(Leave::Completed)]);
}

#[test]
fn an_endpoint_that_never_answered_gets_its_whole_time_again_after_a_halt() {
    let mut settings = testing::settings(BatchOptions::default());
    settings.on_halt = OnHalt::Wait;
    let (mut scheduler, at) = of_a_silent_endpoint(&settings);
    plan(&mut scheduler, &settings, at);
    assert_eq!(scheduler.unreachable_at(), None);
    scheduler
        .gate
        .connectivity()
        .waits_from(add(at, Duration::from_secs(9)));
    let again = scheduler.unreachable_at().unwrap();
    assert_eq!(
        again,
        add(at, Duration::from_secs(9) + Duration::from_mins(1))
    );
}
