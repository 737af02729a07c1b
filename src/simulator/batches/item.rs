//! One request of a batch: what it is answered with.

use tokio::time::Instant;

use super::records::ItemOutcome;
use crate::simulator::answer::{self, Question};
use crate::simulator::body_hash::body_hash;
use crate::simulator::cache::CacheUse;
use crate::simulator::canned::Canned;
use crate::simulator::choice::{choose, script};
use crate::simulator::errors::ApiError;
use crate::simulator::faults::{Act, Break, Case, CaseOptions, ItemTwist, Twist, Venue};
use crate::simulator::message::Message;
use crate::simulator::request::{self, Ask, Endpoint, Fields};
use crate::simulator::tokens;
use crate::simulator::validate::{self, Dialect};
use crate::simulator::world::World;

/// What is kept of a request beside its parameters: enough to answer it again in the same way.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) custom_id: Box<str>,
    pub(super) state: ItemState,
    /// How often its body had been admitted before.
    nth: u32,
    /// What it read from the cache and wrote to it.
    cached: [u32; 3],
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemState {
    Waiting,
    /// Its turn came, and it hangs until the batch closes.
    Stuck,
    Ended(ItemOutcome),
}

impl Item {
    pub(super) fn new(custom_id: Box<str>) -> Self {
        Self {
            custom_id,
            state: ItemState::Waiting,
            nth: 0,
            cached: [0; 3],
        }
    }
}

/// What a request gets.
#[derive(Debug)]
pub(super) enum Verdict {
    Message(Box<Message>),
    Error(ApiError),
    Expired,
    Canceled,
    Stuck,
}

/// What a request gets, and what happens to the line that tells of it.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) verdict: Verdict,
    pub(super) flaw: Option<ItemTwist>,
}

impl From<Verdict> for Answered {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            flaw: None,
        }
    }
}

/// Where the requests of one batch are answered.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) world: &'a World,
    pub(super) dialect: Dialect<'a>,
    /// The batch's number, and when it was created.
    pub(super) batch: u32,
    pub(super) created: Instant,
}

impl Desk<'_> {
    /// Does a request whose turn came at `due`, and books what it costs.
    pub(super) fn work(&self, item: &mut Item, params: &[u8], due: Instant) {
        let verdict = match read(params, self.dialect) {
            Ok(ask) => self.first_answer(item, &ask, params, due),
            Err(error) => Verdict::Error(error),
        };
        item.state = match verdict {
            Verdict::Message(_) => ItemState::Ended(ItemOutcome::Succeeded),
            Verdict::Error(_) => ItemState::Ended(ItemOutcome::Errored),
            Verdict::Expired => ItemState::Ended(ItemOutcome::Expired),
            Verdict::Canceled => ItemState::Ended(ItemOutcome::Canceled),
            Verdict::Stuck => ItemState::Stuck,
        };
    }

    fn first_answer(&self, item: &mut Item, ask: &Ask<'_>, params: &[u8], due: Instant) -> Verdict {
        let world = self.world;
        // Requests of a batch run side by side: none sees what another has just written.
        let cached = if world.settings.batches.shared_cache {
            world.cache.plan(ask, due)
        } else {
            let batch = (self.batch, self.created);
            world.cache.plan_in_batch(ask, due, batch)
        };
        let hash = body_hash(params);
        // Kept with the item, so that every download of the results tells the same answer.
        item.nth = world.records.admitted(hash);
        // The cache goes on changing; what this answer read of it does not.
        item.cached = cached.tokens();
        let answered = self.answer(ask, params, (hash, item.nth), &cached);
        if let Verdict::Message(message) = &answered.verdict {
            world.cache.store_in_batch(&cached, due, self.batch);
            // The books of the simulator tell what a client can have read, to be compared with its
            // own.
            let unreadable = [ItemTwist::MissingLine, ItemTwist::UnreadableLine];
            let readable = answered.flaw.is_none_or(|flaw| !unreadable.contains(&flaw));
            let model = ask.model.id;
            world.records.book_item(model, &message.usage, readable);
        }
        answered.verdict
    }

    /// Answers a request once more that has succeeded or failed.
    pub(super) fn replay(&self, item: &Item, params: &[u8]) -> Answered {
        let cached = CacheUse::settled(item.cached);
        match read(params, self.dialect) {
            Ok(ask) => self.answer(&ask, params, (body_hash(params), item.nth), &cached),
            Err(error) => Verdict::Error(error).into(),
        }
    }

    fn answer(
        &self,
        ask: &Ask<'_>,
        params: &[u8],
        (hash, nth): (u64, u32),
        cached: &CacheUse,
    ) -> Answered {
        let chosen = script(ask, params)
            .and_then(|script| choose(self.world, script, Venue::Item, hash, nth));
        let (case, options) = match chosen {
            Ok(chosen) => chosen,
            Err(error) => return Verdict::Error(error).into(),
        };
        let question = Question {
            ask,
            prompt_tokens: tokens::of_prompt(ask),
            cached,
            service_tier: "batch",
            seed: self.world.settings.seed,
            body: hash,
            nth,
            output: self.world.settings.output,
        };
        self.apply(case, &options, &question)
    }

    fn apply(&self, case: Case, options: &CaseOptions, question: &Question<'_>) -> Answered {
        let message = |twist| Verdict::Message(Box::new(answer::message(question, twist)));
        let act = case.act();
        match act {
            Act::Answer(twist) => message(twist).into(),
            Act::Item(ItemTwist::Expired) => Verdict::Expired.into(),
            Act::Item(ItemTwist::Canceled) => Verdict::Canceled.into(),
            Act::Item(twist) => Answered {
                verdict: match twist {
                    ItemTwist::FlatError => Verdict::Error(overloaded()),
                    _ => message(Twist::Plain),
                },
                flaw: Some(twist),
            },
            Act::Break(Break::Hang) => Verdict::Stuck.into(),
            // A result has no status of its own, so only the error is left of this case.
            Act::Break(Break::ErrorBodyAt200) => Verdict::Error(overloaded()).into(),
            _ => {
                let canned = Canned {
                    options,
                    epoch: &self.world.epoch,
                    model: question.ask.model.id,
                    max_tokens: question.ask.max_tokens,
                };
                // What breaks on the way to a client breaks inside the service here.
                let broken = || ApiError::new(500, "api_error", "Internal server error");
                Verdict::Error(canned.error(act).unwrap_or_else(broken)).into()
            }
        }
    }
}

fn overloaded() -> ApiError {
    ApiError::new(529, "overloaded_error", "Overloaded")
}

/// Reads and checks the parameters of a request, which is done when its turn comes.
fn read<'a>(params: &'a [u8], dialect: Dialect<'_>) -> Result<Ask<'a>, ApiError> {
    let fields = request::fields(params)?;
    validate::known_fields(&fields, Endpoint::Messages, dialect)?;
    // Before the values: the API refuses these keys whatever they hold.
    unsupported(&fields)?;
    let ask = Ask::read(fields, Endpoint::Messages)?;
    if ask.stream {
        return Err(ApiError::invalid(
            "\"stream=True\" is not supported in the Message Batches API",
        ));
    }
    // Zero only warms the cache, which is for the live lane.
    if ask.max_tokens == 0 {
        return Err(ApiError::invalid(
            "max_tokens: must be greater than or equal to 1",
        ));
    }
    validate::check(&ask, dialect)?;
    Ok(ask)
}

/// What is known and not taken in batches. The wording is not publicly known.
fn unsupported(fields: &Fields<'_>) -> Result<(), ApiError> {
    match ["speed", "fallbacks"]
        .into_iter()
        .find(|name| fields.get(name).is_some())
    {
        None => Ok(()),
        Some(name) => Err(ApiError::invalid(format!(
            "\"{name}\" is not supported in the Message Batches API"
        ))),
    }
}

/// The first characters of a request's last user message, as far as it can be read.
pub(super) fn prompt(params: &[u8], characters: usize) -> String {
    let ask = request::fields(params).and_then(|fields| Ask::read(fields, Endpoint::CountTokens));
    ask.map(|ask| ask.prompt().chars().take(characters).collect())
        .unwrap_or_default()
}
