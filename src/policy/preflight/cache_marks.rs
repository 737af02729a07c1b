//! `cache_control`: how many marks, where, in which order, and whether they do anything.

use super::Draft;
use super::fault::{Faults, Rule, Step};
use crate::model::{JsonView, ObjectView};
use crate::policy::ModelClasses;
use crate::policy::estimate::Prompt;
use crate::policy::rate_budget::numbers::count;

/// Marks that one request may have, the automatic one included.
const MOST: usize = 4;
/// An estimate is off by some per cent: a prefix is told that is shorter than the least by more.
const SURELY: f64 = 0.7;

/// A mark, and where it stands.
struct Mark {
    place: Vec<Step>,
    for_an_hour: bool,
}

pub(super) fn look_over(request: &Draft<'_, '_>, faults: &mut Faults) {
    // Most requests have none: one search over the text settles it.
    if memchr::memmem::find(request.body.raw().as_bytes(), b"\"cache_control\"").is_none() {
        return;
    }
    let mut marks = Vec::new();
    let mut found = Found {
        marks: &mut marks,
        faults,
    };
    // In the order in which the API puts the prompt together.
    found.items(request.given("tools"), &[Step::Key("tools")]);
    found.items(request.given("system"), &[Step::Key("system")]);
    let messages = request.given("messages").and_then(JsonView::items);
    for (index, message) in messages.into_iter().flatten().enumerate() {
        let content = message
            .members()
            .and_then(|message| message.last("content"));
        let place = [
            Step::Key("messages"),
            Step::Index(index),
            Step::Key("content"),
        ];
        found.items(content, &place);
    }
    let automatic = usize::from(request.given("cache_control").is_some());
    if marks.len() + automatic > MOST {
        let place = &marks[MOST - automatic].place;
        faults.at(
            Rule::CacheMarks,
            place,
            format_args!(
                "is one of {} marks, and {MOST} are allowed: take the others out",
                marks.len() + automatic
            ),
        );
    }
    order(&marks, faults);
    too_short(request, &marks, faults);
}

struct Found<'f> {
    marks: &'f mut Vec<Mark>,
    faults: &'f mut Faults,
}

impl Found<'_> {
    fn items(&mut self, list: Option<&JsonView<'_>>, place: &[Step]) {
        let items = list.and_then(JsonView::items);
        for (index, item) in items.into_iter().flatten().enumerate() {
            if let Some(item) = item.members() {
                let mut at = place.to_vec();
                at.extend([Step::Index(index), Step::Key("cache_control")]);
                self.mark(item, at);
            }
        }
    }

    fn mark(&mut self, block: &ObjectView<'_>, place: Vec<Step>) {
        let Some(mark) = block.last("cache_control").filter(|mark| !mark.is_null()) else {
            return;
        };
        let text = |key| block.last(key).and_then(JsonView::text);
        match text("type").as_deref() {
            Some("thinking" | "redacted_thinking") => self.faults.at(
                Rule::CacheMarks,
                &place,
                "cannot stand on a block of thinking: put it on the block before",
            ),
            Some("text") if text("text").is_some_and(|text| text.trim().is_empty()) => {
                self.faults.at(
                    Rule::CacheMarks,
                    &place,
                    "cannot stand on a blank text: put it on the block before",
                );
            }
            _ => {}
        }
        let ttl = mark.members().and_then(|mark| mark.last("ttl")?.text());
        self.marks.push(Mark {
            place,
            for_an_hour: ttl.as_deref() == Some("1h"),
        });
    }
}

/// What is kept for an hour comes before what is kept for five minutes.
fn order(marks: &[Mark], faults: &mut Faults) {
    let late = marks
        .windows(2)
        .find(|pair| !pair[0].for_an_hour && pair[1].for_an_hour);
    if let Some([_, late]) = late {
        faults.at(
            Rule::CacheMarks,
            &late.place,
            "keeps for an hour what stands behind a mark of five minutes: put the marks of an hour first (tools, system, messages)",
        );
    }
}

fn too_short(request: &Draft<'_, '_>, marks: &[Mark], faults: &mut Faults) {
    let Some(sizes) = request.sizes else { return };
    let (Some(least), Some(longest_mark)) = (sizes.min_cacheable_tokens, marks.last()) else {
        return;
    };
    let factor = ModelClasses::embedded().tokenizer_factor(&sizes.id);
    let prompt = Prompt::of(request.body);
    let longest = prompt
        .prefixes
        .last()
        .map_or(f64::INFINITY, |prefix| prefix.tokens);
    if longest * factor < count(least) * SURELY {
        faults.at(
            Rule::CacheTooShort,
            &longest_mark.place,
            format_args!(
                "does nothing: {} caches from {least} tokens on, and these are about {:.0}: take the mark out, or move it behind more text",
                sizes.id,
                longest * factor
            ),
        );
    }
}
