//! Stories of answers that no job can get past, told to the policy alone.

use super::*;

const STEP: Duration = Duration::from_secs(3);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn crowd(left: u64) -> Crowd {
    Crowd {
        left,
        ever_succeeded: true,
        ..Crowd::default()
    }
}

fn both(belief: Belief) -> Beliefs {
    Beliefs::all(belief)
}

fn sent(doubt: &mut Doubt, jobs: std::ops::RangeInclusive<i64>, now: i64) {
    for job in jobs {
        doubt.sent(JobId(job), at(now));
    }
}

/// Others have succeeded, and job 1 got such an answer at second 0.
fn doubted() -> Doubt {
    let mut doubt = Doubt::default();
    sent(&mut doubt, 1..=9, 0);
    doubt.succeeded(JobId(9));
    assert_eq!(doubt.judge(JobId(1), crowd(300)), both(Belief::Doubted));
    doubt.doubted(JobId(1), STEP, at(0));
    doubt
}

#[test]
fn one_other_job_goes_and_sees_some_seconds_later() {
    let mut doubt = doubted();
    assert_eq!((doubt.room(at(2)), doubt.opens_at()), (0, Some(at(3))));
    assert_eq!(doubt.room(at(3)), 1);
    doubt.sent(JobId(20), at(3));
    assert_eq!(doubt.room(at(5)), 0);
    doubt.succeeded(JobId(20));
    assert_eq!(doubt.room(at(5)), u32::MAX);
    assert_eq!(doubt.judge(JobId(1), crowd(200)), both(Belief::Own));
}

#[test]
fn what_was_in_flight_when_the_doubt_began_decides_nothing() {
    let mut doubt = doubted();
    doubt.succeeded(JobId(2));
    assert!(doubt.is_open(), "it may have been let in before");
    for job in 3..=8 {
        assert_eq!(doubt.judge(JobId(job), crowd(300)), both(Belief::Doubted));
        doubt.doubted(JobId(job), STEP, at(0));
    }
    assert_eq!(doubt.opens_at(), Some(at(3)));
}

#[test]
fn three_that_went_to_see_confirm_it() {
    let mut doubt = doubted();
    for (job, now) in [(20, 3), (21, 6)] {
        assert_eq!(doubt.room(at(now)), 1);
        doubt.sent(JobId(job), at(now));
        assert_eq!(doubt.judge(JobId(job), crowd(300)), both(Belief::Doubted));
        doubt.doubted(JobId(job), STEP, at(now));
    }
    doubt.sent(JobId(22), at(9));
    assert_eq!(doubt.judge(JobId(22), crowd(300)), both(Belief::All));
}

#[test]
fn more_go_while_long_answers_are_on_their_way() {
    let mut doubt = doubted();
    let (mut job, mut rooms) = (100, Vec::new());
    for wave in 1..=4 {
        let now = 3 * wave;
        let room = doubt.room(at(now));
        rooms.push(room);
        for _ in 0..room {
            doubt.sent(JobId(job), at(now));
            job += 1;
        }
        assert_eq!(doubt.room(at(now)), 0);
    }
    assert_eq!(rooms, [1, 2, 4, 8]);
}

#[test]
fn a_start_without_any_success_is_judged_by_all_that_is_in_flight() {
    let mut doubt = Doubt::default();
    sent(&mut doubt, 1..=16, 0);
    let new = Crowd {
        ever_succeeded: false,
        ..crowd(500)
    };
    for job in 1..=15 {
        assert_eq!(doubt.judge(JobId(job), new), both(Belief::Doubted));
        doubt.doubted(JobId(job), STEP, at(0));
    }
    assert_eq!(doubt.judge(JobId(16), new), both(Belief::All));
}

#[test]
fn a_job_that_nobody_is_left_beside_is_believed_at_once_and_in_a_run_that_went_well_at_its_second_try()
 {
    let doubt = Doubt::default();
    let new = Crowd {
        ever_succeeded: false,
        ..crowd(1)
    };
    assert_eq!(doubt.judge(JobId(1), new), both(Belief::All));
    let mut doubt = doubted();
    let alone = doubt.judge(JobId(1), crowd(1));
    assert_eq!(
        (alone.of_request, alone.of_account),
        (Belief::Own, Belief::All)
    );
    doubt.believed_at_last();
    let resumed = Crowd {
        after_halt: true,
        ..crowd(1)
    };
    let first = doubt.judge(JobId(1), resumed);
    assert_eq!(
        (first.of_request, first.of_account),
        (Belief::Doubted, Belief::All)
    );
    assert_eq!(first.of_model, Belief::All, "it is the model's");
}

#[test]
fn after_a_halt_one_answer_is_enough() {
    let doubt = Doubt::default();
    let probe = Crowd {
        after_halt: true,
        ..crowd(300)
    };
    assert_eq!(doubt.judge(JobId(1), probe), both(Belief::All));
}

#[test]
fn where_others_can_be_tried_it_is_true_for_its_model_alone() {
    let doubt = Doubt::default();
    let probe = Crowd {
        after_halt: true,
        elsewhere: true,
        ..crowd(300)
    };
    let found = doubt.judge(JobId(1), probe);
    assert_eq!(
        [ErrorClass::Permission, ErrorClass::Billing].map(|class| found.of(class, false)),
        [Belief::Model, Belief::All]
    );
}

#[test]
fn who_gets_it_again_while_it_is_doubted_waits_longer() {
    let mut doubt = doubted();
    let waits = (0..3).map(|_| {
        let wait = doubt.wait(JobId(1), STEP);
        doubt.doubted(JobId(1), STEP, at(0));
        wait.as_secs()
    });
    assert_eq!(waits.collect::<Vec<_>>(), [6, 12, 24]);
    assert_eq!(doubt.wait(JobId(77), STEP), STEP);
}
