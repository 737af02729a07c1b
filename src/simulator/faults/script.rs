//! Scripts inside prompts: `[[sim: 529*2, 500 retry-after=1, ok]]`.
//!
//! Steps are separated by commas. A step is a case's name, perhaps `*N` right after it to stand
//! for N requests, and then options. The n-th request with the same body gets the n-th step; the
//! last step repeats for ever. `[[batch: ...]]` is the same for the call that creates the batch.
//! A step whose options name a model or a `max_tokens` is there for those requests alone; without
//! any step left a request is answered well.

use std::str::FromStr;

use super::{Case, CaseOptions, Venue};
use crate::simulator::models::Model;

const OPEN: &str = "[[sim:";
const OPEN_BATCH: &str = "[[batch:";
const CLOSE: &str = "]]";

/// Most steps of a script: a longer one is a mistake, and reading it costs every request.
const MAX_STEPS: usize = 1_000;

/// What a prompt wants to happen to it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct Script {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
struct Step {
    case: Case,
    options: CaseOptions,
    times: u32,
}

impl Script {
    /// Whether a script may be in there; cheap, and true of raw JSON too (nothing of the opening
    /// needs an escape).
    pub(in crate::simulator) fn may_be_in(text: &str) -> bool {
        text.contains(OPEN)
    }

    /// The first script of a text, if there is one.
    pub(in crate::simulator) fn find(text: &str) -> Option<Result<Self, String>> {
        steps_after(text, OPEN).map(|steps| Self::parse(steps?))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let steps = text
            .split(',')
            .map(|step| Step::parse(step.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        if steps.len() > MAX_STEPS {
            return Err(format!("a script has at most {MAX_STEPS} steps"));
        }
        Ok(Self { steps })
    }

    /// The steps that are there for requests to that model with that `max_tokens`.
    pub(in crate::simulator) fn for_requests(mut self, model: &Model, max_tokens: u32) -> Self {
        self.steps
            .retain(|step| step.options.holds_for(model, max_tokens));
        self
    }

    /// What the `nth` request (from 0) gets.
    pub(in crate::simulator) fn step(&self, nth: u32) -> (Case, CaseOptions) {
        let mut left = nth;
        let mut chosen = self.steps.last();
        for step in &self.steps {
            if left < step.times {
                chosen = Some(step);
                break;
            }
            left -= step.times;
        }
        chosen.map_or_else(
            || (Case::OK, CaseOptions::default()),
            |step| (step.case, step.options.clone()),
        )
    }
}

/// What happens to the calls that create batches, one step for each call; the last step repeats.
///
/// Read from text such as `lost-answer, 529*2, ok hidden=2m cuts=1`. A step is a [`Case`] and its
/// options; good answers, whatever their twist, create the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchScript(Script);

impl BatchScript {
    /// The first script of a text, and its own words, if there is one.
    pub(in crate::simulator) fn find(text: &str) -> Option<(&str, Result<Self, String>)> {
        match steps_after(text, OPEN_BATCH)? {
            Ok(steps) => Some((steps, steps.parse())),
            Err(reason) => Some(("", Err(reason))),
        }
    }

    /// What the `nth` call (from 0) gets.
    pub(in crate::simulator) fn step(&self, nth: u32) -> (Case, CaseOptions) {
        self.0.step(nth)
    }
}

impl FromStr for BatchScript {
    type Err = String;

    fn from_str(steps: &str) -> Result<Self, Self::Err> {
        let script = Script::parse(steps)?;
        for step in &script.steps {
            step.case.fits(Venue::Create)?;
        }
        Ok(Self(script))
    }
}

/// The steps between this opening and the close.
fn steps_after<'a>(text: &'a str, open: &str) -> Option<Result<&'a str, String>> {
    let (_, rest) = text.split_once(open)?;
    let unclosed = || format!("a script must end with `{CLOSE}`");
    Some(
        rest.split_once(CLOSE)
            .map(|(steps, _)| steps)
            .ok_or_else(unclosed),
    )
}

impl Step {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let first = words.next().ok_or_else(|| "a step is empty".to_owned())?;
        let (name, times) = match first.split_once('*') {
            None => (first, 1),
            Some((name, times)) => (name, repeats(first, times)?),
        };
        let mut options = CaseOptions::default();
        for word in words {
            options.add(word)?;
        }
        Ok(Self {
            case: name.parse()?,
            options,
            times,
        })
    }
}

fn repeats(step: &str, times: &str) -> Result<u32, String> {
    match times.parse() {
        Ok(times) if times > 0 => Ok(times),
        _ => Err(format!("`{step}` must repeat a positive number of times")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simulator::faults::RetryAfter;
    use crate::simulator::models;

    fn names(text: &str, requests: u32) -> Vec<&'static str> {
        let haiku = models::find("claude-haiku-4-5").unwrap();
        let script = Script::find(text).unwrap().unwrap();
        let script = script.for_requests(haiku, 100);
        (0..requests).map(|nth| script.step(nth).0.name()).collect()
    }

    #[test]
    fn steps_follow_each_other_and_the_last_one_repeats() {
        assert_eq!(
            names("Hello [[sim: 529*2, 500 retry-after=1, ok]] there", 6),
            ["529", "529", "500", "ok", "ok", "ok"]
        );
        assert_eq!(names("[[sim:hang]]", 2), ["hang", "hang"]);
    }

    #[test]
    fn a_step_may_be_there_for_some_requests_alone() {
        let haiku = "[[sim: 529 model=claude-haiku-4-5, 500]]";
        assert_eq!(names(haiku, 2), ["529", "500"]);
        let opus = "[[sim: 529 model=claude-opus-5, 500]]";
        assert_eq!(names(opus, 2), ["500", "500"]);
        let other_room = "[[sim: max-tokens-stop max-tokens=50, 500 max-tokens=100]]";
        assert_eq!(names(other_room, 2), ["500", "500"]);
        assert_eq!(names("[[sim: refusal model=claude-opus-5]]", 1), ["ok"]);
    }

    #[test]
    fn options_belong_to_their_step() {
        let script = Script::find("[[sim: 429 retry-after=7 details, ok]]")
            .unwrap()
            .unwrap();
        let (case, options) = script.step(0);
        assert_eq!(case.name(), "429");
        assert_eq!(options.retry_after, Some(RetryAfter::Text("7".into())));
        assert!(options.details);
        assert_eq!(script.step(1).1, CaseOptions::default());
    }

    #[test]
    fn a_text_without_a_script_has_none() {
        assert_eq!(Script::find("[[similar: 529]]"), None);
        assert!(!Script::may_be_in("plain"));
    }

    #[test]
    fn a_bad_script_says_what_is_wrong() {
        let cases = [
            ("[[sim: 530]]", "no case `530`"),
            ("[[sim: 529*0]]", "positive number"),
            ("[[sim: 529*x]]", "positive number"),
            ("[[sim: 529,, ok]]", "empty"),
            ("[[sim: ]]", "empty"),
            ("[[sim: 529 often]]", "no option `often`"),
            ("[[sim: 529", "must end"),
        ];
        for (text, reason) in cases {
            let error = Script::find(text).unwrap().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_script_for_the_creation_of_a_batch_has_an_opening_of_its_own() {
        let text = "Hi [[sim: 529]] [[batch: lost-answer, ok cuts=2 stall=0.4]]";
        assert_eq!(names(text, 1), ["529"]);
        let (words, script) = BatchScript::find(text).unwrap();
        assert_eq!(words.trim(), "lost-answer, ok cuts=2 stall=0.4");
        let script = script.unwrap();
        assert_eq!(script.step(0).0.name(), "lost-answer");
        let (case, options) = script.step(1);
        assert_eq!((case, options.batch.cuts), (Case::OK, Some(2)));
        assert_eq!(options.batch.stall, Some(0.4));
        let wrong = "item-missing".parse::<BatchScript>().unwrap_err();
        assert!(wrong.contains("requests in a batch"), "{wrong}");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in ".{0,60}") {
            let _ = Script::find(&format!("[[sim:{text}]]"));
        }

        #[test]
        fn the_nth_request_gets_the_nth_step(times in prop::collection::vec(1_u32..5, 1..8)) {
            let all: Vec<_> = Case::all().collect();
            let text: Vec<_> = times.iter().zip(&all).map(|(n, case)| format!("{case}*{n}")).collect();
            let expected: Vec<_> = times
                .iter()
                .zip(&all)
                .flat_map(|(n, case)| (0..*n).map(|_| case.name()))
                .collect();
            let total = u32::try_from(expected.len()).unwrap();
            prop_assert_eq!(names(&format!("[[sim: {}]]", text.join(",")), total), expected);
        }
    }
}
