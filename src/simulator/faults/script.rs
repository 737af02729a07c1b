//! Scripts inside prompts: `[[sim: 529*2, 500 retry-after=1, ok]]`.
//!
//! Steps are separated by commas. A step is a case's name, perhaps `*N` right behind it to stand
//! for N requests, and then options. The n-th request with the same body gets the n-th step; the
//! last step repeats for ever. A step whose options name a model or a `max_tokens` is there for
//! those requests alone; without any step left the request is answered well.

use super::{Case, CaseOptions};
use crate::simulator::models::Model;

const OPEN: &str = "[[sim:";
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
        let (_, rest) = text.split_once(OPEN)?;
        let Some((steps, _)) = rest.split_once(CLOSE) else {
            return Some(Err(format!("a script must end with `{CLOSE}`")));
        };
        Some(Self::parse(steps))
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

    /// What the `nth` request (from 0) of those to that model with that `max_tokens` gets.
    pub(in crate::simulator) fn step(
        &self,
        nth: u32,
        model: &Model,
        max_tokens: u32,
    ) -> (Case, CaseOptions) {
        let holds = |step: &&Step| step.options.holds_for(model, max_tokens);
        let steps = || self.steps.iter().filter(holds);
        let mut left = nth;
        let mut chosen = steps().last();
        for step in steps() {
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
        let script = Script::find(text).unwrap().unwrap();
        let haiku = models::find("claude-haiku-4-5").unwrap();
        let case = |nth| script.step(nth, haiku, 100).0;
        (0..requests).map(|nth| case(nth).name()).collect()
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
        let haiku = models::find("claude-haiku-4-5").unwrap();
        let (case, options) = script.step(0, haiku, 100);
        assert_eq!(case.name(), "429");
        assert_eq!(options.retry_after, Some(RetryAfter::Text("7".into())));
        assert!(options.details);
        assert_eq!(script.step(1, haiku, 100).1, CaseOptions::default());
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
