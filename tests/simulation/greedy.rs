//! A service that bills whatever a request allows, also for answers that never arrive: the budget
//! holds at every moment.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use claude_run::engine::{Ending, LimitSettings};
use claude_run::model::{ErrorClass, Evidence, HaltReason, Pico, RateLimits, Tokens, Usage};
use claude_run::policy::PriceTable;
use claude_run::provider::{Failure, Message, Provider, Reply, Request, Reserved};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::world::{Plan, World, seeds};

/// What the results of one search add to the prompt: many.
const RESULTS: u64 = 20_000;

#[derive(Debug)]
struct Books {
    rng: Rng,
    /// Billed, whether anybody knows or not.
    billed: Pico,
    /// What open requests can still be billed.
    open: Pico,
    /// The most that both together ever were.
    most: Pico,
    /// What answers and breaks are like.
    always_in_full: bool,
}

/// The service.
struct Greedy {
    books: Mutex<Books>,
    prices: PriceTable,
}

/// A request on the wire. When the client goes away, it is billed in full.
struct Open<'a> {
    greedy: &'a Greedy,
    most: Pico,
    billed: Option<Pico>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut books = self.greedy.books();
        books.open = books.open - self.most;
        books.billed += self.billed.unwrap_or(self.most);
    }
}

impl Greedy {
    fn new(seed: u64, always_in_full: bool) -> Arc<Self> {
        let books = Books {
            rng: Rng::with_seed(seed),
            billed: Pico::ZERO,
            open: Pico::ZERO,
            most: Pico::ZERO,
            always_in_full,
        };
        Arc::new(Self {
            books: Mutex::new(books),
            prices: PriceTable::embedded(),
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// What is billed, and the most that it was at any moment with what was open.
    fn billed(&self) -> (Pico, Pico) {
        let books = self.books();
        assert_eq!(books.open, Pico::ZERO);
        (books.billed, books.most)
    }

    fn price(&self, body: &Value, usage: &Usage) -> Pico {
        let at = "2026-11-22T00:00:00Z".parse().unwrap();
        let cost = self.prices.cost(body["model"].as_str().unwrap(), usage, at);
        assert!(!cost.unknown_price);
        cost.total
    }

    fn open(&self, most: Pico) -> Open<'_> {
        let mut books = self.books();
        books.open += most;
        let now = books.billed + books.open;
        books.most = books.most.max(now);
        Open {
            greedy: self,
            most,
            billed: None,
        }
    }
}

/// Everything that the request allows: a token for every byte, written to the cache where it is
/// marked, all searches and a round for each, the whole of `max_tokens`, in a dearer region.
fn everything(text: &str, body: &Value) -> Usage {
    let (bytes, output) = (text.len() as u64, body["max_tokens"].as_u64().unwrap());
    let searches = body["tools"][0]["max_uses"].as_u64().unwrap_or(0);
    let again = searches.min(9);
    let rounds = (1..=again).map(|n| bytes + output + (searches - again + n) * RESULTS);
    let input = bytes + rounds.sum::<u64>();
    let is_marked = text.contains("cache_control");
    let (input, written) = if is_marked { (0, input) } else { (input, 0) };
    Usage {
        tokens: Tokens {
            input,
            output,
            cache_write_1h: written,
            ..Tokens::default()
        },
        web_searches: searches,
        us_geo: true,
        ..Usage::default()
    }
}

impl Provider for Greedy {
    async fn send(&self, request: Request) -> Reply {
        let text = request.body.as_str();
        let body: Value = serde_json::from_str(text).unwrap();
        let full = everything(text, &body);
        let mut open = self.open(self.price(&body, &full));
        let (latency, draw) = {
            let mut books = self.books();
            let latency = Duration::from_millis(books.rng.u64(100..20_000));
            let draw = if books.always_in_full {
                99
            } else {
                books.rng.u32(0..100)
            };
            (latency, draw)
        };
        tokio::time::sleep(latency).await;
        let short = Usage {
            tokens: Tokens {
                input: 12,
                output: 5,
                ..Tokens::default()
            },
            ..Usage::default()
        };
        let result = match draw {
            // Billed, and the answer is lost.
            0..15 => Err(failure(ErrorClass::ConnectionCut, None)),
            15..30 => {
                open.billed = Some(Pico::ZERO);
                Err(failure(ErrorClass::Overloaded, Some(529)))
            }
            30..70 => {
                open.billed = Some(self.price(&body, &short));
                Ok(message(&body, short))
            }
            _ => Ok(message(&body, full)),
        };
        drop(open);
        Reply {
            result,
            limits: RateLimits::default(),
            latency,
            reserved: Reserved::default(),
        }
    }
}

fn message(body: &Value, usage: Usage) -> Message {
    Message {
        note: None,
        raw: r#"{"id":"msg_1","type":"message"}"#.to_owned(),
        model: body["model"].as_str().map(str::to_owned),
        stop_reason: Some("end_turn".to_owned()),
        mark: None,
        usage,
        request_id: None,
    }
}

fn failure(class: ErrorClass, http_status: Option<u16>) -> Box<Failure> {
    Box::new(Failure {
        unsent: false,
        revision: None,
        class,
        evidence: Evidence {
            http_status,
            message: Some(class.info().meaning.to_owned()),
            ..Evidence::default()
        },
        message: None,
        partial: None,
    })
}

/// Prompts and bounds of very different sizes, some with searches, some marked for the cache.
fn body(line: u64, model: &str) -> String {
    let mut rng = Rng::with_seed(line);
    let words = "wörter ☃ ".repeat(rng.usize(1..40) * if rng.u8(0..9) == 0 { 300 } else { 1 });
    let mut block = json!({"type": "text", "text": words});
    if rng.u8(0..4) == 0 {
        block["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
    }
    let mut body = json!({
        "model": model, "max_tokens": rng.u64(1..8_000),
        "messages": [{"role": "user", "content": [block]}],
    });
    if rng.u8(0..4) == 0 {
        body["tools"] = json!([{"type": "web_search_20250305", "name": "web_search",
            "max_uses": rng.u64(1..4)}]);
    }
    body.to_string()
}

fn plan(seed: u64, budget: Pico) -> Plan {
    let limits = LimitSettings {
        budget: Some(budget),
        ..LimitSettings::default()
    };
    World::new(seed)
        .jobs_of("claude-haiku-5-5", 60)
        .jobs_of("claude-sonnet-5-5", 60)
        .jobs_of("claude-opus-5-5", 30)
        .concurrency(100)
        .bodies(body)
        .limits(limits)
}

#[test]
fn at_no_moment_can_what_is_billed_and_what_is_open_exceed_the_budget() {
    let mut halted = 0;
    for seed in seeds(12) {
        let mut rng = Rng::with_seed(seed ^ 0xB0D6);
        let budget = Pico(Pico::USD.0 / 100 * i128::from(rng.u32(300..2_000)));
        let greedy = Greedy::new(seed, seed % 3 == 0);
        plan(seed, budget).block_on(async |world| {
            let ending = world.dispatch_to(&greedy).await;
            halted += u32::from(
                matches!(&ending, Ending::Halted(halt) if (halt.reason == HaltReason::OwnBudget)),
            );
            let (billed, most) = greedy.billed();
            assert!(most <= budget, "seed {seed}: {most} of {budget}");
            let cost = world.run().await.cost;
            assert!(cost <= billed, "seed {seed}: {cost} of {billed}");
        });
    }
    assert!(
        halted > 2,
        "the stories end before the money does: {halted}"
    );
}

#[test]
fn what_may_have_been_billed_stays_held_over_crashes() {
    for seed in seeds(8) {
        let budget = Pico(Pico::USD.0 * 8);
        let greedy = Greedy::new(seed, false);
        plan(seed, budget).block_on(async |world| {
            for _ in 0..4 {
                let crash = tokio::time::sleep(world.random_instant(30_000));
                tokio::select! {
                    _ = world.dispatch_to(&greedy) => return,
                    () = crash => {}
                }
            }
            world.dispatch_to(&greedy).await;
            let (_, most) = greedy.billed();
            assert!(most <= budget, "seed {seed}: {most} of {budget}");
        });
    }
}
